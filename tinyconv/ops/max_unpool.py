"""The partial inverse of max pooling: each element back to where it came from, zeros elsewhere."""

from __future__ import annotations

from math import prod
from typing import Any

from ..autograd.function import type_name
from ..backend import XP, demand_inside
from ..errors import ArgumentError, DTypeError, ShapeError
from ..shapes import Ints, expand_ints
from ._common import dtype_of, shape_of
from ._pool_window import refuse_others
from .indexing import Scatter
from .views import named, reshape


def _sizes(x: Any, nd: int, kernel_size: Any, stride: Any, padding: Any, output_size: Any) -> Ints:
    """The size that was pooled: the least that all windows lie in, unless it is told."""
    k, p = expand_ints(kernel_size, nd, "kernel_size"), expand_ints(padding, nd, "padding")
    s = k if stride is None else expand_ints(stride, nd, "stride")
    least = tuple(
        (n - 1) * step + width - 2 * border
        for n, width, step, border in zip(shape_of(x)[-nd:], k, s, p, strict=True)
    )
    if output_size is None:
        if min(least) < 0:
            dim, size = next((dim, size) for dim, size in enumerate(least) if size < 0)
            raise ArgumentError(
                "max_unpooling: output_size must contain non-negative spatial dimensions, but got "
                f"output_size[{dim}]={size}",
                "Give the padding that was pooled with.",
            )
        return least
    told = tuple(output_size)[2:] if len(output_size) == nd + 2 else tuple(output_size)
    if len(told) != nd:
        raise ArgumentError(
            f"output_size should be a sequence containing {nd} or {nd + 2} elements, but it has a length of "
            f"'{len(told)}'"
        )
    for dim, (n, size, step) in enumerate(zip(told, least, s, strict=True)):
        if not size - step < n < size + step:
            raise ArgumentError(
                f'invalid output_size "{output_size}" (dim {dim} must be between {size - step} and {size + step})',
                "Give the size of what was pooled.",
            )
    return tuple(int(n) for n in told)


def _check(x: Any, indices: Any, nd: int) -> None:
    shape, at = shape_of(x), shape_of(indices)
    if dtype_of(indices).name != "int64":
        raise DTypeError(
            f"elements in indices should be type int64 but got: {type_name(indices.array)}",
            "They are what max_pool returns with return_indices=True.",
        )
    if len(shape) not in (nd + 1, nd + 2):
        raise ShapeError(
            f"Input to max_unpooling{max(nd, 2)}d should be a {max(nd, 2) + 1}d or {max(nd, 2) + 2}d Tensor, but got a "
            f"tensor with {len(shape) + (nd == 1)} dimensions."
        )
    if 0 in shape[-nd - 1 :] and len(shape) > nd + 1:
        raise ShapeError(
            f"max_unpooling{max(nd, 2)}d_forward_out_cpu(): Expected input to have non-zero size for non-batch "
            f"dimensions, but got {list(shape)} with dimension {shape.index(0, 1)} being empty."
        )
    if at != shape:
        more = [1] * (nd == 1)
        raise ShapeError(
            f"Expected shape of indices to be same as that of the input tensor ({[*shape, *more]}) but got indices "
            f"tensor with shape: {[*at, *more]}"
        )


def _outside(index: int, sizes: Ints) -> Exception:
    return RuntimeError(
        f"Found an invalid max index: {index} (output volumes are of size {'x'.join(map(str, sizes))})\n"
        "Give as output_size the size of what was pooled."
    )


def _unpool(
    nd: int, x: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any, output_size: Any
) -> Any:
    sizes = _sizes(x, nd, kernel_size, stride, padding, output_size)
    _check(x, indices, nd)
    refuse_others(x, f"max_unpool{max(nd, 2)}d", "")
    lead, room = shape_of(x)[:-nd], prod(sizes)
    shown = (*sizes, 1) if nd == 1 else sizes
    demand_inside(indices.array, 0, room, _outside, shown)
    nothing = x.wrap(XP[type(x.array)].zeros((*lead, room), x.array.dtype))
    many = prod(shape_of(x)[-nd:])
    places, values = reshape(indices, *lead, many), reshape(x, *lead, many)
    y = reshape(Scatter(len(lead))(nothing, values, places), *lead, *sizes)
    return named(y, f"MaxUnpool{nd}DBackward0" if nd > 1 else "SqueezeBackward1")


def max_unpool1d(
    input: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Any:
    """Lay what :func:`max_pool1d` took back to its places; arguments as :func:`max_unpool2d`."""
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Any:
    """Lay what :func:`max_pool2d` took back to its places, among zeros.

    Args:
        indices: the flat places that ``max_pool2d(..., return_indices=True)`` returns.
        kernel_size, stride, padding: those of the pooling, in pixels.
        output_size: the height and width that were pooled, where several sizes pool to the input's.

    Shape:
        ``(n, c, oh, ow), (n, c, oh, ow) -> (n, c, h, w)``, ``h = (oh - 1)s - 2p + k``

    Raises:
        RuntimeError: a place lies outside. ValueError: no such size pools to the input's.

    >>> import tinyconv as tc
    >>> x = tc.tensor([[[1., 2.], [3., 4.]]], requires_grad=True)
    >>> y, places = tc.nn.functional.max_pool2d(x, 2, return_indices=True)
    >>> tc.nn.functional.max_unpool2d(y, places, 2).sum().backward()
    >>> x.grad
    tensor([[[0., 0.],
             [0., 1.]]])
    """
    return _unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Any:
    """Lay what :func:`max_pool3d` took back to its places; arguments as :func:`max_unpool2d`."""
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size)
