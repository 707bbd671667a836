"""Random numbers that the device draws: Philox, the distributions made of it, dropout."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinyconv as tc
from tinyconv import generator
from tinyconv.backend import get_backend
from tinyconv.generator import philox
from tinyconv.nn import functional as F

# ── the words ─────────────────────────────────────────────────────────────────────────────────

# Known answers of the authors' library, kat_vectors: counter, key, result.
KNOWN = {
    "zeros": ("00000000 " * 4, "00000000 " * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    "ones": ("ffffffff " * 4, "ffffffff " * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    "pi": ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
           "d16cfe09 94fdcceb 5001e420 24126ea1"),
}  # fmt: skip
CHECK = """
template <class T> __global__ void check(const unsigned* given, unsigned* made) {
    Words v = philox({given[0], given[1], given[2], given[3]}, given[4], given[5]);
    made[0] = v.x, made[1] = v.y, made[2] = v.z, made[3] = v.w;
}
"""


def words(text):
    return np.array([int(w, 16) for w in text.split()], "uint32")


@pytest.mark.parametrize("case", KNOWN)
def test_known_answers(case):
    import cupy as cp

    from tinyconv.backend.cuda import module

    counter, key, expected = map(words, KNOWN[case])
    text = module.text_of(philox.SOURCE) + CHECK
    check = cp.RawModule(code=text, name_expressions=["check<float>"]).get_function("check<float>")
    made = cp.asarray(np.zeros(4, "uint32"))
    check((1,), (1,), (cp.asarray(np.concatenate([counter, key])), made))
    assert made.get().tolist() == expected.tolist()


def reference(seed, first, count):
    """The same words by the recipe, in Python's integers."""
    made = []
    for i in range(first, first + count):
        c, k = [i % 2**32, i >> 32, 0, 0], [seed % 2**32, seed >> 32]
        for _ in range(10):
            p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
            c = [(q >> 32) ^ c[1] ^ k[0], q % 2**32, (p >> 32) ^ c[3] ^ k[1], p % 2**32]
            k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
        made += c
    return np.array(made, "uint64")


@pytest.mark.parametrize("seed", [0, 5, 2**64 - 3])
def test_numbers_are_made_of_the_words_in_order(seed):
    g = tc.Generator("cuda").manual_seed(seed)
    one = tc.rand(7, device="cuda", generator=g).cpu().numpy()
    two = tc.rand(3, device="cuda", generator=g, dtype=tc.float64).cpu().numpy()
    kept = tc.empty(5, device="cuda").bernoulli_(0.25, generator=g).cpu().numpy()
    w = reference(seed, 0, 6)
    np.testing.assert_array_equal(one, ((w[:7] >> 8) * 2.0**-24).astype("float32"))
    low, high = w[8:16].reshape(-1, 2).T
    np.testing.assert_array_equal(two, ((high << 32 | low)[:3] >> 11) * 2.0**-53)
    np.testing.assert_array_equal(kept, w[16:21] < 2**30)


# ── distributions ─────────────────────────────────────────────────────────────────────────────

N = 20000


def stats(x):
    x = x.double().cpu().numpy().ravel()
    return x.mean(), x.std(), x.min(), x.max()


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_uniform_and_normal(dtype):
    tc.manual_seed(1)
    kind = {"dtype": getattr(tc, dtype), "device": "cuda"}
    mean, std, low, high = stats(tc.rand(N, **kind))
    assert 0 <= low < 1e-3
    assert 0.99 < high < 1
    assert abs(mean - 0.5) < 0.01
    assert abs(std - 12**-0.5) < 0.01
    mean, std, low, high = stats(tc.randn(N, **kind))
    assert abs(mean) < 0.03
    assert abs(std - 1) < 0.03
    assert -6 < low < -3.5 < 3.5 < high < 6
    mean, std, low, high = stats(tc.zeros(N, **kind).uniform_(-3, 1))
    assert -3 <= low < -2.99
    assert 0.97 < high < 1
    mean, std, _, _ = stats(tc.zeros(N, **kind).normal_(5, 0.5))
    assert abs(mean - 5) < 0.02
    assert abs(std - 0.5) < 0.02


