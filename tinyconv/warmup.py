"""All loops compiled beforehand: ``python -m tinyconv warmup``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from tqdm import tqdm

from . import nn, ops, optim
from .backend import Kernel, jit_enabled
from .creation import arange, ones_like, rand, randn, zeros
from .dtypes import float32, float64, uint8
from .tensor import Tensor
from .vision import transforms

KINDS = (float32, float64)
SHAPE = (2, 32, 12, 12)


def _conv(filters: int, kernel: int, **settings: Any) -> Callable[[Tensor], Tensor]:
    """A convolution of images, and its gradients."""
    return lambda x: nn.Conv2d(x.shape[1], filters, kernel, **settings).to(x.dtype)(x)


def _step(name: str, **settings: Any) -> Callable[[Tensor], Tensor]:
    """A step of an optimizer."""

    def run(x: Tensor) -> Tensor:
        p = nn.Parameter(x.detach())
        p.grad = ones_like(x)
        getattr(optim, name)([p], **settings).step()
        return x

    return run


def _drawn(x: Tensor) -> Tensor:
    """Bytes in either order in memory, made numbers of x's type."""
    draw = transforms.Batched([transforms.ToTensor()], x.dtype)
    planes = zeros((len(x), 3, *x.shape[2:]), dtype=uint8)
    return draw(planes) + draw(planes.permute(0, 2, 3, 1).contiguous())


# Small things to compute, forward and backward, which among them run every loop.
CASES: dict[str, Callable[[Tensor], Any]] = {
    "convolution": _conv(32, 3, padding=1),
    "convolution of few channels": _conv(3, 5),
    "strided convolution": _conv(32, 5, stride=2, padding=2),
    "depthwise convolution": _conv(32, 3, groups=32, padding=1),
    "grouped convolution": _conv(32, 3, groups=4),
    "max pooling": nn.MaxPool2d(2),
    "average pooling": nn.AvgPool2d(2),
    "adaptive max pooling": nn.AdaptiveMaxPool2d(5),
    "batch normalization": lambda x: nn.BatchNorm2d(x.shape[1]).to(x.dtype)(x),
    "batch normalization in evaluation": lambda x: nn.BatchNorm2d(x.shape[1]).to(x.dtype).eval()(x),
    "rectifier": nn.ReLU(),
    "dropout": nn.Dropout(),
    "softmax": nn.Softmax(-1),
    "logarithm of softmax": nn.LogSoftmax(-1),
    "cross entropy": lambda x: ops.cross_entropy(x.flatten(1), arange(len(x))),
    "random numbers": lambda x: x * rand(1 << 14, dtype=x.dtype).mean(),
    "error function": lambda x: ops.erf(x) + ops.erfc(x),
    "slices": lambda x: ops.index_select(x, 1, arange(3)),
    "images of a batch": lambda x: x[:, :3] * _drawn(x),
    "gradient descent": _step("SGD"),
    "momentum": _step("SGD", momentum=0.9),
    "Adam": _step("Adam"),
    "AMSGrad": _step("Adam", amsgrad=True),
    "Adadelta": _step("Adadelta"),
    "Adagrad": _step("Adagrad"),
    "Adamax": _step("Adamax"),
    "ASGD": _step("ASGD"),
    "NAdam": _step("NAdam"),
    "RAdam": _step("RAdam"),
    "Rprop": _step("Rprop"),
    "RMSprop": _step("RMSprop"),
    "RMSprop with momentum": _step("RMSprop", momentum=0.9),
    "RMSprop, centered": _step("RMSprop", centered=True),
    "RMSprop, both": _step("RMSprop", momentum=0.9, centered=True),
}


def loops() -> Iterator[Kernel]:
    """All kernels that have a loop to be compiled."""
    seen = set()
    for name, module in sorted(sys.modules.items()):
        if name.split(".")[0] == __package__:
            for value in vars(module).values():
                if isinstance(value, Kernel) and value.loop is not None and value not in seen:
                    seen.add(value)
                    yield value


def warmup() -> int:
    """Compile every loop for float32 and float64, and keep the machine code on disk."""
    if not jit_enabled():
        print("There is nothing to compile: numba is not installed, or TINYCONV_JIT is 0.")
        return 1
    start = time.perf_counter()
    door = import_module("tinyconv.backend._numba")
    door.say_nothing()  # it would recommend what is being done
    with tqdm([(kind, name) for kind in KINDS for name in CASES], leave=False, disable=None) as bar:
        for kind, name in bar:
            bar.set_description(f"{name}, {kind}")
            x = randn(SHAPE, dtype=kind, requires_grad=True)
            y = CASES[name](x)
            y.backward(ones_like(y))
    kernels = list(loops())
    folder = door.cache_folder(kernels[0].loop)
    place = (
        f"their machine code is in {Path(folder).parent}" if folder else "no folder to keep them"
    )
    seconds = time.perf_counter() - start
    print(f"{len(kernels)} loops, for float32 and float64; {place}. It took {seconds:.0f} s.")
    return 0
