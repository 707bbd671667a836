"""CUDA graphs: work of the GPU, captured once and asked for again in one call.

A graph does the same to the same memory each time. So what it works on is taken from a pool of its own, numbers go in and
out through arrays that stay where they are, and while it is captured nothing may wait for the GPU, which does nothing yet.
"""

from __future__ import annotations

import gc
import linecache
import sys
import traceback
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from ..autograd.function import Function
from ..errors import ArgumentError, DeviceError, Explained
from . import door
from .devices import synchronize
from .memory import empty_cache
from .streams import Stream
from .streams import stream as on

_MODES = {"global": 0, "thread_local": 1, "relaxed": 2}
_PACKAGE = str(Path(__file__).parent.parent)
_OPERATIONS = str(Path(_PACKAGE, "ops"))


def is_current_stream_capturing() -> bool:
    """Tell whether what is asked for now becomes part of a graph."""
    cuda = sys.modules.get("tinyconv.backend.cuda")
    return cuda is not None and bool(door.cupy().cuda.get_current_stream().is_capturing())


def graph_pool_handle() -> Any:
    """Memory that several graphs may share, if no two of them ever run at the same time."""
    return door.part("memory").Pool()


class CUDAGraph:
    """Work of the GPU that can be done again.

    ``graph`` captures it; ``replay`` does it again, on the same memory: change the numbers of a tensor that it
    reads, and it computes with those.

    >>> import tinyconv as tc
    >>> if tc.cuda.is_available():
    ...     x, g = tc.ones(3, device='cuda'), tc.cuda.CUDAGraph()
    ...     with tc.cuda.graph(g):
    ...         y = x * 2
    ...     z = x.fill_(5)
    ...     g.replay()
    ...     assert y.tolist() == [10, 10, 10]
    """

    def __init__(self, keep_graph: bool = False) -> None:
        door.cupy()
        self._graph: Any = None
        self._memory: Any = None
        self._place: Any = None
        self._open: ExitStack | None = None

    def capture_begin(self, pool: Any = None, capture_error_mode: str = "relaxed") -> None:
        """Let what is asked of the current stream become part of this.

        Args:
            pool: of another graph, or from ``graph_pool_handle()``: memory to share.
            capture_error_mode: ``'relaxed'``, or ``'global'`` or ``'thread_local'``, which forbid to take memory
                of the device meanwhile: only for what has run before, with this pool.

        Raises:
            DeviceError: the current stream is the default one, or is captured already.
        """
        if capture_error_mode not in _MODES:
            raise ArgumentError(
                f"Unknown capture error mode. Expected `global`, `thread_local`, or `relaxed`, got {capture_error_mode}"
            )
        stream = door.cupy().cuda.get_current_stream()
        if not stream.ptr:
            raise DeviceError(
                "CUDA graphs must be captured on a non-default stream. (However, after capture, it's ok to replay "
                "them on the default stream.)",
                "Write `with tinyconv.cuda.graph(g):`, which brings one.",
            )
        if self._graph is not None or stream.is_capturing():
            raise DeviceError(
                "This CUDAGraph instance already owns a captured graph.",
                "Make another CUDAGraph, or reset() this one.",
            )
        memory, trouble = door.part("memory"), door.part("trouble")
        self._memory = memory.Pool() if pool is None else pool
        trouble.notes()  # of this stream: made now, not in the graph, and done before any replay
        stream.synchronize()
        self._place = trouble.here()
        with ExitStack() as opened:
            opened.enter_context(door.cupy().cuda.using_allocator(self._memory.malloc))
            blas = door.part("cublas")
            blas.fresh_workspace(*self._place)
            opened.callback(blas.fresh_workspace, *self._place)
            stream.begin_capture(_MODES[capture_error_mode])
            self._open = opened.pop_all()

    def capture_end(self) -> None:
        """End what ``capture_begin`` began.

        Raises:
            DeviceError: nothing was begun, or something that cannot be captured was asked for meanwhile.
        """
        if self._open is None:
            raise DeviceError("capture_end() called without a preceding capture_begin()")
        opened, self._open = self._open, None
        with opened:
            try:
                self._graph = door.cupy().cuda.get_current_stream().end_capture()
            except door.cupy().cuda.runtime.CUDARuntimeError as error:
                self.reset()
                raise DeviceError(f"CUDA error: {error}", _ADVICE) from error

    def replay(self) -> None:
        """Do the captured work again, in the current stream."""
        if self._graph is None:
            raise DeviceError(
                "Called CUDAGraph::replay without a preceding successful capture.",
                "Capture first: with tinyconv.cuda.graph(g): ...",
            )
        self._graph.launch()
        door.part("trouble").expect(self._place)

    def reset(self) -> None:
        """Forget what was captured. Its memory goes back to the device when the tensors in it are gone, too."""
        self._graph = self._memory = None

    def pool(self) -> Any:
        """Its memory, for ``graph(..., pool=)`` of another that never runs at the same time."""
        return self._memory


