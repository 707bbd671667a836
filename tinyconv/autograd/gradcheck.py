"""Compare gradients with finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..backend import XP, backend_of
from ..dtypes import FLOATS
from .engine import grad
from .variable import Variable


class GradcheckError(RuntimeError):
    """A gradient that differs from its finite difference."""


def _outputs(function: Callable[..., Any], inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    out = function(*inputs)
    out = out if isinstance(out, (tuple, list)) else (out,)
    return tuple(y for y in out if isinstance(y, Variable) and y.array.dtype in FLOATS)


def _numerical(
    function: Callable[..., Any], inputs: tuple[Any, ...], x: Variable, eps: float
) -> list[Any]:
    """Rows of d(output)/d(x) by central differences, one array (inputs, outputs) per output."""
    columns: list[list[Any]] = []
    flat = x.array.reshape(-1)
    shared = backend_of(flat).xp.may_share_memory(flat, x.array)
    for i in range(flat.size):
        at = i if shared else XP[type(flat)].unravel_index(i, x.array.shape)
        target = flat if shared else x.array
        kept = target[at].copy()
        target[at] = kept + eps
        high = [y.array.copy() for y in _outputs(function, inputs)]
        target[at] = kept - eps
        low = [y.array.copy() for y in _outputs(function, inputs)]
        target[at] = kept
        columns.append([((b - a) / (2 * eps)).reshape(-1) for a, b in zip(low, high, strict=True)])
    return [XP[type(flat)].stack(c) if c else None for c in zip(*columns, strict=True)]


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    fast_mode: bool = False,
) -> bool:
    """Check the gradients of ``func`` against central differences.

    Args:
        func: takes the inputs, returns a Tensor or several.
        inputs: a Tensor or a tuple; those that require grad (float64, please) are checked.
        eps: step of the difference. atol, rtol: how much may differ.
        fast_mode: there for torch's sake; every entry is checked.

    Raises:
        GradcheckError: a gradient differs, with both numbers. ValueError: no input requires grad.

    >>> import tinyconv as tc
    >>> x = tc.rand(3, dtype=tc.float64, requires_grad=True)
    >>> tc.autograd.gradcheck(lambda x: x.sin(), x)
    True
    """
    inputs = (inputs,) if isinstance(inputs, Variable) else tuple(inputs)
    checked = [i for i, x in enumerate(inputs) if isinstance(x, Variable) and x.requires_grad]
    if not checked:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the them have "
            "requires_grad=True."
        )
    try:
        for i in checked:
            x = inputs[i]
            differences = _numerical(func, inputs, x, eps)
            outputs = _outputs(func, inputs)
            for j, y in enumerate(outputs):
                _compare(i, j, x, y, differences[j] if differences else None, atol, rtol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _compare(
    i: int, j: int, x: Variable, y: Variable, numerical: Any, atol: float, rtol: float
) -> None:
    if numerical is None:
        return
    xp = XP[type(y.array)]
    analytical = xp.zeros_like(numerical)
    if y.requires_grad:
        for k in range(y.array.size):
            seed = xp.zeros(y.array.size, y.array.dtype)
            seed[k] = 1
            (g,) = grad(
                y, x, y.wrap(seed.reshape(y.array.shape)), retain_graph=True, allow_unused=True
            )
            if g is not None:
                analytical[:, k] = g.array.reshape(-1)
    if not xp.allclose(analytical, numerical, rtol, atol, equal_nan=True):
        worst = xp.unravel_index(xp.nanargmax(abs(analytical - numerical)), numerical.shape)
        raise GradcheckError(
            f"Jacobian mismatch for output {j} with respect to input {i},\n"
            f"numerical:{numerical}\nanalytical:{analytical}\n"
            f"largest difference at input element {int(worst[0])}, output element {int(worst[1])}: "
            f"numerical {numerical[worst]:.6g}, analytical {analytical[worst]:.6g}"
            + (
                "\nThe input is not float64: finite differences need it."
                if x.array.dtype.itemsize < 8
                else ""
            )
        )


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """Check the second gradients of ``func``: the gradients of its gradients, by finite differences.

    Arguments as :func:`gradcheck`; ``grad_outputs`` weights the outputs (ones and a slope by default).
    """
    inputs = (inputs,) if isinstance(inputs, Variable) else tuple(inputs)
    wanted = [i for i, x in enumerate(inputs) if isinstance(x, Variable) and x.requires_grad]
    outputs = _outputs(func, inputs)
    if grad_outputs is None:
        seeds = []
        for y in outputs:
            xp = XP[type(y.array)]
            seed = y.wrap(
                xp.linspace(0.5, 1.5, max(y.array.size, 1))[: y.array.size]
                .reshape(y.array.shape)
                .astype(y.array.dtype)
            )
            seed.leaf = True
            seeds.append(seed)
    else:
        seeds = [grad_outputs] if isinstance(grad_outputs, Variable) else list(grad_outputs)

    def first_gradients(*args: Any) -> Any:
        xs, gs = args[: len(inputs)], args[len(inputs) :]
        ys = _outputs(func, xs)
        return tuple(
            g
            for g in grad(
                ys, [xs[i] for i in wanted], list(gs), create_graph=True, allow_unused=True
            )
            if g is not None
        )

    return gradcheck(
        first_gradients,
        (*inputs, *seeds),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
    )
