"""Loss scaling: gradients of float16 that would vanish are made large, and small again in float32.

Micikevicius et al., "Mixed Precision Training", arXiv 1710.03740.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..autograd.mode import no_grad
from ..backend import Array, Kernel, backend_of, blocks, cuda_unavailable, flat, hush, restore
from ..creation import full
from ..dtypes import float16, float32, int32
from ..tensor import Tensor


@Kernel
def unscale(xp: Any, g: Array, inverse: Array, found: Array) -> None:
    """g becomes g inverse; found becomes 1 if a number of g is infinite or NaN."""
    found[...] = xp.maximum(found, ~xp.isfinite(g).all())
    xp.multiply(g, inverse, out=g)


@unscale.cuda
def _unscale_cuda(g: Array, inverse: Array, found: Array) -> Any:
    return blocks(g.size), (g, inverse, found, g.size)


@Kernel
def adapt(
    xp: Any,
    found: Array,
    scale: Array,
    tracker: Array,
    growth: float,
    backoff: float,
    interval: int,
) -> None:
    """The scale falls if something was found; it grows, as long as it is finite, every so many updates without."""
    bad, due = found > 0, tracker + 1 == interval
    exact = scale.astype("float64")
    grown, fallen = (exact * growth).astype("float32"), (exact * backoff).astype("float32")
    risen = xp.where(due & xp.isfinite(grown), grown, scale)
    scale[...] = xp.where(bad, fallen, risen)
    tracker[...] = xp.where(bad | due, 0, tracker + 1)


@adapt.cuda
def _adapt_cuda(*args: Any) -> Any:
    found, scale, tracker, growth, backoff, interval = args
    return 1, (found, scale, tracker, float(growth), float(backoff), interval)


@dataclass
class _Progress:
    """How far an optimizer is since the last ``update()``."""

    stage: str = "ready"  # then "unscaled", then "stepped"
    found: dict[str, Tensor] = field(
        default_factory=dict
    )  # by device: 1 if gradients are not finite


class GradScaler:
    """Scale the loss, so that gradients in float16 do not vanish, and skip steps in which they overflow.

    The scale is multiplied by ``backoff_factor`` after such a step, by ``growth_factor`` after
    ``growth_interval`` steps without one. It lives on the device of the loss, and so does what is found in
    the gradients: the one wait for a GPU is in :meth:`step`, unless the optimizer looks there itself (SGD, and
    Adam with ``capturable``).

    Args:
        device: ``'cuda'`` or ``'cpu'``: where the scale lives.
        init_scale: the scale at first.
        growth_factor: more than 1. backoff_factor: less than 1. growth_interval: a number of steps.
        enabled: False makes every method do what a script without a scaler does.

    >>> import tinyconv as tc
    >>> x = tc.ones(2, requires_grad=True)
    >>> optimizer, scaler = tc.optim.SGD([x], lr=0.5), tc.amp.GradScaler("cpu")
    >>> scaler.scale(x.sum()).backward()
    >>> x.grad
    tensor([65536., 65536.])
    >>> scaler.step(optimizer)
    >>> scaler.update()
    >>> x
    tensor([0.5000, 0.5000], requires_grad=True)
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        if enabled and device == "cuda" and (why := cuda_unavailable()):
            warnings.warn(
                f"GradScaler is enabled, but CUDA is not available.  Disabling.\n{why}",
                stacklevel=2,
            )
            enabled = False
        if enabled and growth_factor <= 1.0:
            raise AssertionError(f"The growth factor must be > 1.0.\nIt is {growth_factor}.")
        if enabled and backoff_factor >= 1.0:
            raise AssertionError(f"The backoff factor must be < 1.0.\nIt is {backoff_factor}.")
        self._device, self._enabled = device, enabled
        self._init_scale, self._init_growth_tracker = init_scale, 0
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval = growth_interval
        self._scale: Tensor | None = None  # made by the first scale(), where its tensor is
        self._growth_tracker: Tensor | None = None
        self._progress: dict[int, _Progress] = {}

    # ── a step ──

    def scale(self, outputs: Any) -> Any:
        """Multiply a tensor, or each of an iterable of tensors, by the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            if self._scale is None:
                self._scale = full((), self._init_scale, dtype=float32, device=outputs.device)
                tracked = self._init_growth_tracker
                self._growth_tracker = full((), tracked, dtype=int32, device=outputs.device)
            return outputs * self._scale.to(outputs.device)
        if not isinstance(outputs, Iterable):
            raise ValueError(
                "outputs must be a Tensor or an iterable of Tensors\n"
                f"Got a {type(outputs).__name__}: scale the loss before .item()."
            )
        scaled = map(self.scale, outputs)
        return type(outputs)(scaled) if isinstance(outputs, (list, tuple)) else scaled

    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients of an optimizer's parameters by the scale, to clip or look at them before ``step``.

        Raises:
            RuntimeError: done already since the last :meth:`update`. ValueError: a gradient is float16.
        """
        if not self._enabled:
            return
        scale, _ = self._made("unscale_")
        progress = self._progress.setdefault(id(optimizer), _Progress())
        if progress.stage == "unscaled":
            raise RuntimeError(
                "unscale_() has already been called on this optimizer since the last update().\n"
                "Once an optimizer and iteration, after all its backward()s."
            )
        if progress.stage == "stepped":
            raise RuntimeError(
                "unscale_() is being called after step().\nThe order is unscale_, step, update."
            )
        gradients = [
            p.grad for g in optimizer.param_groups for p in g["params"] if p.grad is not None
        ]
        if any(g.dtype is float16 for g in gradients):
            raise ValueError(
                "Attempting to unscale FP16 gradients.\n"
                "Parameters stay float32; autocast makes halves of them: do not call model.half()."
            )
        with no_grad():
            inverse = scale.double().reciprocal().float()
        token = hush()  # an infinity is what is looked for
        try:
            for g in gradients:
                backend = backend_of(g.array)
                if backend.name not in progress.found:
                    progress.found[backend.name] = Tensor.wrap(backend.xp.zeros((), "float32"))
                about = inverse.to(g.device).array, progress.found[backend.name].array
                row = flat(g.array)
                if row is None:
                    unscale.definition(backend.xp, g.array, *about)
                else:
                    unscale(*row, *about)
                g.bump()
        finally:
            restore(token)
        progress.stage = "unscaled"

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """Call ``optimizer.step()`` if all gradients are finite, unscaled before if they were not yet.

        Raises:
            RuntimeError: a closure is given, or the step was done since the last :meth:`update`.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError(
                "Closure use is not currently supported if GradScaler is enabled.\n"
                "Compute the loss, and its gradients, before step()."
            )
        self._made("step")
        progress = self._progress.setdefault(id(optimizer), _Progress())
        if progress.stage == "stepped":
            raise RuntimeError(
                "step() has already been called since the last update().\nCall update() between."
            )
        if progress.stage == "ready":
            self.unscale_(optimizer)
        if not progress.found:
            raise AssertionError(
                "No inf checks were recorded for this optimizer.\n"
                "None of its parameters has a gradient: call scaler.scale(loss).backward() first."
            )
        progress.stage = "stepped"
        if set(progress.found) == {"cuda"} and getattr(optimizer, "undoes", False):
            optimizer.found_inf = progress.found["cuda"]
            try:
                return optimizer.step(*args, **kwargs)
            finally:
                optimizer.found_inf = None
        finite = not sum(found.item() for found in progress.found.values())
        return optimizer.step(*args, **kwargs) if finite else None

    def update(self, new_scale: Any = None) -> None:
        """Adapt the scale to what the steps since the last call found, or set it; nothing waits for a GPU."""
        if not self._enabled:
            return
        scale, tracker = self._made("update")
        if isinstance(new_scale, (float, int)):
            scale.fill_(new_scale)
        elif new_scale is not None:
            if (
                new_scale.device.type != self._device
                or new_scale.numel() != 1
                or new_scale.requires_grad
            ):
                raise AssertionError(
                    "new_scale should be a float or a 1-element FloatTensor with requires_grad=False.\n"
                    f"It should be on the device {self._device!r}."
                )
            scale.copy_(new_scale.reshape(()))
        else:
            founds = [f for p in self._progress.values() for f in p.found.values()]
            if not founds:
                raise AssertionError(
                    "No inf checks were recorded prior to update.\nCall step() or unscale_() before."
                )
            found = founds[0].to(scale.device)
            for other in founds[1:]:
                found = found + other.to(scale.device)
            token = hush()  # a scale that is infinite is not taken
            try:
                factors = self._growth_factor, self._backoff_factor, self._growth_interval
                adapt(found.array, scale.array, tracker.array, *factors)
            finally:
                restore(token)
        self._progress = {}

    def _made(self, name: str) -> tuple[Tensor, Tensor]:
        """The scale, and the number of steps since it changed."""
        if self._scale is None or self._growth_tracker is None:
            raise AssertionError(
                f"Attempted {name} but _scale is None.  This may indicate your script did not use "
                "scaler.scale(loss or outputs) earlier in the iteration.\n"
                "Write scaler.scale(loss).backward()."
            )
        return self._scale, self._growth_tracker

    # ── settings ──

    def is_enabled(self) -> bool:
        """Tell whether this does anything."""
        return self._enabled

    def get_scale(self) -> float:
        """The scale as a number, for which a GPU is waited for; 1 if not enabled."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else self._scale.item()

    def _get_growth_tracker(self) -> int:
        if not self._enabled:
            return 0
        tracker = self._growth_tracker
        return self._init_growth_tracker if tracker is None else int(tracker.item())

    def get_growth_factor(self) -> float:
        """What the scale is multiplied by when it grows."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Set what the scale is multiplied by when it grows."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the scale is multiplied by when it falls."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set what the scale is multiplied by when it falls."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """After how many steps the scale grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Set after how many steps the scale grows."""
        self._growth_interval = new_interval

    # ── checkpoints ──

    def state_dict(self) -> dict[str, Any]:
        """Everything to go on from, as numbers; empty if not enabled. Call it after :meth:`update`."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._get_growth_tracker(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled instance "
                "of GradScaler.\nMake this one with enabled=False, or do not load it."
            )
        self._init_scale = state_dict["scale"]
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._init_growth_tracker = state_dict["_growth_tracker"]
        if self._scale is not None and self._growth_tracker is not None:
            self._scale.fill_(self._init_scale)
            self._growth_tracker.fill_(self._init_growth_tracker)

    def __getstate__(self) -> dict[str, Any]:
        if self._progress:
            raise AssertionError(
                "A GradScaler instance may only be pickled at the beginning of an iteration, or at the "
                "end after scaler.update().\nCall update() first."
            )
        numbers = {
            "_init_scale": self.get_scale(),
            "_init_growth_tracker": self._get_growth_tracker(),
        }
        return {**vars(self), **numbers, "_scale": None, "_growth_tracker": None}
