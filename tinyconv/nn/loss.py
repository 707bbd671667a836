"""The losses as layers."""

from __future__ import annotations

from dataclasses import InitVar, field
from typing import Any

from ..ops._loss import reduction_of
from . import functional as F
from .layer import Layer


class Loss(Layer):
    """What losses share: the two flags that ``reduction`` once was, and a short ``repr``."""

    reduction: str

    def __post_init__(self, size_average: Any = None, reduce: Any = None) -> None:
        if size_average is not None or reduce is not None:
            self.reduction = reduction_of(self.reduction, size_average, reduce)

    def extra_repr(self) -> str:
        return ""


class CrossEntropyLoss(Loss, function=F.cross_entropy):
    tensors = ("weight",)
    weight: Any = None
    size_average: InitVar[Any] = None
    ignore_index: int = -100
    reduce: InitVar[Any] = None
    reduction: str = "mean"
    label_smoothing: float = 0.0


class NLLLoss(Loss, function=F.nll_loss):
    tensors = ("weight",)
    weight: Any = None
    size_average: InitVar[Any] = None
    ignore_index: int = -100
    reduce: InitVar[Any] = None
    reduction: str = "mean"


class MSELoss(Loss, function=F.mse_loss):
    size_average: InitVar[Any] = None
    reduce: InitVar[Any] = None
    reduction: str = "mean"


class L1Loss(Loss, function=F.l1_loss):
    size_average: InitVar[Any] = None
    reduce: InitVar[Any] = None
    reduction: str = "mean"


class SmoothL1Loss(Loss, function=F.smooth_l1_loss):
    size_average: InitVar[Any] = None
    reduce: InitVar[Any] = None
    reduction: str = "mean"
    beta: float = 1.0


class HuberLoss(Loss, function=F.huber_loss):
    reduction: str = "mean"
    delta: float = 1.0

    def __post_init__(self, size_average: Any = None, reduce: Any = None) -> None:
        if not isinstance(self.delta, (float, int)):
            raise TypeError(
                f"delta must be a float or int, got: {type(self.delta)}\n"
                "It is where the parabola ends."
            )


class BCELoss(Loss, function=F.binary_cross_entropy):
    tensors = ("weight",)
    weight: Any = None
    size_average: InitVar[Any] = None
    reduce: InitVar[Any] = None
    reduction: str = "mean"


class BCEWithLogitsLoss(Loss, function=F.binary_cross_entropy_with_logits):
    tensors = ("weight", "pos_weight")
    weight: Any = None
    size_average: InitVar[Any] = None
    reduce: InitVar[Any] = None
    reduction: str = "mean"
    pos_weight: Any = None


class KLDivLoss(Loss, function=F.kl_div):
    size_average: InitVar[Any] = None
    reduce: InitVar[Any] = None
    reduction: str = "mean"
    log_target: bool = False


class PoissonNLLLoss(Loss, function=F.poisson_nll_loss):
    log_input: bool = True
    full: bool = False
    size_average: InitVar[Any] = None
    eps: float = 1e-8
    reduce: InitVar[Any] = None
    reduction: str = "mean"


class GaussianNLLLoss(Loss, function=F.gaussian_nll_loss):
    full: bool = field(default=False, kw_only=True)
    eps: float = field(default=1e-6, kw_only=True)
    reduction: str = field(default="mean", kw_only=True)
