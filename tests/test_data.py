"""Datasets, samplers and DataLoader against torch: orders, values, errors; and workers."""

from __future__ import annotations

import collections
from itertools import islice

import numpy as np
import pytest
import torch
import torch.utils.data as torch_data

import tinyconv as tc
import tinyconv.utils.data as tc_data
from tinyconv import generator as numbers

N = 10
LIBRARIES = [(torch, torch_data), (tc, tc_data)]
Point = collections.namedtuple("Point", "x y")


def plain(value):
    """What a batch holds, in terms both libraries share."""
    if isinstance(value, torch.Tensor | tc.Tensor):
        return str(value.dtype).split(".")[-1], value.tolist()
    if isinstance(value, dict):
        return type(value), {key: plain(v) for key, v in value.items()}
    if isinstance(value, tuple | list):
        return type(value), [plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return "array", value.tolist()
    return type(value), value


def next_number(generator=None):
    """Draw from torch's or tinyconv's generator: equal numbers mean that both are in one state."""
    if isinstance(generator, torch.Generator):
        return torch.empty((), dtype=torch.int64).random_(generator=generator).item()
    return generator.random64()


def raised(action):
    try:
        action()
    except Exception as error:
        return error
    return None


def same_error(act):
    """Both libraries raise, tinyconv a kind of what torch raises, with the same first words."""
    want, got = (raised(lambda d=d, m=m: act(d, m)) for m, d in LIBRARIES)
    assert want is not None
    assert got is not None
    assert isinstance(got, type(want)), (type(got), type(want))
    first_line = str(got).split("\n")[0]
    assert str(want).replace("torch.", "").startswith(first_line), (str(want), str(got))


# ---- order -------------------------------------------------------------------------------------

WEIGHTS = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
LOADERS = {
    "plain": lambda d, g: {},
    "batches": lambda d, g: {"batch_size": 3},
    "drop_last": lambda d, g: {"batch_size": 3, "drop_last": True},
    "samples": lambda d, g: {"batch_size": None},
    "shuffle": lambda d, g: {"shuffle": True},
    "shuffle batches": lambda d, g: {"batch_size": 4, "shuffle": True},
    "shuffle samples": lambda d, g: {"batch_size": None, "shuffle": True},
    "generator": lambda d, g: {"generator": g},
    "shuffle generator": lambda d, g: {"batch_size": 3, "shuffle": True, "generator": g},
    "random": lambda d, g: {"sampler": d.RandomSampler(range(N))},
    "random generator": lambda d, g: {"sampler": d.RandomSampler(range(N), generator=g)},
    "replacement": lambda d, g: {"sampler": d.RandomSampler(range(N), replacement=True)},
    "replacement 70": lambda d, g: {
        "sampler": d.RandomSampler(range(N), True, num_samples=70, generator=g)
    },
    "num_samples 5": lambda d, g: {"sampler": d.RandomSampler(range(N), num_samples=5)},
    "num_samples 20": lambda d, g: {
        "sampler": d.RandomSampler(range(N), num_samples=20, generator=g)
    },
    "num_samples 25": lambda d, g: {"sampler": d.RandomSampler(range(N), num_samples=25)},
    "subset": lambda d, g: {"sampler": d.SubsetRandomSampler([1, 3, 5, 7]), "batch_size": 3},
    "subset generator": lambda d, g: {"sampler": d.SubsetRandomSampler(range(N), g)},
    "weighted": lambda d, g: {"sampler": d.WeightedRandomSampler(WEIGHTS, 12)},
    "weighted generator": lambda d, g: {"sampler": d.WeightedRandomSampler(WEIGHTS, 12, True, g)},
    "weighted once": lambda d, g: {"sampler": d.WeightedRandomSampler(WEIGHTS, 6, False)},
    "batch_sampler": lambda d, g: {
        "batch_sampler": d.BatchSampler(d.RandomSampler(range(N)), 4, True)
    },
    "lists": lambda d, g: {"batch_sampler": [[1, 2], [5], [9, 0, -1]]},
}


def epochs(lib, d, settings, cut_short=False, **more):
    lib.manual_seed(3)
    generator = lib.Generator()
    generator.manual_seed(4)
    data = d.TensorDataset(lib.arange(N), lib.arange(2 * N).reshape(N, 2))
    loader = d.DataLoader(data, **settings(d, generator), **more)
    batches = [[plain(batch) for batch in loader] for _ in range(2)]
    if cut_short:  # with workers, how far the sampler is asked depends on prefetching
        next(iter(loader))
    default = torch.default_generator if lib is torch else numbers.current()
    return len(loader), batches, next_number(default), next_number(generator)


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize("num_workers", [0, 2])
def test_same_batches_as_torch(name, num_workers):
    cut_short = num_workers == 0
    want = epochs(torch, torch_data, LOADERS[name], cut_short)
    assert epochs(tc, tc_data, LOADERS[name], cut_short, num_workers=num_workers) == want


SPLITS = [
    (10, [3, 7]), (10, [10, 0]), (10, [0.3, 0.7]), (7, [0.15, 0.25, 0.6]), (11, [1 / 3] * 3),
    (100, [0.5, 0.5]), (13, [0.1] * 10), (1, [1]), (5, [1.0]),
]  # fmt: skip


@pytest.mark.parametrize(("n", "lengths"), SPLITS)
@pytest.mark.parametrize("named", [True, False])
def test_random_split(n, lengths, named):
    def split(lib, d):
        lib.manual_seed(1)
        generator = lib.Generator()
        generator.manual_seed(2)
        parts = d.random_split(range(n), lengths, **({"generator": generator} if named else {}))
        return [part.indices for part in parts], [list(part) for part in parts]

    assert split(tc, tc_data) == split(torch, torch_data)


def test_random_split_warns_of_empty_part():
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0") as caught:
        tc_data.random_split(range(10), [0.99, 0.01])
    assert caught[0].filename == __file__


# ---- datasets ----------------------------------------------------------------------------------


class Stream:
    """Mixed into IterableDataset of either library."""

    def __init__(self, n, claimed=None):
        self.n, self.claimed = n, claimed

    def __iter__(self):
        return iter(range(self.n))

    def __len__(self):
        if self.claimed is None:
            raise TypeError("object of type 'Stream' has no len()")
        return self.claimed


class TorchStream(Stream, torch_data.IterableDataset):
    pass


class TcStream(Stream, tc_data.IterableDataset):
    pass


def stream(d, *args):
    return (TorchStream if d is torch_data else TcStream)(*args)


class AtOnce:
    """Knows how to fetch several samples."""

    def __init__(self, data, extra=0):
        self.data, self.extra, self.asked = data, extra, []

    def __len__(self):
        return len(self.data)

    def __getitem__(self, i):
        raise AssertionError("one by one")

    def __getitems__(self, indices):
        self.asked.append(indices)
        return [self.data[i] for i in indices] + [None] * self.extra


DATASETS = {
    "row": lambda d, m: d.TensorDataset(m.arange(4), m.arange(8).reshape(4, 2))[1],
    "rows": lambda d, m: d.TensorDataset(m.arange(4))[1:3],
    "tensor": lambda d, m: len(d.TensorDataset(m.arange(4), m.arange(4))),
    "add": lambda d, m: list(d.TensorDataset(m.arange(2)) + d.TensorDataset(m.arange(3))),
    "concat": lambda d, m: list(d.ConcatDataset([range(2), range(0), range(3)])),
    "concat sizes": lambda d, m: d.ConcatDataset([range(2), range(3)]).cumulative_sizes,
    "concat negative": lambda d, m: [d.ConcatDataset([range(2), range(3)])[-i] for i in (1, 4, 5)],
    "chain": lambda d, m: list(stream(d, 2) + stream(d, 3)),
    "chain length": lambda d, m: len(d.ChainDataset([stream(d, 2, 2), stream(d, 3, 3)])),
    "subset": lambda d, m: list(d.Subset("abcde", [4, 0])),
    "subset list": lambda d, m: d.Subset(d.TensorDataset(m.arange(5)), [4, 0, 2])[[0, 2]],
    "subset at once": lambda d, m: d.Subset(AtOnce("abc"), [2, 0]).__getitems__([1, 0]),
    "stack": lambda d, m: d.StackDataset(range(3), "abc")[1],
    "stack names": lambda d, m: d.StackDataset(i=range(3), c="abc")[1],
    "stack at once": lambda d, m: d.StackDataset(range(3), AtOnce("abc")).__getitems__([2, 0]),
    "stack names at once": lambda d, m: d.StackDataset(c=AtOnce("abc")).__getitems__([2]),
}


@pytest.mark.parametrize("name", DATASETS)
def test_dataset(name):
    assert plain(DATASETS[name](tc_data, tc)) == plain(DATASETS[name](torch_data, torch))


def test_a_batch_of_tensors_is_indexed_once():
    class Counting(tc.Tensor):
        asked = 0

        def __getitem__(self, index):
            Counting.asked += 1
            return tc.Tensor.wrap(self.array[index])

    data = tc_data.TensorDataset(Counting(np.arange(6.0)), Counting(np.arange(6)))  # both float32
    batches = list(tc_data.DataLoader(tc_data.Subset(data, [5, 4, 3, 2, 1, 0]), batch_size=4))
    assert plain(batches) == plain([
        [tc.tensor([5.0, 4.0, 3.0, 2.0])] * 2,
        [tc.tensor([1.0, 0.0])] * 2,
    ])  # fmt: skip
    assert Counting.asked == 4  # two batches of two tensors


def test_a_batch_of_tensors_is_not_stacked_again():
    batch = tc_data.TensorDataset(tc.arange(3), tc.arange(3)).__getitems__([2, 0])
    collated = tc_data.default_collate(batch)
    assert type(collated) is list
    assert [id(x) for x in collated] == [id(x) for x in batch.columns]
    assert plain(list(batch)) == plain([batch[0], batch[1]])
    assert plain(list(batch[:1])) == plain([batch[0]])


def test_collate_fn_gets_a_list_of_samples():
    seen = []

    def collate(samples):
        seen.append((type(samples), [plain(sample) for sample in samples]))
        return tc_data.default_collate(samples)

    data = tc_data.TensorDataset(tc.arange(3), tc.arange(3))
    batches = list(tc_data.DataLoader(data, batch_size=2, collate_fn=collate))
    assert plain(batches) == plain(list(tc_data.DataLoader(data, batch_size=2)))
    assert seen == [(list, [plain(data[0]), plain(data[1])]), (list, [plain(data[2])])]


def test_subclass_of_tensor_dataset_is_asked_for_its_samples():
    class Doubled(tc_data.TensorDataset):
        def __getitem__(self, index):
            return super().__getitem__(index)[0] * 2

    batches = list(tc_data.DataLoader(Doubled(tc.arange(4)), batch_size=4))
    assert plain(batches) == plain([tc.tensor([0, 2, 4, 6])])


def test_getitems_is_called_with_all_indices():
    data = AtOnce(range(5))
    assert plain(list(tc_data.DataLoader(data, batch_size=3))) == plain(
        [tc.tensor([0, 1, 2]), tc.tensor([3, 4])]
    )
    assert data.asked == [[0, 1, 2], [3, 4]]


# ---- collate -----------------------------------------------------------------------------------

BATCHES = {
    "tensors": lambda m: [m.tensor([1.0, 2.0]), m.tensor([3.0, 4.0])],
    "0-d": lambda m: [m.tensor(1), m.tensor(2)],
    "arrays": lambda m: [np.zeros(2), np.ones(2)],
    "float32 arrays": lambda m: [np.zeros((1, 2), "f")] * 3,
    "0-d arrays": lambda m: [np.array(1.0), np.array(2.0)],
    "uint8": lambda m: [np.array([2], dtype=np.uint8)],
    "ints": lambda m: [1, 2],
    "floats": lambda m: [1.0, 2],
    "int and float": lambda m: [1, 2.5],
    "bools": lambda m: [True, False],
    "NumPy floats": lambda m: [np.float32(1), np.float32(2)],
    "NumPy ints": lambda m: [np.int64(1)],
    "NumPy bools": lambda m: [np.bool_(True)],
    "str": lambda m: ["a", "b"],
    "bytes": lambda m: [b"a"],
    "dicts": lambda m: [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}],
    "ordered": lambda m: [collections.OrderedDict(a=1), collections.OrderedDict(a=2)],
    "defaultdict": lambda m: [collections.defaultdict(list, a=1)],
    "named": lambda m: [Point(1, 2.0), Point(3, 4.0)],
    "tuples": lambda m: [(1, 2), (3, 4)],
    "lists": lambda m: [[1, 2], [3, 4]],
    "ranges": lambda m: [range(2), range(2)],
    "empty": lambda m: [(), ()],
    "nested": lambda m: [(1, {"a": [m.ones(2)]}, ["s"]), (2, {"a": [m.zeros(2)]}, ["t"])],
}


