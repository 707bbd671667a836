"""What the exam leaves out, where it is lenient, and what fails: one line and one reason each.

Calls that need what tinyconv does not have are left out by the rules in ``opinfo_calls.UNSUPPORTED``.
Patterns are those of ``fnmatch`` on ``entry-type-what``, as in the names of the tests.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from opinfo import Tolerance

from .check import Case

EQUALS = "which of several equal values comes first is anybody's choice"
MEMORY = "whatever is in memory"

# Compared in shape and type only.
ARBITRARY = {"empty": MEMORY, "empty_like": MEMORY, "new_empty": MEMORY}

# Of which only the values are compared where values repeat, as they do in integers.
VALUES_ONLY = {"topk": EQUALS, "sort": EQUALS, "kthvalue": EQUALS, "mode": EQUALS}

# Entries and cases that are not examined.
LEFT_OUT = {
    "as_strided*-gaps": MEMORY,
    "resize_-*-empty": MEMORY,
    "argsort-bool-*": EQUALS,
    "__*__-any-errors": "what is no tensor has no such method; Python itself refuses there",
}

# Names of torch that are not meant to be there, by what they belong to. What matches none is missing.
OUTSIDE = {
    "torch's own workings": "_* torch.* jiterator_* [!i]*_copy native_* *_backward unsafe_* hash_tensor",
    "Fourier transforms and signals": "fft.* *stft signal.*",
    "special functions": "special.* *gamma* i0",
    "complex numbers": "*complex* cdouble cfloat chalf *conj* H mH linalg.eig linalg.eigvals polar imag view_as_real",
    "sparse tensors and masked reductions": "sparse.* to_sparse Sparse* masked.*",
    "factors of matrices": "geqrf orgqr ormqr lu* linalg.l[du]* cholesky_* triangular_solve *_lowrank *householder*",
    "sequences and language": "*RNN* *GRU* *LSTM* *ransformer* *[mM]ulti*ead* *ctc_loss CTCLoss *inear*ross*ntropy*",
}

# Relative and absolute, for a type or for an entry in a type.
TOLERANCE = {
    "float32": (1e-5, 1e-5),
    "float64": (1e-11, 1e-11),
    "nn.functional.hardsigmoid-float64": (1e-7, 1e-7),  # torch divides by six in single precision
    "nn.functional.binary_cross_entropy-float64": (
        1e-8,
        1e-8,
    ),  # torch's second gradient adds 1e-12
    "logcumsumexp-float32": (1e-5, 4e-3),  # samples of 1e4, of whose sum is left what is near 1
    "BCELoss-float64": (1e-8, 1e-8),
    "linalg.eigh-float32": (1e-4, 1e-4),  # divided by differences of eigenvalues
}

# What fails. A test that passes against this table fails: mend one, and remove its line.
EMPTY = "an empty batch is refused, or refused in other words"
WORDS = "refused in other words, or not at all"
INTEGERS = "wrong on integers"
ONE_DIMENSION = "fails on an input of one dimension"

KNOWN: dict[str, str] = {
    "as_strided*-in_place": "not there: a tensor would lose sight of its memory",
    "addbmm-*-in_place": "torch changes the size of the operand",
    "cholesky-float*-empty": "torch's own gradient fails",
    "normal-in_place-float*-gaps": "torch fills memory with gaps in another order",
    "block_diag-float*-empty": "torch's gradient is one row off behind an empty vector",
    "linalg.norm-subgradients_at_zero-float64-function": "torch's second gradient there is NaN",
    "linalg.norm-subgradients_at_zero-float64-gaps": "torch's second gradient there is NaN",
    "nn.functional.adaptive_*_pool?d-float*-empty": EMPTY,
    "nn.functional.conv_transpose?d-*-empty": EMPTY,
    "nn.functional.conv1d-*-empty": EMPTY,
    "nn.functional.instance_norm-float*-empty": EMPTY,
    "nn.functional.max_pool?d-float*-empty": EMPTY,
    "nn.functional.batch_norm-float*-empty": EMPTY,
    "nn.functional.batch_norm-float*-function": ONE_DIMENSION,
    "nn.functional.layer_norm-float*-function": ONE_DIMENSION,
    "nn.functional.layer_norm-float*-alias_layer_norm": ONE_DIMENSION,
    "nn.functional.layer_norm-float*-gaps": ONE_DIMENSION,
    "nn.functional.avg_pool?d-int64-function": INTEGERS,
    "nn.functional.avg_pool?d-int64-gaps": INTEGERS,
    "nn.functional.max_pool2d-int64-*": INTEGERS,
    "nn.functional.unfold-bool-*": "torch takes it",
    "nn.functional.adaptive_*_pool?d-any-errors": WORDS,
    "nn.functional.avg_pool2d-any-errors": WORDS,
    "nn.functional.conv?d-any-errors": WORDS,
    "nn.functional.max_pool?d-any-errors": WORDS,
    "BatchNorm?d-float32-errors": WORDS,
    "HuberLoss-float32-errors": WORDS,
    "CircularPad?d-float32-errors": WORDS,
    "Adam*-float32-errors": WORDS,
}

# What fails only on samples that the short run does not take.
AT_NAN = "another gradient where the input is infinite or no number"

KNOWN_IN_FULL: dict[str, str] = {}


def outside(name: str) -> str | None:
    """What a name that is not there belongs to, if not to convolutional networks."""
    found = (
        why for why, what in OUTSIDE.items() if any(fnmatchcase(name, p) for p in what.split())
    )
    return next(found, None)


def tolerance(entry: str, dtype: str) -> Tolerance:
    """Relative and absolute; None for those of ``opinfo``."""
    return TOLERANCE.get(f"{entry}-{dtype}", TOLERANCE.get(dtype))


def reason(table: dict[str, str], case: Case) -> str | None:
    """The reason that the table gives for a case."""
    return next((why for pattern, why in table.items() if fnmatchcase(str(case), pattern)), None)
