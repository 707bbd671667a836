"""Threads and forks: a batch cut among threads, loops called by several, a child process that computes."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

import tinyconv as tc
from tinyconv.backend import parallel
from tinyconv.nn import functional as F


def images(n: int) -> tuple[tc.Tensor, tc.Tensor]:
    tc.manual_seed(0)
    return tc.randn(n, 3, 12, 12), tc.randn(4, 3, 3, 3)


def step(x: tc.Tensor, w: tc.Tensor) -> np.ndarray:
    x, w = x.clone().requires_grad_(), w.clone().requires_grad_()
    F.max_pool2d(F.conv2d(x, w), 2).sum().backward()
    return np.concatenate([x.grad.array.ravel(), w.grad.array.ravel()])


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_the_cut_changes_no_result(threads, monkeypatch):
    x, w = images(5)
    expected = step(x, w)
    monkeypatch.setattr(parallel, "_team", parallel._Team(threads))
    monkeypatch.setattr(parallel, "GRAIN", 1)
    np.testing.assert_allclose(step(x, w), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(step(x, w), step(x, w))  # to the bit, for as many threads


def test_blas_gets_its_threads_back(monkeypatch):
    monkeypatch.setattr(parallel, "_team", parallel._Team(2))
    before = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    x, w = images(6)
    with ThreadPoolExecutor(4) as several:
        results = list(several.map(lambda _: step(x, w), range(12)))
    for result in results:
        np.testing.assert_array_equal(result, results[0])
    after = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    assert after == before


def test_an_exception_comes_through_and_nothing_stays_limited(monkeypatch):
    monkeypatch.setattr(parallel, "_team", parallel._Team(2))

    def fail(start: int, stop: int) -> None:
        raise ValueError(f"{start} to {stop}")

    with pytest.raises(ValueError, match="0 to 2"):
        parallel.share_products(4, fail)
    assert parallel._team.calls == 0


def test_kernels_called_by_several_threads_at_once():
    def work(seed: int) -> np.ndarray:
        x = tc.tensor(np.arange(60_000.0) % (seed + 2) - 1, requires_grad=True)
        x.relu().backward(tc.ones_like(x))
        tc.optim.Adam([x], lr=seed).step()
        return x.array

    expected = [work(seed) for seed in range(8)]
    with ThreadPoolExecutor(8) as several:
        for a, b in zip(several.map(work, range(8)), expected, strict=True):
            np.testing.assert_array_equal(a, b)


# ── how many threads ──────────────────────────────────────────────────────────────────────────


def blas_threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.mark.parametrize("n", [1, 2, np.int64(2), 3])
def test_the_number_of_threads_drives_loops_and_blas(n):
    before = tc.get_num_threads()
    try:
        tc.set_num_threads(n)
        assert tc.get_num_threads() == n
        assert blas_threads() == {n}
        assert parallel.share(12, lambda start, stop: stop - start) == [12 // n] * n
        assert parallel.share_products(12, lambda *_: blas_threads()) == [{1}] * n or n == 1
        assert blas_threads() == {n}
    finally:
        tc.set_num_threads(before)


@pytest.mark.parametrize("n", [0, -1, 2.5, "2", None, True])
def test_what_is_no_number_of_threads(n):
    before = tc.get_num_threads()
    with pytest.raises(RuntimeError) as theirs:
        torch.set_num_threads(n)
    with pytest.raises(RuntimeError) as ours:
        tc.set_num_threads(n)
    assert str(ours.value).splitlines()[0] == str(theirs.value).splitlines()[0]
    assert tc.get_num_threads() == before


V2, QUOTA = "/sys/fs/cgroup/cpu.max", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"
PERIOD = QUOTA.replace("quota", "period")
MANY = 1 << 10


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, MANY),
        ({V2: "max 100000\n"}, MANY),
        ({V2: "200000 100000\n"}, 2),
        ({V2: "150000 100000\n"}, 2),
        ({V2: "20000 100000\n"}, 1),
        ({QUOTA: "-1\n", PERIOD: "100000\n"}, MANY),
        ({QUOTA: "300000\n", PERIOD: "100000\n"}, 3),
        ({QUOTA: "300000\n"}, MANY),
    ],
)
def test_the_cores_that_a_control_group_grants(files, cores, tmp_path, monkeypatch):
    for place, text in files.items():
        at = tmp_path / place.lstrip("/")
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(text)
    monkeypatch.setattr(parallel, "Path", lambda place: tmp_path / place.lstrip("/"))
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert parallel._quota() == cores
    assert parallel._available() == min(cores, 64)


@pytest.mark.parametrize(
    ("numba", "openmp", "threads"), [("3", "5", 3), ("", "5", 5), ("0", "", 1), ("x", "7", 7)]
)
def test_the_environment_may_say_how_many(numba, openmp, threads, monkeypatch):
    monkeypatch.setenv("NUMBA_NUM_THREADS", numba)
    monkeypatch.setenv("OMP_NUM_THREADS", openmp)
    assert parallel._available() == threads


# ── other processes ───────────────────────────────────────────────────────────────────────────


def python(code: str, **settings: str) -> str:
    """What a program prints that must not complain."""
    known = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_THREADING_LAYER")
    environment = {k: v for k, v in os.environ.items() if k not in known}
    environment |= {"PYTHONPATH": str(Path(__file__).parent.parent), **settings}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60
    )
    notice = "tinyconv: compiling loops"
    complaints = [line for line in done.stderr.splitlines() if not line.startswith(notice)]
    assert (done.returncode, complaints) == (0, []), done.stderr
    return done.stdout


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system pins no process")
def test_a_pinned_process_has_as_many_threads_as_cores():
    code = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import tinyconv
print(tinyconv.get_num_threads())"""
    assert python(code) == "1\n"


