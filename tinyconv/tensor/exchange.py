"""A tensor among others: Python's numbers and protocols, NumPy, DLPack, copies, pickles, its text."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from .. import ops
from ..autograd.variable import Variable
from ..backend import Array, backend_of, get_backend
from ..dtypes import bfloat16, get_default_dtype
from ..errors import InplaceError
from ..printing import tensor_text
from .tape import Tape

if TYPE_CHECKING:
    from .tensor import Tensor

Number: TypeAlias = bool | int | float


class Exchange(Tape):
    """What Python and NumPy ask of a tensor."""

    def item(self) -> Number:
        """The one element as a Python number."""
        if self.array.size != 1:
            raise RuntimeError(
                f"a Tensor with {self.array.size} elements cannot be converted to Scalar\n"
                "Reduce it first (.mean(), .sum()), or write .tolist()."
            )
        return self._on_host().item()

    def tolist(self) -> Any:
        """The elements as nested lists."""
        return self._on_host().tolist()

    def _on_host(self) -> Array:
        """The array in NumPy's hands: who looks at numbers waits for them, and is told what was wrong with others."""
        return backend_of(self.array).to_numpy(self.array)

    def numpy(self, *, force: bool = False) -> Any:
        """The elements as a NumPy array: on the CPU, the very memory.

        NumPy has no bfloat16 of its own; what stands in for it here is ``x.array``.
        """
        if self.array.dtype == bfloat16.numpy:
            raise TypeError(
                "Got unsupported ScalarType BFloat16\nNumPy has none: write x.float().numpy()."
            )
        if force:
            return backend_of(self.array).to_numpy(self.array)
        if self.requires_grad:
            raise RuntimeError(
                "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
            )
        if self.is_cuda:
            raise TypeError(
                f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host "
                "memory first."
            )
        return self.array

    __array_priority__ = 1000  # NumPy leaves ``array + tensor`` to the tensor

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        a = self.numpy()
        if copy is None:
            return a if dtype is None else a.astype(dtype, copy=False)
        return a.astype(a.dtype if dtype is None else dtype, copy=copy)

    def __array_wrap__(self, array: Array, context: Any = None, return_scalar: bool = False) -> Any:
        whole = hasattr(array, "ndim") and not return_scalar
        return self.results.wrap(array if whole else get_backend("cpu").xp.asarray(array))

    def __dlpack__(self, **options: Any) -> Any:
        if self.requires_grad:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        a = self.array
        read_only = self.device.type == "cpu" and not a.flags.writeable
        return (a.copy() if read_only else a).__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()

    @property
    def __cuda_array_interface__(self) -> Any:
        """What other libraries for NVIDIA's GPUs read: address, shape, strides, number type."""
        if not self.is_cuda:
            raise AttributeError(
                f"Can't get __cuda_array_interface__ on non-CUDA tensor type: {self.type()} If CUDA data is required "
                "use tensor.cuda() to copy tensor to device memory."
            )
        if self.requires_grad:
            raise RuntimeError(
                "Can't get __cuda_array_interface__ on Variable that requires grad. If gradients aren't required, "
                "use var.detach() to get Variable that doesn't require grad."
            )
        return self.array.__cuda_array_interface__

    def __len__(self) -> int:
        if not self.array.ndim:
            raise TypeError("len() of a 0-d tensor")
        return len(self.array)

    def __iter__(self) -> Iterator[Tensor]:
        if not self.array.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return iter(ops.unbind(self))

    def __reversed__(self) -> Tensor:
        return ops.flip(self, 0)

    def __contains__(self, element: Any) -> bool:
        if not isinstance(element, (Variable, float, int)):
            raise RuntimeError(
                f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}."
            )
        return bool((self == element).any())

    def __delitem__(self, index: Any) -> None:
        raise TypeError(
            "Tensor does not support deleting items\nWrite x[keep], with the indices or a mask of the rest."
        )

    def __bool__(self) -> bool:
        if self.array.size != 1:
            what = "no values" if not self.array.size else "more than one value"
            raise RuntimeError(
                f"Boolean value of Tensor with {what} is ambiguous\nWrite x.any() or x.all()."
            )
        return bool(self._on_host())

    def _scalar(self) -> Any:
        if self.array.size != 1:
            raise ValueError(
                "only one element tensors can be converted to Python scalars\n"
                f"This one has {self.array.size}: reduce it first (.mean(), .sum()), or write .tolist()."
            )
        return self._on_host().item()

    def __float__(self) -> float:
        return float(self._scalar())

    def __int__(self) -> int:
        return int(self._scalar())

    def __complex__(self) -> complex:
        return complex(self._scalar())

    def is_nonzero(self) -> bool:
        """The truth of the one element."""
        return bool(self)

    def __index__(self) -> int:
        if self.array.size != 1 or self.array.dtype.kind not in "iub":
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self._on_host().item())

    def __repr__(self) -> str:
        try:
            maker = self.grad_fn.name() if self.grad_fn else None
        except InplaceError:  # a view that a write has cut off
            maker = "Invalid"
        return tensor_text(
            backend_of(self.array).to_numpy(self.array),
            dtype=self.dtype.name,
            default_dtype=get_default_dtype().name,
            device=str(self.device),
            requires_grad=self.requires_grad,
            grad_fn=maker,
        )

    def __format__(self, spec: str) -> str:
        if self.array.ndim == 0 and type(self) is self.results:
            return format(self.item(), spec)
        return object.__format__(self, spec)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) in memo:
            return memo[id(self)]
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment.\n"
                "Write x.detach().clone(), or x.clone() to keep the history."
            )
        new = object.__new__(type(self))
        memo[id(self)] = new
        new.__dict__.update(self._own_attributes(lambda v: copy.deepcopy(v, memo)))
        new.array = self.array.copy()
        new.leaf = self.leaf
        if self.grad is not None:
            new.grad = copy.deepcopy(self.grad, memo)
        return new

    def _own_attributes(self, convert: Callable[[Any], Any]) -> dict[str, Any]:
        """What users have put on this tensor."""
        return {k: convert(v) for k, v in vars(self).items() if k not in _STATE}

    def __reduce_ex__(self, protocol: Any) -> Any:
        array = backend_of(self.array).to_numpy(self.array)
        return (
            _rebuild,
            (type(self), array, str(self.device), self.requires_grad),
            self._own_attributes(lambda v: v),
        )

    def __dir__(self) -> list[str]:
        return sorted(n for n in super().__dir__() if n not in _STATE or n in ("grad", "array"))


# What a tensor is made of, as opposed to what users have put on it.
_STATE = {"array", "grad", "node", "leaf", "version", "base", "replay", "undo", "stamp", "born", "inference", "hooks",
          "keeps_grad", "after", "_grad"}  # fmt: skip


def _rebuild(cls: type[Variable], array: Array, where: str, requires_grad: bool) -> Any:
    new: Any = object.__new__(cls)
    new.array = array if where == "cpu" else ops.to(cls.results.wrap(array), where).array
    new.leaf = requires_grad
    return new
