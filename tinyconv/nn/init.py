"""First values for parameters: each function fills a tensor in place and returns it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

from .. import creation, ops
from ..autograd.mode import no_grad
from ..backend import backend_of
from ..dtypes import bool_
from ..tensor import Tensor

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

_LINEAR = (
    "linear",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which weights must be larger because of the activation after them.

    Args:
        nonlinearity: ``linear conv2d sigmoid tanh relu leaky_relu selu``, and other convolutions.
        param: the negative slope of ``leaky_relu``, 0.01 if not given.

    Raises:
        ValueError: an unknown activation, or a slope that is no number.

    >>> calculate_gain("tanh")
    1.6666666666666667
    """
    if nonlinearity in _LINEAR or nonlinearity == "sigmoid":
        return 1
    if nonlinearity == "leaky_relu":
        if isinstance(param, bool) or not isinstance(param, (int, float, type(None))):
            raise ValueError(f"negative_slope {param} not a valid number")
        slope = 0.01 if param is None else param
        return math.sqrt(2 / (1 + slope**2))
    gains = {
        "tanh": 5 / 3,
        "relu": math.sqrt(2),
        "selu": 3 / 4,
    }  # of selu by experiment: Klambauer et al. give 1
    if nonlinearity not in gains:
        known = ", ".join((*_LINEAR, "sigmoid", "leaky_relu", *gains))
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}\nKnown are {known}.")
    return gains[nonlinearity]


# ── without looking at the shape ──


@no_grad()
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Tensor:
    """Draw from U(a, b).

    >>> import tinyconv as tc
    >>> w = tc.nn.init.uniform_(tc.empty(100), -1, 1)
    >>> bool((w.abs() <= 1).all())
    True
    """
    return tensor.uniform_(a, b, generator=generator)


@no_grad()
def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
    """Draw from N(mean, std²)."""
    return tensor.normal_(mean, std, generator=generator)


@no_grad()
def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one number."""
    return tensor.fill_(val)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with ones."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with zeros."""
    return constant_(tensor, 0.0)


@no_grad()
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Any = None,
) -> Tensor:
    """Draw from N(mean, std²), given that the number lies in [a, b].

    By rejection (von Neumann, 1951): if [a, b] holds more than 0.3 of the normal distribution, from
    that distribution; otherwise from U(a, b), accepted with probability pdf(x) / max pdf.
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of "
            "values may be "
            "incorrect.",
            stacklevel=3,
        )
    missing = creation.ones_like(tensor, dtype=bool_)
    while missing.any():
        fresh = creation.empty_like(tensor)
        if _normal_mass(a, b, mean, std) > 0.3:
            fresh.normal_(mean, std, generator=generator)
            rejected = (fresh < a) | (fresh > b)
        else:
            log_peak = -0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2
            log_density = ((fresh.uniform_(a, b, generator=generator) - mean) / std) ** 2 * -0.5
            chance = creation.empty_like(tensor).uniform_(generator=generator)
            rejected = chance.log() > log_density - log_peak
        tensor.copy_(ops.where(missing, fresh, tensor))
        missing = missing & rejected
    return tensor


def _normal_mass(a: float, b: float, mean: float, std: float) -> float:
    below_a, below_b = ((1 + math.erf((x - mean) / std / math.sqrt(2))) / 2 for x in (a, b))
    return below_b - below_a


# ── that know which dimensions are inputs and outputs ──


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """How many numbers go into one output of a layer, and how many outputs one input goes to."""
    if tensor.ndim < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions\n"
            f"This one has shape {tuple(tensor.shape)}; for a bias, take zeros_ or uniform_."
        )
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan_in if mode == "fan_in" else fan_out)


def _is_empty(tensor: Tensor) -> bool:
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return True
    return False


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    r"""Draw from U(-a, a), so that variances stay equal through a layer and back.

    .. math:: a = \text{gain} \sqrt{6 / (\text{fan in} + \text{fan out})}

    Source: Glorot & Bengio, Understanding the difficulty of training deep feedforward neural
    networks (AISTATS 2010).
    """
    std = gain * math.sqrt(2.0 / sum(_calculate_fan_in_and_fan_out(tensor)))
    a = math.sqrt(3.0) * std
    return uniform_(tensor, -a, a, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    r"""Draw from N(0, std²), with the variance of :func:`xavier_uniform_`.

    .. math:: \text{std} = \text{gain} \sqrt{2 / (\text{fan in} + \text{fan out})}
    """
    std = gain * math.sqrt(2.0 / sum(_calculate_fan_in_and_fan_out(tensor)))
    return normal_(tensor, 0.0, std, generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    r"""Draw from U(-b, b), so that variances survive a layer and its rectifier.

    .. math:: b = \text{gain} \sqrt{3 / \text{fan}}

    Args:
        a: the negative slope of ``leaky_relu``.
        mode: ``"fan_in"`` keeps the variance forward, ``"fan_out"`` backward.
        nonlinearity: the activation after the layer, for :func:`calculate_gain`.

    Source: He et al., Delving deep into rectifiers (ICCV 2015).
    """
    if _is_empty(tensor):
        return tensor
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    r"""Draw from N(0, std²), with the variance and arguments of :func:`kaiming_uniform_`.

    .. math:: \text{std} = \text{gain} / \sqrt{\text{fan}}
    """
    if _is_empty(tensor):
        return tensor
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


# ── with a structure ──


@no_grad()
def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with the identity."""
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    return tensor.copy_(creation.eye(*tensor.shape))


