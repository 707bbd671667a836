"""Pictures of tensors: grids, files, and boxes and masks drawn on images."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from ..autograd import no_grad
from ..creation import tensor as make_tensor
from ..dtypes import bool_, uint8
from ..ops import cat, stack
from ..tensor import Tensor
from . import pillow
from .transforms.values import pil_to_tensor, to_pil_image

__all__ = ["draw_bounding_boxes", "draw_segmentation_masks", "make_grid", "save_image"]

Colour = str | tuple[int, ...]
Colours = Sequence[Colour] | Colour | None


# ---------------------------------------------------------------------------------- grids and files


@no_grad()
def make_grid(
    tensor: Tensor | list[Tensor],
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Tensor:
    """Lay images out in rows, as one image.

    ``(N, C, H, W) -> (C, rows * (H + padding) + padding, columns * (W + padding) + padding)``; a
    single image (C, H, W) or (H, W) stays without a border. One channel becomes three.

    Args:
        tensor: images, or a list of images of one size
        nrow: images in a row
        padding: pixels between images and around them
        normalize: shift and stretch the numbers to 0..1
        value_range: what becomes 0 and 1; by default the least and the greatest number
        scale_each: look for these image by image
        pad_value: number between the images

    >>> import tinyconv as tc
    >>> make_grid(tc.ones(3, 1, 2, 2), nrow=2, padding=1)[0]
    tensor([[0., 0., 0., 0., 0., 0., 0.],
            [0., 1., 1., 0., 1., 1., 0.],
            [0., 1., 1., 0., 1., 1., 0.],
            [0., 0., 0., 0., 0., 0., 0.],
            [0., 1., 1., 0., 0., 0., 0.],
            [0., 1., 1., 0., 0., 0., 0.],
            [0., 0., 0., 0., 0., 0., 0.]])
    """
    images = _batch(tensor)
    if normalize:
        if value_range is not None and not isinstance(value_range, tuple):
            raise TypeError(
                "value_range has to be a tuple (min, max) if specified. min and max are numbers\n"
                f"Got {value_range!r} of type {type(value_range).__name__}."
            )
        images = images.clone()
        for part in images if scale_each else [images]:
            low, high = value_range or (part.min().item(), part.max().item())
            part.clamp_(low, high).sub_(low).div_(max(high - low, 1e-5))
    n, c, h, w = images.shape
    if n == 1:
        return images[0]
    columns = min(nrow, n)
    down, right = h + padding, w + padding
    size = c, math.ceil(n / columns) * down + padding, columns * right + padding
    grid = images.new_full(size, pad_value)
    for k, image in enumerate(images):
        top, left = k // columns * down + padding, k % columns * right + padding
        grid[:, top : top + h, left : left + w] = image
    return grid


def _batch(tensor: Tensor | list[Tensor]) -> Tensor:
    """Return images (N, C, H, W) of at least three channels."""
    for item in tensor if isinstance(tensor, list) else [tensor]:
        if not isinstance(item, Tensor):
            got = "a list containing " if isinstance(tensor, list) else ""
            raise TypeError(
                f"tensor or list of tensors expected, got {got}{type(item)}\n"
                "Turn images into tensors by transforms.ToTensor()."
            )
    images: Any = stack(tensor) if isinstance(tensor, list) else tensor
    if images.ndim not in (2, 3, 4):
        raise ValueError(
            f"make_grid() expects images (H, W), (C, H, W) or (N, C, H, W), got {images.shape}\n"
            "Reshape them to (N, C, H, W): images.flatten(0, -4)."
        )
    images = images[(None,) * (4 - images.ndim)]
    return cat([images] * 3, 1) if images.shape[1] == 1 else images


@no_grad()
def save_image(
    tensor: Tensor | list[Tensor],
    fp: str | Path | BinaryIO,
    format: str | None = None,
    **kwargs: Any,
) -> None:
    """Write an image of floats 0..1, or a grid of several, to a file.

    Args:
        tensor: what :func:`make_grid` takes
        fp: name of a file, or a file open for writing
        format: Pillow's name of the format; by default that of the file's ending
        kwargs: passed on to :func:`make_grid`

    Raises:
        ModuleNotFoundError: Pillow is not installed
    """
    pillow.require()
    pixels = make_grid(tensor, **kwargs).mul(255).add_(0.5).clamp_(0, 255).to("cpu", uint8)
    pillow.from_array(pixels.permute(1, 2, 0).contiguous().numpy()).save(fp, format=format)


# ------------------------------------------------------------------------------------ boxes and masks


@no_grad()
def draw_bounding_boxes(
    image: Tensor,
    boxes: Tensor,
    labels: list[str] | None = None,
    colors: Colours = None,
    fill: bool = False,
    width: int = 1,
    font: str | None = None,
    font_size: int | None = None,
    label_colors: Colours = None,
    label_background_colors: Colours = None,
    fill_labels: bool = False,
) -> Tensor:
    """Draw rectangles on an image, and return it as a new Tensor of the same number type.

    Args:
        image: (3, H, W) or (1, H, W), uint8 or floats 0..1
        boxes: (N, 4): left, top, right and bottom in pixels
        labels: N words, written into the boxes
        colors: one colour for all or one for each, by name or as (red, green, blue)
        fill: fill the boxes, too, for the most part transparent
        width: of the lines, in pixels
        font: a file with a TrueType font
        font_size: in points
        label_colors: of the words; by default those of the boxes, or black on a filled ground
        label_background_colors: of the ground of the words; by default those of the boxes
        fill_labels: fill the ground of the words

    Raises:
        ModuleNotFoundError: Pillow is not installed
    """
    _check_image(image, (1, 3), f"Tensor expected, got {type(image)}")
    if len(boxes) == 0:
        warnings.warn("boxes doesn't contain any box. No box was drawn", stacklevel=2)
        return image
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(
            f"boxes must be of shape (N, 4), got {tuple(boxes.shape)}\n"
            "A box is (xmin, ymin, xmax, ymax); turned ones are not drawn."
        )
    if bool((boxes[:, :2] > boxes[:, 2:]).any()):
        raise ValueError(
            "Boxes need to be in (xmin, ymin, xmax, ymax) format. Use torchvision.ops.box_convert "
            "to convert them\nA box ends left of or above its beginning."
        )
    n = len(boxes)
    if labels is not None and len(labels) != n:
        raise ValueError(
            f"Number of boxes ({n}) and labels ({len(labels)}) mismatch. "
            "Please specify labels for each box.\nWrite '' where there is nothing to say."
        )
    pillow.require()
    lines = _colours(colors, n)
    inks = _colours(label_colors or "black", n) if label_colors or fill_labels else lines
    grounds = _colours(label_background_colors, n) if label_background_colors else lines
    if font is None and font_size is not None:
        warnings.warn("Argument 'font_size' will be ignored since 'font' is not set.", stacklevel=2)
    letters = (
        pillow.ImageFont.truetype(font=font, size=font_size or 10)
        if font
        else pillow.ImageFont.load_default()
    )
    pixels = image if image.dtype is uint8 else (image * (256 - 1e-3)).to(uint8)
    picture = to_pil_image(pixels.expand(3, -1, -1))
    draw = pillow.ImageDraw.Draw(picture, "RGBA" if fill else None)
    words: Sequence[str | None] = labels or [None] * n
    for box, line, word, ink, ground in zip(
        boxes.long().tolist(), lines, words, inks, grounds, strict=False
    ):
        draw.rectangle(box, width=width, outline=line, fill=(*line, 100) if fill else None)
        if word is None:
            continue
        corner = box[0] + width + 1, box[1] + width + 1
        if fill_labels:
            left, top, right, bottom = draw.textbbox(corner, word, font=letters)
            draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), fill=ground)
        draw.text(corner, word, fill=ink, font=letters)
    drawn = pil_to_tensor(picture).to(image.device)
    return drawn if image.dtype is uint8 else drawn.to(image.dtype).mul_(1 / 255)


@no_grad()
def draw_segmentation_masks(
    image: Tensor, masks: Tensor, alpha: float = 0.8, colors: Colours = None
) -> Tensor:
    """Colour parts of an image, and return it as a new Tensor of the same number type.

    Args:
        image: (3, H, W), uint8 or floats 0..1
        masks: bool (N, H, W) or (H, W); what lies under several becomes black
        alpha: from 0, where the colours are invisible, to 1, where they cover the image
        colors: one colour for all or one for each mask, by name or as (red, green, blue)
    """
    _check_image(image, (3,), f"The image must be a tensor, got {type(image)}")
    masks = masks[None] if masks.ndim == 2 else masks
    if masks.ndim != 3:
        raise ValueError("masks must be of shape (H, W) or (batch_size, H, W)\n" + _MASKS)
    if masks.dtype is not bool_:
        raise ValueError(f"The masks must be of dtype bool. Got {masks.dtype}\n" + _MASKS)
    if masks.shape[-2:] != image.shape[-2:]:
        raise ValueError(
            "The image and the masks must have the same height and width\n"
            f"Got {tuple(image.shape)} and {tuple(masks.shape)}."
        )
    if len(masks) == 0:
        warnings.warn("masks doesn't contain any mask. No mask was drawn", stacklevel=2)
        return image
    unit = 1 if image.dtype is uint8 else 255
    painted = image.clone()
    for mask, colour in zip(masks, _colours(colors, len(masks)), strict=False):
        shade = make_tensor([part / unit for part in colour], device=image.device)
        painted[:, mask] = shade.to(image.dtype)[:, None]
    painted[:, masks.sum(0) > 1] = 0
    return (image * (1 - alpha) + painted * alpha).to(image.dtype)


_MASKS = "A mask is True where the colour goes: scores > 0.5."


def _check_image(image: Any, channels: tuple[int, ...], not_a_tensor: str) -> None:
    if not isinstance(image, Tensor):
        raise TypeError(f"{not_a_tensor}\nTurn an image into a Tensor by transforms.ToTensor().")
    if image.dtype is not uint8 and not image.is_floating_point():
        raise ValueError(
            f"The image dtype must be uint8 or float, got {image.dtype}\n"
            "Convert it: image.to(uint8), or transforms.ConvertImageDtype(float32)."
        )
    if image.ndim != 3:
        raise ValueError("Pass individual images, not batches\nIn a loop: for image in batch.")
    if image.shape[0] not in channels:
        kinds = "Only grayscale and RGB images are supported"
        if 1 not in channels:
            kinds = "Pass an RGB image. Other Image formats are not supported"
        raise ValueError(f"{kinds}\nGot {image.shape[0]} channels.")


def _colours(colours: Colours, n: int) -> list[tuple[int, ...]]:
    """Return at least n colours as numbers 0..255."""
    if colours is None:
        steps = 2**25 - 1, 2**15 - 1, 2**21 - 1
        return [tuple(k * step % 255 for step in steps) for k in range(n)]
    if isinstance(colours, list) and len(colours) < n:
        raise ValueError(
            "Number of colors must be equal or larger than the number of objects, "
            f"but got {len(colours)} < {n}.\nPass one colour, without a list, for all of them."
        )
    if not isinstance(colours, (list, tuple, str)):
        raise ValueError(
            f"colors must be a tuple or a string, or a list thereof, but got {colours}.\n"
            "Write 'red', '#ff0000' or (255, 0, 0)."
        )
    if isinstance(colours, tuple) and len(colours) != 3:
        raise ValueError(
            f"If passed as tuple, colors should be an RGB triplet, but got {colours}.\n"
            "Pass several colours as a list."
        )
    several: Any = colours if isinstance(colours, list) else [colours] * n
    return [pillow.ImageColor.getrgb(c) if isinstance(c, str) else c for c in several]
