"""The context in which operations choose their number types."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from ..autograd.autocast import Casting
from ..autograd.mode import mode
from ..autograd.variable import Variable
from ..backend import backend_of, cuda_unavailable
from ..dtypes import BY_NUMPY, FLOATS, bfloat16, device, dtype, float16, float64, to_dtype
from ..ops import to

F = TypeVar("F", bound=Callable[..., Any])

DEFAULTS = {"cpu": bfloat16, "cuda": float16}  # of which halves a device has fast arithmetic


def _known(device_type: str) -> str:
    """Refuse what is no type of device."""
    if not isinstance(device_type, str):
        raise ValueError(
            f"Expected `device_type` of type `str`, got: `{type(device_type)}`\n"
            "Write 'cpu' or 'cuda', or x.device.type."
        )
    if device(device_type).type != device_type:
        raise RuntimeError(
            f"User specified an unsupported autocast device_type '{device_type}'\n"
            "It is 'cpu' or 'cuda', without a number."
        )
    return device_type


class autocast:
    """Context and decorator in which operations choose their number types: halves or float32.

    Convolutions, linear layers and matrix products take halves, whatever they are given; losses, and on a
    GPU what sums or grows fast, take float32; all else takes what comes. Parameters stay as they are, and so
    do their gradients: the casts are recorded. ``backward()`` runs in the types that ``forward`` had.

    Args:
        device_type: ``'cpu'`` or ``'cuda'``: which tensors it is about.
        dtype: bfloat16 or float16; unless given, bfloat16 on a CPU, float16 on a GPU.
        enabled: False switches it off inside another context.
        cache_enabled: cast each parameter once, until the outermost context ends.

    >>> import tinyconv as tc
    >>> layer, x = tc.nn.Linear(2, 3), tc.ones(4, 2)
    >>> with tc.autocast("cpu"):
    ...     y = layer(x)
    ...     loss = tc.nn.functional.mse_loss(y, tc.ones(4, 3))
    >>> y.dtype, loss.dtype
    (tinyconv.bfloat16, tinyconv.float32)
    >>> loss.backward()
    >>> layer.weight.grad.dtype
    tinyconv.float32
    """

    def __init__(
        self,
        device_type: str,
        dtype: Any = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        self.device = _known(device_type)
        self.fast_dtype = get_autocast_dtype(device_type) if dtype is None else to_dtype(dtype)
        self._cache_enabled = (
            is_autocast_cache_enabled() if cache_enabled is None else cache_enabled
        )
        if enabled and device_type == "cuda" and cuda_unavailable():
            warnings.warn("CUDA is not available. Disabling autocast.", stacklevel=2)
            enabled = False
        elif enabled and self.fast_dtype not in (bfloat16, float16):
            warnings.warn(
                f"In {device_type.upper()} autocast, but the target dtype is not supported. Disabling "
                f"autocast.\n{device_type.upper()} Autocast only supports dtypes of tinyconv.bfloat16, "
                "tinyconv.float16 currently.",
                stacklevel=2,
            )
            enabled = False
        self._enabled = bool(enabled)
        self._outer: list[Casting | None] = []

    def __enter__(self) -> autocast:
        self._outer.append(mode.autocast)
        outer = mode.autocast or Casting(DEFAULTS, frozenset(), True, {})
        here = frozenset((self.device,))
        mode.autocast = Casting(
            {**outer.chosen, self.device: self.fast_dtype},
            outer.enabled | here if self._enabled else outer.enabled - here,
            self._cache_enabled,
            outer.known,
        )
        return self

    def __exit__(self, *_: object) -> None:
        mode.autocast = self._outer.pop()

    def __call__(self, function: F) -> F:
        if not callable(function):
            raise TypeError(
                f"autocast()(func) requires a callable, but got {type(function).__name__}. Did you mean "
                "to use autocast as a context manager?\nWrite: with autocast('cpu'): y = model(x)."
            )

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return wrapped  # type: ignore[return-value]  # wraps() keeps the signature


# ── questions ─────────────────────────────────────────────────────────────────────────────────


def is_autocast_available(device_type: str) -> bool:
    """Tell whether there is autocast for a type of device."""
    return device_type in DEFAULTS


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Tell whether operations on this type of device choose their number types here."""
    return mode.autocast is not None and _known(device_type) in mode.autocast.enabled


def is_autocast_cache_enabled() -> bool:
    """Tell whether a parameter is cast only once."""
    return mode.autocast is None or mode.autocast.caching


def get_autocast_dtype(device_type: str) -> dtype:
    """The halves that ``autocast(device_type)`` would choose here."""
    return (DEFAULTS if mode.autocast is None else mode.autocast.chosen)[_known(device_type)]


# ── for users' own Functions ──────────────────────────────────────────────────────────────────


def custom_fwd(fwd: Any = None, *, device_type: str, cast_inputs: Any = None) -> Any:
    """Decorate ``forward`` of a Function of one's own, so that :func:`custom_bwd` can do as it did.

    Args:
        device_type: as for :class:`autocast`.
        cast_inputs: under autocast, convert all floating-point tensors to this dtype and switch autocast
            off inside; unless given, the operations inside choose themselves.

    >>> import tinyconv as tc
    >>> class Product(tc.autograd.Function):
    ...     @staticmethod
    ...     @tc.amp.custom_fwd(device_type="cpu")
    ...     def forward(ctx, x, y):
    ...         ctx.save_for_backward(x, y)
    ...         return x @ y
    ...     @staticmethod
    ...     @tc.amp.custom_bwd(device_type="cpu")
    ...     def backward(ctx, g):
    ...         x, y = ctx.saved_tensors
    ...         return g @ y.T, x.T @ g
    >>> with tc.autocast("cpu"):
    ...     Product.apply(tc.ones(2, 2), tc.ones(2, 2)).dtype
    tinyconv.bfloat16
    """
    _known(device_type)
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def wrapped(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        on = is_autocast_enabled(device_type)
        ctx._autocast = get_autocast_dtype(device_type), on and cast_inputs is None
        if not on or cast_inputs is None:
            return fwd(ctx, *args, **kwargs)
        target = to_dtype(cast_inputs)
        with autocast(device_type, enabled=False):
            return fwd(
                ctx,
                *(_converted(a, device_type, target) for a in args),
                **{name: _converted(a, device_type, target) for name, a in kwargs.items()},
            )

    return wrapped


def custom_bwd(bwd: Any = None, *, device_type: str) -> Any:
    """Decorate ``backward`` of a Function of one's own: it runs under autocast if ``forward`` did."""
    _known(device_type)
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def wrapped(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        chosen, on = ctx._autocast
        with autocast(device_type, dtype=chosen, enabled=on):
            return bwd(ctx, *args, **kwargs)

    return wrapped


def _converted(x: Any, device_type: str, target: dtype) -> Any:
    """Floating-point tensors of a device in another dtype; float64 stays, as under autocast."""
    if isinstance(x, (list, tuple)):
        return type(x)(_converted(v, device_type, target) for v in x)
    if isinstance(x, dict):
        return {k: _converted(v, device_type, target) for k, v in x.items()}
    if not isinstance(x, Variable) or backend_of(x.array).name != device_type:
        return x
    kind = x.array.dtype
    return to(x, target) if kind in FLOATS and BY_NUMPY[kind] is not float64 else x