def test_the_shape_of_a_normal():
    x = np.sort(
        tc.randn(N, device="cuda", generator=tc.Generator("cuda").manual_seed(2)).cpu().numpy()
    )
    expected = np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in x[::100]])
    assert abs(expected - np.arange(0, N, 100) / N).max() < 0.015


def test_what_is_made_of_them():
    g = tc.Generator("cuda").manual_seed(3)
    at = {"device": "cuda", "generator": g}
    x = tc.randint(-3, 4, (N,), **at)
    assert x.dtype == tc.int64
    assert np.bincount(x.cpu().numpy() + 3).min() > N / 7 * 0.9
    assert tc.randint(5, (3,), dtype=tc.int32, **at).dtype == tc.int32
    assert sorted(tc.randperm(100, **at).tolist()) == list(range(100))
    assert tc.randperm(100, **at).tolist() != tc.randperm(100, **at).tolist()
    p = tc.full((N,), 0.25, device="cuda")
    assert abs(tc.bernoulli(p, generator=g).mean().item() - 0.25) < 0.01
    assert abs(tc.bernoulli(p, 0.75, generator=g).mean().item() - 0.75) < 0.01
    assert abs(p.clone().exponential_(2.0, generator=g).mean().item() - 0.5) < 0.02
    y = tc.normal(p * 4, p, generator=g)
    assert abs(y.mean().item() - 1) < 0.01
    assert abs(y.std().item() - 0.25) < 0.01
    assert p.clone().random_(generator=g).min().item() >= 0
    big = tc.zeros(100, dtype=tc.int64, device="cuda").random_(-(2**63), 2**63 - 1, generator=g)
    assert (big < 0).sum().item() in range(30, 70)


def test_multinomial():
    g = tc.Generator("cuda").manual_seed(3)
    weights = tc.tensor([[1.0, 0.0, 3.0], [0.0, 1.0, 0.0]], device="cuda")
    x = tc.multinomial(weights, 5000, replacement=True, generator=g).cpu().numpy()
    assert x.shape == (2, 5000)
    assert set(x[1]) == {1}
    assert abs((x[0] == 2).mean() - 0.75) < 0.03
    assert sorted(tc.multinomial(weights[0], 2, generator=g).tolist()) == [0, 2]


def test_halves_stay_below_the_bound():
    """A number that rounds up to the bound becomes the other bound."""
    x = tc.zeros(N, dtype=tc.bfloat16, device="cuda").uniform_(0, 1)
    assert x.float().max().item() < 1


# ── states ────────────────────────────────────────────────────────────────────────────────────


def test_seeds_and_states():
    draw = lambda: tc.rand(5, device="cuda").tolist()  # noqa: E731  # said three times
    tc.manual_seed(7)
    first, second = draw(), draw()
    assert first != second
    tc.manual_seed(7)
    assert draw() == first
    state = tc.cuda.get_rng_state()
    assert (state.dtype, state.shape, state.device.type) == (tc.uint8, (16,), "cpu")
    assert draw() == second
    tc.cuda.set_rng_state(state)
    assert draw() == second
    tc.cuda.manual_seed_all(7)
    assert draw() == first
    assert tc.cuda.initial_seed() == 7
    g = tc.Generator("cuda")
    state = g.get_state()
    x = tc.rand(3, device="cuda", generator=g).tolist()
    g.set_state(state)
    assert tc.rand(3, device="cuda", generator=g).tolist() == x
    assert g.device == tc.device("cuda")


def test_a_seed_waits_for_a_device(monkeypatch):
    monkeypatch.setattr(philox, "_defaults", {})
    tc.manual_seed(11)
    assert philox.default(get_backend("cuda")).initial_seed() == 11


