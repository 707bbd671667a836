"""NVIDIA's cuDNN has a plan for every convolution that tinyconv will ask it for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conv_cases import CASES, Case
from conv_helpers import numbered

from tinyconv.backend import cudnn
from tinyconv.backend.cudnn import Convolution, Device, candidates, dense

pytestmark = pytest.mark.cudnn

LIMIT = 1 << 30
ALL_GPUS: dict[str, Any] = {
    "warpSize": 32, "maxSharedMemoryPerBlock": 48 << 10, "reservedSharedMemoryPerBlock": 1 << 10,
    "maxRegistersPerSM": 1 << 16, "maxThreadsPerBlock": 1 << 10, "regsPerBlock": 1 << 16,
    "maxBlockSize": [1024, 1024, 64], "maxGridSize": [2147483647, 65535, 65535], "supportCoopLaunch": 1,
    "pciDeviceId": 0, "isTccDriver": 0, "cudaDeviceId": 0, "driverVer": 13000,
}  # fmt: skip


def gpu(
    name: str,
    version: int,
    multiprocessors: int,
    shared: int,
    threads: int,
    cache: int,
    memory: int,
) -> str:
    """A device as cuDNN describes it; shared memory in KiB, cache in MiB, memory in GiB."""
    return json.dumps(ALL_GPUS | {
        "deviceName": name, "deviceVer": version, "multiProcessorCount": multiprocessors,
        "maxSharedMemoryPerBlockOptin": shared << 10, "maxCtasPerSM": threads // 64, "maxThreadsPerSM": threads,
        "totalGlobalMem": memory << 30, "l2CacheSize": cache << 20, "smClockRateKHz": 1980000,
        "memClockRateKHz": 3201000,
    })  # fmt: skip


GPUS = [
    gpu("NVIDIA H200", 900, 132, 227, 2048, 60, 140),
    gpu("NVIDIA A100", 800, 108, 163, 2048, 40, 80),
    gpu("NVIDIA GeForce RTX 4090", 890, 128, 99, 1536, 72, 24),
    gpu("Tesla T4", 750, 40, 64, 1024, 4, 16),
]
LARGE = [
    Case(64, 3, (224, 224), 64, (7, 7), 2, 3),
    Case(64, 64, (56, 56), 64, (3, 3), 1, 1),
    Case(64, 256, (28, 28), 512, (1, 1), 2),
    Case(64, 512, (7, 7), 512, (3, 3), 1, 1),
    Case(64, 128, (28, 28), 128, (3, 3), 1, 1, groups=128),
    Case(64, 256, (14, 14), 256, (3, 3), 1, 1, groups=32),
    Case(1, 16, (1, 16000), 32, (1, 9), (1, 4), (0, 4)),
]
TYPES = [
    ("float32", False, False),
    ("float32", True, True),
    ("float16", False, True),
    ("bfloat16", False, True),
]
KINDS: list[tuple[str, dict[str, bool]]] = [
    ("fprop", {}),
    ("fprop", {"bias": True}),
    ("fprop", {"bias": True, "relu": True}),
    ("dgrad", {}),
    ("wgrad", {}),
]
TURING = "Tesla T4"  # has no bfloat16 and no TF32


@pytest.fixture(scope="module", params=GPUS, ids=lambda text: json.loads(text)["deviceName"])
def device(request):
    if not cudnn.available():
        pytest.skip(cudnn.why_unavailable())
    return Device.described(request.param)


def name_of(request: Any) -> str:
    return str(json.loads(request.node.callspec.params["device"])["deviceName"])


@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize(("dtype", "tf32", "last"), TYPES)
@pytest.mark.parametrize("case", **numbered([*CASES, *LARGE]))
def test_every_case_has_a_plan(case, dtype, tf32, last, deterministic, device, request):
    stride, padding, dilation = case.pairs
    x = dense((case.n, case.c, *case.size), last)
    w = dense((case.f, case.c // case.groups, *case.k), last)
    y = dense((case.n, case.f, *case.out), last)
    for kind, more in KINDS:
        convolution = Convolution(
            kind, dtype, x, w, y, stride, padding, dilation, tf32=tf32, deterministic=deterministic, **more
        )  # fmt: skip
        plan = next(candidates(device, convolution, LIMIT), None)
        if dtype == "bfloat16" and name_of(request) == TURING:
            assert plan is None
        else:
            assert plan is not None, convolution
            assert 0 <= plan.workspace <= LIMIT


def test_relu_needs_a_bias(device):
    """Which is why tinyconv gives it one."""
    x, w, y = dense((8, 64, 16, 16)), dense((64, 64, 3, 3)), dense((8, 64, 16, 16))
    convolution = Convolution("fprop", "float32", x, w, y, (1, 1), (1, 1), (1, 1), relu=True)
    assert list(candidates(device, convolution, LIMIT)) == []


def test_what_does_not_fit_has_none(device):
    """A result of the wrong size is refused, and nothing worse."""
    layouts = dense((2, 3, 8, 8)), dense((4, 3, 3, 3)), dense((2, 4, 7, 7))
    convolution = Convolution("fprop", "float32", *layouts, (1, 1), (0, 0), (1, 1))
    assert list(candidates(device, convolution, LIMIT)) == []


def test_less_memory_takes_other_plans(device):
    case = LARGE[0]
    stride, padding, dilation = case.pairs
    layouts = (dense(s, True) for s in ((64, 3, 224, 224), (64, 3, 7, 7), (64, 64, 112, 112)))
    convolution = Convolution("wgrad", "float32", *layouts, stride, padding, dilation, tf32=True)
    sizes = [p.workspace for p in candidates(device, convolution, 1 << 40)]
    assert max(sizes) > min(sizes)
    assert all(p.workspace <= min(sizes) for p in candidates(device, convolution, min(sizes)))


def test_engines_with_unwanted_notes_are_left_out(device, request):
    """Exact float32 leaves fewer engines than TF32, and determinism fewer still."""
    x, w, y = dense((8, 64, 16, 16)), dense((64, 64, 3, 3)), dense((8, 64, 16, 16))

    def count(**wishes: bool) -> int:
        convolution = Convolution("wgrad", "float32", x, w, y, (1, 1), (1, 1), (1, 1), **wishes)
        return sum(1 for _ in candidates(device, convolution, LIMIT))

    exact = count()
    assert 0 < count(deterministic=True) < exact
    assert (count(tf32=True) > exact) == (name_of(request) != TURING)


def test_the_version_is_a_known_one():
    if not cudnn.available():
        pytest.skip(cudnn.why_unavailable())
    assert 90000 <= cudnn.version() < 100000
