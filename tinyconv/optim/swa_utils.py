"""Averages of the weights of a training: a network that has seen more than its last step."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, Literal

from ..autograd.mode import no_grad
from ..creation import tensor
from ..dtypes import int64
from ..errors import ArgumentError
from ..nn import Module
from ..nn.norm import _BatchNorm
from ..tensor import Tensor
from .lr_scheduler.base import LRScheduler, Rate, checked, per_group
from .optimizer import Optimizer

Average = Callable[[Tensor, Tensor, Any], Tensor]
Averages = Callable[[list[Tensor], list[Tensor], Any], None]

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]


# ── what an average is ────────────────────────────────────────────────────────────────────────


def _moved(a: Tensor, b: Tensor, weight: float) -> Tensor:
    """a + weight (b - a), from the nearer end."""
    return a + (b - a) * weight if weight < 0.5 else b - (b - a) * (1 - weight)


def _all_moved(average: list[Tensor], model: list[Tensor], weight: float) -> None:
    with no_grad():
        for a, b in zip(average, model, strict=True):
            a.copy_(
                _moved(a, b, weight) if a.is_floating_point() else a * (1 - weight) + b * weight
            )


def _checked_decay(decay: float) -> float:
    if not 0.0 <= decay <= 1.0:
        raise ArgumentError(
            f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.",
            "0.999 remembers about a thousand steps.",
        )
    return decay


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """Exponential average, of one parameter: a ← decay a + (1 - decay) b."""
    _checked_decay(decay)
    return no_grad()(lambda average, model, _: decay * average + (1 - decay) * model)


def get_swa_avg_fn() -> Average:
    """Mean of all steps, of one parameter: a ← a + (b - a) / (n + 1)."""
    return no_grad()(lambda average, model, n: average + (model - average) / (n + 1))


def get_ema_multi_avg_fn(decay: float = 0.999) -> Averages:
    """Exponential average, of all parameters: a ← decay a + (1 - decay) b."""
    _checked_decay(decay)
    return lambda average, model, _: _all_moved(average, model, 1 - decay)


def get_swa_multi_avg_fn() -> Averages:
    """Mean of all steps, of all parameters: a ← a + (b - a) / (n + 1)."""
    return lambda average, model, n: _all_moved(average, model, float(1 / (n + 1)))


# ── averaged models ───────────────────────────────────────────────────────────────────────────


class AveragedModel(Module):
    """A copy of a model that holds the average of its parameters.

    Args:
        model: the model to be copied, as it is now.
        device: where the copy lies.
        avg_fn: how one parameter is averaged; ``f(average, parameter, n) -> average``.
        multi_avg_fn: the same for lists, in place. Neither means the mean of all steps.
        use_buffers: average buffers too, such as running means; otherwise they are copied.

    Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization" (2018).

    >>> import tinyconv as tc
    >>> from tinyconv.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
    >>> net = tc.nn.Linear(1, 1, bias=False)
    >>> average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    >>> for value in [1., 2.]:
    ...     g = tc.nn.init.constant_(net.weight, value)
    ...     average.update_parameters(net)
    >>> average.module.weight.item()
    1.100000023841858
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: Averages | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        assert avg_fn is None or multi_avg_fn is None, (
            "Only one of avg_fn and multi_avg_fn should be provided"
        )
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tensor(0, dtype=int64, device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the averaged model."""
        return self.module(*args, **kwargs)

    def _averaged(self, model: Module) -> Iterator[Tensor]:
        return chain(model.parameters(), model.buffers() if self.use_buffers else ())

    def update_parameters(self, model: Module) -> None:
        """Take the present parameters of ``model`` into the average."""
        n = int(self.n_averaged)
        average = [p.detach() for p in self._averaged(self.module)]
        present = [
            p.detach().to(a.device) for p, a in zip(self._averaged(model), average, strict=True)
        ]
        with no_grad():
            if n == 0:
                for a, b in zip(average, present, strict=True):
                    a.copy_(b)
            elif self.avg_fn is not None:
                for a, b in zip(average, present, strict=True):
                    a.copy_(self.avg_fn(a, b, n))
            else:
                (self.multi_avg_fn or get_swa_multi_avg_fn())(average, present, n)
            if not self.use_buffers:
                for a, b in zip(self.module.buffers(), model.buffers(), strict=True):
                    a.detach().copy_(b.detach())
            self.n_averaged += 1


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of all BatchNorm layers anew, over the batches of ``loader``.

    An averaged model has never seen its own activations: call this before it is used.
    """
    layers = [m for m in model.modules() if isinstance(m, _BatchNorm)]
    if not layers:
        return
    training, momenta = model.training, [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the mean of all batches
    model.train()
    with no_grad():
        for batch in loader:
            x = batch[0] if isinstance(batch, (list, tuple)) else batch
            model(x if device is None else x.to(device))
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    model.train(training)


# ── the rate while averaging ──────────────────────────────────────────────────────────────────


class SWALR(LRScheduler):
    """Bring the rate to ``swa_lr`` within ``anneal_epochs`` epochs, and leave it there.

    Along half a cosine or a straight line (``anneal_strategy``), from wherever other schedules put it.

    Raises ``ValueError`` for a setting out of its range.

    >>> import tinyconv as tc
    >>> optimizer = tc.optim.SGD([tc.zeros(1, requires_grad=True)], lr=8.0)
    >>> scheduler = tc.optim.swa_utils.SWALR(optimizer, 4.0, anneal_epochs=2, anneal_strategy="linear")
    >>> for epoch in range(3):
    ...     optimizer.step()
    ...     scheduler.step()
    ...     print(scheduler.get_last_lr())
    [6.0]
    [4.0]
    [4.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        last_epoch: int = -1,
    ) -> None:
        checked(optimizer)
        rates = per_group("swa_lr", swa_lr, optimizer)
        if anneal_strategy not in ("cos", "linear"):
            raise ArgumentError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ArgumentError(
                f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}"
            )
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["swa_lr"] = rate
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        """How much of the rate is ``swa_lr`` at a step."""
        t = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def _next_lr(self) -> list[Rate]:
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._share(step - 1), self._share(step)
        rates = []
        for group in self.optimizer.param_groups:
            lr, end = group["lr"], group["swa_lr"]
            start = end if before == 1 else (lr - before * end) / (1 - before)
            rates.append(end * now + start * (1 - now))
        return rates
