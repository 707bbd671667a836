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

# Of which torch's loops take NaN for one side of a corner in whole vectors, and for the other in what
# is left at the end of an array, or lies with gaps: compared with whole vectors.
_KINKED = "elu", "celu", "selu", "hardtanh", "relu6", "hardshrink", "softshrink"
BY_VECTORS = frozenset(f"nn.functional.{name}" for name in _KINKED)

# What every network and the loop around it use; the rest is the rest.
_EVERYDAY = """
    zeros ones full empty eye arange linspace zeros_like ones_like full_like empty_like
    rand_like randn_like randint_like randn randint normal bernoulli add sub mul div
    true_divide neg rsub __radd__ __rsub__ __rmul__ __rpow__ __getitem__ __rmatmul__ eq
    ne lt le gt ge logical_and logical_or logical_not logical_xor pow exp log sqrt rsqrt abs
    sign clamp sin cos tan erf sigmoid tanh sum mean var std max min amax amin argmax argmin
    prod all any norm logsumexp cumsum reshape view flatten transpose permute t squeeze
    unsqueeze expand broadcast_to cat stack split chunk unbind flip roll tile repeat
    index_select gather scatter scatter_add masked_fill masked_select where take_along_dim topk
    sort nonzero matmul mm bmm dot mv outer addmm einsum softmax log_softmax
    nn.functional.conv1d nn.functional.conv2d nn.functional.conv_transpose2d
    nn.functional.max_pool2d nn.functional.avg_pool2d nn.functional.adaptive_avg_pool2d
    nn.functional.adaptive_max_pool2d nn.functional.batch_norm nn.functional.layer_norm
    nn.functional.group_norm nn.functional.linear nn.functional.embedding nn.functional.dropout
    nn.functional.dropout2d nn.functional.relu nn.functional.leaky_relu nn.functional.elu
    nn.functional.gelu nn.functional.silu nn.functional.softplus nn.functional.hardtanh
    nn.functional.relu6 nn.functional.hardswish nn.functional.interpolate nn.functional.pad
    nn.functional.unfold nn.functional.pixel_shuffle nn.functional.one_hot
    nn.functional.normalize nn.functional.cosine_similarity nn.functional.cross_entropy
    nn.functional.nll_loss nn.functional.mse_loss nn.functional.l1_loss
    nn.functional.smooth_l1_loss nn.functional.huber_loss nn.functional.binary_cross_entropy
    nn.functional.binary_cross_entropy_with_logits nn.functional.kl_div
"""
EVERYDAY = frozenset(_EVERYDAY.split())

# Entries and cases that are not examined.
LEFT_OUT = {
    "as_strided*-gaps": MEMORY,
    "resize_-*-empty": MEMORY,
    "argsort-bool-*": EQUALS,
    "argsort-*int8-*": EQUALS,  # of 8000 elements
    "nn.functional.pixel_shuffle-float*-empty": "torch's own gradient fails",
    "nn.functional.pdist-*-empty": "torch reads and writes beyond its memory",
    "nn.functional.multi_margin_loss-*-empty": "torch reads and writes beyond its memory",
    "nn.functional.multilabel_margin_loss-*-empty": "torch reads and writes beyond its memory",
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
    "nn.functional.conv3d-float32": (1e-5, 1e-4),  # sums of up to a thousand
    "nn.functional.conv_transpose3d-float32": (1e-5, 1e-4),
    "ConvTranspose3d-float32": (1e-5, 1e-4),
    "LazyConvTranspose3d-float32": (1e-5, 1e-4),
    "BCELoss-float64": (1e-8, 1e-8),
    "nn.functional.celu-float64": (1e-7, 1e-7),  # torch's slope has alpha in single precision
    "cdist-float32": (1e-5, 1e-4),  # a small difference of squares
    "rsqrt-float16": (4e-3, 1e-3),  # the slope is the cube of what was rounded
    "rsqrt-bfloat16": (3e-2, 1e-2),
    "cov-float32": (1e-5, 1e-4),  # gradients of differences that cancel
    "cov-float64": (1e-6, 1e-6),  # the weights are float32
    "nn.functional.grid_sample-float32": (1e-5, 3e-5),  # slopes of weights that cancel out
    "linalg.eigh-float32": (1e-4, 1e-4),  # divided by differences of eigenvalues
    "linalg.svd-float32": (1e-4, 1e-4),
    "svd-float32": (1e-4, 1e-4),
    "nn.functional.interpolate-bicubic-float32": (1e-5, 1e-4),  # torch's gradient rounds twice
}

# What fails. A test that passes against this table fails: mend one, and remove its line.

KNOWN: dict[str, str] = {
    "addbmm-*-in_place": "torch changes the size of the operand",
    "cholesky-float*-empty": "torch's own gradient fails",
}

# What fails only on samples that the short run does not take.
AT_NAN = "another gradient where the input is infinite or no number"

KNOWN_IN_FULL: dict[str, str] = {
    "block_diag-float*-empty": "torch's gradient is one row off behind an empty vector",
    "narrow_copy-float*": "torch's own gradient fails where start is negative",
    "nn.functional.pixel_unshuffle-*-empty": "torch does not unshuffle an empty image",
    "nn.functional.prelu-float64-[fg]*": "torch's second gradient at zero is that of the other side",
    "sinc-float[36]*-[fmig]*": "near zero the slope is a difference of all but equal numbers",
    "addcdiv-float[36]*-[fmig]*": "torch rounds value * tensor1 to a half where tensor1 is one",
    "gcd-int8-[fmig]*": "torch's absolute value of -128 is negative, and so may be the divisor",
    "nn.functional.grid_sample-float32-[fg]*": "the last bit of a place in an image of 345 x 456",
}


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