@pytest.mark.parametrize("name", BATCHES)
def test_default_collate(name):
    want, got = (plain(d.default_collate(BATCHES[name](m))) for m, d in LIBRARIES)
    assert got == want


CONVERTED = {
    "array": np.arange(3), "scalar": np.float32(2), "letters": np.array(["a"]), "str": "a",
    "list": [1, np.zeros(2)], "tuple": (1, np.zeros(2)), "named": Point(1, np.zeros(1)),
    "dict": {"a": np.zeros(1)}, "ordered": collections.OrderedDict(a=np.zeros(1)), "int": 5,
    "none": None, "range": range(2), "set": {1, 2}, "empty": [],
}  # fmt: skip


@pytest.mark.parametrize("name", CONVERTED)
def test_default_convert(name):
    want, got = (plain(d.default_convert(CONVERTED[name])) for _, d in LIBRARIES)
    assert got == want


def test_collate_with_own_rules():
    from tinyconv.utils.data.collate import collate, default_collate_fn_map

    rules = {**default_collate_fn_map, Point: lambda batch, *, collate_fn_map: batch[0]}
    assert plain(collate([(1, Point(2, 3))], collate_fn_map=rules)) == plain(
        [tc.tensor([1]), Point(2, 3)]
    )
    with pytest.raises(TypeError, match="batch must contain"):
        collate(["a"], collate_fn_map={})


