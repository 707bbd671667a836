"""The usual chain of transforms for a whole batch of bytes, on the CPU or on a GPU, in one pass over memory.

Bytes travel to the GPU, a quarter of what floats take. There are 256 of them: what scaling, normalization and rounding to
the number type make of each is worked out once, by the transforms themselves, so the numbers are theirs to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...backend import Array, Kernel, backend_of, blocks, empty
from ...dtypes import HALVES, get_default_dtype, to_dtype
from ...errors import ArgumentError
from ...generator import current
from ...tensor import Tensor
from .base import Compose, Normalize, ToTensor, Transform
from .random import Cutout, RandomCrop, RandomHorizontalFlip
from .values import scale

__all__ = ["Batched"]

BORDER = 256  # the column of the table for what lies outside of an image
ORDER = (RandomCrop, RandomHorizontalFlip, ToTensor, Normalize, Cutout)


@Kernel
def redraw(xp, table, x, source, places, y, side):
    """y = table[channel, byte], the byte being that of the pixel from which each pixel of y comes.

    ``x`` is (n, c, pixels). ``source`` says which of an image's pixels lies where in the image with its border, or -1.
    ``places`` has for each image top and left of the part to take, 1 to flip it, and top and left of the square of
    zeros with this ``side``.
    """
    n, c, oh, ow = y.shape
    top, left, flip, row, column = (places[:, i, None, None] for i in range(5))
    r, q = xp.arange(oh)[:, None], xp.arange(ow)
    at = source[top + r, left + xp.where(flip != 0, ow - 1 - q, q)][:, None]
    image, channel = xp.arange(n)[:, None, None, None], xp.arange(c)[:, None, None]
    byte = xp.where(at < 0, BORDER, x[image, channel, xp.maximum(at, 0)].astype(np.int32))
    cut = (r >= row) & (r < row + side) & (q >= column) & (q < column + side)
    y[...] = table[channel, byte] * (~cut[:, None]).astype(table.dtype)


@redraw.cpu(over=lambda table, x, *_: len(x), work=1 << 12)
def _redraw_loop(start, stop, table, x, source, places, y, side):
    _, c, oh, ow = y.shape
    for i in range(start, stop):
        top, left, flip, row, column = places[i]
        for j in range(c):
            for r in range(oh):
                for q in range(ow):
                    at = source[top + r, left + (ow - 1 - q if flip else q)]
                    if row <= r < row + side and column <= q < column + side:
                        y[i, j, r, q] = 0
                    else:
                        y[i, j, r, q] = table[j, x[i, j, at] if at >= 0 else BORDER]


@redraw.cuda
def _redraw_cuda(table, x, source, places, y, side):
    n, c, oh, ow = y.shape
    yc, _, yp = (s // y.itemsize for s in y.strides[1:])
    xc, xp = x.strides[1:]
    sizes = (n, c, oh, ow, source.shape[1], side, c * x.shape[2], xc, xp, yc, yp)
    return blocks(n * oh * ow), (table, x, source, places, y, *sizes)


class Batched(Transform):
    """RandomCrop, RandomHorizontalFlip, ToTensor, Normalize and Cutout for many images at once, where these lie.

    Each image has its own random numbers: those it would get from the same transforms one by one, in the same order,
    so a seed gives torchvision's images. On a GPU it is one kernel, and halves are stored channels-last there, as
    convolutions want them.

    Args:
        transforms: any of these, each at most once and in this order; ToTensor is needed.
        dtype: the number type of the result; the default dtype unless given.

    Shapes: uint8 ``(n, c, h, w)`` or ``(n, h, w, c)`` -> ``(n, c, height, width)``

    Raises:
        ValueError: other transforms, or another order.
        TypeError: the images are no uint8 Tensor of four dimensions.

    >>> import tinyconv as tc
    >>> augment = Batched([RandomCrop(4, padding=1), ToTensor(), Normalize((0.5,), (0.5,))])
    >>> augment(tc.full((2, 1, 4, 4), 255, dtype=tc.uint8)).amax((1, 2, 3))
    tensor([1., 1.])
    """

    def __init__(self, transforms: Sequence[Transform] | Compose, dtype: Any = None) -> None:
        self.transforms = list(
            transforms.transforms if isinstance(transforms, Compose) else transforms
        )
        self.dtype = None if dtype is None else to_dtype(dtype)
        kinds = [type(step) for step in self.transforms]
        if [kind for kind in ORDER if kind in kinds] != kinds or ToTensor not in kinds:
            raise ArgumentError(
                f"Batched takes {', '.join(kind.__name__ for kind in ORDER)}: each at most once, in this order, and "
                "ToTensor in any case",
                f"Got {', '.join(kind.__name__ for kind in kinds)}. What comes before can be done in the dataset.",
            )
        self._steps: dict[Any, Any] = dict(zip(kinds, self.transforms, strict=True))
        self._tables: dict[Any, tuple[Array, Array]] = {}

    def __call__(self, img: Tensor) -> Tensor:
        if not isinstance(img, Tensor) or img.array.dtype != np.uint8 or img.ndim != 4:
            got = f"{img.dtype} {tuple(img.shape)}" if isinstance(img, Tensor) else type(img)
            raise TypeError(
                f"Batched expects a uint8 Tensor (n, c, h, w) or (n, h, w, c), but got {got}\n"
                "The bytes themselves are needed: leave ToTensor() out of the dataset."
            )
        x = img.array
        if x.shape[1] not in (1, 3, 4) and x.shape[3] in (1, 3, 4):
            x = x.transpose(0, 3, 1, 2)
        backend, (n, c, h, w) = backend_of(x), x.shape
        dtype = get_default_dtype() if self.dtype is None else self.dtype
        key = (backend.name, backend.index(x), c, h, w, dtype, get_default_dtype())
        if key not in self._tables:
            made = self._table(c).astype(dtype.numpy), self._source(h, w)
            self._tables[key] = backend.from_numpy(made[0]), backend.from_numpy(made[1])
        table, source = self._tables[key]
        crop, cutout = self._steps.get(RandomCrop), self._steps.get(Cutout)
        size = (h, w) if crop is None else crop.size
        last = backend.name != "cpu" and dtype.numpy in HALVES
        y = (
            empty(backend.xp, (n, *size, c), dtype.numpy).transpose(0, 3, 1, 2)
            if last
            else empty(backend.xp, (n, c, *size), dtype.numpy)
        )
        places = backend.from_numpy(self._places(n, source.shape, size))
        redraw(table, _pixels(x), source, places, y, 0 if cutout is None else cutout.length)
        return Tensor.wrap(y)

    def _table(self, c: int) -> np.ndarray:
        """What becomes of each byte in each channel, and of the border: (c, 257)."""
        image = np.empty((1, c, 1, BORDER + 1), np.uint8)
        image[..., :BORDER] = np.arange(BORDER)
        crop = self._steps.get(RandomCrop)
        image[0, :, 0, BORDER] = 0 if crop is None else crop.fill
        row = Tensor.wrap(scale(image))
        if Normalize in self._steps:
            row = self._steps[Normalize](row)
        return np.ascontiguousarray(row.array.reshape(c, BORDER + 1))

    def _source(self, h: int, w: int) -> np.ndarray:
        """Which pixel lies where in an image with its border; the border is -1."""
        pixels = Tensor.wrap(np.arange(h * w, dtype=np.int32).reshape(1, 1, h, w))
        if RandomCrop in self._steps:
            c: RandomCrop = self._steps[RandomCrop]
            pixels = RandomCrop(c.size, c.padding, c.pad_if_needed, -1, c.padding_mode).prepare(
                pixels
            )
        return np.ascontiguousarray(pixels.array[0, 0])

    def _places(self, n: int, prepared: Any, size: Any) -> np.ndarray:
        """Chance: for each image the numbers that ``redraw`` needs."""
        sizes = [prepared if kind is RandomCrop else size for kind in self._steps]
        counts = [step.words(*s) for step, s in zip(self._steps.values(), sizes, strict=True)]
        words = current().random32(n * sum(counts)).reshape(n, sum(counts))
        columns = np.split(words, np.cumsum(counts)[:-1], axis=1)
        own = dict(zip(self._steps, columns, strict=True))
        places = np.zeros((n, 5), np.int32)
        if RandomCrop in own:
            places[:, 0], places[:, 1] = self._steps[RandomCrop].corner(own[RandomCrop], *prepared)
        if RandomHorizontalFlip in own:
            step = self._steps[RandomHorizontalFlip]
            places[:, 2] = step.happens(own[RandomHorizontalFlip])
        if Cutout in own:
            places[:, 3], places[:, 4] = self._steps[Cutout].corner(own[Cutout], *size)
        return places

    def __repr__(self) -> str:
        body = "\n".join(f"    {step}" for step in self.transforms)
        return (
            f"Batched(\n{body}\n)"
            if self.dtype is None
            else f"Batched(\n{body}\n    {self.dtype}\n)"
        )


def _pixels(x: Array) -> Array:
    """Images (n, c, h, w) as (n, c, h * w), in whichever of the two orders they lie in memory."""
    n, c, h, w = x.shape
    turned = x.transpose(0, 2, 3, 1)
    if turned.flags.c_contiguous and not x.flags.c_contiguous:
        return turned.reshape(n, h * w, c).transpose(0, 2, 1)
    return backend_of(x).xp.ascontiguousarray(x).reshape(n, c, h * w)
