"""The order of integers on a GPU, so that what belongs to equal ones can be added up in a fixed order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..backend import Array, backend_of

SOURCE = str(Path(__file__).with_suffix(".cu"))
TILE = 2048  # what a block sorts


def in_order(index: Array) -> Array:
    """Sort below 2^31 integers below 2^31; equal ones stay in order.

    Nobody waits for it, and a captured graph can hold it, which is not so of the library's sorting.

    Shape:
        ``(n) -> (m)``: each integer times 2^32, plus its place; then larger numbers up to a power of two
    """
    backend, n = backend_of(index), index.size
    index = backend.xp.ascontiguousarray(index, "int64")
    size = max(TILE, 1 << (n - 1).bit_length())
    keys = backend.xp.empty(size, "int64")

    def launch(name: str, blocks: int, *args: Any) -> None:
        backend.launch(SOURCE, name, keys.dtype, blocks, args)  # type: ignore[misc]  # a GPU's

    launch("sort_tiles", size // TILE, index, keys, n)
    run = 2 * TILE
    while run <= size:
        apart = run // 2
        while apart >= TILE:
            launch("merge_far", size // 512, keys, run, apart)
            apart //= 2
        launch("merge_tiles", size // TILE, keys, run)
        run *= 2
    return keys
