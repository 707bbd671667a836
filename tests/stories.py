"""Stories: the same Python code told to torch and to tinyconv, which must end the same way.

A story takes the module to use and returns tensors and numbers; a list in it is compared element by element. It ends
with the same values, or with exceptions that start with the same words (and ours is a subclass of torch's).
"""

from __future__ import annotations

import numpy as np
import torch

import tinyconv as tc

WORDS = 40  # letters of a message that must agree


class Stories(dict):
    """A list of stories by name; decorate them with it."""

    def __call__(self, tell):
        assert tell.__name__ not in self, "a story of this name was told"
        self[tell.__name__] = tell
        return tell


def leaf(lib, *shape, start=1.0):
    """A leaf with elements start, start + 0.5, ..."""
    n = int(np.prod(shape))
    data = (np.arange(n) * 0.5 + start).reshape(shape)
    return lib.tensor(data.tolist(), requires_grad=True)


def weights(lib, *shape):
    """Uneven weights, so that a gradient in the wrong place shows."""
    n = int(np.prod(shape))
    return lib.tensor((np.cos(np.arange(n)) + 2).reshape(shape).tolist())


def ends(y, lib, *leaves):
    """Back through a weighted sum; the value and the gradients."""
    (y * weights(lib, *y.shape)).sum().backward()
    return [y, *(x.grad for x in leaves)]


def same(ours, theirs):
    """Compare what two tellings returned."""
    if isinstance(theirs, torch.Tensor):
        assert type(ours) is tc.Tensor
        assert ours.requires_grad == theirs.requires_grad
        assert ours.dtype.name == str(theirs.dtype).removeprefix("torch.")
        np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), 1e-5, 1e-6)
        assert ours.shape == theirs.shape
    elif isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            same(a, b)
    else:
        assert ours == theirs


def outcome(tell, lib):
    try:
        return tell(lib), None
    except Exception as error:
        return None, error


def check(tell):
    """Tell a story to both."""
    theirs, their_error = outcome(tell, torch)
    ours, our_error = outcome(tell, tc)
    if their_error is None:
        if our_error is not None:
            raise our_error
        same(ours, theirs)
    else:
        assert our_error is not None, f"torch raises {their_error!r}"
        assert isinstance(our_error, type(their_error)), f"{our_error!r} for {their_error!r}"
        words = str(their_error)[:WORDS].replace("torch.", "tinyconv.")
        assert str(our_error).startswith(words), f"{our_error}\nfor {their_error}"
