"""Networks by name: ``get_model("resnet18", weights="DEFAULT")``."""

from __future__ import annotations

import fnmatch
import inspect
import warnings
from collections.abc import Callable, Iterable
from functools import wraps
from types import ModuleType
from typing import Any, TypeVar

from ... import nn
from ...errors import ArgumentError
from ...nn.tree import closest
from .weights import WeightsEnum

__all__ = [
    "fixed",
    "get_model",
    "get_model_builder",
    "get_model_weights",
    "get_weight",
    "list_models",
    "load",
    "register",
]

M = TypeVar("M", bound=nn.Module)
Load = Callable[[Callable[..., Any], WeightsEnum, bool, dict[str, Any]], Any]

_BUILDERS: dict[str, Callable[..., nn.Module]] = {}
_WEIGHTS: dict[Callable[..., Any], type[WeightsEnum]] = {}  # of each builder


# ── making a network ──


def fixed(config: dict[str, Any], **settled: Any) -> dict[str, Any]:
    """Return ``config`` with arguments that are settled, unless it has other values for them."""
    for name, value in settled.items():
        if config.get(name, value) != value:
            advice = (
                "then give the model a new last layer"
                if name == "num_classes"
                else f"or call the class itself with {name}={config[name]}"
            )
            raise ArgumentError(
                f"The parameter '{name}' expected value {value} but got {config[name]} instead.",
                f"Leave it out, {advice}.",
            )
    return config | settled


def load(
    architecture: Callable[..., M], weights: WeightsEnum, progress: bool, config: dict[str, Any]
) -> M:
    """Make a network and give it published weights."""
    if weights.meta["num_classes"] is not None:
        config = fixed(config, num_classes=weights.meta["num_classes"])
    model = architecture(**config)
    model.load_state_dict(weights.get_state_dict(progress=progress, check_hash=True))
    return model


def register(
    kind: type[WeightsEnum], load: Load = load
) -> Callable[[Callable[..., M]], Callable[..., M]]:
    """Decorate a function that makes a network, so that it can be found, and takes weights.

    It gets two more arguments, by name: ``weights``, a member of ``kind``, its name, or None; and
    ``progress``, whether to show how far the download is. All others go to the function.
    """

    def decorate(architecture: Callable[..., M]) -> Callable[..., M]:
        @wraps(architecture)
        def build(*args: Any, **config: Any) -> M:
            _by_name(args, config)
            _without_pretrained(kind, config)
            weights = kind.verify(config.pop("weights", None))
            progress = config.pop("progress", True)
            if weights is None:
                return architecture(**config)
            return load(architecture, weights, progress, config)

        only_named = inspect.Parameter.KEYWORD_ONLY
        added = [
            inspect.Parameter("weights", only_named, default=None, annotation=kind | None),
            inspect.Parameter("progress", only_named, default=True, annotation=bool),
        ]
        own = inspect.signature(architecture)
        parameters = [*added, *own.parameters.values()]
        build.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]  # of functools
        _BUILDERS[architecture.__name__] = build
        _WEIGHTS[build] = kind
        return build

    return decorate


# ── as it was written before there were several weights for a network ──

_SINCE = "deprecated since 0.13 and may be removed in the future"


def _warn(text: str) -> None:
    warnings.warn(text, UserWarning, stacklevel=4)  # where the builder is called


def _by_name(args: tuple[Any, ...], config: dict[str, Any]) -> None:
    """Take ``weights`` and ``progress`` by position, with a warning."""
    if len(args) > 2:
        raise TypeError(f"takes at most 2 positional arguments ({len(args)} given)\nName them.")
    if args:
        named = dict(zip(("weights", "progress"), args, strict=False))
        listed = " and ".join(f"'{name}'" for name in named)
        _warn(
            f"Using {listed} as positional parameter(s) is {_SINCE}. "
            "Please use keyword parameter(s) instead."
        )
        config.update(named)


