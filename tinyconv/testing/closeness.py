"""``assert_close``: what differs, by how much, and where."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isnan, nan
from typing import Any

import numpy as np

from ..creation import from_numpy
from ..dtypes import dtype, promote_types
from ..errors import ArgumentError
from ..tensor import Tensor

TOLERANCES = {"float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)}  # fmt: skip
EXACT = (0.0, 0.0)


@dataclass(frozen=True)
class Settings:
    """What counts as close."""

    rtol: float | None
    atol: float | None
    equal_nan: bool
    check_device: bool
    check_dtype: bool
    check_stride: bool

    def tolerances(self, *kinds: str) -> tuple[float, float]:
        """Relative and absolute; unless given, the widest of these number types."""
        if self.rtol is not None and self.atol is not None:
            return self.rtol, self.atol
        both = [TOLERANCES.get(kind, EXACT) for kind in kinds]
        return max(r for r, _ in both), max(a for _, a in both)


class _Mismatch(Exception):
    """A difference, and the way to it."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.path = ""


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Raise unless numbers are close: tensors, arrays, numbers, and sequences and mappings of them.

    .. math:: |a - e| \\le \\mathrm{atol} + \\mathrm{rtol}\\, |e|

    Args:
        rtol, atol: both or none; none means 1.3e-6 and 1e-5 for float32, 1e-7 and 1e-7 for float64, equality for integers.
        equal_nan: NaN equals NaN.
        check_device, check_dtype, check_stride: these must be the same too.
        msg: what to say instead, or a function of what would be said.

    Raises:
        AssertionError: something differs. TypeError: things that cannot be compared.

    >>> import tinyconv as tc
    >>> tc.testing.assert_close(tc.tensor([1., 2.]), tc.tensor([1., 2.5]))
    Traceback (most recent call last):
    AssertionError: Tensor-likes are not close!
    <BLANKLINE>
    Mismatched elements: 1 / 2 (50.0%)
    Greatest absolute difference: 0.5 at index (1,) (up to 1e-05 allowed)
    Greatest relative difference: 0.20000000298023224 at index (1,) (up to 1.3e-06 allowed)
    """
    if (rtol is None) != (atol is None):
        missing = "rtol" if rtol is None else "atol"
        raise ArgumentError(
            f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {missing}."
        )
    settings = Settings(rtol, atol, equal_nan, check_device, check_dtype, check_stride)
    try:
        _compare(actual, expected, settings, allow_subclasses)
    except _Mismatch as found:
        text = str(found)
        if found.path:
            text += f"\n\nThe failure occurred for item {found.path}"
        raise AssertionError(msg(text) if callable(msg) else msg or text) from None


def _compare(actual: Any, expected: Any, settings: Settings, subclasses: bool) -> None:
    if actual is None or expected is None:
        if actual is not expected:
            raise _Mismatch(f"None mismatch: {actual} is not {expected}")
    elif _both((bool, np.bool_), actual, expected):
        if bool(actual) is not bool(expected):
            raise _Mismatch(f"Booleans mismatch: {actual} is not {expected}")
    elif _both((int, float, np.number), actual, expected):
        if settings.check_dtype and type(actual) is not type(expected):
            raise _Mismatch(f"The (d)types do not match: {type(actual)} != {type(expected)}.")
        kinds = [
            "float64" if isinstance(v, (float, np.floating)) else "int64"
            for v in (actual, expected)
        ]
        _compare_numbers(actual, expected, settings, settings.tolerances(*kinds))
    elif _related(actual, expected, subclasses):
        _compare_tensors(_tensor(actual), _tensor(expected), settings)
    elif _both(Mapping, actual, expected):
        _compare_mappings(actual, expected, settings, subclasses)
    elif _both(Sequence, actual, expected) and not _both(str, actual, expected):
        if len(actual) != len(expected):
            raise _Mismatch(
                f"The length of the sequences mismatch: {len(actual)} != {len(expected)}"
            )
        _compare_items(range(len(actual)), actual, expected, settings, subclasses)
    else:
        raise TypeError(
            f"No comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}.\n"
            "Compare a tensor with a tensor, an array with an array, a number with a number."
        )


def _both(kind: Any, a: Any, b: Any) -> bool:
    return isinstance(a, kind) and isinstance(b, kind)


def _related(a: Any, b: Any, subclasses: bool) -> bool:
    if not (_both(Tensor, a, b) or _both(np.ndarray, a, b)):
        return False
    if not subclasses and type(a) is not type(b):
        return False
    return isinstance(a, type(b)) or isinstance(b, type(a))


def _tensor(v: Any) -> Tensor:
    return v.detach() if isinstance(v, Tensor) else from_numpy(v)


def _compare_items(keys: Any, a: Any, b: Any, settings: Settings, subclasses: bool) -> None:
    for key in keys:
        try:
            _compare(a[key], b[key], settings, subclasses)
        except _Mismatch as found:
            found.path = f"[{key!r}]{found.path}"
            raise


def _compare_mappings(a: Any, b: Any, settings: Settings, subclasses: bool) -> None:
    missing, additional = [k for k in b if k not in a], [k for k in a if k not in b]
    if missing or additional:
        raise _Mismatch(
            f"The keys of the mappings do not match:\nMissing keys in the actual mapping: {sorted(missing)}\n"
            f"Additional keys in the actual mapping: {sorted(additional)}"
        )
    _compare_items(b, a, b, settings, subclasses)


# ── numbers ───────────────────────────────────────────────────────────────────────────────────


def _report(title: str, tolerances: tuple[float, float], lines: tuple[str, str]) -> str:
    """The text; what is allowed stands in it unless equality is wanted."""
    rtol, atol = tolerances
    equal = rtol == atol == 0
    allowed = ("", "") if equal else (f" (up to {atol} allowed)", f" (up to {rtol} allowed)")
    first, second = (line + more for line, more in zip(lines, allowed, strict=True))
    return f"{title.format('equal' if equal else 'close')}\n{first}\n{second}"


def _compare_numbers(a: Any, b: Any, settings: Settings, tolerances: tuple[float, float]) -> None:
    rtol, atol = tolerances
    same = a == b or (settings.equal_nan and isnan(a) and isnan(b))
    if same or abs(a - b) <= atol + rtol * abs(b) < inf:
        return
    off = abs(a - b)
    part = off / abs(b) if b else inf if off else nan
    lines = f"Absolute difference: {off}", f"Relative difference: {part}"
    raise _Mismatch(
        _report(f"Scalars are not {{}}!\n\nExpected {b} but got {a}.", tolerances, lines)
    )


def _compare_tensors(a: Tensor, b: Tensor, settings: Settings) -> None:
    checks = [("shape", a.shape, b.shape, True), ("device", a.device, b.device, settings.check_device),
              ("dtype", a.dtype, b.dtype, settings.check_dtype),
              ("stride()", a.stride(), b.stride(), settings.check_stride)]  # fmt: skip
    for name, x, y, wanted in checks:
        if wanted and x != y:
            raise _Mismatch(f"The values for attribute '{name}' do not match: {x} != {y}.")
    tolerances = settings.tolerances(a.dtype.name, b.dtype.name)
    x, y = (_numbers(v, promote_types(a.dtype, b.dtype)) for v in (a, b))
    if x.ndim == 0:
        _compare_numbers(x.item(), y.item(), settings, tolerances)
        return
    rtol, atol = tolerances
    with np.errstate(all="ignore"):  # inf - inf, 0 / 0
        close = np.isclose(_wide(x), _wide(y), rtol, atol, equal_nan=settings.equal_nan)
        if close.all():
            return
        off = np.abs(x - y)
        part = (
            off / np.abs(y) if off.dtype.kind != "i" else off.astype("f4") / np.abs(y).astype("f4")
        )
    off[close], part[close] = 0, 0
    lines = (_greatest("absolute", off), _greatest("relative", part))
    count, size = int((~close).sum()), close.size
    title = (
        f"Tensor-likes are not {{}}!\n\nMismatched elements: {count} / {size} ({count / size:.1%})"
    )
    raise _Mismatch(_report(title, tolerances, lines))


def _numbers(v: Tensor, kind: dtype) -> Any:
    """The numbers of a tensor, in the type to compare them in."""
    host = v.cpu().array
    return host.astype("int64" if kind.name in ("bool", "uint8") else kind.numpy)


def _wide(x: Any) -> Any:
    return x.astype("float32") if x.itemsize == 2 and x.dtype.kind != "i" else x


def _greatest(what: str, off: Any) -> str:
    at = int(off.argmax())
    nans = off != off
    if nans.any():
        at = int(nans.argmax())
    index = tuple(int(i) for i in np.unravel_index(at, off.shape))
    value = off.reshape(-1)[at].item()
    return f"Greatest {what} difference: {value} at index {index}"
