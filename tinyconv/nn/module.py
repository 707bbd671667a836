"""Module: a function with parameters, made of smaller ones."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Self

from ..autograd.function import Handle
from ..autograd.mode import no_grad
from ..dtypes import bfloat16, device, dtype, float16, float32, float64, to_dtype
from ..errors import Explained
from ..tensor import Tensor
from . import state
from .hooks import OF_ALL, Hook, call
from .parameter import is_lazy
from .tree import Tree

__all__ = ["Module"]


class Module(Tree):
    """Base of all layers: assign parameters and layers as attributes, and write ``forward``.

    What is assigned is found again by ``parameters()``, ``state_dict()``, ``to()``, ``train()`` and
    so on, at any depth.

    >>> import tinyconv as tc
    >>> class Scale(tc.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.factor = tc.nn.Parameter(tc.tensor(3.0))
    ...     def forward(self, x):
    ...         return self.factor * x
    >>> scale = Scale()
    >>> scale(tc.ones(2)).sum().backward()
    >>> scale.factor.grad
    tensor(2.)
    """

    training: bool
    _hooks: dict[int, Hook]
    _version = 1  # of the layout of the state; a subclass that changes it counts up

    def __init__(self) -> None:
        super().__init__()
        vars(self).update(training=True, _hooks={}, **{name: {} for name in state.HOOKS})

    def __setstate__(self, state: dict[str, Any]) -> None:
        Module.__init__(self)
        vars(self).update(state)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; every subclass writes its own."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function\n'
            "Write def forward(self, x), or call the layers inside one by one."
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run ``forward``, and the hooks around it."""
        try:
            if self._hooks or OF_ALL:
                return call(self, args, kwargs)
            return self.forward(*args, **kwargs)
        except Explained as error:
            _locate(error, self)
            raise

    # ── for every module, parameter or buffer ──

    def apply(self, fn: Callable[[Module], None]) -> Self:
        """Call ``fn(module)`` for every module, this one last.

        >>> import tinyconv as tc
        >>> def ones(m):
        ...     if isinstance(m, tc.nn.Linear):
        ...         tc.nn.init.ones_(m.weight)
        >>> tc.nn.Linear(2, 1).apply(ones).weight.tolist()
        [[1.0, 1.0]]
        """
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Self:
        """Switch every module to training (Dropout drops, BatchNorm learns), or back."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        """Switch every module to evaluation: ``train(False)``."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Say whether the gradients of all parameters are wanted."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or fill them with zeros."""
        for parameter in self.parameters():
            if parameter.grad is not None:
                parameter.grad = None if set_to_none else parameter.grad.detach().zero_()

    def _apply(self, fn: Callable[[Tensor], Tensor]) -> Self:
        """Replace the memory of every parameter and gradient, and every buffer, by ``fn`` of it."""
        for module in self.children():
            module._apply(fn)
        with no_grad():
            for parameter in self._parameters.values():
                if parameter is not None:
                    parameter.data = fn(parameter.data)
                    if parameter.grad is not None:
                        parameter.grad.data = fn(parameter.grad.data)
            for name, buffer in self._buffers.items():
                if is_lazy(buffer):
                    buffer.data = fn(buffer.data)  # type: ignore[union-attr]  # None is not lazy
                elif buffer is not None:
                    self._buffers[name] = fn(buffer)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Convert floating point parameters and buffers to a dtype, move all to a device, in place.

        ``to(device, dtype)``, ``to(dtype)`` or ``to(tensor)``, by position or by name.

        >>> import tinyconv as tc
        >>> tc.nn.Linear(2, 1).to(tc.float64).weight.dtype
        tinyconv.float64
        """
        where, kind = _destination(*args, **kwargs)
        if kind is not None and not kind.is_floating_point:
            raise TypeError(
                "nn.Module.to only accepts floating point or complex dtypes, but got desired "
                f"dtype={kind}\n"
                "Parameters need a gradient; convert a single buffer by itself: module.name = "
                "module.name.to(...)."
            )
        return self._apply(
            lambda t: t.to(device=where, dtype=kind if t.dtype.is_floating_point else None)
        )

    def cpu(self) -> Self:
        """Move all parameters and buffers to host memory."""
        return self.to("cpu")

    def cuda(self, device: Any = None) -> Self:
        """Move all parameters and buffers to a GPU."""
        return self.to("cuda" if device is None else device)

    def type(self, dst_type: Any) -> Self:
        """Convert all parameters and buffers to a dtype."""
        return self._apply(lambda t: t.type(dst_type))

    def float(self) -> Self:
        """Convert floating point parameters and buffers to float32."""
        return self.to(float32)

    def double(self) -> Self:
        """Convert floating point parameters and buffers to float64."""
        return self.to(float64)

    def half(self) -> Self:
        """Convert floating point parameters and buffers to float16."""
        return self.to(float16)

    def bfloat16(self) -> Self:
        """Convert floating point parameters and buffers to bfloat16."""
        return self.to(bfloat16)

    # ── hooks ──

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> Handle:
        """Call ``hook(module, args)`` before ``forward``; what it returns are the new arguments."""
        return Handle(self._hooks, Hook("forward_pre", hook, with_kwargs), prepend)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> Handle:
        """Call ``hook(module, args, output)`` after ``forward``; what it returns is the new output.

        >>> import tinyconv as tc
        >>> layer = tc.nn.Linear(2, 1)
        >>> with layer.register_forward_hook(lambda module, args, y: y.abs() * 0):
        ...     layer(tc.ones(1, 2)).tolist()
        [[0.0]]
        """
        return Handle(self._hooks, Hook("forward", hook, with_kwargs, always_call), prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> Handle:
        """Call ``hook(module, grad_output)`` before backward; it may return a new tuple."""
        return Handle(self._hooks, Hook("backward_pre", hook), prepend)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> Handle:
        """Call ``hook(module, grad_input, grad_output)`` after backward; to change the first."""
        return Handle(self._hooks, Hook("backward", hook), prepend)

    # ── state ──

    def state_dict(
        self, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> OrderedDict[str, Any]:
        """All parameters and persistent buffers by path; the tensors share memory with the module.

        >>> import tinyconv as tc
        >>> list(tc.nn.Sequential(tc.nn.Linear(2, 1)).state_dict())
        ['0.weight', '0.bias']
        """
        return state.save(self, destination, prefix, keep_vars)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> state.IncompatibleKeys:
        """Copy parameters and buffers from a ``state_dict()``: all of it, or on an error nothing.

        Args:
            strict: whether missing and unexpected keys are an error.
            assign: put the tensors themselves into the module instead of copying their numbers.

        Raises:
            RuntimeError: keys or shapes that do not fit.

        >>> import tinyconv as tc
        >>> a, b = tc.nn.Linear(2, 1), tc.nn.Linear(2, 1)
        >>> b.load_state_dict(a.state_dict())
        <All keys matched successfully>
        """
        return state.load(self, state_dict, strict, assign)

    _save_to_state_dict = state.save_own
    _load_from_state_dict = state.load_own

    def register_state_dict_pre_hook(self, hook: Callable[..., None]) -> Handle:
        """Call ``hook(module, prefix, keep_vars)`` before ``state_dict()`` collects this module."""
        return Handle(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable[..., None]) -> Handle:
        """Call ``hook(module, state_dict, prefix, local_metadata)`` after it has; to change."""
        return Handle(self._state_dict_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., None]) -> Handle:
        """Call ``hook(module, state_dict, prefix, local_metadata, strict, missing_keys,
        unexpected_keys, error_msgs)`` before loading this module; the dict is a copy to change."""
        return Handle(self._load_state_dict_pre_hooks, hook)

    def register_load_state_dict_post_hook(self, hook: Callable[..., None]) -> Handle:
        """Call ``hook(module, incompatible_keys)`` after loading this module; to change."""
        return Handle(self._load_state_dict_post_hooks, hook)

    # ── text ──

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """The settings, as they are printed between the parentheses."""
        return ""

    def _child_lines(self) -> list[str]:
        return [f"({name}): {indented(repr(module))}" for name, module in self._modules.items()]

    def __repr__(self) -> str:
        extra, children = self.extra_repr(), self._child_lines()
        lines = (extra.split("\n") if extra else []) + children
        if len(lines) == 1 and not children:
            body = lines[0]
        else:
            body = "\n  " + "\n  ".join(lines) + "\n" if lines else ""
        return f"{self._get_name()}({body})"


def _destination(*args: Any, **kwargs: Any) -> tuple[device | None, dtype | None]:
    """Sort the arguments of ``to`` into a device and a dtype."""
    where, kind = kwargs.pop("device", None), kwargs.pop("dtype", None)
    if unknown := kwargs.keys() - {"non_blocking", "memory_format", "tensor"}:
        raise TypeError(f"to() got an unexpected keyword argument '{min(unknown)}'")
    for x in (*args, kwargs.get("tensor")):
        if isinstance(x, Tensor):
            where, kind = x.device, x.dtype
        elif isinstance(x, (str, device)) or type(x) is int:
            where = x
        elif x is not None and not isinstance(
            x, bool
        ):  # a bool is non_blocking: copies here never are
            kind = x
    return None if where is None else device(where), None if kind is None else to_dtype(kind)


def _locate(error: Explained, module: Module) -> None:
    """Note in an error that it passed ``module``: the innermost is described, others add a name.

    ``passed`` is the id of the Module that the error left last.
    """
    passed = error.passed
    if passed is None:
        error.layer = error.layer or (module._get_name() if module._modules else repr(module))
    elif passed != id(module):
        paths = (path for path, inner in module.named_modules() if id(inner) == passed)
        error.path.append(next(paths, "<not registered>"))
    error.passed = id(module)


def indented(text: str) -> str:
    """Shift all lines but the first."""
    return text.replace("\n", "\n  ")
