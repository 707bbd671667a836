"""Tensor: a Variable that speaks."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..alias import library
from ..autograd.variable import Variable
from ..backend import Array, get_backend
from ..dtypes import dtype as DType
from ..dtypes import get_default_dtype, iinfo, to_device, to_dtype
from ..shapes import Size
from .exchange import Exchange


class _Called(type):
    """The class of classes that print under the name by which a script knows the library."""

    def __repr__(cls) -> str:
        return super().__repr__().replace("'tinyconv.", f"'{library()}.")


class Tensor(Exchange, metaclass=_Called):
    """An n-dimensional array that remembers how it was computed.

    Its methods come from a chain of classes beside this one: operations, description, past, exchange. ``x.array`` is the NumPy (or CuPy) array inside.
    """

    __module__ = "tinyconv"  # where users find it

    def __init__(self, *data: Any) -> None:
        self.array = _filled(data, get_default_dtype().numpy)

    @staticmethod
    def wrap(array: Array) -> Tensor:
        """Box a freshly computed array. Never a subclass: the sum of two Parameters is not a Parameter."""
        new: Tensor = object.__new__(Tensor)
        new.array = array
        return new

    # ── new tensors like this one ──
    def new_tensor(
        self,
        data: Any,
        *,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
    ) -> Tensor:
        """A tensor of ``data`` with dtype and device of this one."""
        source = data._on_host() if isinstance(data, Tensor) else data
        kind = self.array.dtype if dtype is None else to_dtype(dtype).numpy
        new = Tensor.wrap(_cpu.xp.array(source).astype(kind))
        new = ops.to(new, self.device if device is None else device)
        return new.requires_grad_(requires_grad) if requires_grad else new

    def new_zeros(
        self,
        *size: Any,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
    ) -> Tensor:
        """Zeros with dtype and device of this tensor."""
        return self.new_full(
            ops.sizes(size), 0, dtype=dtype, device=device, requires_grad=requires_grad
        )

    def new_ones(
        self,
        *size: Any,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
    ) -> Tensor:
        """Ones with dtype and device of this tensor."""
        return self.new_full(
            ops.sizes(size), 1, dtype=dtype, device=device, requires_grad=requires_grad
        )

    def new_empty(
        self,
        *size: Any,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
    ) -> Tensor:
        """Zeros too: memory is not handed out with what it held before."""
        return self.new_full(
            ops.sizes(size), 0, dtype=dtype, device=device, requires_grad=requires_grad
        )

    def new_full(
        self,
        size: Any,
        fill_value: Any,
        *,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
    ) -> Tensor:
        """One number everywhere, with dtype and device of this tensor."""
        where = self.device if device is None else to_device(device)
        kind = self.array.dtype if dtype is None else to_dtype(dtype).numpy
        backend = get_backend(where.type)
        with backend.at(where.index):
            new = Tensor.wrap(backend.xp.full(tuple(size), fill_value, kind))
        return new.requires_grad_(requires_grad) if requires_grad else new


class Parameter(Tensor):
    """A Tensor that a Module finds among its attributes and an optimizer trains.

    >>> import tinyconv as tc
    >>> tc.nn.Parameter(tc.zeros(2))
    Parameter containing:
    tensor([0., 0.], requires_grad=True)
    """

    __module__ = "tinyconv.nn.parameter"  # where users find it

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        source = Tensor() if data is None else data
        if not isinstance(source, Tensor):
            raise TypeError(
                f"Parameter takes a Tensor, got {type(data).__name__}: write Parameter(tensor(...))"
            )
        self.array = source.array
        if requires_grad:
            self.requires_grad_(True)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


_cpu = get_backend("cpu")


def _filled(data: tuple[Any, ...], kind: Any) -> Array:
    """Of data, or zeros of a shape."""
    if len(data) == 1 and isinstance(data[0], Size):
        data = data[0]
    elif len(data) == 1 and isinstance(data[0], float):
        raise TypeError("new(): data must be a sequence (got float)\nWrite tensor(number).")
    elif len(data) == 1 and isinstance(data[0], str):
        raise TypeError("new(): invalid data type 'str'")
    if all(isinstance(n, int) for n in data):
        return _cpu.xp.zeros(data or (0,), kind)
    given = _cpu.xp.array(data[0].array if isinstance(data[0], Tensor) else data[0])
    if kind.kind in "iu" and given.size and not isinstance(data[0], Tensor):
        limits = iinfo(to_dtype(kind))
        if given.min() < limits.min or given.max() > limits.max:
            raise RuntimeError(
                f"value cannot be converted to type {limits.dtype} without overflow\n"
                f"It holds numbers from {limits.min} to {limits.max}."
            )
    with _cpu.xp.errstate(over="ignore"):  # a float becomes infinite
        return given.astype(kind)


class TensorType:
    """An old name of a number type: it makes tensors of a shape or of data, and knows them.

    >>> import tinyconv as tc
    >>> tc.LongTensor([1, 2])
    tensor([1, 2])
    >>> tc.FloatTensor(1, 2)
    tensor([[0., 0.]])
    >>> isinstance(tc.ones(1), tc.FloatTensor), tc.ones(1).type(tc.LongTensor)
    (True, tensor([1]))
    """

    def __init__(self, name: str, dtype: DType) -> None:
        self.__name__, self.dtype = f"{name}Tensor", dtype

    def __call__(self, *data: Any) -> Tensor:
        return Tensor.wrap(_filled(data, self.dtype.numpy))

    def __instancecheck__(self, x: Any) -> bool:
        return isinstance(x, Tensor) and x.is_cpu and x.dtype == self.dtype

    def __repr__(self) -> str:
        return f"<class 'tinyconv.{self.__name__}'>"


Variable.results = Tensor
