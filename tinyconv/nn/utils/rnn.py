"""Sequences of different lengths in one tensor."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...ops import pad, stack
from ...tensor import Tensor

__all__ = ["pad_sequence", "unpad_sequence"]


def pad_sequence(
    sequences: Any,
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Make sequences as long as the longest, and stack them.

    ``N times (L_i, *) -> (L, N, *)``, or ``(N, L, *)``.

    Args:
        sequences: tensors whose sizes differ in the first dimension only
        batch_first: whether the sequences are counted by the first dimension
        padding_value: what is filled in
        padding_side: where: ``"right"``, behind, or ``"left"``, in front

    >>> import tinyconv as tc
    >>> pad_sequence([tc.ones(1), tc.ones(3)], batch_first=True)
    tensor([[1., 0., 0.],
            [1., 1., 1.]])
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            "pad_sequence: Expected iterable for input sequences, but got arg of type: "
            f"{type(sequences)}\nPass a list of tensors."
        )
    if padding_side not in ("right", "left"):
        raise RuntimeError(
            f"pad_sequence: Expected padding_side to be one of left or right, but got {padding_side}."
            "\nWrite padding_side='right' or 'left'."
        )
    several = list(sequences)
    if not several:
        raise RuntimeError("received an empty list of sequences\nPass one tensor at least.")
    longest = max(len(s) for s in several)

    def padded(s: Tensor) -> Any:
        missing = longest - len(s)
        ends = (0, missing) if padding_side == "right" else (missing, 0)
        return pad(s, (0, 0) * (s.ndim - 1) + ends, value=padding_value)

    return stack([padded(s) for s in several], 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Any, batch_first: bool = False) -> list[Any]:
    """Undo :func:`pad_sequence`, given the lengths.

    >>> import tinyconv as tc
    >>> unpad_sequence(tc.eye(2), [1, 2], batch_first=True)
    [tensor([1.]), tensor([0., 1.])]
    """
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[: int(length)] for row, length in zip(rows, lengths, strict=False)]
