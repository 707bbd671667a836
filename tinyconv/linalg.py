"""Linear algebra, as ``torch.linalg`` has it: factorisations, inverses and norms of matrices, and of batches of them."""

from .errors import LinAlgError
from .ops.determinant import det, slogdet
from .ops.factor import cholesky, qr
from .ops.linalg import matmul
from .ops.norms import linalg_norm as norm
from .ops.norms import matrix_norm, vector_norm
from .ops.products import linalg_cross as cross
from .ops.products import multi_dot, vecdot
from .ops.solve import inv, matrix_power, solve
from .ops.spectral import eigh, eigvalsh, pinv, svd, svdvals
from .ops.triangles import matrix_diagonals as diagonal

__all__ = [
    "LinAlgError",
    "cholesky",
    "cross",
    "det",
    "diagonal",
    "eigh",
    "eigvalsh",
    "inv",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "multi_dot",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "vecdot",
    "vector_norm",
]
