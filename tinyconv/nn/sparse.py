"""Vectors for words, as a layer."""

from __future__ import annotations

from typing import Any, Self

from .. import creation, ops
from . import init
from .module import Module
from .parameter import Parameter


class Embedding(Module):
    """A learned table of vectors, looked up by row number.

    Args:
        num_embeddings, embedding_dim: rows of the table, and numbers in each.
        padding_idx: a row that starts as zeros and gets no gradient.
        max_norm, norm_type, scale_grad_by_freq, sparse: as in
            :func:`~tinyconv.nn.functional.embedding`.

    Shape:
        ``(*) -> (*, embedding_dim)``

    >>> import tinyconv as tc
    >>> tc.nn.Embedding(10, 3)(tc.tensor([[1, 2], [4, 5]])).shape
    tinyconv.Size([2, 2, 3])
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Any = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        if padding_idx is not None:
            inside = -num_embeddings <= padding_idx < num_embeddings
            assert inside, "Padding_idx must be within num_embeddings"
            padding_idx %= num_embeddings
        self.padding_idx = padding_idx
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        shape = (num_embeddings, embedding_dim)
        if _weight is None:
            empty = creation.empty(*shape, device=device, dtype=dtype)
            self.weight = Parameter(empty, requires_grad=not _freeze)
            self.reset_parameters()
        else:
            fits = tuple(_weight.shape) == shape
            assert fits, "Shape of weight does not match num_embeddings and embedding_dim"
            self.weight = Parameter(_weight, requires_grad=not _freeze)

    def reset_parameters(self) -> None:
        """Draw the table from the standard normal distribution; the padding is zeros."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            self.weight.data[self.padding_idx].fill_(0)

    def forward(self, input: Any) -> Any:
        return ops.embedding(
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.sparse,
        )

    def extra_repr(self) -> str:
        defaults = {"padding_idx": None, "max_norm": None, "norm_type": 2,
                    "scale_grad_by_freq": False, "sparse": False}  # fmt: skip
        chosen = [f"{n}={getattr(self, n)}" for n, v in defaults.items() if getattr(self, n) != v]
        return ", ".join([str(self.num_embeddings), str(self.embedding_dim), *chosen])

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Any,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Self:
        """An Embedding with a given table, which with ``freeze`` is not trained.

        >>> import tinyconv as tc
        >>> tc.nn.Embedding.from_pretrained(tc.eye(3))(tc.tensor([2]))
        tensor([[0., 0., 1.]])
        """
        assert embeddings.dim() == 2, "Embeddings parameter is expected to be 2-dimensional"
        rows, cols = embeddings.shape
        return cls(
            rows,
            cols,
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            sparse,
            embeddings,
            freeze,
        )
