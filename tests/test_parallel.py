"""Threads and forks: a batch cut among threads, loops called by several, a child process that computes."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
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
