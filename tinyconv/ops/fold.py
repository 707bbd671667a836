"""Windows of an image as columns, and back."""

from __future__ import annotations

from math import prod
from typing import Any

from ..errors import ShapeError
from ..shapes import Ints, Shape, conv_size, expand_ints
from ._common import dtype_of, shape_of
from .activation import floats
from .conv.unfolded import Col2Im, Im2Col, Windows
from .views import squeeze, unsqueeze


def _settings(**settings: Any) -> list[Ints]:
    """Each as a pair (height, width), within its bounds."""
    pairs = []
    for name, value in settings.items():
        if isinstance(value, (list, tuple)) and len(value) not in (1, 2):
            raise ShapeError(
                f"It is expected {name} equals to 2, but got size {len(value)}",
                "Give one number, or (height, width).",
            )
        h, w = pair = expand_ints(value, 2, name)
        short = {"kernel_size": "kernel", "padding": "pad"}.get(name, name)
        if min(pair) < (0 if name == "padding" else 1):
            bound = "non-negative" if name == "padding" else "greater than zero"
            raise ShapeError(
                f"{name.replace('_', ' ')} should be {bound}, but got {short}_height: {h} "
                f"{short}_width: {w}"
            )
        pairs.append(pair)
    return pairs


def _check_batch(shape: Shape, dims: int, what: str) -> None:
    """Refuse other numbers of dimensions, and empty ones except for the batch."""
    if len(shape) not in (dims - 1, dims) or 0 in shape[len(shape) - dims + 1 :]:
        raise ShapeError(
            f"Expected {dims - 1}D or {dims}D (batch mode) tensor {what}, but got: {list(shape)}"
        )


def _apply(function: Windows, x: Any, kernel: str, dims: int) -> Any:
    """With or without a batch."""
    if dtype_of(x).name != "bool":  # which torch takes
        floats(x, kernel)
    return function(x) if len(shape_of(x)) == dims else squeeze(function(unsqueeze(x, 0)), 0)


def unfold(
    input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Any:
    """The windows that a convolution would look at, as columns.

    Args:
        kernel_size: of a window, in pixels. dilation: pixels between its taps.
        padding: border of zeros. stride: pixels between windows.

    Shape:
        ``(n, c, h, w) -> (n, c kh kw, oh ow)``, with or without n

    Raises:
        ShapeError: there is no room for a window, or a setting is out of bounds.

    >>> import tinyconv as tc
    >>> x = tc.ones(1, 1, 3, 3, requires_grad=True)
    >>> tc.nn.functional.unfold(x, 2).sum().backward()
    >>> x.grad[0, 0]
    tensor([[1., 2., 1.],
            [2., 4., 2.],
            [1., 2., 1.]])
    """
    shape = shape_of(input)
    k, d, p, s = _settings(
        kernel_size=kernel_size, dilation=dilation, padding=padding, stride=stride
    )
    _check_batch(shape, 4, "with possibly 0 batch size and other non-zero dimensions for input")
    size = shape[-2:]
    blocks = tuple(map(conv_size, size, k, s, p, d))
    if min(blocks) < 1:
        raise ShapeError(
            f"Given input with spatial size {size}, kernel_size={k}, dilation={d}, padding={p}, "
            f"calculated shape of the array of sliding blocks as {blocks}, but its components must "
            "be at least one.",
            "The window is larger than the padded input.",
        )
    return _apply(Im2Col(size, k, s, p, d), input, "im2col_out_cpu", 4)


def fold(
    input: Any,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Any:
    """Add columns up to an image: the transpose of :func:`unfold`, with the same settings.

    Args:
        output_size: height and width of the image in pixels.

    Shape:
        ``(n, c kh kw, oh ow) -> (n, c, h, w)``, with or without n

    Raises:
        ShapeError: sizes that no image of ``output_size`` has, or a setting out of bounds.

    >>> import tinyconv as tc
    >>> x = tc.ones(1, 4, 4, requires_grad=True)
    >>> tc.nn.functional.fold(x, (3, 3), 2)[0, 0]
    tensor([[1., 2., 1.],
            [2., 4., 2.],
            [1., 2., 1.]], grad_fn=<SelectBackward0>)
    """
    shape = shape_of(input)
    size, k, d, p, s = _settings(
        output_size=output_size,
        kernel_size=kernel_size,
        dilation=dilation,
        padding=padding,
        stride=stride,
    )
    _check_batch(shape, 3, "for input with possibly 0 batch size and non-zero dimensions for input")
    rows, length = shape[-2:]
    if rows % prod(k):
        raise ShapeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, "
            f"but got input.size(1)={rows} and kernel_size={k}.",
            "Each channel takes one row for each pixel of a window.",
        )
    blocks = [max(n, 0) for n in map(conv_size, size, k, s, p, d)]
    if prod(blocks) != length:
        raise ShapeError(
            f"Given output_size={size}, kernel_size={k}, dilation={d}, padding={p}, stride={s}, "
            "expected size of input's dimension 2 to match the calculated number of sliding blocks "
            f"{blocks[0]} * {blocks[1]} = {prod(blocks)}, but got input.size(2)={length}.",
            "Give the settings that the columns were made with.",
        )
    return _apply(Col2Im(size, k, s, p, d), input, "col2im_out_cpu", 3)
