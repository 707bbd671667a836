"""cuDNN's library for tests: the functions that tinyconv calls, which check what they are told and convolve with torch.

It knows attributes by their numbers, on its own account: a wrong one in the binding is refused here.
"""

from __future__ import annotations

import ctypes as c
from typing import Any

import torch
from standin import arrays

OK, BAD_PARAM, NOT_SUPPORTED = 0, 2000, 3000
TYPES = {0: c.c_void_p, 1: c.c_int, 2: c.c_bool, 3: c.c_int64, 4: c.c_float, 6: c.c_void_p, 7: c.c_int, 8: c.c_int,
         11: c.c_int, 14: c.c_int, 15: c.c_void_p, 24: c.c_char}  # fmt: skip
DTYPES = {0: torch.float32, 1: torch.float64, 2: torch.float16, 9: torch.bfloat16}
# descriptor -> attribute -> the type of its values; those that must be there
KINDS = {
    17: ({900: 3, 901: 1, 902: 3, 903: 3, 906: 3, 907: 2}, {900, 901, 902, 903, 906}),
    1: ({100: 1, 101: 7, 102: 3, 103: 3, 104: 3, 105: 3, 106: 3}, set(range(100, 107))),
    10: (dict.fromkeys((700, 701), 4) | dict.fromkeys(range(702, 706), 15), set(range(700, 706))),
    12: (dict.fromkeys((706, 707), 4) | dict.fromkeys(range(708, 712), 15), set(range(706, 712))),
    11: (dict.fromkeys((712, 713), 4) | dict.fromkeys(range(714, 718), 15), set(range(712, 718))),
    0: ({0: 14, 1: 1, 3: 4}, {0, 1}),
    13: (dict.fromkeys(range(750, 754), 15), {750, 751, 753}),
    15: ({800: 0, 801: 15}, {800, 801}),
    4: ({200: 8, 201: 15, 202: 15}, {200, 201}),
    3: ({300: 15}, set()),
    2: ({1303: 11}, set()),
    5: ({400: 0, 401: 15, 402: 3}, {400, 401}),
    16: ({1000: 3, 1001: 6, 1003: 6}, {1000, 1001, 1003}),
}  # fmt: skip
# the engines that are proposed, the best first: their notes, the workspace; None: it does not work here
ENGINES = {
    3: [([0], 4000), ([5], None), ([4], 0), ([2], 0), ([], 1 << 40), ([5], 8000)],
    2: [([], 0)],
}
FAST = (3, 5)  # what is left of them in float32, without wishes
SLOW = (2, 0)  # the only one of the second list


