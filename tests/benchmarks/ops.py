"""Single operations in tinyconv and in PyTorch, forward and backward: times, ratios, GFLOP/s or GB/s.

    python tests/benchmarks/ops.py [--ops conv relu] [--variants tinyconv torch] [--rounds 10] [--threads 1]

A ratio is a time divided by that of torch eager in the same round; below 1 is faster. Bytes count each input and output
once (backward: the gradient of the output and every input are read, the gradients of the inputs written), so GB/s is
what memory would have to deliver to an operation that reads nothing twice.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

from libraries import CORES, load, machine
from timing import Watch, describe, in_turns, stopwatch
from variants import REFERENCE, VARIANTS

CHOICES = ("tinyconv", REFERENCE, "torch_channels_last", "torch_fused")


@dataclass
class Call:
    """An operation with its arguments: ``run(*inputs)``."""

    run: Callable[..., Any]
    inputs: list[Any]
    constants: int = 0  # so many inputs, from the front, need no gradient

    def channels_last(self, lib: Any) -> None:
        """Lay out images and filters with the channels innermost."""
        self.inputs = [
            x.contiguous(memory_format=lib.channels_last) if x.dim() == 4 else x
            for x in self.inputs
        ]

    def watches(self, lib: Any) -> dict[str, Watch]:
        """A stopwatch for forward, as in training, and one for backward."""
        wanted = [x.requires_grad_() for x in self.inputs[self.constants :]]
        forward = stopwatch(self.run, lambda: tuple(self.inputs))
        if not wanted:
            return {"forward": forward}
        g = lib.ones_like(self.run(*self.inputs))
        return {
            "forward": forward,
            "backward": stopwatch(
                lambda y: lib.autograd.grad(y, wanted, g), lambda: (self.run(*self.inputs),)
            ),
        }


@dataclass(frozen=True)
class Op:
    """An operation at a shape; ``make(lib)`` serves both libraries."""

    name: str
    make: Callable[..., Call]
    unit: str = ""  # GFLOP/s, GB/s, or nothing that counts
    forward: float = 0  # so many of 1e9; 0: not counted
    backward: float = 0
    extras: tuple[str, ...] = ()  # variants of torch that make sense

    def watches(self, variant: str, lib: Any) -> dict[str, Watch]:
        lib.manual_seed(0)
        call = self.make(lib, fused=True) if variant == "torch_fused" else self.make(lib)
        if variant == "torch_channels_last":
            call.channels_last(lib)
        return call.watches(lib)


def conv(n: int, c: int, size: int, o: int, k: int, *, of: str, stride: int = 1, pad: int | None = None,
         groups: int = 1, first: bool = False) -> Op:  # fmt: skip
    """A convolution of ``n`` images of ``c`` channels; the ``first`` of a network needs no gradient of its input."""
    pad = k // 2 if pad is None else pad
    out = (size + 2 * pad - k) // stride + 1
    flops = 2e-9 * n * o * out**2 * (c // groups) * k**2

    def make(lib: Any) -> Call:
        run = partial(lib.nn.functional.conv2d, stride=stride, padding=pad, groups=groups)
        x, w = lib.randn(n, c, size, size), lib.randn(o, c // groups, k, k) * 0.1
        return Call(lambda x, w: run(x, w), [x, w], constants=int(first))

    name = f"conv{k}x{k} {c}->{o}{f' groups {groups}' * (groups > 1)}{f' stride {stride}' * (stride > 1)}"
    return Op(f"{name} {size}x{size} pad {pad} batch {n} ({of})", make, "GFLOP/s", flops, flops * (1 if first else 2),
              ("torch_channels_last",))  # fmt: skip


def elementwise(name: str, run: Callable[..., Any], *shapes: tuple[int, ...], out: float = 1,
                backward_moves: bool = True) -> Op:  # fmt: skip
    """An operation bound by memory; its output is ``out`` times as large as its first input."""
    sizes = [4e-9 * prod(shape) for shape in shapes]

    def make(lib: Any) -> Call:
        return Call(partial(run, lib), [lib.randn(*shape) for shape in shapes])

    forward = sum(sizes) + out * sizes[0]
    backward = (forward + sum(sizes)) * backward_moves
    shape = "x".join(map(str, shapes[0]))
    extras = ("torch_channels_last",) if len(shapes[0]) == 4 else ()
    return Op(f"{name} {shape}", make, "GB/s", forward, backward, extras)


def batch_norm(n: int, c: int, size: int) -> Op:
    def run(lib: Any, x: Any, w: Any, b: Any) -> Any:
        return lib.nn.functional.batch_norm(x, None, None, w, b, training=True)

    return elementwise("batch_norm", run, (n, c, size, size), (c,), (c,))


def linear(n: int, i: int, o: int) -> Op:
    def make(lib: Any) -> Call:
        return Call(lib.nn.functional.linear, [lib.randn(n, i), lib.randn(o, i), lib.randn(o)])

    return Op(f"linear {i}->{o} batch {n}", make, "GFLOP/s", 2e-9 * n * i * o, 4e-9 * n * i * o)


def cross_entropy(n: int, classes: int) -> Op:
    def make(lib: Any) -> Call:
        target = lib.randint(0, classes, (n,))
        return Call(lambda x: lib.nn.functional.cross_entropy(x, target), [lib.randn(n, classes)])

    return Op(f"cross_entropy {n}x{classes}", make)


def optimizer(
    name: str, arrays: int, shapes: list[tuple[int, ...]], label: str, **settings: Any
) -> Op:
    """One step over the parameters; each element of ``arrays`` arrays is read or written."""
    count = sum(map(prod, shapes))

    def make(lib: Any, **fused: bool) -> Call:
        parameters = [lib.nn.Parameter(lib.randn(*shape)) for shape in shapes]
        for p in parameters:
            p.grad = lib.randn(*p.shape)
        return Call(getattr(lib.optim, name)(parameters, lr=1e-4, **settings, **fused).step, [])

    return Op(f"{name} step, {label}", make, "GB/s", 4e-9 * arrays * count, extras=("torch_fused",))


def tiny(name: str, run: Callable[[Any], Any]) -> Op:
    return Op(name, lambda lib: Call(run, [lib.randn(4)]))


def chain(x: Any) -> Any:
    """A hundred small operations, one after the other."""
    for _ in range(50):
        x = x * 0.9 + 1
    return x


WEIGHTS = [
    *((32, 3, 3, 3), (64, 32, 3, 3), (128, 64, 3, 3), (64, 128, 3, 3)),
    *((256, 1024), (128, 256), (100, 128)),
]
MANY = [(64, 64, 3, 3), (64,), (64,)] * 20

OPS = [
    conv(64, 3, 32, 32, 5, of="a", first=True),
    conv(64, 32, 32, 16, 3, of="a"),
    conv(64, 3, 32, 32, 3, of="b", first=True),
    conv(64, 32, 32, 64, 3, of="b"),
    conv(64, 64, 16, 128, 3, of="b"),
    conv(64, 128, 8, 64, 3, of="b"),
    conv(16, 1, 28, 32, 3, of="c", first=True),
    conv(16, 32, 14, 64, 3, of="c", pad=0),
    conv(512, 1, 28, 32, 3, of="d", pad=0, first=True),
    conv(512, 32, 13, 64, 3, of="d", pad=0),
    conv(32, 64, 32, 64, 3, of="e, f"),
    conv(32, 256, 8, 256, 3, of="e, f"),
    conv(32, 512, 2, 512, 3, of="e"),
    conv(32, 64, 32, 128, 3, of="f", stride=2),
    conv(64, 16, 32, 96, 1, of="g"),
    conv(64, 96, 32, 96, 3, of="g", groups=96),
    conv(64, 96, 32, 96, 3, of="g", groups=96, stride=2),
    *(
        elementwise("max_pool2d", lambda lib, x: lib.nn.functional.max_pool2d(x, 2), shape, out=1 / 4)
        for shape in [(64, 64, 32, 32), (64, 128, 16, 16), (16, 32, 28, 28), (512, 32, 26, 26), (512, 64, 11, 11)]
    ),
    *(batch_norm(*shape) for shape in [(64, 32, 32), (64, 64, 32), (64, 128, 16), (64, 64, 8)]),
    *(
        elementwise("relu", lambda lib, x: lib.nn.functional.relu(x), shape)
        for shape in [(64, 64, 32, 32), (64, 128, 16, 16), (16, 32, 14, 14), (512, 32, 26, 26)]
    ),
    elementwise("dropout", lambda lib, x: lib.nn.functional.dropout(x, 0.5), (64, 1024)),
    elementwise("add", lambda lib, x, y: x + y, (64, 64, 32, 32), (64, 64, 32, 32), backward_moves=False),
    elementwise("softmax", lambda lib, x: lib.nn.functional.softmax(x, 1), (512, 1000)),
    linear(64, 16384, 10),
    linear(64, 1024, 256),
    linear(16, 2304, 600),
    linear(512, 1600, 128),
    cross_entropy(64, 100),
    cross_entropy(512, 10),
    optimizer("Adam", 7, WEIGHTS, "weights of b"),
    optimizer("Adam", 7, MANY, "60 parameters"),
    optimizer("SGD", 3, WEIGHTS, "weights of b"),
    optimizer("SGD", 5, MANY, "60 parameters, momentum", momentum=0.9),
    tiny("tiny x + x", lambda x: x + x),
    tiny("tiny chain of 100 ops", chain),
]  # fmt: skip


def measure(op: Op, variants: list[str], libs: dict[str, Any], rounds: int) -> None:
    """Time ``op`` in the variants that make sense for it and print a line per pass and variant."""
    chosen = [v for v in variants if v in ("tinyconv", REFERENCE, *op.extras)]
    watches = {v: op.watches(v, libs[VARIANTS[v].library]) for v in chosen}
    print(op.name, flush=True)
    for stage, amount in (("forward", op.forward), ("backward", op.backward)):
        running = {v: w[stage] for v, w in watches.items() if stage in w}
        if not running:
            continue  # the step of an optimizer has no backward
        for v, seconds in (all_seconds := in_turns(running, rounds)).items():
            rate = f"{amount / min(seconds):6.1f} {op.unit}" if amount else ""
            print(f"  {stage:9}{v:20}{describe(seconds, all_seconds.get(REFERENCE), rate)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--ops", nargs="+", default=[""], help="only names that contain one of these"
    )
    parser.add_argument("--variants", nargs="+", default=list(CHOICES), choices=CHOICES)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=CORES)
    options = parser.parse_args()
    libs = {
        name: load(name, options.threads)
        for name in sorted({VARIANTS[v].library for v in options.variants})
    }
    print(*(f"{k}: {v}" for k, v in machine(options.threads).items()), sep="\n")
    for op in OPS:
        if any(part in op.name for part in options.ops):
            measure(op, options.variants, libs, options.rounds)


if __name__ == "__main__":
    main()
