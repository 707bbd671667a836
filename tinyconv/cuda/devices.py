"""Which GPUs are there, and which of them is meant."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ..backend import cuda_unavailable
from . import door


def is_available() -> bool:
    """Tell whether ``.to('cuda')`` will work.

    >>> import tinyconv as tc
    >>> device = tc.device('cuda' if tc.cuda.is_available() else 'cpu')
    """
    return not cuda_unavailable()


def why_unavailable() -> str:
    """Why CUDA cannot be used and what mends it; empty if it can."""
    return cuda_unavailable()


def device_count() -> int:
    """The number of GPUs."""
    return int(door.cupy().cuda.runtime.getDeviceCount()) if is_available() else 0


def init() -> None:
    """Start CUDA now, and not when it is first needed.

    Raises:
        DeviceError: there is no GPU that can be used.
    """
    door.cupy()


def is_initialized() -> bool:
    """Tell whether CUDA has been started."""
    return "tinyconv.backend.cuda" in sys.modules


def current_device() -> int:
    """The number of the GPU that ``'cuda'`` stands for."""
    return door.index_of(None)


def set_device(device: Any) -> None:
    """Let ``'cuda'`` stand for another GPU from now on."""
    index = door.index_of(device)
    if index >= 0:
        door.cupy().cuda.Device(index).use()


class device:
    """Let ``'cuda'`` stand for another GPU inside a ``with`` block; ``None`` or a negative number changes nothing."""

    def __init__(self, device: Any) -> None:
        self.idx = -1 if device is None else door.index_of(device)
        self._inner: Any = None

    def __enter__(self) -> None:
        if self.idx >= 0:
            self._inner = door.cupy().cuda.Device(self.idx)
            self._inner.__enter__()

    def __exit__(self, *error: object) -> None:
        if self._inner is not None:
            self._inner.__exit__(*error)
            self._inner = None


class device_of(device):
    """The same, for the GPU of a tensor; one on the CPU changes nothing."""

    def __init__(self, obj: Any) -> None:
        super().__init__(obj.device.index if obj.is_cuda else None)


def synchronize(device: Any = None) -> None:
    """Wait until the GPU has done all that it was told.

    What it found wrong meanwhile, such as a class that does not exist, is raised here.
    """
    with door.cupy().cuda.Device(door.index_of(device)) as chosen:
        chosen.synchronize()
        door.part("trouble").settle()


# ── what a GPU is ─────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Properties:
    """A GPU: memory in bytes, clocks in kHz."""

    name: str
    major: int
    minor: int
    total_memory: int
    multi_processor_count: int
    warp_size: int
    max_threads_per_multi_processor: int
    regs_per_multiprocessor: int
    shared_memory_per_block: int
    shared_memory_per_block_optin: int
    shared_memory_per_multiprocessor: int
    L2_cache_size: int
    is_integrated: int
    is_multi_gpu_board: int
    uuid: str

    def __str__(self) -> str:
        return (
            f"_CudaDeviceProperties(name={self.name!r}, major={self.major}, minor={self.minor}, "
            f"total_memory={self.total_memory >> 20}MB, multi_processor_count={self.multi_processor_count}, "
            f"uuid={self.uuid}, L2_cache_size={self.L2_cache_size >> 20}MB)"
        )

    __repr__ = __str__


def get_device_properties(device: Any = None) -> Properties:
    """Name, memory, number of multiprocessors and more of a GPU."""
    about = door.cupy().cuda.runtime.getDeviceProperties(door.index_of(device))
    digits = bytes(about.get("uuid", b"")).hex()
    cuts = [0, 8, 12, 16, 20, 32]
    return Properties(
        name=about["name"].decode(),
        major=about["major"],
        minor=about["minor"],
        total_memory=about["totalGlobalMem"],
        multi_processor_count=about["multiProcessorCount"],
        warp_size=about["warpSize"],
        max_threads_per_multi_processor=about["maxThreadsPerMultiProcessor"],
        regs_per_multiprocessor=about["regsPerMultiprocessor"],
        shared_memory_per_block=about["sharedMemPerBlock"],
        shared_memory_per_block_optin=about.get("sharedMemPerBlockOptin", 0),
        shared_memory_per_multiprocessor=about["sharedMemPerMultiprocessor"],
        L2_cache_size=about["l2CacheSize"],
        is_integrated=about["integrated"],
        is_multi_gpu_board=about["isMultiGpuBoard"],
        uuid="-".join(digits[a:b] for a, b in pairwise(cuts)),
    )


def get_device_name(device: Any = None) -> str:
    """The name of a GPU, such as ``'NVIDIA H200'``."""
    return get_device_properties(device).name


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """What a GPU can do, as two numbers: (9, 0) for Hopper."""
    about = get_device_properties(device)
    return about.major, about.minor


def get_arch_list() -> list[str]:
    """The architectures that kernels are made for: those of the GPUs that are there, when they are first needed."""
    found = {get_device_capability(i) for i in range(device_count())}
    return [f"sm_{major}{minor}" for major, minor in sorted(found)]


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Tell whether bfloat16 can be computed with; without emulation, whether the GPU has instructions for it."""
    if not is_available():
        return False
    return including_emulation or get_device_capability()[0] >= 8


def is_tf32_supported() -> bool:
    """Tell whether the GPU multiplies float32 rounded to 11 bits on tensor cores."""
    return is_available() and get_device_capability()[0] >= 8


def can_device_access_peer(device: Any, peer_device: Any) -> bool:
    """Tell whether a GPU reads the memory of another by itself."""
    one, other = door.index_of(device), door.index_of(peer_device)
    return bool(door.cupy().cuda.runtime.deviceCanAccessPeer(one, other))
