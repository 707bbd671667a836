"""Every number of the generator is torch's, and so is the place in the stream after it."""

from __future__ import annotations

import copy
import pickle
import random
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from tinyconv import generator as module
from tinyconv.generator import DEFAULT_SEED, Generator

SIZES = (0, 1, 2, 15, 16, 17, 31, 37, 100)
SEEDS = (0, 1, 2**31 + 5, 2**32, 2**64 - 1, -7, DEFAULT_SEED)
FLOATS = ("float16", "float32", "float64")
INTEGERS = ("uint8", "int8", "int16", "int32", "int64")
F32, F64, I64 = (np.dtype(d) for d in ("float32", "float64", "int64"))

# torch's polynomials for float32 normals exist on these processors; elsewhere last bits differ.
VECTOR = torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")


def words_taken(t: torch.Generator) -> int:
    """How many of the first 624 words a generator has given."""
    return 625 - int(t.get_state()[8:12].numpy().view(np.int32)[0])


def _draws_serially() -> bool:
    """False where torch leaves Bernoulli or exponential numbers to the processor's vendor."""
    t = torch.Generator()
    torch.empty(100).bernoulli_(0.5, generator=t).exponential_(generator=t)
    return words_taken(t) == 400


serial_only = pytest.mark.skipif(not _draws_serially(), reason="torch draws from a vendor library")


def pair(seed: int) -> tuple[Generator, torch.Generator]:
    return Generator().manual_seed(seed), torch.Generator().manual_seed(seed)


def assert_same(ours: Any, theirs: torch.Tensor, ulp: int = 0) -> None:
    expected = theirs.numpy()
    assert (ours.shape, ours.dtype) == (expected.shape, expected.dtype)
    assert ours.flags.c_contiguous
    assert ours.flags.writeable
    if ulp:
        np.testing.assert_array_max_ulp(ours, expected, ulp, ours.dtype)
    else:
        np.testing.assert_array_equal(ours, expected)


def assert_in_step(g: Generator, t: torch.Generator) -> None:
    ours, theirs = g.get_state(), t.get_state().numpy()
    ours[16:24] = theirs[16:24]  # "next" of an unused block is 0 or 624; "left" says the same
    np.testing.assert_array_equal(ours, theirs)


# ---- the table: what we draw, what torch draws, how many units in the last place they may differ

Draw = Callable[[Any, int], Any]
CASES: dict[str, tuple[Draw, Draw, int]] = {}


def fill(method: str, dtypes: tuple[str, ...], *settings: tuple[float, ...]) -> None:
    """Our ``method((n,), dtype, *setting)`` against torch's ``method_(*setting)``."""
    for d in dtypes:
        for s in settings:

            def ours(g: Any, n: int, d: str = d, s: Any = s) -> Any:
                return getattr(g, method)((n,), np.dtype(d), *s)

            def theirs(t: Any, n: int, d: str = d, s: Any = s) -> Any:
                return getattr(torch.empty(n, dtype=getattr(torch, d)), method + "_")(
                    *s, generator=t
                )

            ulp = 0
            if method == "normal" and d != "float64" and not VECTOR:
                ulp = 4
            CASES[f"{method}{s} {d}"] = ours, theirs, ulp


def integers(d: str, *bounds: tuple[int, int | None]) -> None:
    """Our ``integers(*bounds, (n,), dtype)`` against torch's ``random_(*bounds)``."""
    for b in bounds:

        def ours(g: Any, n: int, b: Any = b) -> Any:
            return g.integers(*b, (n,), np.dtype(d))

        def theirs(t: Any, n: int, b: Any = b) -> Any:
            return torch.empty(n, dtype=getattr(torch, d)).random_(*b, generator=t)

        CASES[f"integers{b} {d}"] = ours, theirs, 0


