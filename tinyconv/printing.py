"""The text of a tensor: one way to write its numbers, the brackets around them, the remarks behind.

Text is laid out as torch lays it out, to the letter, so that two logs can be compared with `diff`.
"""

from __future__ import annotations

import contextlib
import math
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .alias import library
from .dtypes import FLOATS

# --- settings -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PrintOptions:
    """How tensors are written; see `set_printoptions`."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: float = 80
    sci_mode: bool | None = None


PROFILES = {
    "default": PrintOptions(),
    "short": PrintOptions(precision=2, edgeitems=2),
    "full": PrintOptions(threshold=math.inf),
}

_options = PROFILES["default"]


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: float | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Choose how tensors are written from now on; what is not given stays as it is.

    Args:
        precision: digits behind the point (4).
        threshold: elements above which only the edges are shown (1000; `math.inf`: never).
        edgeitems: elements shown at either end of a dimension that is cut short (3).
        linewidth: characters in a line (80).
        profile: "default", "short" or "full": a set of all these, taken before the others apply.
        sci_mode: True: always 1.0000e+00; False: never; None: where magnitudes ask for it. Unlike
            the others it goes back to None when it is not given.

    Raises:
        ValueError: an unknown profile, or a negative precision or edgeitems.
        TypeError: a precision or edgeitems that is not an integer.

    >>> import numpy as np
    >>> third = np.array([1 / 3])
    >>> with printoptions(precision=2):
    ...     print(tensor_text(third, dtype="float32", default_dtype="float32"))
    tensor([0.33])
    """
    global _options
    if profile is not None and profile not in PROFILES:
        raise ValueError(
            f"set_printoptions: unknown profile {profile!r}\nuse one of: {', '.join(PROFILES)}"
        )
    given: dict[str, Any] = {"threshold": threshold, "linewidth": linewidth}
    for name, count in (("precision", precision), ("edgeitems", edgeitems)):
        given[name] = None if count is None else _checked_count(name, count)
    base = _options if profile is None else PROFILES[profile]
    changes = {name: value for name, value in given.items() if value is not None}
    _options = replace(base, **changes, sci_mode=sci_mode)


@contextlib.contextmanager
def printoptions(**settings: Any) -> Iterator[None]:
    """Apply `set_printoptions(**settings)` inside a `with` block, and put the old ones back."""
    global _options
    before = _options
    try:
        set_printoptions(**settings)
        yield
    finally:
        _options = before


def _checked_count(name: str, count: int) -> int:
    try:
        count = int(operator.index(count))
    except TypeError:
        raise TypeError(
            f"set_printoptions: {name} must be an int, not {type(count).__name__}\n"
            f"write e.g. {name}={getattr(PROFILES['default'], name)}"
        ) from None
    if count < 0:
        raise ValueError(
            f"set_printoptions: {name} must not be negative, got {count}\nuse 0 or more"
        )
    return count


# --- the whole text -------------------------------------------------------------------------------


def tensor_text(
    array: np.ndarray,
    *,
    dtype: str,
    default_dtype: str,
    device: str = "cpu",
    requires_grad: bool = False,
    grad_fn: str | None = None,
    prefix: str = "tensor(",
) -> str:
    """Write a tensor as torch does; of a large array only the elements shown are touched.

    Args:
        array: the numbers, of bool, integer or floating type, any shape.
        dtype, default_dtype: names like "float32"; a type that the numbers show is not written.
        device: written unless it is "cpu".
        requires_grad: whether a leaf wants a gradient; `grad_fn`, if given, is written instead.
        grad_fn: name of the node that made the tensor, like "MulBackward0".
        prefix: what comes before the numbers; further lines are indented by its length.

    >>> numbers = np.arange(6.0).reshape(2, 3)
    >>> print(tensor_text(numbers, dtype="float32", default_dtype="float32", requires_grad=True))
    tensor([[0., 1., 2.],
            [3., 4., 5.]], requires_grad=True)
    """
    # Where no numbers need be shown, their shape (and in "[]" their type) cannot be seen either.
    empty = array.size == 0
    edgeless = _options.edgeitems == 0 and not empty
    hidden = edgeless and array.size > _options.threshold and array.ndim > 0
    evident = (default_dtype,) if empty else (default_dtype, "int64", "bool")

    remarks = []
    if device != "cpu":
        remarks.append(f"device='{device}'")
    if edgeless or (empty and array.ndim != 1):
        remarks.append(f"size={array.shape}")
    if dtype not in evident:
        remarks.append(f"dtype={library()}.{dtype}")
    if grad_fn is not None:
        remarks.append(f"grad_fn=<{grad_fn}>")
    elif requires_grad:
        remarks.append("requires_grad=True")

    numbers = "[]" if empty else "[...]" if hidden else _numbers_text(array, indent=len(prefix))
    return _with_remarks(prefix + numbers, remarks, indent=len(prefix)) + ")"


