"""L-BFGS: Newton's method, with curvatures remembered from a few steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..autograd import enable_grad, no_grad
from ..errors import ArgumentError
from ..ops import cat
from ..tensor import Tensor
from .elementwise import invalid
from .line_search import Number, Point, strong_wolfe
from .optimizer import Group, Optimizer, Params, State

FLATTEST = 1e-10  # below it a curvature is noise


class LBFGS(Optimizer):
    r"""Steps along -H g, where H, an inverse of the second derivatives, follows from the last steps.

    s = the step, y = what it changed in g;  H ← (1 - s yᵀ/sᵀy) H (1 - y sᵀ/sᵀy) + s sᵀ/sᵀy, begun
    with H = sᵀy/yᵀy for each pair remembered.

    A call of ``step(closure)`` makes up to ``max_iter`` such steps, and needs the closure: it
    computes the loss anew, and its gradients. For smooth losses of whole batches. All parameters
    are one vector: there is one group, on one device.

    Args:
        lr: length of a step; with a line search, of the first tried.
        max_iter: steps per call. max_eval: calls of the closure per call, 5/4 of ``max_iter`` unless given.
        tolerance_grad: the largest gradient at which to stop. tolerance_change: the change of loss or
            of parameters at which to stop. history_size: pairs remembered.
        line_search_fn: None, or "strong_wolfe", which looks along each direction for a point where
            Wolfe's conditions hold.

    Raises ``ValueError`` for a negative ``lr`` and for several groups.

    Nocedal & Wright, "Numerical Optimization" (2006), algorithms 7.4 and 7.5.

    >>> import tinyconv as tc
    >>> x = tc.tensor([4.0, -2.0], requires_grad=True)
    >>> optimizer = tc.optim.LBFGS([x], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = ((x - 1) ** 2 * tc.tensor([1.0, 10.0])).sum()
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure).item()
    99.0
    >>> tc.allclose(x, tc.ones(2), atol=1e-4)
    True
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        if self.param_groups:
            raise ArgumentError(
                "LBFGS doesn't support per-parameter options (parameter groups)",
                "Its direction follows from all parameters at once: pass one list.",
            )
        lr = group["lr"]
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ArgumentError("Tensor lr must be 1-element", "All parameters have the same rate.")
        if not lr >= 0:
            raise invalid("lr", lr, "0 or more")

    @no_grad()
    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]  # not without one
        """Walk up to ``max_iter`` steps; return the loss before the first.

        Raises ``RuntimeError`` for a line search that is not known.
        """
        (group,) = self.param_groups
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise RuntimeError(
                "only 'strong_wolfe' is supported\n"
                f"Got line_search_fn={group['line_search_fn']!r}; None takes steps of length lr."
            )
        walk = _Walk(group, self.state[group["params"][0]], enable_grad()(closure))
        return walk.go()


class _Walk:
    """One call of ``step``. What the next call needs lies in ``state``, under the first parameter."""

    def __init__(self, group: Group, state: State, closure: Callable[[], Any]) -> None:
        self.params, self.state, self.closure = group["params"], state, closure
        lr = group["lr"]
        self.lr: Number = lr.reshape(()) if isinstance(lr, Tensor) else lr
        self.group = group

    def go(self) -> Any:
        group, state = self.group, self.state
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first = self.closure()
        loss, g = float(first), self.gradient()
        evaluated = 1
        state["func_evals"] += 1
        if self.is_flat(g):
            return first
        for i in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            d = self.direction(g)
            state["prev_flat_grad"], state["prev_loss"] = g, loss
            fresh = state["n_iter"] == 1
            t = state["t"] = min(1.0, 1.0 / g.abs().sum()) * self.lr if fresh else self.lr
            slope = g.dot(d)
            if slope > -group["tolerance_change"]:
                break
            last = i == group["max_iter"]
            if group["line_search_fn"] is None:
                self.move(d, t)
                if last:  # nobody asks how it is there
                    break
                loss, g, calls = float(self.closure()), self.gradient(), 1
            else:
                most = group["max_eval"] - evaluated
                start = Point(0, loss, g, slope)
                end, calls = self.search(start, d, t, most)
                t, loss, g, _ = end
                state["t"] = t
                self.move(d, t)
            evaluated += calls
            state["func_evals"] += calls
            if (
                last
                or evaluated >= group["max_eval"]
                or self.is_flat(g)
                or (d * t).abs().max() <= group["tolerance_change"]
                or abs(loss - state["prev_loss"]) < group["tolerance_change"]
            ):
                break
        return first

    def direction(self, g: Tensor) -> Tensor:
        """-H g, after what the last step tells of H is remembered."""
        state = self.state
        if state["n_iter"] == 1:
            state.update(d=-g, old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return state["d"]
        y, s = g - state["prev_flat_grad"], state["d"] * state["t"]
        changes, steps, inverses = state["old_dirs"], state["old_stps"], state["ro"]
        size = self.group["history_size"]
        curvature = y.dot(s)
        if curvature > FLATTEST:
            if len(changes) == size:
                for remembered in (changes, steps, inverses):
                    del remembered[0]
            changes.append(y)
            steps.append(s)
            inverses.append(1.0 / curvature)
            state["H_diag"] = curvature / y.dot(y)
        shares = state.setdefault("al", [None] * size)
        d = -g
        for i in reversed(range(len(changes))):
            shares[i] = steps[i].dot(d) * inverses[i]
            d -= changes[i] * shares[i]
        d *= state["H_diag"]
        for y, s, inverse, share in zip(changes, steps, inverses, shares, strict=False):
            d += s * (share - y.dot(d) * inverse)
        state["d"] = d
        return d

    def search(self, start: Point, d: Tensor, t: Number, most: int) -> tuple[Point, int]:
        """Look for a better point along ``d``; the parameters stay where they are."""
        places = [p.clone() for p in self.params]

        def evaluate(t: Number) -> Point:
            self.move(d, t)
            loss, g = float(self.closure()), self.gradient()
            for p, place in zip(self.params, places, strict=True):
                p.copy_(place)
            return Point(t, loss, g, g.dot(d))

        length = d.abs().max()
        return strong_wolfe(evaluate, start, t, length, self.group["tolerance_change"], most)

    def is_flat(self, g: Tensor) -> Any:
        return g.abs().max() <= self.group["tolerance_grad"]

    def gradient(self) -> Tensor:
        """The gradient of all parameters in one row, as it is now."""
        return cat([g.reshape(-1) for g in self._gradients()])

    def _gradients(self) -> Iterator[Tensor]:
        for p in self.params:
            yield p.new_zeros(p.shape) if p.grad is None else p.grad.detach()

    def move(self, d: Tensor, t: Number) -> None:
        """Go t along ``d``."""
        at = 0
        for p in self.params:
            p += (d[at : at + p.numel()] * t).reshape(p.shape)
            at += p.numel()
