"""What the tests of networks share: the same seed twice, closeness, and networks without first values."""

from __future__ import annotations

import contextlib
from unittest import mock

import numpy as np
import torch
from real_torchvision import torchvision

import tinyconv as tc

theirs = torchvision.models
RNG = np.random.default_rng(0)


def seeded(make_expected, make):
    torch.manual_seed(0)
    tc.manual_seed(0)
    return make_expected(), make()


def as_it_is(x, *_, **__):
    return x


@contextlib.contextmanager
def without_first_values():
    with contextlib.ExitStack() as stack:
        for owner, name in [
            (tc.Tensor, "normal_"),
            (tc.Tensor, "uniform_"),
            (tc.nn.init, "trunc_normal_"),
        ]:
            stack.enter_context(mock.patch.object(owner, name, as_it_is))
        yield


def close(expected, x, what):
    scale = max(1.0, expected.abs().max().item())
    np.testing.assert_allclose(
        x.detach().numpy() / scale, expected.detach().numpy() / scale, 1e-10, 1e-10, err_msg=what
    )