class Fake:
    """What is alive, and which engine executed what."""

    def __init__(self) -> None:
        self.alive: dict[int, dict[Any, Any]] = {}
        self.next = 1
        self.executed: list[tuple[int, tuple[int, int], tuple[int, ...]]] = []
        self.streams: list[int] = []
        self.handles = self.packs = self.plans = 0
        self.refuses: Any = lambda graph: False
        self.why = ""

    # ── plain functions ──

    def cudnnGetVersion(self) -> int:
        return 91900

    def cudnnGetErrorString(self, status: int) -> bytes:
        return {BAD_PARAM: b"CUDNN_STATUS_BAD_PARAM", NOT_SUPPORTED: b"CUDNN_STATUS_NOT_SUPPORTED"}[
            status
        ]

    def cudnnGetLastErrorString(self, buffer: Any, size: Any) -> None:
        buffer.value = self.why.encode()

    def cudnnCreate(self, handle: Any) -> int:
        self.handles += 1
        handle._obj.value = 1000 + self.handles
        return OK

    def cudnnSetStream(self, handle: Any, stream: int) -> int:
        assert handle.value > 1000
        self.streams.append(stream)
        return OK

    # ── descriptors ──

    def make(self, kind: int, **about: Any) -> int:
        self.next += 1
        self.alive[self.next] = {"kind": kind, "done": bool(about), **about}
        return self.next

    def bad(self, why: str, status: int = BAD_PARAM) -> int:
        self.why = why
        return status

    def cudnnBackendCreateDescriptor(self, kind: int, pointer: Any) -> int:
        if kind not in KINDS:
            return self.bad(f"no descriptor {kind}")
        pointer._obj.value = self.make(kind)
        return OK

    def cudnnBackendDestroyDescriptor(self, pointer: Any) -> int:
        del self.alive[pointer.value]
        return OK

    def cudnnBackendSetAttribute(
        self, pointer: Any, attribute: int, kind: int, count: int, array: Any
    ) -> int:
        about = self.alive[pointer.value]
        if about["done"] or KINDS[about["kind"]][0].get(attribute) != kind:
            return self.bad(f"attribute {attribute} of {about['kind']}")
        assert array._type_ is TYPES[kind]
        assert len(array) == count
        about[attribute] = list(array)
        if kind == 15:
            assert all(self.alive[v]["done"] for v in array), (
                "a descriptor that is not finished or gone"
            )
        return OK

    def cudnnBackendFinalize(self, pointer: Any) -> int:
        about = self.alive[pointer.value]
        missing = KINDS[about["kind"]][1] - set(about)
        if about["done"] or missing:
            return self.bad(f"finishing {about['kind']}, missing {missing}")
        about["done"] = True
        return getattr(self, f"finish_{about['kind']}", lambda about: OK)(about)

    def cudnnBackendGetAttribute(
        self, pointer: Any, attribute: int, kind: int, room: int, count: Any, array: Any
    ) -> int:
        about = self.alive[pointer.value]
        assert about["done"]
        assert KINDS[about["kind"]][0].get(attribute) == kind
        values = about[attribute]
        count._obj.value = len(values)
        if array is None:
            return OK
        for i, value in enumerate(values[:room]):
            if kind == 15:  # the caller's descriptors are filled
                self.alive[array[i]].update(value, done=True)
            else:
                array[i] = value
        return OK

    # ── what finishing one means ──

    def finish_17(self, about: Any) -> int:
        assert len(about[902]) == len(about[903]) >= 3
        return OK

    def finish_15(self, about: Any) -> int:
        operations = [self.alive[v] for v in about[801]]
        if self.refuses(operations):
            return self.bad("no such graph", NOT_SUPPORTED)
        about["convolution"] = self.convolution(operations)
        return OK

    def finish_4(self, about: Any) -> int:
        (mode,), (graph,) = about[200], about[201]
        proposed = [
            {"kind": 3, 300: [{"kind": 2, 1303: notes, "space": space, "number": (mode, i)}], "graph": self.alive[graph]}
            for i, (notes, space) in enumerate(ENGINES[mode])
        ]  # fmt: skip
        about[202] = proposed
        return OK

    def finish_5(self, about: Any) -> int:
        config = self.alive[about[401][0]]
        (engine,) = config[300]
        if engine["space"] is None:
            return self.bad("not on this device", NOT_SUPPORTED)
        self.plans += 1
        about[402] = [engine["space"]]
        about["engine"], about["convolution"] = engine["number"], config["graph"]["convolution"]
        return OK

    def finish_16(self, about: Any) -> int:
        self.packs += 1
        return OK

    # ── the mathematics ──

    def convolution(self, operations: list[Any]) -> Any:
        first, *others = operations
        at = {10: (704, 703, 705, 702), 12: (710, 709, 711, 708), 11: (716, 715, 717, 714)}[
            first["kind"]
        ]
        x, w, y, conv = (self.alive[first[a][0]] for a in at)
        assert conv[104] == conv[105]
        assert conv[101] == [1]
        assert len({v for t in (x, w) for v in t[901]}) == 1
        sizes = [
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, p, d, s in zip(
                x[902][2:], w[902][2:], conv[104], conv[102], conv[103], strict=True
            )
        ]
        assert y[902] == [x[902][0], w[902][0], *sizes]
        assert x[902][1] % w[902][1] == 0
        last, bias, relu = y, None, False
        for other in others:
            assert other["kind"] == 13
            assert self.alive[other[751][0]] is last
            assert last[907] == [True]
            assert last[901] == [0]
            (mode,) = self.alive[other[750][0]][0]
            if mode == 0:
                bias = self.alive[other[752][0]]
            else:
                assert mode == 100
                assert bias, "cuDNN has no engine for ReLU without a bias"
                relu = True
            last = self.alive[other[753][0]]
        tensors = {t[906][0]: t for t in (x, w, last, *([bias] if bias else []))}
        assert not any(907 in t for t in tensors.values())
        names = {"x": x[906][0], "w": w[906][0], "y": last[906][0]} | (
            {"b": bias[906][0]} if bias else {}
        )
        # copied: descriptors of the graph may be gone when the plan is executed
        return first["kind"], {u: dict(t) for u, t in tensors.items()}, names, dict(conv), relu

    def cudnnBackendExecute(self, handle: Any, plan: Any, pack: Any) -> int:
        about, given = self.alive[plan.value], self.alive[pack.value]
        assert (about["kind"], given["kind"]) == (5, 16)
        assert about[400] == [handle.value]
        assert self.streams[-1] == arrays.current[-1], "on another stream than the current one"
        kind, tensors, names, conv, relu = about["convolution"]
        addresses = dict(zip(given[1000], given[1001], strict=True))
        assert set(addresses) == set(tensors)
        found = {n: memory_of(tensors[u], addresses[u]) for n, u in names.items()}
        result = {10: "y", 12: "x", 11: "w"}[kind]
        used = [bytes_at(given[1003][0], about[402][0])] if about[402][0] else []
        settings = {"stride": conv[103], "padding": conv[104], "dilation": conv[102]}

        def work() -> None:
            for borrowed in used:
                borrowed[...] = 0xAB  # others must not need it
            memory = {n: t for n, (_, t) in found.items()}
            wide = torch.float64 if memory["x"].dtype == torch.float64 else torch.float32
            x, w, y = (memory[n].to(wide) for n in "xwy")
            settings["groups"] = x.shape[1] // w.shape[1]
            if kind == 10:
                bias = memory["b"].to(wide).ravel() if "b" in memory else None
                made = torch.nn.functional.conv2d(x, w, bias, **settings)
                made = made.relu() if relu else made
            elif kind == 12:
                made = torch.nn.grad.conv2d_input(list(x.shape), w, y, **settings)
            else:
                made = torch.nn.grad.conv2d_weight(x, list(w.shape), y, **settings)
            memory[result].copy_(made)

        arrays.stats["launches"] += 1
        arrays.on_stream(
            work, [found[result][0], *used], [raw for n, (raw, _) in found.items() if n != result]
        )
        self.executed.append((kind, about["engine"], tuple(tensors[names[result]][903])))
        return OK


def bytes_at(address: int, size: int) -> Any:
    """Bytes that a pool has given out."""
    assert arrays.block_at(address, size), f"{size} bytes at {address:#x} are not all ours"
    return arrays.memory_at(address, size)


def memory_of(about: Any, address: int) -> tuple[Any, torch.Tensor]:
    """The bytes of a descriptor's tensor at an address, and the tensor on them."""
    shape, strides, dtype = about[902], about[903], DTYPES[about[901][0]]
    assert address % about[900][0] == 0, "not aligned"
    size = 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    raw = bytes_at(address, size * dtype.itemsize)
    return raw, torch.as_strided(torch.frombuffer(raw, dtype=dtype), shape, strides)