# Two threads train in the parent, then in children: a forked one, and those of a pool.
FORKS = """
import multiprocessing, os, sys
import tinyconv as tc
from tinyconv.backend import parallel
from tinyconv.nn import functional as F

parallel.GRAIN = 1
tc.set_num_threads(2)

def step(seed):
    tc.manual_seed(seed)
    x, w = tc.randn(4, 4, 9, 9), tc.nn.Parameter(tc.randn(4, 2, 3, 3))
    optimizer = tc.optim.Adam([w])
    F.conv2d(x, w, groups=2).relu().backward(tc.ones(4, 4, 7, 7))
    optimizer.step()
    return w.tolist(), parallel._team.workers

expected, workers = step(0)
assert workers == 1
child = os.fork()
if not child:
    result, workers = step(0)
    os._exit(0 if result == expected and workers == 1 else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
with multiprocessing.get_context("fork").Pool(2) as pool:
    for result, workers in pool.map_async(step, [0] * 4).get(60):
        assert result == expected
assert step(0)[0] == expected
"""

has_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@has_fork
@pytest.mark.parametrize("layer", ["workqueue", "omp", "tbb"])
def test_a_child_trains_as_its_parent_did(layer):
    if layer == "tbb" and importlib.util.find_spec("tbb") is None:
        pytest.skip("tbb is not installed")
    python(FORKS, NUMBA_THREADING_LAYER=layer)


@pytest.mark.parametrize("end", ["", "sys.exit(0)", "threading.Thread(target=work).start()"])
def test_a_program_ends_though_threads_wait_for_work(end):
    code = f"""
import sys, threading
import tinyconv as tc
from tinyconv.backend import parallel
parallel.GRAIN = 1
tc.set_num_threads(4)
def work():
    parallel.share(8, lambda start, stop: sum(i * i for i in range(10_000)))
work()
assert parallel._team.workers == 3
{end}"""
    assert python(code) == ""


@has_fork
@pytest.mark.filterwarnings(
    "ignore:This process:DeprecationWarning"
)  # that it has threads is the point
def test_a_child_computes_though_a_thread_held_the_lock():
    x, w = images(4)
    expected = step(x, w)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with parallel._team.lock:
            held.set()
            done.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    child = os.fork()
    if not child:
        os._exit(0 if np.allclose(step(x, w), expected, rtol=1e-5, atol=1e-5) else 1)
    done.set()
    thread.join()
    for _ in range(200):
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
        threading.Event().wait(0.1)
    else:
        os.kill(child, 9)
        os.waitpid(child, 0)
        pytest.fail("the child hangs")
    assert os.waitstatus_to_exitcode(status) == 0