fill("uniform", FLOATS, (), (-0.0345, 0.0345), (2, 5), (-3.3, -1e-3), (1, 1))
fill("normal", FLOATS, (), (0, 0.02), (1.5, 0.7), (-0.3, 3), (2, 0))
fill("log_normal", FLOATS, (), (0.3, 0.7))
fill("cauchy", FLOATS, (), (0.4, 1.3))
fill("geometric", (*FLOATS, *INTEGERS), (0.3,))
fill("random", (*FLOATS, *INTEGERS, "bool"), ())
integers("bool", (0, 2))
integers("uint8", (0, 256), (3, 7))
integers("int8", (-128, 128), (-1, 0), (5, None))
integers("int16", (-2, 3), (-1, None))
integers("int32", (-(2**31), 2**31), (0, 2**28 - 1), (0, 2**28))
integers("int64", (0, 10), (-5, 2**28), (0, 2**33), (-(2**62), 2**62), (-(2**63), None), (3, None))
integers("float16", (-2048, 2049), (0, 5))
integers("float32", (0, 10), (-(2**24), 2**24 + 1))
integers("float64", (0, 2**53 + 1), (-3, None))

NAMED: dict[str, tuple[Draw, Draw]] = {
    "randperm": (lambda g, n: g.permutation(n), lambda t, n: torch.randperm(n, generator=t)),
    "random64": (
        lambda g, n: np.array([g.random64() for _ in range(n)], np.int64),
        lambda t, n: torch.empty(n, dtype=torch.int64).random_(generator=t),
    ),
    "normal of mean and std": (
        lambda g, n: g.normal_like(np.arange(n, dtype=F32), np.array([[0], [0.5], [2]], F32)),
        lambda t, n: torch.normal(
            torch.arange(1.0 * n), torch.tensor([[0], [0.5], [2]]), generator=t
        ),
    ),
    "normal of mean": (
        lambda g, n: g.normal_like(np.arange(n, dtype=F64), 0.3),
        lambda t, n: torch.normal(torch.arange(n).double(), 0.3, generator=t),
    ),
    "normal of std": (
        lambda g, n: g.normal_like(0.3, np.arange(n, dtype=F32)),
        lambda t, n: torch.normal(0.3, torch.arange(1.0 * n), generator=t),
    ),
    "multinomial with replacement": (
        lambda g, n: g.multinomial(np.arange(n + 2, dtype=F32), 2 * n + 2, True),
        lambda t, n: torch.multinomial(torch.arange(n + 2.0), 2 * n + 2, True, generator=t),
    ),
    "multinomial of rows": (
        lambda g, n: g.multinomial(np.tile(np.arange(1.0, 8), (n, 1)), 5, True),
        lambda t, n: torch.multinomial(
            torch.arange(1.0, 8).double().repeat(n, 1), 5, True, generator=t
        ),
    ),
} | {
    f"bernoulli of {d}": (
        lambda g, n, d=d: g.bernoulli_like(np.linspace(0, 1, n).astype(d)).astype(d),
        lambda t, n, d=d: torch.bernoulli(
            torch.from_numpy(np.linspace(0, 1, n).astype(d)), generator=t
        ),
    )
    for d in FLOATS
}
CASES |= {name: (*both, 0 if VECTOR or "normal" not in name else 4) for name, both in NAMED.items()}
PORTABLE = tuple(CASES)