# ---- errors ------------------------------------------------------------------------------------

ERRORS = {
    "row counts": lambda d, m: d.TensorDataset(m.zeros(3), m.zeros(4)),
    "no getitem": lambda d, m: d.Dataset()[0],
    "no iter": lambda d, m: d.IterableDataset(),
    "stack none": lambda d, m: d.StackDataset(),
    "stack both": lambda d, m: d.StackDataset("a", b="b"),
    "stack sizes": lambda d, m: d.StackDataset("ab", "c"),
    "stack named sizes": lambda d, m: d.StackDataset(a="ab", b="c"),
    "stack getitems": lambda d, m: d.StackDataset(AtOnce("ab", 1)).__getitems__([0, 1]),
    "concat none": lambda d, m: d.ConcatDataset([]),
    "concat stream": lambda d, m: d.ConcatDataset([stream(d, 2)]),
    "concat low": lambda d, m: d.ConcatDataset(["ab"])[-3],
    "chain": lambda d, m: list(d.ChainDataset(["ab"])),
    "chain length": lambda d, m: len(d.ChainDataset(["ab"])),
    "subset": lambda d, m: d.Subset("ab", [0])[1],
    "split sum": lambda d, m: d.random_split("abc", [1, 1]),
    "split fractions": lambda d, m: d.random_split("abc", [0.5, 0.6]),
    "split range": lambda d, m: d.random_split("abc", [1.2, -0.2]),
    "split stream": lambda d, m: d.random_split(stream(d, 2), [0.5, 0.5]),
    "replacement": lambda d, m: d.RandomSampler("ab", replacement=1),
    "num_samples": lambda d, m: d.RandomSampler("ab", num_samples=0),
    "num_samples float": lambda d, m: d.RandomSampler("ab", num_samples=2.5),
    "empty": lambda d, m: d.RandomSampler(""),
    "weights shape": lambda d, m: d.WeightedRandomSampler([[1, 2]], 1),
    "weights number": lambda d, m: d.WeightedRandomSampler([1, 2], True),
    "weights replacement": lambda d, m: d.WeightedRandomSampler([1, 2], 1, 1),
    "weights too few": lambda d, m: list(d.WeightedRandomSampler([1.0, 2], 3, False)),
    "weights zero": lambda d, m: list(d.WeightedRandomSampler([0.0], 3)),
    "batch_size": lambda d, m: d.BatchSampler("ab", 0, False),
    "batch_size bool": lambda d, m: d.BatchSampler("ab", True, False),
    "drop_last": lambda d, m: d.BatchSampler("ab", 2, 1),
    "num_workers": lambda d, m: d.DataLoader("ab", num_workers=-1),
    "timeout": lambda d, m: d.DataLoader("ab", timeout=-1),
    "prefetch alone": lambda d, m: d.DataLoader("ab", prefetch_factor=2),
    "prefetch negative": lambda d, m: d.DataLoader("ab", num_workers=1, prefetch_factor=-1),
    "persistent": lambda d, m: d.DataLoader("ab", persistent_workers=True),
    "stream shuffle": lambda d, m: d.DataLoader(stream(d, 2), shuffle=True),
    "stream sampler": lambda d, m: d.DataLoader(stream(d, 2), sampler=range(2)),
    "stream batch_sampler": lambda d, m: d.DataLoader(stream(d, 2), batch_sampler=[[0]]),
    "stream length": lambda d, m: len(d.DataLoader(stream(d, 2))),
    "sampler shuffle": lambda d, m: d.DataLoader("ab", shuffle=True, sampler=[0]),
    "batch_sampler batch_size": lambda d, m: d.DataLoader("ab", 2, batch_sampler=[[0]]),
    "batch_sampler shuffle": lambda d, m: d.DataLoader("ab", shuffle=True, batch_sampler=[[0]]),
    "batch_sampler sampler": lambda d, m: d.DataLoader("ab", sampler=[0], batch_sampler=[[0]]),
    "batch_sampler drop": lambda d, m: d.DataLoader("ab", drop_last=True, batch_sampler=[[0]]),
    "samples drop": lambda d, m: d.DataLoader("ab", None, drop_last=True),
    "loader batch_size": lambda d, m: d.DataLoader("ab", batch_size=2.5),
    "context alone": lambda d, m: d.DataLoader("ab", multiprocessing_context="fork"),
    "context name": lambda d, m: d.DataLoader("ab", num_workers=1, multiprocessing_context="no"),
    "context type": lambda d, m: d.DataLoader("ab", num_workers=1, multiprocessing_context=5),
    "shuffle nothing": lambda d, m: d.DataLoader("", shuffle=True),
    "frozen": lambda d, m: setattr(d.DataLoader("ab"), "batch_size", 3),
    "frozen dataset": lambda d, m: setattr(d.DataLoader("ab"), "dataset", "c"),
    "collate shapes": lambda d, m: d.default_collate([m.zeros(2), m.zeros(3)]),
    "collate arrays": lambda d, m: d.default_collate([np.zeros(2), np.zeros(3)]),
    "collate lengths": lambda d, m: d.default_collate([[1], [1, 2]]),
    "collate none": lambda d, m: d.default_collate([None]),
    "collate set": lambda d, m: d.default_collate([{1, 2}]),
    "collate letters": lambda d, m: d.default_collate([np.array(["a"])]),
    "collate objects": lambda d, m: d.default_collate([np.array([None])]),
    "collate keys": lambda d, m: d.default_collate([{"a": 1}, {"b": 1}]),
}


