"""Finding the line whose gradient is NaN."""

from __future__ import annotations

import sys
import traceback
import warnings
from typing import Any

from ..backend import XP
from ..errors import GraphError
from .function import Function, gradients
from .mode import mode as modes
from .variable import Variable

_OURS = __name__.partition(".")[0] + "."  # modules whose lines the user need not see


def _note(node: Function) -> None:
    """Remember which line of the user's recorded this node."""
    frame: Any = sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(_OURS):
        frame = frame.f_back
    node.trace = traceback.extract_stack(frame)


def watched(node: Function, g: Any) -> Any:
    """The gradients of a node's inputs; where there is NaN, or an error, its forward line is shown."""
    try:
        grads = gradients(node, g)
    except Exception:
        _show(node)
        raise
    if modes.anomaly == "nan":
        for i, gx in enumerate(grads):
            array = gx.array if isinstance(gx, Variable) else gx
            if array is not None and bool(XP[type(array)].isnan(array).any()):
                _show(node)
                raise GraphError(
                    f"Function '{node.label}' returned nan values in its {i}th output.",
                    f"The shape of that gradient is {list(array.shape)}; the line is in the warning above.",
                )
    return grads


def _show(node: Function) -> None:
    if node.trace is None:
        text = "No forward pass information available. Enable detect_anomaly() during the forward pass too."
    else:
        lines = "".join(traceback.format_list(node.trace))
        text = f"Traceback of forward call that caused the error:\n{lines}"
    warnings.warn(f"Error detected in {node.label}. {text}", stacklevel=2)


class set_detect_anomaly:
    """Switch the search for NaN on or off at once; as a context, put it back at the end."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = _state()
        _set("nan" if check_nan else "errors", bool(mode))

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        vars(modes).update(self._before)


class detect_anomaly:
    """Context in which each node knows the line that made it, and backward stops at the first NaN.

    Args:
        check_nan: look for NaN in gradients; otherwise only errors are explained.

    Raises:
        GraphError: a gradient is NaN. A warning before it shows the line of the forward pass.

    >>> import warnings
    >>> import tinyconv as tc
    >>> x = tc.tensor([-1.], requires_grad=True)
    >>> with warnings.catch_warnings(action="ignore"), tc.autograd.detect_anomaly():
    ...     tc.sqrt(x).sum().backward()
    Traceback (most recent call last):
    tinyconv.errors.GraphError: Function 'SqrtBackward0' returned nan values in its 0th output.
    ...
    """

    def __init__(self, check_nan: bool = True) -> None:
        self.check_nan = check_nan
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be "
            "enabled for debugging.",
            stacklevel=2,
        )

    def __enter__(self) -> None:
        self._before = _state()
        _set("nan" if self.check_nan else "errors", True)

    def __exit__(self, *_: object) -> None:
        vars(modes).update(self._before)


def _state() -> dict[str, Any]:
    return {"anomaly": modes.anomaly, "watchers": modes.watchers}


def _set(what: str, on: bool) -> None:
    modes.anomaly = what if on else ""
    others = tuple(w for w in modes.watchers if w is not _note)
    modes.watchers = (*others, _note) if on else others


def is_anomaly_enabled() -> bool:
    """True where gradients are searched for NaN, or errors explained."""
    return bool(modes.anomaly)


def is_anomaly_check_nan_enabled() -> bool:
    """True unless only errors are explained."""
    return modes.anomaly != "errors"