class graph:
    """Capture what is computed inside a ``with`` block.

    Args:
        cuda_graph: what it becomes. pool: see ``CUDAGraph.capture_begin``.
        stream: in which it is captured; not the default one. Unless given, one of its own.
        capture_error_mode: see ``CUDAGraph.capture_begin``.

    Raises:
        DeviceError: something inside waits for the GPU, or cannot be captured; it says which operation.
    """

    _stream: Stream | None = None  # for all who bring none

    def __init__(
        self,
        cuda_graph: CUDAGraph,
        pool: Any = None,
        stream: Stream | None = None,
        capture_error_mode: str = "relaxed",
    ) -> None:
        self.cuda_graph = cuda_graph
        self.pool, self.capture_error_mode = pool, capture_error_mode
        device = door.index_of(None)
        mine = graph._stream
        if stream is None and (mine is None or mine._index != device):
            mine = graph._stream = Stream()
        self.capture_stream = mine if stream is None else stream
        self._on = on(self.capture_stream)

    def __enter__(self) -> None:
        synchronize()
        gc.collect()
        empty_cache()
        self._on.__enter__()
        try:
            self.cuda_graph.capture_begin(self.pool, self.capture_error_mode)
        except BaseException:
            self._on.__exit__(None, None, None)
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        failed = None
        try:
            self.cuda_graph.capture_end()
        except DeviceError as end:
            failed = end
        finally:
            self._on.__exit__(kind, error, trace)
        if error is None and failed is not None:
            raise failed
        if error is not None:
            self.cuda_graph.reset()
            if _is_about_capture(error):
                raise _explained(error, trace) from error


_ADVICE = (
    "Inside a graph nothing may wait for the GPU: no item(), print(), float(x), `if x > 0`, x[mask], nonzero() or "
    "x.cpu(), and no copy from the host. Keep numbers on the GPU, and look at them outside."
)


def _is_about_capture(error: BaseException) -> bool:
    """Tell whether something went wrong because it was captured, and does not say so in words of ours."""
    foreign = isinstance(error, RuntimeError) and not isinstance(error, Explained)
    return foreign and "captur" in str(error).lower()


def _explained(error: BaseException, trace: TracebackType | None) -> DeviceError:
    """The error again, with the operation and the line outside of tinyconv that asked for it."""
    operation = line = before = ""
    for frame, number in traceback.walk_tb(trace):
        code = frame.f_code
        if not code.co_filename.startswith(_PACKAGE):
            text = linecache.getline(code.co_filename, number).strip()
            before = f"{Path(code.co_filename).name}:{number}: {text}"
            continue
        maker = frame.f_locals.get("self")
        if before:
            operation, line, before = code.co_name, before, ""
        elif not line and code.co_filename.startswith(_OPERATIONS):
            operation = code.co_name
        if isinstance(maker, Function):
            operation = type(maker).__name__
    where = (f" In {operation}" if operation else "") + (f", asked for by {line}" if line else "")
    return DeviceError(
        f"CUDA error: operation not permitted when stream is capturing.{where}",
        f"{_ADVICE} ({error})",
    )