def _with_remarks(text: str, remarks: list[str], indent: int) -> str:
    """Add remarks behind the text, each on a new line if it does not fit on the last one."""
    used = len(text) - text.rfind("\n") + 1  # two more than are there: room for what must follow
    for remark in remarks:
        # Lines break where they would with torch's shorter name in them: a diff shows names alone.
        length = len(remark.replace("tinyconv.", "torch."))
        if used + length + 2 > _options.linewidth:
            text += ",\n" + " " * indent + remark
            used = indent + length
        else:
            text += ", " + remark
            used += length + 2
    return text


# --- brackets and lines ---------------------------------------------------------------------------


def _numbers_text(array: np.ndarray, indent: int) -> str:
    """Write the numbers in their brackets, cut to the edges if there are too many of them."""
    edge = _options.edgeitems
    cut = [array.size > _options.threshold and n > 2 * edge for n in array.shape]
    if any(cut):
        ends = np.r_[0:edge, -edge:0]
        shown = [ends if c else range(n) for c, n in zip(cut, array.shape, strict=True)]
        array = array[np.ix_(*shown)]
    cell = _cell_for(array)

    def block(values: Any, depth: int) -> str:
        if depth == array.ndim:
            return cell(values)
        start = indent + depth  # the column of the bracket that opens here
        inner = array.ndim - depth - 1  # how many dimensions lie inside it
        rows = [block(value, depth + 1) for value in values]
        if cut[depth]:
            rows.insert(edge, "..." if inner else " ...")
        if not inner:  # numbers: as many to a line as fit
            fit = max(1, int((_options.linewidth - start) // (cell.width + 2)))
            rows = [", ".join(rows[i : i + fit]) for i in range(0, len(rows), fit)]
        return "[" + ("," + "\n" * max(1, inner) + " " * (start + 1)).join(rows) + "]"

    return block(array.tolist(), 0)


# --- numbers --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Cell:
    """One way to write every number of a tensor: a format, and the width it is padded to."""

    write: Callable[[Any], str]
    width: int

    def __call__(self, value: Any) -> str:
        return self.write(value).rjust(self.width)


def _cell_for(array: np.ndarray) -> _Cell:
    """Choose the format for all numbers of an array (not empty)."""
    values = array.ravel().tolist()
    if array.dtype not in FLOATS:
        return _Cell(str, max(len(str(value)) for value in values))

    # Zeros, infinities and nan have no say: they take the format and width the others need.
    telling = [value for value in values if value and math.isfinite(value)]
    if not telling:
        return _Cell(_whole, 1)
    whole = all(value.is_integer() for value in telling)
    low, high = min(map(abs, telling)), max(map(abs, telling))
    scientific = _options.sci_mode
    if scientific is None:
        scientific = high / low > 1000 or high > 1e8 or low < 1e-4

    if scientific:
        write: Callable[[float], str] = f"{{:.{_options.precision}e}}".format
    elif whole:
        write = _whole
    else:
        write = f"{{:.{_options.precision}f}}".format
    return _Cell(write, max(len(write(value)) for value in telling))


def _whole(value: float) -> str:
    return f"{value:.0f}." if math.isfinite(value) else str(value)
