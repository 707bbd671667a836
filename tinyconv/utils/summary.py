"""A table of the layers of a model: shapes, parameters, multiply-adds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from .. import creation
from ..autograd.mode import no_grad
from ..dtypes import get_default_dtype
from ..errors import ArgumentError
from ..nn.module import Module
from ..nn.parameter import is_lazy
from ..nn.state import Snapshot
from ..tensor import Tensor

__all__ = ["Summary", "summary"]


@dataclass
class Row:
    """One call of one module."""

    name: str  # path below that of the row above
    module: Module
    depth: int = 0
    input_size: Any = None
    output_size: Any = None
    output_bytes: int = 0
    params: int = 0  # those that belong to this module itself and were not counted in a row before
    trainable: int = 0
    mult_adds: int = 0
    reused: bool = False
    rows: list[Row] = field(default_factory=list)

    def all(self) -> Iterator[Row]:
        """This row and those below."""
        yield self
        for row in self.rows:
            yield from row.all()

    def total(self, what: str) -> int:
        """The sum of a column over this row and those below."""
        return sum(getattr(row, what) for row in self.all())


class Summary:
    """The result of :func:`summary`: its text is the table, its attributes are the totals.

    ``total_params``, ``trainable_params`` and ``total_mult_adds`` are counts; ``total_input``,
    ``total_output_bytes`` and ``total_param_bytes`` are bytes.
    """

    def __init__(
        self, root: Row, param_bytes: int, input_bytes: int, depth: int, columns: Sequence[str]
    ) -> None:
        self.root, self.depth, self.columns = root, depth, columns
        self.total_params = root.total("params")
        self.trainable_params = root.total("trainable")
        self.total_mult_adds = root.total("mult_adds")
        self.total_input = input_bytes
        # the output of a layer with parameters is kept for backward, and has a gradient
        kept = (r for r in root.all() if _own_parameters(r.module) and not r.module._modules)
        self.total_output_bytes = 2 * sum(r.output_bytes for r in kept)
        self.total_param_bytes = param_bytes

    def __str__(self) -> str:
        header = ["Layer", *(COLUMNS[c][0] for c in self.columns)]
        table = [header, *([text, *self._cells(row)] for text, row in _tree(self.root, self.depth))]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(w) if i == 0 or self.columns[i - 1] in LEFT else cell.rjust(w)
                for i, (cell, w) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in table
        ]
        sizes = (self.total_input, self.total_output_bytes, self.total_param_bytes)
        total = [
            f"Total params: {self.total_params:,}",
            f"Trainable params: {self.trainable_params:,}",
            f"Non-trainable params: {self.total_params - self.trainable_params:,}",
            f"Total mult-adds: {self.total_mult_adds:,}",
        ]
        memory = [
            f"{what} (MB): {size / 1e6:.2f}"
            for what, size in zip(
                ("Input size", "Forward/backward pass size", "Params size", "Estimated total size"),
                (*sizes, sum(sizes)),
                strict=True,
            )
        ]
        bar = "=" * max(map(len, lines))
        return "\n".join([bar, lines[0], bar, *lines[1:], bar, *total, bar, *memory, bar])

    __repr__ = __str__

    def _cells(self, row: Row) -> list[str]:
        return [COLUMNS[c][1](row, bool(row.rows) and row.depth < self.depth) for c in self.columns]


def _tree(row: Row, depth: int, stem: str = "", branch: str = "") -> Iterator[tuple[str, Row]]:
    """The rows down to ``depth``, each with its text in the first column."""
    kind = row.module._get_name()
    yield stem + branch + (f"{row.name}: {kind}" if row.name else kind), row
    if row.depth < depth:
        stem += {"": "", "├─ ": "│  ", "└─ ": "   "}[branch]
        for below in row.rows:
            yield from _tree(below, depth, stem, "└─ " if below is row.rows[-1] else "├─ ")


def _size(size: Any) -> str:
    return "--" if size is None else str(size)


def _params(row: Row, open: bool) -> str:
    n = row.params if open else row.total("params")
    return f"{n:,}" if n else "(reused)" if row.reused else "--"


def _mult_adds(row: Row, open: bool) -> str:
    n = row.mult_adds if open else row.total("mult_adds")
    return f"{n:,}" if n else "--"


def _trainable(row: Row, open: bool) -> str:
    flags = {p.requires_grad for p in row.module.parameters()}
    return "--" if not flags else "Partial" if len(flags) > 1 else str(flags.pop())


def _kernel(row: Row, open: bool) -> str:
    return (
        str(list(row.module.kernel_size))
        if isinstance(getattr(row.module, "kernel_size", 0), tuple)
        else "--"
    )


# name -> title and text of a cell; ``open`` says that the rows below are shown too
COLUMNS: dict[str, tuple[str, Callable[[Row, bool], str]]] = {
    "input_size": ("Input shape", lambda row, open: _size(row.input_size)),
    "output_size": ("Output shape", lambda row, open: _size(row.output_size)),
    "kernel_size": ("Kernel", _kernel),
    "num_params": ("Params", _params),
    "mult_adds": ("Mult-adds", _mult_adds),
    "trainable": ("Trainable", _trainable),
}
LEFT = ("input_size", "output_size", "kernel_size", "trainable")


def summary(
    model: Module,
    input_size: Any = None,
    batch_size: int = -1,
    device: Any = None,
    *,
    input_data: Any = None,
    depth: int = 3,
    verbose: int = 1,
    col_names: Iterable[str] = ("output_size", "num_params", "mult_adds"),
    dtypes: Sequence[Any] | None = None,
    mode: str = "eval",
    **kwargs: Any,
) -> Summary:
    """Run a model once on zeros and print a table of its layers.

    The model stays as it was: training flags, buffers, random numbers, gradients.

    Multiply-adds of a layer: its number of parameters times the batch size, for convolutions also
    times the number of output pixels. Parameters of a layer that is called twice, or shared, count
    once.

    Args:
        model: any Module.
        input_size: shape of the input, or a list of shapes, with batch dimension as for torchinfo:
            ``(1, 3, 32, 32)``, or without as for torchsummary: ``(3, 32, 32)``; it prints as -1.
        batch_size: if given, ``input_size`` is without batch dimension, and this is it.
        device: where to run; that of the parameters by default.
        input_data: the input itself, in place of ``input_size``: a tensor, a list, or a dict.
        depth: how many levels of calls to show; below, numbers are summed up.
        verbose: 0 prints nothing.
        col_names: of ``input_size output_size kernel_size num_params mult_adds trainable``.
        dtypes: number type of each input.
        mode: ``"eval"`` or ``"train"``, in which to run.
        kwargs: passed on to ``model.forward``.

    Raises:
        ArgumentError: neither or both of ``input_size`` and ``input_data``; an unknown column.

    >>> import tinyconv as tc
    >>> from tinyconv.utils.summary import summary
    >>> table = summary(tc.nn.Sequential(tc.nn.Linear(4, 3), tc.nn.Linear(3, 2)), (4,), verbose=0)
    >>> print("\\n".join(str(table).splitlines()[1:6]))
    Layer         Output shape  Params  Mult-adds
    =============================================
    Sequential    [-1, 2]           --         --
    ├─ 0: Linear  [-1, 3]           15         15
    └─ 1: Linear  [-1, 2]            8          8
    >>> table.total_params
    23
    """
    columns = tuple(col_names)
    if unknown := [c for c in columns if c not in COLUMNS]:
        raise ArgumentError(
            f"unknown column {unknown[0]!r} in col_names", f"Known are {', '.join(COLUMNS)}."
        )
    if mode not in ("eval", "train"):
        raise ArgumentError(f"mode must be 'eval' or 'train', but got {mode!r}")
    if (input_size is None) == (input_data is None):
        raise ArgumentError(
            "summary takes either input_size or input_data",
            "For example summary(model, input_size=(1, 3, 32, 32)).",
        )
    home = next((p.device for p in model.parameters()), "cpu") if device is None else device
    hidden = False  # whether the batch dimension was added here, and is to be printed as -1
    if input_data is None:
        shapes, hidden = _with_batch(model, input_size, batch_size)
        types = dtypes or [get_default_dtype()] * len(shapes)
        inputs: Any = [
            creation.zeros(*s, dtype=t, device=home) for s, t in zip(shapes, types, strict=True)
        ]
    else:
        inputs = [input_data] if isinstance(input_data, Tensor) else input_data
    args, named = ((), dict(inputs)) if isinstance(inputs, dict) else (tuple(inputs), {})
    args = tuple(x.to(home) if isinstance(x, Tensor) else x for x in args)
    root = _Recorder(model, hidden).run(mode == "train", args, {**named, **kwargs})
    param_bytes = sum(p.nbytes for p in model.parameters())
    input_bytes = sum(x.nbytes for x in (*args, *named.values()) if isinstance(x, Tensor))
    result = Summary(root, param_bytes, input_bytes, depth, columns)
    if verbose:
        print(result)
    return result


def _with_batch(
    model: Module, input_size: Any, batch_size: int
) -> tuple[list[tuple[int, ...]], bool]:
    """The shapes with batch dimension, and whether it had to be made up.

    A size may come with it or without. The first layer for sequences, images or volumes tells how many
    dimensions it wants; where there is none, two, four and five are taken to be complete.
    """
    one = all(isinstance(n, int) for n in input_size)
    shapes = [tuple(input_size)] if one else [tuple(s) for s in input_size]
    if batch_size != -1:
        return [(batch_size, *s) for s in shapes], False
    names = (type(m).__name__ for m in model.modules())
    rank = next((int(name[-2]) + 2 for name in names if name.endswith(("1d", "2d", "3d"))), None)
    complete = (rank,) if rank else (2, 4, 5)
    if not one or len(shapes[0]) in complete:
        return shapes, False
    return [(1, *s) for s in shapes], True


class _Recorder:
    """Runs a model and turns its calls into a tree of rows."""

    def __init__(self, model: Module, hidden: bool) -> None:
        self.model, self.hidden = model, hidden
        self.paths = {m: path for path, m in model.named_modules()}
        self.open: list[Row] = []
        self.first: dict[Module, Row] = {}  # the row of the first call of each module
        self.counted: set[Tensor] = set()

    def run(self, train: bool, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Row:
        """Call the model once, and leave no trace."""
        training = {m: m.training for m in self.model.modules()}
        before = (
            Snapshot(self.model, self.model.buffers())
            if not any(map(is_lazy, _tensors(self.model)))
            else None
        )
        random = creation.get_rng_state()
        with ExitStack() as stack, no_grad():
            for module in self.model.modules():
                stack.enter_context(
                    module.register_forward_pre_hook(self._enter, with_kwargs=True, prepend=True)
                )
                stack.enter_context(module.register_forward_hook(self._leave))
            try:
                self.model.train(train)
                self.model(*args, **kwargs)
            finally:
                for module, flag in training.items():
                    module.training = flag
                if before:
                    before.restore()
                creation.set_rng_state(random)
        root = self.first[self.model]
        self._add_uncalled()
        return root

    def _enter(self, module: Module, args: Any, kwargs: Any) -> None:
        above = self.open[-1] if self.open else None
        row = Row(
            self._label(module, above),
            module,
            len(self.open),
            _shapes((args, *kwargs.values()), self.hidden),
        )
        if above:
            above.rows.append(row)
        self.open.append(row)

    def _leave(self, module: Module, args: Any, output: Any) -> None:
        row = self.open.pop()
        row.output_size = _shapes(output, self.hidden)
        row.output_bytes = sum(x.nbytes for x in _leaves(output))
        row.reused = module in self.first and bool(_own_parameters(module))
        self._count(row)
        if not module._modules and row.output_size is not None:
            row.mult_adds = sum(
                _work(module, p, x) for p in _own_parameters(module) for x in _leaves(output)[:1]
            )
        self.first.setdefault(module, row)

    def _count(self, row: Row) -> None:
        for p in _own_parameters(row.module):
            if p not in self.counted:
                self.counted.add(p)
                row.params += p.numel()
                row.trainable += p.numel() * p.requires_grad

    def _add_uncalled(self) -> None:
        """Rows for modules that hold parameters and were not called, below the nearest that was."""
        for module, path in self.paths.items():
            if module in self.first or not _own_parameters(module):
                continue
            while True:
                path = path.rpartition(".")[0]
                above = self.first.get(self.model.get_submodule(path))
                if above:
                    break
            row = Row(self._label(module, above), module, above.depth + 1)
            self._count(row)
            above.rows.append(row)

    def _label(self, module: Module, above: Row | None) -> str:
        path, start = self.paths[module], self.paths[above.module] + "." if above else ""
        return path.removeprefix(start) if start != "." else path


def _own_parameters(module: Module) -> list[Tensor]:
    return [p for p in module._parameters.values() if p is not None]


def _tensors(module: Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


def _work(module: Module, parameter: Tensor, output: Tensor) -> int:
    """Multiply-adds with one parameter: one per sample, in a convolution one per pixel of each."""
    batch = output.shape[:1]
    pixels = output.shape[2:] if "Conv" in type(module).__name__ else ()
    return parameter.numel() * math.prod((*batch, *pixels))


def _leaves(x: Any) -> list[Tensor]:
    """The tensors in nested tuples, lists and dicts."""
    if isinstance(x, Tensor):
        return [x]
    items = x.values() if isinstance(x, dict) else x if isinstance(x, (tuple, list)) else ()
    return [leaf for item in items for leaf in _leaves(item)]


def _shapes(x: Any, hidden: bool) -> Any:
    """The shape of a tensor as a list; of several, a list of such; None without any."""
    shapes = [[-1, *t.shape[1:]] if hidden and t.ndim else list(t.shape) for t in _leaves(x)]
    return shapes[0] if len(shapes) == 1 else shapes or None
