"""The function of a layer of two inputs."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, ClassVar

from ..autograd.function import op
from ..errors import DTypeError, RangeError, ShapeError
from ._common import dtype_of, ndim_of, shape_of
from .elementwise import add, mul
from .linalg import Mm
from .views import reshape, transpose, unsqueeze


@op
class PairsMm(Mm):
    """The product of all pairs and their weights, which ``autocast`` leaves alone."""

    autocast: ClassVar[Mapping[str, str]] = {}


def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    """Weigh all products of an element of one vector and one of another, and add a vector.

    .. math:: y_o = x_1^T W_o\\, x_2 + b_o

    Shape:
        ``(*, in1), (*, in2), (out, in1, in2), (out) -> (*, out)``

    Raises:
        ShapeError: the shapes do not fit. DTypeError: the dtypes differ.

    >>> import tinyconv as tc
    >>> x, y = tc.tensor([1., 2.], requires_grad=True), tc.tensor([3., 4.])
    >>> z = tc.nn.functional.bilinear(x, y, tc.eye(2).unsqueeze(0))
    >>> z.item()
    11.0
    >>> z.backward()
    >>> x.grad
    tensor([3., 4.])
    """
    _check(input1, input2, weight, bias)
    out, in1, in2 = shape_of(weight)
    lead = shape_of(input1)[:-1]
    pairs = mul(unsqueeze(input1, -1), unsqueeze(input2, -2))
    columns = transpose(reshape(weight, out, in1 * in2), 0, 1)
    y = reshape(PairsMm()(reshape(pairs, prod(lead), in1 * in2), columns), *lead, out)
    return y if bias is None else add(y, bias)


def _check(x1: Any, x2: Any, weight: Any, bias: Any) -> None:
    given = {"input1": x1, "input2": x2, "weight": weight, "bias": bias}
    kinds = {name: dtype_of(x) for name, x in given.items() if x is not None}
    if len(set(kinds.values())) > 1:
        found = ", ".join(f"{name}: {_NAMES.get(k.name, k.name)}" for name, k in kinds.items())
        raise DTypeError(
            f"All tensors must have the same dtype, got {found}", f"Write x.to({kinds['weight']})."
        )
    s1, s2, sw = shape_of(x1), shape_of(x2), shape_of(weight)
    if len(s1) != len(s2):
        raise ShapeError(f"bilinear(): input dimensions do not match: got {len(s1)} and {len(s2)}")
    for dim, (m, n) in enumerate(zip(s1[:-1], s2[:-1], strict=True)):
        if m != n:
            raise ShapeError(
                f"bilinear(): input batch dimensions do not match at dim {dim}: got {m} and {n}"
            )
    for at, s in ((1, s1), (2, s2)):
        if at >= ndim_of(weight):
            raise RangeError(
                f"Dimension out of range (expected to be in range of [{-len(sw)}, {len(sw) - 1}], but "
                f"got {at})",
                "A weight is (out, in1, in2).",
            )
        if s[-1] != sw[at]:
            raise ShapeError(
                f"bilinear(): input{at} size does not match weight size: got {s[-1]} but expected "
                f"{sw[at]}"
            )
    if bias is not None and shape_of(bias)[0] != sw[0]:
        raise ShapeError(
            f"bilinear(): bias size does not match weight size: got {shape_of(bias)[0]} but expected "
            f"{sw[0]}"
        )


_NAMES = {"float32": "float", "float64": "double", "float16": "c10::Half", "bfloat16": "c10::BFloat16",
          "int64": "long int"}  # fmt: skip
