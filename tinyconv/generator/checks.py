"""What the arguments of a distribution must be, wherever its numbers are drawn."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from ..backend import demand
from ..dtypes import BY_NUMPY, FLOATS, finfo
from ..errors import DTypeError
from ..shapes import is_int
from .rounding import Array, DType

SCALAR_TYPES = {"bool": "Bool", "uint8": "Byte", "int8": "Char", "int16": "Short", "int32": "Int"}


def seed_of(seed: Any) -> int:
    """A seed from 0 to 2**64 - 1; negative ones count from 2**64."""
    if not is_int(seed):
        raise RuntimeError(
            f"manual_seed expected a long, but got {type(seed).__name__}\n"
            "Pass an integer, e.g. manual_seed(0)."
        )
    seed = int(seed)
    if not -(2**63) <= seed < 2**64:
        raise ValueError(
            f"Overflow when unpacking long long\nThe seed {seed} lies outside [-2**63, 2**64)."
        )
    return seed % 2**64


def need_float(kernel: str, dtype: DType) -> None:
    """Refuse to draw integers."""
    if dtype not in FLOATS:
        raise NotImplementedError(
            f"\"{kernel}\" not implemented for '{SCALAR_TYPES.get(dtype.name, 'Long')}'\n"
            "Pass a floating-point dtype; randint and random_ draw integers."
        )


def need_continuous(name: str, dtype: DType) -> None:
    """The same in the words of some distributions."""
    if dtype not in FLOATS:
        raise DTypeError(
            f"{name} distribution is a continuous probability distribution. dtype must be a "
            f"floating point but you specified {dtype}",
            "Draw into a floating-point tensor, then convert.",
        )


def need_bounds(dtype: DType, low: float, high: float) -> None:
    """Of a uniform distribution."""
    need_float("check_uniform_bounds", dtype)
    limit = BY_NUMPY[dtype].high
    for name, bound in (("from", low), ("to", high)):
        if not -limit <= bound <= limit:
            raise RuntimeError(
                f"{name} is out of bounds for {dtype}\nGot {bound}; the largest is {limit:g}."
            )
    if low > high:
        raise RuntimeError(
            "uniform_ expects to return a [from, to) range, but found "
            f"from={low:g} > to={high:g}\nSwap the bounds."
        )
    if high - low > limit:
        raise RuntimeError(
            f"uniform_ expects to-from <= {limit:g}, but found to={high:g} and from={low:g}\n"
            f"The difference does not fit into {dtype}."
        )


def range_of(low: int, high: int | None, dtype: DType) -> tuple[int, int]:
    """The bounds of integers to draw as ints; without ``high`` all that ``dtype`` holds."""
    smallest, largest = integers_of(dtype)
    low, high = int(low), largest + 1 if high is None else int(high)
    if low >= high:
        raise RuntimeError(
            "random_ expects 'from' to be less than 'to', but got "
            f"from={low} >= to={high}\nThe upper bound itself is never drawn."
        )
    for name, bound in (("from", low), ("to - 1", high - 1)):
        if not smallest <= bound <= largest:
            raise RuntimeError(
                f"{name} is out of bounds for {dtype}\n"
                f"Got {bound}; {dtype} holds every integer of [{smallest}, {largest}]."
            )
    return low, high


def integers_of(dtype: DType) -> tuple[int, int]:
    """The smallest and the largest integer below which ``dtype`` holds every other."""
    if dtype.kind == "b":
        return 0, 1
    if dtype in FLOATS:
        exact = int(2 / finfo(BY_NUMPY[dtype]).eps)
        return -exact, exact
    limits = np.iinfo(dtype)
    return int(limits.min), int(limits.max)


def need_length(n: int) -> None:
    """Of a permutation."""
    if n < 0:
        raise RuntimeError(
            f"Trying to create tensor with negative dimension {n}: [{n}]\n"
            "n, the length of the permutation, must not be negative."
        )


def need_std(std: float, dtype: DType) -> None:
    """Of a normal distribution."""
    if not std >= 0:
        raise RuntimeError(
            f"normal expects std >= 0.0, but found std {std:g}\n"
            "std is the standard deviation, the root of the variance."
        )
    need_float("normal_kernel_cpu", dtype)


def need_stds(std: Array | float) -> None:
    """Of a normal distribution for each number."""
    demand(np.float64(std) >= 0 if isinstance(std, (int, float)) else std >= 0, _negative_std)


def _negative_std(_: int) -> Exception:
    return RuntimeError(
        "normal expects all elements of std >= 0.0\n"
        "std is the standard deviation, the root of the variance."
    )


def need_log_std(std: float, dtype: DType) -> None:
    """Of a distribution whose logarithm is normal."""
    if not std > 0:
        raise RuntimeError(
            f"log_normal_ expects std > 0.0, but found std={std:g}\n"
            "std is the standard deviation of the logarithm."
        )
    need_float("log_normal_cpu", dtype)


def need_width(sigma: float, dtype: DType) -> None:
    """Of a Cauchy distribution."""
    if not sigma > 0:
        raise RuntimeError(
            f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}\n"
            "sigma is the half-width at half-maximum."
        )
    need_continuous("Cauchy", dtype)


def need_chance(p: float) -> None:
    """Of the success of a trial that is to happen some day."""
    if not 0 < p < 1:
        raise RuntimeError(
            f"geometric_ expects p to be in (0, 1), but got p={p:g}\np is a probability."
        )


def need_probability(p: float) -> None:
    """Of a one."""
    if not 0 <= p <= 1:
        raise RuntimeError(
            f"bernoulli_ expects p to be in [0, 1], but got p={p:g}\np is a probability."
        )


def need_probabilities(p: Array) -> None:
    """Of a one, for each number."""
    need_float("bernoulli_tensor_cpu_p_", p.dtype)
    demand((p >= 0) & (p <= 1), _no_probability)


def _no_probability(_: int) -> Exception:
    return RuntimeError(
        "Expected p_in >= 0 && p_in <= 1 to be true, but got false.\n"
        "Every element of p is a probability."
    )


def need_rate(lambd: float, dtype: DType) -> None:
    """Of an exponential distribution."""
    if not lambd > 0:
        raise RuntimeError(
            f"exponential_ expects lambda > 0.0, but found lambda={lambd:g}\n"
            "lambda is the rate, 1 / mean."
        )
    need_continuous("Exponential", dtype)


def need_weights(weights: Array, num_samples: int, replacement: bool) -> None:
    """Of which ``num_samples`` are to be drawn."""
    if weights.ndim not in (1, 2):
        raise RuntimeError(f"prob_dist must be 1 or 2 dim\nGot weights of shape {weights.shape}.")
    if weights.dtype not in FLOATS:
        raise DTypeError(
            "multinomial only supports floating-point dtypes for input, got: "
            f"{SCALAR_TYPES.get(weights.dtype.name, 'Long')}",
            "Convert the weights with .float().",
        )
    if num_samples <= 0:
        raise RuntimeError(f"cannot sample n_sample <= 0 samples\nGot num_samples={num_samples}.")
    if not replacement and num_samples > weights.shape[-1]:
        raise RuntimeError(
            "cannot sample n_sample > prob_dist.size(-1) samples without replacement\n"
            f"Got num_samples={num_samples} for {weights.shape[-1]} weights; try replacement=True."
        )
    if weights.shape[-1] > 2**24:
        raise RuntimeError(
            f"number of categories cannot exceed 2^24\nGot {weights.shape[-1]} weights in a row."
        )
    demand((weights >= 0) & (weights < inf), _no_draw if replacement else _no_weight)
    demand(weights.sum(-1) > 0, _no_weights)


def _no_weight(_: int) -> Exception:
    return RuntimeError(
        "probability tensor contains either `inf`, `nan` or element < 0\n"
        "Weights are finite and not negative."
    )


def _no_draw(_: int) -> Exception:
    return RuntimeError(
        "invalid multinomial distribution (encountering probability entry < 0)\n"
        "Weights are finite and not negative."
    )


def _no_weights(_: int) -> Exception:
    return RuntimeError(
        "invalid multinomial distribution (sum of probabilities <= 0)\n"
        "At least one weight must be positive."
    )
