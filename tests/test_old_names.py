"""Names that scripts of some age use, and those for which there is nothing to do."""

from __future__ import annotations

import pytest
import torch

import tinyconv as tc

NAMES = ["Float", "Double", "Half", "BFloat16", "Byte", "Char", "Short", "Int", "Long", "Bool"]
DATA = [(), (2, 3), ([1, 2],), ([2**40 + 1, 0],), ([1.7, -0.2],), ([True, False],), ([[1], [0]],)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("data", DATA, ids=repr)
def test_tensors_of_old_types(name, data):
    ours, theirs = (getattr(lib, f"{name}Tensor") for lib in (tc, torch))
    try:
        expected = theirs(*data)
    except (RuntimeError, TypeError) as error:
        with pytest.raises(type(error)):
            ours(*data)
        return
    made = ours(*data)
    assert made.type() == f"tinyconv.{name}Tensor"
    assert list(made.shape) == list(expected.shape)
    if data != (2, 3):  # of those, torch gives whatever is in memory
        assert made.tolist() == expected.tolist()
    assert isinstance(made, ours)
    assert isinstance(made, tc.Tensor)
    assert sum(isinstance(made, getattr(tc, f"{n}Tensor")) for n in NAMES) == 1
    assert tc.ones(2, dtype=tc.int32).type(ours).dtype == made.dtype


def test_streams_go_on_from_where_they_were():
    for lib in (tc, torch):
        lib.manual_seed(3)
        with lib.random.fork_rng():
            lib.rand(7)
        with lib.random.fork_rng(enabled=False):
            lib.rand(2)
    assert tc.rand(3).tolist() == torch.rand(3).tolist()
    state = tc.random.get_rng_state()
    with pytest.raises(RuntimeError), tc.random.fork_rng():
        tc.rand(5) @ tc.rand(6)
    assert tc.equal(state, tc.get_rng_state())


def test_nothing_is_left_to_compile():
    model = tc.nn.Linear(2, 1)
    assert tc.compile(model) is model

    @tc.compile(dynamic=True)
    def twice(x):
        return 2 * x

    assert twice(3) == 6


def test_version():
    assert tc.version.cuda is None or tc.cuda.is_available()
    assert tc.__version__ == tc.version.__version__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = tc.version.nothing


def test_old_name_of_schedules():
    assert tc.optim.lr_scheduler._LRScheduler is tc.optim.lr_scheduler.LRScheduler


INIT = {
    "uniform": (-1, 1), "normal": (1, 2), "constant": (3,), "eye": (), "xavier_uniform": (),
    "xavier_normal": (), "kaiming_uniform": (), "kaiming_normal": (), "orthogonal": (), "sparse": (0.5,),
}  # fmt: skip


@pytest.mark.parametrize("name", INIT)
def test_initialisers_without_underscore(name):
    filled = []
    for lib in (tc, torch):
        lib.manual_seed(1)
        with pytest.warns(FutureWarning, match=f"`nn.init.{name}` is now deprecated in favor"):
            filled.append(
                getattr(lib.nn.init, name)(lib.zeros(3, 4), *INIT[name]).flatten().tolist()
            )
    assert filled[0] == pytest.approx(filled[1], abs=1e-6)


@pytest.mark.parametrize(
    "name", ["FloatTensor", "torch.DoubleTensor", "tinyconv.LongTensor", "int8"]
)
def test_types_by_old_names(name):
    wanted = name if name == "int8" else getattr(tc, name.rpartition(".")[2])
    assert tc.ones(2).type(name).dtype is tc.ones(2).type(wanted).dtype


def test_one_device_is_no_parallel_training():
    model = tc.nn.DataParallel(tc.nn.Linear(2, 1), device_ids=[0])
    assert list(model.state_dict()) == list(
        torch.nn.DataParallel(torch.nn.Linear(2, 1)).state_dict()
    )
    assert tc.equal(model(tc.ones(3, 2)), model.module(tc.ones(3, 2)))
    assert repr(model) == repr(torch.nn.DataParallel(torch.nn.Linear(2, 1)))
    with pytest.raises(ValueError, match="runs on one device"):
        tc.nn.DataParallel(model, device_ids=[0, 1])


def test_accelerator():
    there = tc.cuda.is_available()
    assert tc.accelerator.is_available() is there
    assert (tc.accelerator.current_accelerator() is not None) is there
    assert tc.accelerator.device_count() == tc.cuda.device_count()


def test_kinds_of_tensors_that_are_not_here():
    for name in ("is_sparse", "is_quantized", "is_nested", "is_meta", "is_mps", "is_xpu"):
        assert getattr(tc.ones(1), name) is getattr(torch.ones(1), name) is False
