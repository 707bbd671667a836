"""A whole training step in tinyconv and in PyTorch, side by side: the ratio of their times.

    python tests/benchmarks/train_step.py [--models cifar10_cnn fashion_mnist] [--rounds 20] [--threads 1]

Both run in this process, in turns; only the ratio of a round means something on a machine that others share. A step is
zero_grad, forward, cross_entropy, backward, optimizer step.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any


def cifar10_cnn(lib: Any) -> tuple[Any, Any, tuple[int, ...], int]:
    """The network of examples/cifar10_cnn.py: three conv-BatchNorm-ReLU-pool blocks, two linear layers, Adam."""
    nn = lib.nn

    def block(i: int, o: int) -> list[Any]:
        return [
            nn.Conv2d(i, o, 3, padding=1, bias=False),
            nn.BatchNorm2d(o),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]

    model = nn.Sequential(
        *block(3, 32), *block(32, 64), *block(64, 128),
        nn.Flatten(), nn.Linear(2048, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 10),
    )  # fmt: skip
    return model, lib.optim.Adam(model.parameters(), lr=1e-3), (128, 3, 32, 32), 10


def fashion_mnist(lib: Any) -> tuple[Any, Any, tuple[int, ...], int]:
    """The network of examples/fashion_mnist.py: two convolutions with pools, two linear layers, SGD with momentum."""
    nn = lib.nn
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(1600, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    return model, lib.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), (512, 1, 28, 28), 10


MODELS = {f.__name__: f for f in (cifar10_cnn, fashion_mnist)}


def step_of(lib: Any, make: Callable[[Any], Any]) -> Callable[[], float]:
    """A function that runs one training step and returns its loss."""
    lib.manual_seed(0)
    model, optimizer, shape, classes = make(lib)
    x = lib.randn(*shape)
    y = lib.randint(0, classes, (shape[0],))

    def step() -> float:
        optimizer.zero_grad()
        loss = lib.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    os.environ["NUMBA_NUM_THREADS"] = str(options.threads)

    import torch
    from threadpoolctl import threadpool_limits

    import tinyconv

    torch.set_num_threads(options.threads)
    threadpool_limits(options.threads)
    print(
        f"{platform.processor() or platform.machine()}, {options.threads} thread(s), torch {torch.__version__}"
    )
    for name in options.models:
        ours, theirs = step_of(tinyconv, MODELS[name]), step_of(torch, MODELS[name])
        for _ in range(3):
            ours(), theirs()
        pairs = []
        for _ in range(options.rounds):
            times = []
            for step in (ours, theirs):
                start = time.perf_counter()
                step()
                times.append(time.perf_counter() - start)
                time.sleep(0.01)  # lets the other's thread pool go to sleep
            pairs.append(times)
        ratios = [a / b for a, b in pairs]
        print(
            f"{name:14} tinyconv {min(a for a, _ in pairs) * 1e3:7.1f} ms  torch {min(b for _, b in pairs) * 1e3:7.1f} ms  "
            f"ratio min {min(ratios):.2f} median {statistics.median(ratios):.2f}"
        )


if __name__ == "__main__":
    main()
