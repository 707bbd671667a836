"""What happens to tensors between the forward and the backward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..backend import backend_of, get_backend
from .function import Function, Packed
from .mode import mode
from .variable import Variable


class _Packer:
    """Called with each node that is recorded: puts what it has saved into another form."""

    def __init__(self, pack: Callable[[Any], Any], unpack: Callable[[Any], Any]) -> None:
        self.pack, self.unpack = pack, unpack

    def __call__(self, node: Function) -> None:
        before, mode.watchers = mode.watchers, ()  # what packing computes is not packed itself
        try:
            node.repack(self._packed)
        finally:
            mode.watchers = before

    def _packed(self, tensor: Variable) -> Packed:
        return Packed(self.pack(tensor), self.unpack)


class saved_tensors_hooks:
    """Context in which what is saved for backward goes through ``pack_hook``, and back through ``unpack_hook``.

    Args:
        pack_hook: takes a tensor, returns anything: a compressed form, the name of a file.
        unpack_hook: takes that, returns the tensor.

    A tensor in another form is not guarded against in-place writes. Of several contexts the innermost counts.

    >>> import tinyconv as tc
    >>> x = tc.tensor([3.], requires_grad=True)
    >>> with tc.autograd.graph.saved_tensors_hooks(lambda t: t.tolist(), tc.tensor):
    ...     y = x * x
    >>> y.backward()
    >>> x.grad
    tensor([6.])
    """

    def __init__(self, pack_hook: Callable[[Any], Any], unpack_hook: Callable[[Any], Any]) -> None:
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        self._before = mode.watchers
        others = tuple(w for w in mode.watchers if not isinstance(w, _Packer))
        mode.watchers = (*others, _Packer(self.pack_hook, self.unpack_hook))

    def __exit__(self, *_: object) -> None:
        mode.watchers = self._before


class save_on_cpu(saved_tensors_hooks):
    """Context in which what is saved for backward waits in host memory.

    Args:
        pin_memory: in memory from which a GPU copies faster; without a GPU, of no effect.
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        def pack(tensor: Any) -> tuple[str, Any]:
            backend = backend_of(tensor.array)
            host = tensor.wrap(backend.to_numpy(tensor.array))
            return backend.name, host.pin_memory() if pin_memory and backend.name != "cpu" else host

        def unpack(packed: tuple[str, Any]) -> Any:
            name, host = packed
            return host.wrap(get_backend(name).from_numpy(host.array))

        super().__init__(pack, unpack)