def _without_pretrained(kind: type[WeightsEnum], config: dict[str, Any]) -> None:
    """Replace ``pretrained=True``, and ``weights=True``, by the weights it once stood for."""
    given = config.get("weights", "legacy" if "pretrained" in config else None)
    if (
        given is None
        or isinstance(given, WeightsEnum)
        or (given != "legacy" and type(given) is str)
    ):
        return
    if "weights" not in config:
        _warn(f"The parameter 'pretrained' is {_SINCE}, please use 'weights' instead.")
    wanted = config.pop("pretrained", True) if given == "legacy" else given
    member = kind["IMAGENET1K_V1"] if wanted else None
    advice = (
        f" You can also use `weights={kind.__name__}.DEFAULT` to get the most up-to-date weights."
    )
    _warn(
        f"Arguments other than a weight enum or `None` for 'weights' are {_SINCE}. "
        f"The current behavior is equivalent to passing `weights={member}`."
        + (advice if wanted else "")
    )
    config["weights"] = member


# ── finding one ──


def list_models(
    module: ModuleType | None = None,
    include: Iterable[str] | str | None = None,
    exclude: Iterable[str] | str | None = None,
) -> list[str]:
    """List the names of all networks, in alphabetical order.

    Args:
        module: only those in files of this package
        include: patterns such as ``"resnet*"``, of which a name must match one
        exclude: patterns of which it must match none

    >>> list_models(include="squeeze*")
    ['squeezenet1_0', 'squeezenet1_1']
    """
    include, exclude = ([x] if isinstance(x, str) else list(x or []) for x in (include, exclude))

    def wanted(name: str) -> bool:
        home = _BUILDERS[name].__module__.rpartition(".")[0]
        return (
            (module is None or home == module.__name__)
            and (not include or any(fnmatch.fnmatch(name, pattern) for pattern in include))
            and not any(fnmatch.fnmatch(name, pattern) for pattern in exclude)
        )

    return sorted(filter(wanted, _BUILDERS))


def get_model_builder(name: str) -> Callable[..., nn.Module]:
    """Return the function that makes the network of this name.

    Raises:
        ArgumentError: there is none
    """
    if name.lower() not in _BUILDERS:
        raise ArgumentError(f"Unknown model {name.lower()}{closest(name.lower(), _BUILDERS)}")
    return _BUILDERS[name.lower()]


def get_model(name: str, **config: Any) -> nn.Module:
    """Make the network of this name.

    >>> get_model("squeezenet1_1", num_classes=5).classifier[1]
    Conv2d(512, 5, kernel_size=(1, 1), stride=(1, 1))
    """
    return get_model_builder(name)(**config)


def get_model_weights(name: Callable[..., Any] | str) -> type[WeightsEnum]:
    """Return the weights there are for a network, given by name or by its function.

    >>> list(get_model_weights("resnet50"))
    [ResNet50_Weights.IMAGENET1K_V1, ResNet50_Weights.IMAGENET1K_V2]
    """
    builder = get_model_builder(name) if isinstance(name, str) else name
    if builder not in _WEIGHTS:
        raise ArgumentError(
            "The WeightsEnum class for the specific method couldn't be retrieved.",
            f"{builder!r} is none of the functions that list_models() names.",
        )
    return _WEIGHTS[builder]


def get_weight(name: str) -> WeightsEnum:
    """Return weights by their full name.

    >>> get_weight("ResNet50_Weights.DEFAULT")
    ResNet50_Weights.IMAGENET1K_V2
    """
    kind, dot, member = name.partition(".")
    if not dot or "." in member:
        raise ArgumentError(
            f"Invalid weight name provided: '{name}'.", "Write it as 'ResNet50_Weights.DEFAULT'."
        )
    kinds = {weights.__name__: weights for weights in _WEIGHTS.values()}
    if kind not in kinds:
        raise ArgumentError(
            f"The weight enum '{kind}' for the specific method couldn't be retrieved."
            + closest(kind, kinds)
        )
    return kinds[kind].verify(member)