def test_a_thread_with_its_own_generator_leaves_the_device_alone():
    tc.manual_seed(1)
    with generator.use(generator.Generator()):
        tc.manual_seed(2)
    assert tc.cuda.initial_seed() == 1


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: tc.rand(2, device="cuda", generator=tc.Generator()), "'cuda' device type for generator but found 'cpu'"),
        (lambda: tc.rand(2, generator=tc.Generator("cuda")), "'cpu' device type for generator but found 'cuda'"),
        (lambda: tc.cuda.set_rng_state(tc.get_rng_state()), "RNG state is wrong size"),
        (lambda: tc.Generator("cuda").set_state(tc.zeros(16)), "RNG state must be an array of uint8"),
        (lambda: tc.zeros(2, device="cuda").normal_(0, -1), r"normal expects std >= 0\.0"),
        (lambda: tc.zeros(2, device="cuda").uniform_(1, 0), "uniform_ expects to return"),
        (lambda: tc.randint(3, 3, (2,), device="cuda"), "random_ expects 'from' to be less"),
        (lambda: tc.bernoulli(tc.full((2,), 2.0, device="cuda")).cpu(), "Expected p_in >= 0"),
        (lambda: tc.multinomial(tc.zeros(3, device="cuda"), 1).cpu(), "invalid multinomial distribution"),
    ],
)  # fmt: skip
def test_errors(call, text):
    with pytest.raises((RuntimeError, TypeError), match=text):
        call()


def test_nobody_waits(counts):
    x = tc.zeros(100, device="cuda")
    tc.rand(1, device="cuda")
    counts.clear()
    x.uniform_(), x.normal_(), x.bernoulli_(0.5), x.random_(0, 9), x.exponential_()
    tc.randint(9, (5,), device="cuda"), tc.randn(5, device="cuda")
    tc.bernoulli(tc.full((3,), 0.5, device="cuda")), tc.multinomial(tc.ones(3, device="cuda"), 2)
    assert (counts["syncs"], counts["d2h"], counts["h2d"]) == (0, 0, 0)


def test_a_graph_draws_new_numbers_at_each_launch():
    tc.manual_seed(5)
    x = tc.ones(64, device="cuda")
    expected = [F.dropout(x).tolist() for _ in range(4)]
    tc.manual_seed(5)
    stream = tc.cuda.Stream()
    stream.wait_stream(tc.cuda.current_stream())
    with tc.cuda.stream(stream):
        made = [F.dropout(x).tolist()]
    tc.cuda.current_stream().wait_stream(stream)
    graph = tc.cuda.CUDAGraph()
    with tc.cuda.graph(graph):
        y = F.dropout(x)
    for _ in range(3):
        graph.replay()
        made.append(y.tolist())
    assert made == expected


# ── dropout ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_dropout(counts, dtype):
    x = tc.rand(50, 41, device="cuda").to(getattr(tc, dtype)).requires_grad_()
    counts.clear()
    y = F.dropout(x, 0.3)
    y.backward(tc.ones_like(y))
    assert counts["fill_true"] == 1
    assert counts["mask_and_scale"] == 2
    assert counts["syncs"] == 0
    kept = x.grad.cpu().double().numpy()
    assert len(set(kept.ravel())) == 2
    assert kept.max() == pytest.approx(
        1 / 0.7, rel={"float64": 1e-15, "float32": 1e-7}.get(dtype, 4e-3)
    )
    assert abs((kept > 0).mean() - 0.7) < 0.05
    np.testing.assert_allclose(
        y.detach().cpu().double().numpy(), x.detach().cpu().double().numpy() * kept, 1e-2 if "16" in dtype else 1e-6
    )  # fmt: skip


def test_dropout_of_channels_last_runs_the_kernel(counts):
    x = tc.rand(2, 5, 4, 3, device="cuda").permute(0, 3, 1, 2)
    counts.clear()
    y = F.dropout(x, 0.5)
    assert counts["mask_and_scale"] == 1
    assert y.stride() == x.stride()


def test_whole_channels():
    y = F.dropout2d(tc.ones(8, 6, 3, 3, device="cuda"), 0.5).cpu().numpy()
    by_channel = y.reshape(48, 9)
    assert (by_channel == by_channel[:, :1]).all()
    assert set(by_channel[:, 0]) == {0, 2}


def test_layers_are_made_of_numbers_of_the_cpu():
    """A model is built on the CPU and moved: its weights are torch's, whatever the device."""
    tc.manual_seed(0)
    here = tc.nn.Linear(3, 2)
    tc.manual_seed(0)
    there = tc.nn.Linear(3, 2).to("cuda")
    np.testing.assert_array_equal(there.weight.detach().cpu().numpy(), here.weight.detach().numpy())