fill("exponential", FLOATS, (), (1.3,))
CASES |= {
    "bernoulli_": (
        lambda g, n: g.bernoulli(0.3, (n,)),
        lambda t, n: torch.empty(n, dtype=torch.bool).bernoulli_(0.3, generator=t),
        0,
    ),
    "multinomial": (
        lambda g, n: g.multinomial(np.arange(1.0, n + 3), n // 2 + 1),
        lambda t, n: torch.multinomial(torch.arange(1.0, n + 3).double(), n // 2 + 1, generator=t),
        0,
    ),
    "multinomial of one": (
        lambda g, n: g.multinomial(np.arange(0, n + 3, dtype=F32), 1, True),
        lambda t, n: torch.multinomial(torch.arange(0.0, n + 3), 1, True, generator=t),
        0,
    ),
}
SERIAL = tuple(name for name in CASES if name not in PORTABLE)


# ---- against torch -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [*PORTABLE, *(pytest.param(name, marks=serial_only) for name in SERIAL)]
)
def test_draw_is_torchs(name: str) -> None:
    ours, theirs, ulp = CASES[name]
    g, t = pair(3)
    for n in SIZES:
        assert_same(ours(g, n), theirs(t, n), ulp)
        assert_in_step(g, t)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("names", [PORTABLE, pytest.param(tuple(CASES), marks=serial_only)])
def test_any_sequence_of_draws_stays_in_step(seed: int, names: tuple[str, ...]) -> None:
    chance = random.Random(seed)
    g, t = pair(seed)
    for _ in range(150):
        (ours, theirs, ulp), n = CASES[chance.choice(names)], chance.choice(SIZES)
        assert_same(ours(g, n), theirs(t, n), ulp)
    assert_in_step(g, t)


@pytest.mark.parametrize("d", FLOATS)
def test_a_hundred_thousand_numbers(d: str) -> None:
    settings = "uniform(-0.0345, 0.0345)", "normal()", "normal(1.5, 0.7)", "cauchy()"
    for name in (f"{s} {d}" for s in settings):
        ours, theirs, ulp = CASES[name]
        g, t = pair(12)
        assert_same(ours(g, 100_003), theirs(t, 100_003), ulp)


@pytest.mark.parametrize("n", [3, 624, 60_000])
def test_permutation(n: int) -> None:
    g, t = pair(5)
    assert_same(g.permutation(n), torch.randperm(n, generator=t))
    assert_in_step(g, t)


def test_huge_permutations_are_shuffled_inside_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen with ``torch.randperm(214748364)``, which takes two words per number; small here."""
    monkeypatch.setattr("tinyconv.generator.sampling.WIDE_PERMUTATION", 10)
    g, h = Generator(), Generator()
    order: list[int] = []
    for i, word in enumerate(h._random64(20).tolist()):
        z = word % (i + 1)
        order.append(i)
        order[i], order[z] = order[z], order[i]
    assert g.permutation(20).tolist() == order


def test_shapes() -> None:
    g, t = pair(0)
    assert_same(g.normal((), F32), torch.randn((), generator=t))
    assert_same(g.uniform((2, 0, 3), F32), torch.rand(2, 0, 3, generator=t))
    assert_same(g.integers(0, 9, (2, 3), I64), torch.randint(0, 9, (2, 3), generator=t))
    assert_same(g.normal((4, 5), F64), torch.randn(4, 5, dtype=torch.float64, generator=t))
    assert_in_step(g, t)


def test_what_rounds_up_to_the_bound_becomes_the_lower_one() -> None:
    for name in ("uniform(2, 5) float16", "uniform() float16"):
        ours, theirs, _ = CASES[name]
        g, t = pair(0)
        drawn = ours(g, 20_000)
        assert_same(drawn, theirs(t, 20_000))
        assert drawn.max() < (5 if "5" in name else 1)


@pytest.mark.parametrize(("mean", "std"), [(1e300, 1e300), (0.0, 1e307), (1e-310, 1.0)])
def test_extreme_float64(mean: float, std: float) -> None:
    g, t = pair(0)
    theirs = torch.empty(64, dtype=torch.float64).normal_(mean, std, generator=t)
    assert_same(g.normal((64,), F64, mean, std), theirs, ulp=16)


@pytest.mark.parametrize("n", [5, 64])
def test_overflow_is_infinity(n: int) -> None:
    for d in ("float16", "float32"):
        drawn = Generator().normal((n,), np.dtype(d), 0, 1e39)
        assert np.isinf(drawn).any()


# ---- seeds and states ----------------------------------------------------------------------------


def test_seeds() -> None:
    assert Generator().initial_seed() == torch.Generator().initial_seed() == DEFAULT_SEED
    for seed in (*SEEDS, -(2**63)):
        g, t = pair(seed)
        assert g.initial_seed() == t.initial_seed()
        assert_in_step(g, t)
    g = Generator().manual_seed(np.int64(4))  # type: ignore[arg-type]  # as good as an int
    assert g.initial_seed() == 4
    assert g.seed() == g.initial_seed() != g.seed()
    assert 0 <= g.initial_seed() < 2**64


def test_seeding_forgets_the_second_normal() -> None:
    g, t = pair(0)
    g.normal((1,), F32), torch.randn(1, generator=t)
    g.manual_seed(0), t.manual_seed(0)
    assert_same(g.normal((3,), F32), torch.randn(3, generator=t))


@pytest.mark.parametrize("n", [0, 1, 2, 623, 624, 625])
def test_states_can_be_exchanged_with_torch(n: int) -> None:
    g, t = pair(1)
    g.random32(n)
    g.normal((3,), F32)  # leaves a second normal behind
    t.set_state(torch.from_numpy(g.get_state()))
    assert_in_step(g, t)
    assert_same(g.normal((5,), F64), torch.randn(5, dtype=torch.float64, generator=t))
    h = Generator()
    h.set_state(t.get_state().numpy())
    assert h.initial_seed() == 1
    assert_same(h.normal((4,), F32), torch.randn(4, generator=t))


def test_state_round_trip_and_copies() -> None:
    g = Generator().manual_seed(2)
    g.normal((1,), F32)
    state = g.get_state()
    assert state.dtype == np.uint8
    expected = g.normal((3,), F64), g.random32(700)
    h = Generator()
    h.set_state(state)
    np.testing.assert_array_equal(h.get_state(), state)
    g.set_state(state)
    for clone in (h, copy.deepcopy(g), pickle.loads(pickle.dumps(g)), g):
        np.testing.assert_array_equal(clone.normal((3,), F64), expected[0])
        np.testing.assert_array_equal(clone.random32(700), expected[1])


def test_default_generator() -> None:
    before = module.current()
    assert before is module.default_generator
    try:
        other = module.replace_default(Generator())
        assert module.current() is other is module.default_generator
    finally:
        module.replace_default(before)


# ---- errors --------------------------------------------------------------------------------------

G: Any = Generator()
TG: Any = torch.Generator()
W = np.array([0.1, 0.2, 0.3])
TW = torch.from_numpy(W)
E: Callable[..., torch.Tensor] = torch.empty
# What we refuse, what torch refuses, and the words with which both begin.
REFUSED: list[tuple[Callable[[], Any], Callable[[], Any], str]] = [
    (lambda: G.manual_seed("a"), lambda: TG.manual_seed("a"), "manual_seed expected a long, but"),
    (lambda: G.manual_seed(True), lambda: TG.manual_seed(True), "manual_seed expected a long, but"),
    (lambda: G.manual_seed(2**64), lambda: TG.manual_seed(2**64), "Overflow when unpacking long"),
    (
        lambda: G.set_state(np.zeros(9, np.uint8)),
        lambda: TG.set_state(torch.zeros(9, dtype=torch.uint8)),
        "Expected a CPUGeneratorImplState of size 5056 but found the input RNG state size to be 9",
    ),
    (
        lambda: G.set_state(np.zeros(5056)),
        lambda: TG.set_state(torch.zeros(5056)),
        "RNG state must be a",
    ),
    (
        lambda: G.set_state(np.zeros(5056, np.uint8)),
        lambda: TG.set_state(torch.zeros(5056, dtype=torch.uint8)),
        "Invalid mt19937 state",
    ),
    (
        lambda: G.uniform((3,), F32, 1, 0),
        lambda: E(3).uniform_(1, 0),
        "uniform_ expects to return a [from, to) range, but found from=1 > to=0",
    ),
    (
        lambda: G.uniform((3,), F32, -3e38, 3e38),
        lambda: E(3).uniform_(-3e38, 3e38),
        "uniform_ expects to-from <= ",
    ),
    (
        lambda: G.uniform((3,), np.dtype("float16"), 0, 1e6),
        lambda: E(3, dtype=torch.half).uniform_(0, 1e6),
        "to is out of bounds for ",
    ),
    (
        lambda: G.uniform((3,), I64),
        lambda: torch.rand(3, dtype=torch.int64),
        "\"check_uniform_bounds\" not implemented for 'Long'",
    ),
    (
        lambda: G.normal((3,), np.dtype("uint8")),
        lambda: torch.randn(3, dtype=torch.uint8),
        "\"normal_kernel_cpu\" not implemented for 'Byte'",
    ),
    (
        lambda: G.normal((3,), F32, 0, -1),
        lambda: E(3).normal_(0, -1),
        "normal expects std >= 0.0, but found std -1",
    ),
    (
        lambda: G.normal_like(W, -W),
        lambda: torch.normal(TW, -TW),
        "normal expects all elements of std >= 0.0",
    ),
    (
        lambda: G.integers(5, 5, (3,), I64),
        lambda: torch.randint(5, 5, (3,)),
        "random_ expects 'from' to be less than 'to', but got from=5 >= to=5",
    ),
    (
        lambda: G.integers(0, 300, (3,), np.dtype("int8")),
        lambda: torch.randint(0, 300, (3,), dtype=torch.int8),
        "to - 1 is out of bounds for ",
    ),
    (
        lambda: G.integers(-1, 3, (3,), np.dtype("uint8")),
        lambda: torch.randint(-1, 3, (3,), dtype=torch.uint8),
        "from is out of bounds for ",
    ),
    (
        lambda: G.permutation(-1),
        lambda: torch.randperm(-1),
        "Trying to create tensor with negative dimension -1: [-1]",
    ),
    (
        lambda: G.bernoulli(1.5, (3,)),
        lambda: E(3).bernoulli_(1.5),
        "bernoulli_ expects p to be in [0, 1], but got p=1.5",
    ),
    (
        lambda: G.bernoulli_like(np.array([1.5])),
        lambda: torch.bernoulli(torch.tensor([1.5])),
        "Expected p_in >= 0 && p_in <= 1 to be true, but got false.",
    ),
    (
        lambda: G.exponential((3,), F32, 0),
        lambda: E(3).exponential_(0),
        "exponential_ expects lambda > 0.0, but found lambda=0",
    ),
    (
        lambda: G.exponential((3,), I64),
        lambda: E(3, dtype=torch.int64).exponential_(),
        "Exponential distribution is a continuous probability distribution. dtype must be a ",
    ),
    (
        lambda: G.cauchy((3,), F32, 0, 0),
        lambda: E(3).cauchy_(0, 0),
        "cauchy_ expects sigma > 0.0, but found sigma=0",
    ),
    (
        lambda: G.log_normal((3,), F32, 0, 0),
        lambda: E(3).log_normal_(0, 0),
        "log_normal_ expects std > 0.0, but found std=0",
    ),
    (
        lambda: G.geometric((3,), F32, 1),
        lambda: E(3).geometric_(1),
        "geometric_ expects p to be in (0, 1), but got p=1",
    ),
    (
        lambda: G.multinomial(W, 0),
        lambda: torch.multinomial(TW, 0),
        "cannot sample n_sample <= 0 samples",
    ),
    (
        lambda: G.multinomial(W, 4),
        lambda: torch.multinomial(TW, 4),
        "cannot sample n_sample > prob_dist.size(-1) samples without replacement",
    ),
    (
        lambda: G.multinomial(np.array([1, 2]), 1),
        lambda: torch.multinomial(torch.tensor([1, 2]), 1),
        "multinomial only supports floating-point dtypes for input, got: Long",
    ),
    (
        lambda: G.multinomial(W.reshape(1, 1, 3), 1),
        lambda: torch.multinomial(TW.reshape(1, 1, 3), 1),
        "prob_dist must be 1 or 2 dim",
    ),
    (
        lambda: G.multinomial(-W, 1),
        lambda: torch.multinomial(-TW, 1),
        "probability tensor contains either `inf`, `nan` or element < 0",
    ),
    (
        lambda: G.multinomial(0 * W, 1, True),
        lambda: torch.multinomial(0 * TW, 1, True),
        "invalid multinomial distribution (sum of probabilities <= 0)",
    ),
]


@pytest.mark.parametrize(("ours", "theirs", "words"), REFUSED, ids=[r[2][:40] for r in REFUSED])
def test_refusals_are_torchs(
    ours: Callable[[], Any], theirs: Callable[[], Any], words: str
) -> None:
    with pytest.raises(Exception, match=re.escape(words)) as torchs:
        theirs()
    with pytest.raises(torchs.type, match="^" + re.escape(words)) as refusal:
        ours()
    assert "\n" in str(refusal.value), "a second line says what to do"


def test_a_refusal_draws_nothing() -> None:
    g = Generator().manual_seed(0)
    before = g.get_state()
    for refused in (
        lambda: g.normal((20,), F32, 0, -1),
        lambda: g.normal((20,), I64),
        lambda: g.bernoulli_like(np.array([0.5, 2.0])),
        lambda: g.multinomial(W, 4),
    ):
        with pytest.raises(RuntimeError):
            refused()
    np.testing.assert_array_equal(g.get_state(), before)


def test_integers_that_a_float_cannot_hold_are_refused() -> None:
    """torch warns that it will refuse them one day."""
    with pytest.raises(RuntimeError, match="to - 1 is out of bounds for float32"):
        G.integers(0, 2**24 + 2, (3,), F32)
