"""What a tensor says about itself: shape, number type, place, memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from .. import ops
from ..backend import backend_of, place_of
from ..dtypes import device, dtype, strided, to_dtype
from ..shapes import Size
from .methods import Methods

if TYPE_CHECKING:
    from .tensor import Tensor


class Description(Methods):
    """Shape, number type, device and memory of ``array``, under torch's names."""

    @property
    def shape(self) -> Size:
        """The size of each dimension."""
        return tuple.__new__(Size, self.array.shape)

    @overload
    def size(self, dim: None = None) -> Size: ...
    @overload
    def size(self, dim: int) -> int: ...

    def size(self, dim: Any = None) -> Any:
        """The shape, or the size of one dimension."""
        if dim is None:
            return tuple.__new__(Size, self.array.shape)
        return self.array.shape[ops.wrap_dim(dim, self.array.ndim)]

    @property
    def dtype(self) -> dtype:
        """The number type."""
        return to_dtype(self.array.dtype)

    @property
    def device(self) -> device:
        """Where the elements lie."""
        return place_of(self.array)

    @property
    def is_cuda(self) -> bool:
        """True on a GPU."""
        return backend_of(self.array).name == "cuda"

    @property
    def is_cpu(self) -> bool:
        """True on the CPU."""
        return not self.is_cuda

    is_sparse = is_quantized = is_nested = is_meta = is_mps = is_xpu = False  # kinds not here

    def get_device(self) -> int:
        """The number of the GPU; -1 on the CPU."""
        index = self.device.index
        return -1 if index is None else index

    @property
    def layout(self) -> Any:
        """How the elements lie in memory: by steps, ``strided``."""
        return strided

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self.array.ndim

    def dim(self) -> int:
        """The number of dimensions."""
        return self.array.ndim

    ndimension = dim

    def numel(self) -> int:
        """The number of elements."""
        return self.array.size

    nelement = numel

    def element_size(self) -> int:
        """Bytes of one element."""
        return self.array.itemsize

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.array.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.array.nbytes

    def stride(self, dim: Any = None) -> Any:
        """Steps, in elements, from one element of a dimension to the next."""
        steps = tuple(s // self.array.itemsize for s in self.array.strides)
        return steps if dim is None else steps[dim]

    def data_ptr(self) -> int:
        """The address of the first element."""
        a = self.array
        return int(a.ctypes.data if hasattr(a, "ctypes") else a.data.ptr)

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """True if the elements lie in row-major order."""
        return bool(self.array.flags.c_contiguous)

    is_floating_point, is_complex = ops.is_floating_point, ops.is_complex
    is_signed = ops.is_signed

    def is_inference(self) -> bool:
        """True if made in inference mode."""
        return self.inference

    @property
    def T(self) -> Tensor:
        """Dimensions in reverse order."""
        return ops.permute(self, *reversed(range(self.array.ndim)))

    @property
    def mT(self) -> Tensor:
        """The last two dimensions swapped."""
        if self.array.ndim < 2:
            raise RuntimeError(
                "tensor.mT is only supported on matrices or batches of matrices. Got "
                f"{self.array.ndim}-D tensor."
            )
        return ops.transpose(self, -2, -1)
