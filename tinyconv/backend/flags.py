"""What the user may say about speed against exactness on a GPU: ``tinyconv.backends`` writes it, operations read it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Flags:
    """Settings of the whole process.

    The defaults are those that give the same numbers as the CPU; torch lets convolutions use TensorFloat-32.
    """

    matmul_tf32: bool = False  # matrix products of float32 may round their factors to 11 bits
    cudnn_tf32: bool = False  # convolutions of float32 may
    cudnn_enabled: bool = True
    benchmark: bool = False  # time several of cuDNN's plans instead of taking the first
    benchmark_limit: int = 10  # so many; 0 for all
    cudnn_deterministic: bool = False  # only plans that give the same bits every time
    use_deterministic: bool = False  # the same wish for all operations
    warn_only: bool = False
    workspace_limit: int = 1 << 30  # bytes that a convolution may borrow

    @property
    def deterministic(self) -> bool:
        """Tell whether cuDNN must give the same bits every time."""
        return self.cudnn_deterministic or self.use_deterministic


flags = Flags()
