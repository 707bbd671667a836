"""The old names of tensor types: ``FloatTensor(2, 3)``, ``x.type(LongTensor)``, ``isinstance(x, BoolTensor)``."""

from __future__ import annotations

from .. import dtypes
from .tensor import TensorType

FloatTensor = TensorType("Float", dtypes.float32)
DoubleTensor = TensorType("Double", dtypes.float64)
HalfTensor = TensorType("Half", dtypes.float16)
BFloat16Tensor = TensorType("BFloat16", dtypes.bfloat16)
ByteTensor = TensorType("Byte", dtypes.uint8)
CharTensor = TensorType("Char", dtypes.int8)
ShortTensor = TensorType("Short", dtypes.int16)
IntTensor = TensorType("Int", dtypes.int32)
LongTensor = TensorType("Long", dtypes.int64)
BoolTensor = TensorType("Bool", dtypes.bool_)
