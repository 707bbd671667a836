"""PyTorch's API for convolutional networks, from NumPy and numba.

>>> import tinyconv as tc
>>> x = tc.tensor([1., 2.], requires_grad=True)
>>> (x ** 2).sum().backward()
>>> x.grad
tensor([2., 4.])
"""

from . import autograd, cuda, nn, ops, optim, utils
from .autograd.mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .creation import *
from .dtypes import *
from .dtypes import bool_ as bool
from .dtypes import float16 as half
from .dtypes import float32 as float
from .dtypes import float64 as double
from .dtypes import int16 as short
from .dtypes import int32 as int
from .dtypes import int64 as long
from .ops import *
from .printing import set_printoptions
from .serialization import load, save
from .tensor import Parameter, Size, Tensor
