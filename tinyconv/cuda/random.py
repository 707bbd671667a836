"""The random numbers that GPUs draw: each has a stream of its own."""

from __future__ import annotations

import secrets
from typing import Any

from ..backend import get_backend
from ..generator import philox
from ..tensor import Tensor
from . import door
from .devices import device as on
from .devices import device_count


def _stream(device: Any = None) -> philox.Philox:
    with on(door.index_of(device)):
        return philox.default(get_backend("cuda"))


def manual_seed(seed: int) -> None:
    """Seed the random numbers of the current GPU; without one, nothing."""
    if device_count():
        _stream().manual_seed(int(seed))


def manual_seed_all(seed: int) -> None:
    """Seed the random numbers of all GPUs; without one, nothing."""
    philox.manual_seed_all(int(seed))


def seed() -> None:
    """Seed the random numbers of the current GPU from the operating system; without one, nothing."""
    manual_seed(secrets.randbits(64))


def seed_all() -> None:
    """Seed the random numbers of all GPUs from the operating system; without one, nothing."""
    manual_seed_all(secrets.randbits(64))


def initial_seed() -> int:
    """The seed from which the random numbers of the current GPU started.

    Raises:
        DeviceError: there is no GPU.
    """
    return _stream().initial_seed()


def get_rng_state(device: Any = "cuda") -> Tensor:
    """Where the random numbers of a GPU are, as bytes on the CPU, for ``set_rng_state``.

    Raises:
        DeviceError: there is no GPU.
    """
    return Tensor.wrap(_stream(device).get_state())


def set_rng_state(new_state: Tensor, device: Any = "cuda") -> None:
    """Go on from where the random numbers of a GPU were; without one, nothing."""
    if device_count():
        _stream(device).set_state(new_state.array)


def get_rng_state_all() -> list[Tensor]:
    """The states of all GPUs."""
    return [get_rng_state(i) for i in range(device_count())]


def set_rng_state_all(new_states: list[Tensor]) -> None:
    """Go on from the states of all GPUs."""
    for i, state in enumerate(new_states):
        set_rng_state(state, i)
