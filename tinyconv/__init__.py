"""PyTorch's API for convolutional networks, from NumPy and numba."""

from . import autograd, ops
from .autograd.mode import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from .creation import *
from .dtypes import *
from .dtypes import bool_ as bool
from .dtypes import float16 as half, float32 as float, float64 as double, int16 as short, int32 as int, int64 as long
from .ops import *
from .tensor import Parameter, Size, Tensor