@pytest.mark.parametrize("name", ERRORS)
def test_error(name):
    same_error(ERRORS[name])


def test_sampler_without_iter():
    with pytest.raises(NotImplementedError, match="Sampler must implement __iter__"):
        iter(tc_data.Sampler())


# ---- loader ------------------------------------------------------------------------------------


def test_attributes():
    names = [
        "batch_size", "drop_last", "num_workers", "prefetch_factor", "pin_memory", "timeout",
        "pin_memory_device", "worker_init_fn", "in_order", "persistent_workers", "generator",
        "multiprocessing_context",
    ]  # fmt: skip
    for settings in ({}, {"batch_size": None}, {"batch_sampler": [[0]]}, {"num_workers": 2}):
        want, got = (
            {name: getattr(d.DataLoader("ab", **settings), name) for name in names}
            for _, d in LIBRARIES
        )
        assert got == want
    loader = tc_data.DataLoader("ab", shuffle=True)
    assert isinstance(loader.sampler, tc_data.RandomSampler)
    assert loader.batch_sampler.sampler is loader.sampler
    assert loader.collate_fn is tc_data.default_collate


def test_names_are_where_torch_has_them():
    for module in ("dataset", "sampler", "dataloader"):
        for name in getattr(tc_data, module).__all__:
            if name not in ("WorkerInfo",):
                assert hasattr(getattr(torch_data, module), name), (module, name)
    internal = {"DFIterDataPipe", "DataChunk", "IterDataPipe", "MapDataPipe", "DistributedSampler"}
    pipes = {name for name in torch_data.__all__ if name[0].islower() and "_" in name}
    missing = {
        name for name in torch_data.__all__ if name[0].isupper() and not hasattr(tc_data, name)
    }
    assert missing == internal
    assert {"default_collate", "default_convert", "get_worker_info", "random_split"} <= pipes & set(
        tc_data.__all__
    )


def test_pin_memory_without_accelerator():
    loader = tc_data.DataLoader([1], pin_memory=True)
    with pytest.warns(UserWarning, match="'pin_memory' argument is set as true but no acc"):
        batches = list(loader)
    assert plain(batches) == plain([tc.tensor([1])])


@pytest.mark.parametrize(
    ("batch_size", "drop_last"),
    [(None, False), (1, False), (2, False), (2, True), (4, False), (4, True), (9, True)],
)
def test_stream(batch_size, drop_last):
    def run(d, **more):
        loader = d.DataLoader(stream(d, 7, 7), batch_size, drop_last=drop_last, **more)
        return len(loader), [[plain(b) for b in islice(loader, 20)] for _ in range(2)]

    assert run(tc_data) == run(torch_data)
    assert run(tc_data, num_workers=1) == run(torch_data)


def test_stream_longer_than_it_claims():
    loader = tc_data.DataLoader(TcStream(4, 2), batch_size=None)
    assert len(loader) == 2
    with pytest.warns(
        UserWarning, match=r"reported to be 2\(when .*, but 3 samples have"
    ) as caught:
        assert list(loader) == [0, 1, 2, 3]
    assert len(caught) == 1
