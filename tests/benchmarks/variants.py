"""The ways to run a network: tinyconv and torch, plain and with what each offers to make it faster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from models import Recipe

REFERENCE = "torch"  # eager, as everybody writes it; ratios are to this one


@dataclass(frozen=True)
class Variant:
    """How a library is used; ``only_training`` where it makes no difference to inference."""

    library: str
    channels_last: bool = False
    fused: bool = False
    compiled: bool = False
    only_training: bool = False


VARIANTS = {
    "tinyconv": Variant("tinyconv"),
    "tinyconv_compiled": Variant("tinyconv", compiled=True),
    REFERENCE: Variant("torch"),
    "torch_channels_last": Variant("torch", channels_last=True),
    "torch_fused": Variant("torch", channels_last=True, fused=True, only_training=True),
    "torch_compile": Variant("torch", channels_last=True, fused=True, compiled=True),
}


def training(
    lib: Any, recipe: Recipe, variant: Variant, batch: int | None = None
) -> Callable[[], float]:
    """A function that takes one training step and returns its loss."""
    model, x, y = _ready(lib, recipe, variant, batch)
    fused = {"fused": True} if variant.fused else {}
    parameters = model.parameters()
    optimizer = getattr(lib.optim, recipe.optimizer)(parameters, **recipe.settings, **fused)
    model = _compiled(lib, model) if variant.compiled else model
    cross_entropy = lib.nn.functional.cross_entropy

    def step() -> float:
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return float(loss.item())

    lib.manual_seed(2)  # the first step draws the same dropout everywhere
    return step


def inference(
    lib: Any, recipe: Recipe, variant: Variant, batch: int | None = None
) -> Callable[[], float]:
    """A function that runs the network forward, in ``eval`` mode and under ``no_grad``, and returns a loss."""
    model, x, y = _ready(lib, recipe, variant, batch)
    model.eval()
    model = _compiled(lib, model) if variant.compiled else model
    cross_entropy = lib.nn.functional.cross_entropy

    def step() -> float:
        with lib.no_grad():
            return float(cross_entropy(model(x), y).item())

    return step


def _ready(lib: Any, recipe: Recipe, variant: Variant, batch: int | None) -> tuple[Any, Any, Any]:
    model, (x, y) = recipe.network(lib), recipe.data(lib, batch)
    if variant.channels_last:
        model = model.to(memory_format=lib.channels_last)
        x = x.to(memory_format=lib.channels_last)
    return model, x, y


def _compiled(lib: Any, model: Any) -> Any:
    """The library's ``compile``; torch's is told to draw dropout as eager does, so that losses can be compared."""
    options = {"options": {"fallback_random": True}} if lib.__name__ == "torch" else {}
    return lib.compile(model, **options)
