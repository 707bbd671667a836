"""cupy.RawModule for tests: the real sources, compiled by the C++ compiler of the machine, run on the CPU."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from . import arrays

COMPILER = next((c for c in ("g++", "clang++", "c++") if shutil.which(c)), "")
SHIM = Path(__file__).with_name("shim.h")
POINTERS = {
    "float": "float32", "double": "float64", "__half": "float16", "__nv_bfloat16": "bfloat16", "int": "int32",
    "unsigned": "uint32", "long long": "int64", "Int": "int64", "unsigned long long": "uint64", "signed char": "int8",
    "unsigned char": "uint8", "bool": "bool", "void": "", "Wide<float>": "float32", "Wide<double>": "float64",
    "Wide<__half>": "float32", "Wide<__nv_bfloat16>": "float32",
}  # fmt: skip
SCALARS = {"long long": ctypes.c_longlong, "Int": ctypes.c_longlong, "double": ctypes.c_double}
KERNEL = re.compile(r"(template\s*<class T>\s*)?__global__\s+void\s+(\w+)\s*\(([^)]*)\)")


class Parameter:
    """One parameter of a kernel, for one number type: ``const T* x``."""

    def __init__(self, text: str, kind: str) -> None:
        self.constant = "const" in text.split()
        text = re.sub(r"\b(const|__restrict__|__grid_constant__)\b", " ", text)
        self.name = re.findall(r"\w+", text)[-1]
        kind_of_it = text[: text.rindex(self.name)]
        self.pointer = "*" in kind_of_it
        self.type = re.sub(r"\bT\b", kind, " ".join(kind_of_it.replace("*", " ").split()))
        self.record = not self.pointer and self.type not in SCALARS  # a struct, by value
        if self.pointer and self.type not in POINTERS:
            raise TypeError(f"{self.name}: kernels take no pointers to {self.type}")

    @property
    def cast(self) -> str:
        return f"*({self.type}{'*' if self.pointer else ''}*)"

    def value(self, function: str, given: Any) -> Any:
        where = f"{function}(... {self.name} ...)"
        if self.record:
            if not isinstance(given, np.ndarray) or given.ndim or given.dtype.names is None:
                raise TypeError(f"{where}: a NumPy record expected, got {type(given).__name__}")
            return ctypes.create_string_buffer(given.tobytes(), given.nbytes)
        if not self.pointer:
            allowed = (int, np.integer) if self.type != "double" else (float, np.float64)
            if isinstance(given, bool) or not isinstance(given, allowed):
                raise TypeError(f"{where}: {self.type} expected, got {type(given).__name__}")
            return SCALARS[self.type](given)
        if type(given) is int and given == 0:
            return ctypes.c_void_p()
        if given is None:
            raise TypeError(
                f"{where}: CuPy leaves None out and the driver crashes; 0 is the null pointer"
            )
        if not isinstance(given, arrays.ndarray):
            raise TypeError(f"{where}: a device array expected, got {type(given).__name__}")
        wanted = POINTERS[self.type]
        if wanted and given.dtype.name != wanted:
            raise TypeError(f"{where}: {wanted} expected, got {given.dtype.name}")
        if not arrays.is_dense(given.host):
            raise ValueError(
                f"{where}: an array with gaps, strides {given.strides} for {given.shape}"
            )
        return ctypes.c_void_p(given.host.ctypes.data)


class RawModule:
    """The part of ``cupy.RawModule`` that takes a text and names such as ``f<float>``."""

    def __init__(
        self, *, code: str, options: tuple[str, ...] = (), name_expressions: Any = ()
    ) -> None:
        found = {name: text for _, name, text in KERNEL.findall(code)}
        self.parameters: dict[str, list[Parameter]] = {}
        lines = [f'#include "{SHIM.name}"', code]
        for expression in name_expressions:
            name, kind = re.fullmatch(r"(\w+)<(\w+)>", expression).groups()  # type: ignore[union-attr]  # our own expressions match
            parts = [Parameter(t, kind) for t in found[name].split(",") if t.strip()]
            self.parameters[expression] = parts
            given = ", ".join(f"{p.cast}a[{i}]" for i, p in enumerate(parts))
            lines.append(
                f"static void body_{name}_{kind}(void** a) {{ {expression}({given}); }}\n"
                f'extern "C" void run_{name}_{kind}(const unsigned* g, const unsigned* b, void** a)'
                f" {{ shim::launch(g, b, body_{name}_{kind}, a); }}"
            )
            lines += [f'extern "C" size_t size_{name}_{kind}_{i}() {{ return sizeof({p.type}); }}'
                      for i, p in enumerate(parts) if p.record]  # fmt: skip
        defines = [o for o in options if o.startswith("-D") and o != "-DTINYCONV_HALF"]
        self.library = ctypes.CDLL(str(compiled("\n".join(lines), defines)))

    def get_function(self, expression: str) -> Any:
        parts = self.parameters[expression]
        name = re.sub(r"\W+", "_", expression).rstrip("_")
        run = getattr(self.library, f"run_{name}")

        def kernel(
            grid: Any, block: Any, args: Any, *, shared_mem: int = 0, stream: Any = None
        ) -> None:
            if len(args) != len(parts):
                raise TypeError(f"{expression} takes {len(parts)} arguments, got {len(args)}")
            values = [p.value(expression, a) for p, a in zip(parts, args, strict=True)]
            for i, (p, v) in enumerate(zip(parts, values, strict=True)):
                size = getattr(self.library, f"size_{name}_{i}")() if p.record else 0
                if p.record and (len(v) != size or size > 32764):
                    raise TypeError(f"{expression}: a record of {len(v)} bytes for one of {size}")
            sizes = [(*map(int, s), 1, 1)[:3] for s in (grid, block)]
            assert all(n > 0 for s in sizes for n in s), f"{expression}: empty launch {sizes}"
            assert np.prod(sizes[1]) <= 1024
            assert sizes[0][0] < 2**31
            assert max(sizes[0][1:]) < 2**16
            arrays.stats["launches"] += 1
            arrays.stats[expression.partition("<")[0]] += 1
            given = [(a.host, p.constant) for p, a in zip(parts, args, strict=True)
                     if isinstance(a, arrays.ndarray)]  # fmt: skip
            given += [(m, False) for a in args if isinstance(a, np.ndarray)
                      for m in reached(a, np.dtype(POINTERS[expression.split("<")[1][:-1]]).itemsize)]  # fmt: skip
            arrays.on_stream(
                lambda: run(
                    *((ctypes.c_uint * 3)(*s) for s in sizes),
                    (ctypes.c_void_p * len(values))(*(ctypes.addressof(v) for v in values)),
                ),
                [a for a, constant in given if not constant],
                [a for a, _ in given],
            )

        return kernel


def reached(record: Any, itemsize: int) -> Any:
    """The memory that a record leads to: in each row of its table a size comes second, addresses after it, of counters first."""
    for _, size, *addresses in record["row"][: record["count"]].tolist():
        yield from (arrays.memory_at(address, size * itemsize if i >= record["counters"] else 4)
                    for i, address in enumerate(addresses) if address)  # fmt: skip


def compiled(text: str, defines: list[str]) -> Path:
    """The shared library of a text; one that was made before lies in the folder for temporary files."""
    key = hashlib.sha256(
        "\n".join([text, SHIM.read_text(), *defines, COMPILER]).encode()
    ).hexdigest()[:20]
    folder = Path(tempfile.gettempdir()) / f"tinyconv-shim-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    target = folder / f"{key}.so"
    if not target.exists():
        made = folder / f"{key}.{os.getpid()}.so"
        command = [
            COMPILER,
            "-std=c++17",
            "-O1",
            "-w",
            "-ffp-contract=off",
            "-shared",
            "-fPIC",
            f"-I{SHIM.parent}",
        ]
        done = subprocess.run(
            [*command, *defines, "-x", "c++", "-", "-o", str(made)],
            input=text,
            text=True,
            capture_output=True,
        )
        assert not done.returncode, done.stderr
        made.replace(target)
    return target