@no_grad()
def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill the weight of a convolution so that it hands its input on: ones in the middle.

    >>> import tinyconv as tc
    >>> dirac_(tc.empty(1, 1, 3)).tolist()
    [[[0.0, 1.0, 0.0]]]
    """
    if tensor.ndim not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    c_out, c_in, *kernel = tensor.shape
    if c_out % groups:
        raise ValueError(
            f"dim 0 must be divisible by groups\nIt is {c_out}, and groups is {groups}."
        )
    tensor.zero_()
    middle = [k // 2 for k in kernel]
    group = c_out // groups
    for i in range(c_out):
        if i % group < c_in:
            tensor[(i, i % group, *middle)] = 1
    return tensor


@no_grad()
def orthogonal_(tensor: Tensor, gain: float = 1, generator: Any = None) -> Tensor:
    """Fill with a random orthogonal matrix times ``gain``; dimensions after the first count as one.

    The Q of a QR decomposition of normal numbers, with the signs that make it uniformly distributed
    (Mezzadri, Notices of the AMS 54, 2007).

    >>> import tinyconv as tc
    >>> w = orthogonal_(tc.empty(2, 5))
    >>> tc.allclose(w @ w.T, tc.eye(2), atol=1e-6)
    True
    """
    if tensor.ndim < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    rows, cols = tensor.shape[0], tensor.numel() // tensor.shape[0]
    normal = tensor.new_empty((rows, cols)).normal_(0, 1, generator=generator).array
    xp = backend_of(normal).xp
    q, r = xp.linalg.qr(normal.T if rows < cols else normal)
    q = q * xp.sign(xp.diagonal(r))
    q = Tensor.wrap(q.T if rows < cols else q)
    return tensor.copy_(q.reshape(tensor.shape) * gain)


@no_grad()
def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Any = None) -> Tensor:
    """Draw a matrix from N(0, std²) and set a part of each column to zero.

    Args:
        sparsity: the fraction of zeros in each column.

    Source: Martens, Deep learning via Hessian-free optimization (ICML 2010).
    """
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, cols = tensor.shape
    tensor.normal_(0, std, generator=generator)
    for column in range(cols):
        tensor[creation.randperm(rows)[: math.ceil(sparsity * rows)], column] = 0
    return tensor


# ── old names ─────────────────────────────────────────────────────────────────────────────────


Initialiser = Callable[..., Tensor]


def _old(new: Initialiser) -> Initialiser:
    """The function under its name without the underscore, which warns of itself."""
    name = new.__name__.removesuffix("_")

    def old(*args: Any, **kwargs: Any) -> Tensor:
        warnings.warn(
            f"`nn.init.{name}` is now deprecated in favor of `nn.init.{name}_`.",
            FutureWarning,
            stacklevel=2,
        )
        return new(*args, **kwargs)

    old.__name__ = name
    old.__doc__ = f"The old name of :func:`{name}_`."
    return old


uniform = _old(uniform_)
normal = _old(normal_)
constant = _old(constant_)
eye = _old(eye_)
dirac = _old(dirac_)
xavier_uniform = _old(xavier_uniform_)
xavier_normal = _old(xavier_normal_)
kaiming_uniform = _old(kaiming_uniform_)
kaiming_normal = _old(kaiming_normal_)
orthogonal = _old(orthogonal_)
sparse = _old(sparse_)
