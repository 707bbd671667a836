"""What NVIDIA's driver says about itself and the GPUs: asked in its own libraries, without CuPy."""

from __future__ import annotations

import ctypes as c
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIBRARIES = (
    {"cuda": "libcuda.so.1", "nvml": "libnvidia-ml.so.1"}
    if os.name == "posix"
    else {"cuda": "nvcuda.dll", "nvml": "nvml.dll"}
)
NVIDIA, DISPLAY = "0x10de", "0x03"  # a vendor and the beginning of a class, on the PCI bus
MAJOR, MINOR = 75, 76  # device attributes: the compute capability


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU: its name, bytes of memory, and compute capability."""

    name: str
    memory: int
    capability: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Driver:
    """An NVIDIA driver: the CUDA version up to which it goes, its own version, its GPUs, and what is wrong."""

    cuda: tuple[int, int]
    version: str = ""
    cards: tuple[Card, ...] = ()
    trouble: str = ""


def cards_on_bus(devices: str = "/sys/bus/pci/devices") -> int | None:
    """How many NVIDIA GPUs are plugged in; None if the system does not say."""
    folder = Path(devices)
    if not folder.is_dir():
        return None

    def text(path: Path) -> str:
        return path.read_text().strip() if path.is_file() else ""

    return sum(
        text(device / "vendor") == NVIDIA and text(device / "class").startswith(DISPLAY)
        for device in folder.iterdir()
    )


def load(name: str) -> Any:
    """A library of the driver; None if it is not there."""
    try:
        return c.CDLL(LIBRARIES[name])
    except OSError:
        return None


def read_driver() -> Driver | None:
    """Ask the driver; None if there is none.

    Source: the CUDA driver API and NVML, whose functions return 0 if all is well.
    """
    cuda = load("cuda")
    if cuda is None:
        return None
    number = c.c_int()
    cuda.cuDriverGetVersion(c.byref(number))
    version = (number.value // 1000, number.value % 1000 // 10)
    if status := cuda.cuInit(0):
        return Driver(version, _own_version(), trouble=_error(cuda, status))
    cuda.cuDeviceGetCount(c.byref(number))
    cards = tuple(_card(cuda, i) for i in range(number.value))
    return Driver(version, _own_version(), cards)


def _card(cuda: Any, ordinal: int) -> Card:
    device, number, size = c.c_int(), c.c_int(), c.c_size_t()
    name = c.create_string_buffer(128)
    cuda.cuDeviceGet(c.byref(device), ordinal)
    cuda.cuDeviceGetName(name, len(name), device)
    cuda.cuDeviceTotalMem_v2(c.byref(size), device)
    capability = []
    for attribute in (MAJOR, MINOR):
        cuda.cuDeviceGetAttribute(c.byref(number), attribute, device)
        capability.append(number.value)
    return Card(name.value.decode(), size.value, (capability[0], capability[1]))


def _error(cuda: Any, status: int) -> str:
    text = c.c_char_p()
    cuda.cuGetErrorString(status, c.byref(text))
    return f"cuInit: {(text.value or b'unknown error').decode()} ({status})"


def _own_version() -> str:
    """The driver's version, such as 580.95.05, from NVML; empty if that does not answer."""
    nvml = load("nvml")
    text = c.create_string_buffer(80)
    if nvml is None or nvml.nvmlInit_v2():
        return ""
    nvml.nvmlSystemGetDriverVersion(text, len(text))
    nvml.nvmlShutdown()
    return text.value.decode()
