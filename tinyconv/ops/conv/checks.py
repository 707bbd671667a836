"""What a convolution accepts, and what it says of the rest."""

from __future__ import annotations

from typing import Any

from ...autograd.autocast import LOWER, will_cast
from ...errors import DTypeError, ShapeError
from ...shapes import Ints, expand_ints
from .._common import dtype_of, shape_of

_C_NAMES = {"float32": "float", "float64": "double", "float16": "c10::Half", "bfloat16": "c10::BFloat16", "int64": "long int", "int32": "int",
            "uint8": "unsigned char", "bool": "bool", "int8": "signed char", "int16": "short int"}  # fmt: skip


def check_dtypes(x: Any, w: Any, b: Any) -> None:
    """One dtype for all, in torch's words, with the usual reasons for another."""
    kinds = [dtype_of(v) for v in (x, w, b) if v is not None]
    if all(k is kinds[0] for k in kinds) or will_cast(LOWER, x, w, b):
        return
    what = "weight" if b is None or kinds[0] is kinds[-1] else "bias"
    other = kinds[1] if what == "weight" else kinds[-1]
    if kinds[0].name == "uint8":
        hint = "A uint8 image becomes a float one by transforms.ToTensor(), or x.float() / 255."
    elif kinds[0].name == "float64":
        hint = f"NumPy's floats are float64: write x.{'float' if other.name == 'float32' else 'half'}(), or set_default_dtype(float64)."
    else:
        hint = f"Write x.to(tinyconv.{other.name})."
    raise DTypeError(
        f"Input type ({_C_NAMES[kinds[0].name]}) and {what} type ({_C_NAMES[other.name]}) should be the same",
        hint,
    )


def check_ranks(name: str, x: Any, w: Any, nd: int) -> None:
    """Refuse other numbers of dimensions than ``nd`` and those of batch and channels."""
    sx, sw = shape_of(x), shape_of(w)
    if len(sx) not in (nd + 1, nd + 2):
        hint = "Add the channel and batch dimensions: x[None, None]." if len(sx) == nd else ""
        if len(sx) == 2 and nd == 2:
            hint = "Images are (n, c, h, w). Was the tensor flattened before this layer, or is it one grey image: x[None, None]?"
        raise ShapeError(
            f"Expected {nd + 1}D (unbatched) or {nd + 2}D (batched) input to {name}, but got input of size: {list(sx)}",
            hint,
        )
    if len(sw) != nd + 2:
        wrong = (
            f"Expected {len(sw)}-dimensional input for {len(sw)}-dimensional weight{list(sw)}, but got "
            f"{len(sx)}-dimensional input of size {list(sx)} instead"
        )
        raise ShapeError(
            "weight should have at least three dimensions" if len(sw) < 3 else wrong,
            f"Filters of {name} have {nd + 2} dimensions.",
        )


def check_channels(name: str, x: Any, w: Any, b: Any, nd: int, groups: int) -> None:
    """Refuse sizes and number types that do not fit together."""
    sx, sw = shape_of(x), shape_of(w)
    transposed = "transpose" in name
    for fits, what in (
        (sw[0] >= groups, f"at least {groups}"),
        (sw[0] % groups == 0, f"divisible by {groups}"),
    ):
        if not fits:
            raise ShapeError(
                f"Given groups={groups}, expected weight to be {what} at dimension 0, but got weight of size "
                f"{list(sw)} instead"
            )
    channels = sw[0] if transposed else sw[1] * groups
    check_dtypes(x, w, b)
    have = sx[-nd - 1]
    if have != channels:
        if sx[-1] == channels:
            order = "0, 3, 1, 2" if len(sx) == 4 else "2, 0, 1"
            hint = f"It looks channels-last: write x.permute({order})." if nd == 2 else ""
        elif len(sx) == nd + 1 and sx[0] != channels and channels == 1:
            hint = "Without a batch dimension the first size is the channels: write x.unsqueeze(1)."
        else:
            hint = f"Make the layer with in_channels={have}, or feed it {channels} channels."
        raise ShapeError(
            f"Given {'transposed=1' if transposed else f'groups={groups}'}, weight of size {list(sw)}, "
            f"expected input{list(sx)} to have {channels} channels, but got {have} channels instead",
            hint,
        )
    f = sw[1] * groups if transposed else sw[0]
    if b is not None and shape_of(b) != (f,):
        raise ShapeError(
            f"Given {'transposed=1, ' * transposed}weight of size {list(sw)}, expected bias to be 1-dimensional with {f} elements, but got bias of "
            f"size {list(shape_of(b))} instead"
        )


def expanded(value: Any, nd: int, name: str) -> Ints:
    """A setting as ``nd`` numbers."""
    if type(value) is int:
        return (value,) * nd
    if isinstance(value, (list, tuple)) and len(value) not in (1, nd):
        raise ShapeError(
            f"expected {name} to be a single integer value or a list of {nd} values to match the convolution "
            f"dimensions, but got {name}={list(value)}"
        )
    return expand_ints(value, nd, name)


def settings(
    nd: int, stride: Any, padding: Any, dilation: Any, groups: int
) -> tuple[Ints, Ints, Ints]:
    """Stride, padding and dilation as ``nd`` numbers each, within their bounds."""
    s, p, d = (
        expanded(stride, nd, "stride"),
        expanded(padding, nd, "padding"),
        expanded(dilation, nd, "dilation"),
    )
    if min(s) <= 0:
        raise ShapeError("non-positive stride is not supported")
    if min(p) < 0:
        raise ShapeError(
            "negative padding is not supported", "Cut the input with pad(x, (-1, -1, ...))."
        )
    if min(d) <= 0:
        raise ShapeError("dilation should be greater than zero")
    if groups <= 0:
        raise ShapeError("non-positive groups is not supported")
    return s, p, d
