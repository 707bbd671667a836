"""The stream of random words: seeds, states, and uniform numbers in their finest steps."""

from __future__ import annotations

import secrets
from typing import Self

import numpy as np
import numpy.typing as npt

from ..backend import jit_enabled
from .checks import seed_of
from .rounding import F32, F64, DType, Floats
from .twister import fill_unit

__all__ = ["DEFAULT_SEED", "Stream"]

DEFAULT_SEED = 67280421310721  # of a generator that nobody seeded: torch's
MANY = 8192  # numbers worth the way of the state into a loop and back

# torch's memory layout of a state, so that states and checkpoints can be exchanged.
STATE = np.dtype(
    [
        ("seed", "<u8"),
        ("left", "<i4"),  # 1 + words left in the block of 624
        ("seeded", "<i4"),
        ("next", "<u8"),  # words taken from the block
        ("words", "<u8", 624),
        ("unused", "<f8"),
        ("normal", "<f8"),  # the second number of a Box-Muller pair ...
        ("unused2", "<f8"),
        ("has_normal", "<i4"),  # ... if there is one
        ("unused3", "V12"),
    ]
)


class Stream:
    """The words of a Mersenne Twister (Matsumoto & Nishimura, ACM TOMACS 8, 1998)."""

    def __init__(self) -> None:
        # The legacy class is the one whose stream NumPy promises never to change (NEP 19).
        self._twister = np.random.RandomState(0)
        self._seed = 0
        self._normal: float | None = None  # second number of a Box-Muller pair
        self.manual_seed(DEFAULT_SEED)

    def manual_seed(self, seed: int) -> Self:
        """Start the stream that belongs to ``seed``, an integer of at most 64 bits.

        Negative seeds count from 2**64. The Twister takes the lower 32 bits.
        """
        self._seed = seed_of(seed)
        self._twister.seed(self._seed % 2**32)
        self._normal = None
        return self

    def seed(self) -> int:
        """Start from a seed drawn from the operating system, and return it."""
        self.manual_seed(secrets.randbits(64))
        return self._seed

    def initial_seed(self) -> int:
        """The seed from which the stream started."""
        return self._seed

    def get_state(self) -> npt.NDArray[np.uint8]:
        """The state as 5056 bytes, in torch's layout.

        >>> g = Stream()
        >>> state = g.get_state()
        >>> first = g.random64()
        >>> g.set_state(state)
        >>> g.random64() == first
        True
        """
        twister = self._twister.get_state(legacy=False)["state"]
        state = np.zeros((), STATE)
        state["seed"], state["seeded"] = self._seed, 1
        state["words"], state["next"] = twister["key"], twister["pos"]
        state["left"] = 625 - twister["pos"]
        if self._normal is not None:
            state["normal"], state["has_normal"] = self._normal, 1
        return np.frombuffer(state.tobytes(), np.uint8).copy()

    def set_state(self, new_state: npt.NDArray[np.uint8]) -> None:
        """Continue from a state of :meth:`get_state`, or of ``torch.get_rng_state().numpy()``."""
        if not isinstance(new_state, np.ndarray) or new_state.dtype != np.uint8:
            got = getattr(new_state, "dtype", type(new_state).__name__)
            raise TypeError(
                f"RNG state must be an array of uint8, but got {got}\nPass what get_state() gave."
            )
        if new_state.size != STATE.itemsize:
            raise RuntimeError(
                f"Expected a CPUGeneratorImplState of size {STATE.itemsize} but found the input "
                f"RNG state size to be {new_state.size}\nPass what get_state() gave."
            )
        state = np.frombuffer(new_state.tobytes(), STATE)[0]
        if not (state["seeded"] and 0 < state["left"] <= 624 and state["next"] <= 624):
            raise RuntimeError("Invalid mt19937 state\nPass what get_state() gave.")
        self._seed = int(state["seed"])
        words = {"key": state["words"].astype(np.uint32), "pos": 625 - int(state["left"])}
        self._twister.set_state({"bit_generator": "MT19937", "state": words})
        self._normal = float(state["normal"]) if state["has_normal"] else None

    def random32(self, n: int) -> npt.NDArray[np.uint32]:
        """The next ``n`` words of 32 bits."""
        return self._twister.randint(0, 2**32, n, dtype=np.uint32)

    def random64(self) -> int:
        """One integer in [0, 2**63): ``torch.empty((), dtype=torch.int64).random_().item()``."""
        return int(self._random64(1)[0]) % 2**63

    def _random64(self, n: int) -> npt.NDArray[np.uint64]:
        words = self.random32(2 * n).astype(np.uint64)
        return words[::2] << np.uint64(32) | words[1::2]

    def _unit(self, n: int, dtype: DType) -> Floats:
        """``n`` uniform numbers of [0, 1), as fine as the mantissa of ``dtype`` allows."""
        if n >= MANY and jit_enabled():
            return self._many(n, F64 if dtype == F64 else F32)
        if dtype == F64:
            return (self._random64(n) & np.uint64(2**53 - 1)).astype(F64) * 2.0**-53
        return (self.random32(n) & np.uint32(2**24 - 1)).astype(F32) * np.float32(2.0**-24)

    def _many(self, n: int, dtype: DType) -> Floats:
        """The same from a loop, which takes the state of the Twister and gives it back."""
        state = self._twister.get_state(legacy=False)["state"]
        out, place = np.empty(n, dtype), np.array([state["pos"]])
        fill_unit(out, state["key"], place)
        state["pos"] = int(place[0])
        self._twister.set_state({"bit_generator": "MT19937", "state": state})
        return out
