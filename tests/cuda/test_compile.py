"""Every `.cu` file compiles for the oldest and the newest GPU in mind, for all number types, by the real compiler.

That is NVRTC, as CuPy uses it, where the package nvidia-cuda-nvrtc is, else nvcc; the names of the tests say which. What has
compiled once is noted in the folder for temporary files, and not compiled again.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent / "tinyconv"
FILES = sorted(ROOT.rglob("*.cu"))
ARCHITECTURES = ("sm_75", "sm_90")
OF_INTEGERS = ("trouble.cu", "_order.cu")  # kernels that look at integers
BOUNDS = r"(?:__launch_bounds__\([^)]*\)[^\n]*\s*)?"
KERNEL = re.compile(rf"template\s*<class T>\s*{BOUNDS}__global__\s+void\s+(\w+)\s*\(([^)]*)\)")


def _wheels(pattern):
    """Files of NVIDIA's packages."""
    spec = find_spec("nvidia")
    places = list(spec.submodule_search_locations or ()) if spec else []
    return sorted(found for place in places for found in Path(place).glob(pattern))


LIBRARY = next(iter(_wheels("**/libnvrtc.so.*")), None)
HEADERS = next((f.parent for f in (*_wheels("**/cuda_bf16.h"), Path("/usr/local/cuda/include/cuda_bf16.h"))
                if f.exists()), None)  # fmt: skip
COMPILER = "NVRTC" if LIBRARY and HEADERS else "nvcc" if shutil.which("nvcc") else ""


def kinds(path):
    from tinyconv.backend.cuda import module  # of the stand-in's

    return (module.INTEGERS if path.name in OF_INTEGERS else module.TYPES).values()


def source(path):
    from tinyconv.backend.cuda import module

    text = module.text_of(str(path))
    assert [name for name, _ in KERNEL.findall(text)] == module.functions_of(text), (
        "a kernel that is no template over T"
    )
    return text


def by_nvrtc(text, types, architecture):
    """The compiler's complaints; empty if it compiles."""
    for builtins in LIBRARY.parent.glob(
        "libnvrtc-builtins.so.*"
    ):  # which it would not find by itself
        ctypes.CDLL(str(builtins))
    lib = ctypes.CDLL(str(LIBRARY))
    program = ctypes.c_void_p()
    assert not lib.nvrtcCreateProgram(
        ctypes.byref(program), text.encode(), b"kernels.cu", 0, None, None
    )
    for name, _ in KERNEL.findall(text):
        for kind in types:
            assert not lib.nvrtcAddNameExpression(program, f"{name}<{kind}>".encode())
    options = [
        f"--gpu-architecture={architecture}",
        "--std=c++17",
        "-DTINYCONV_HALF",
        f"-I{HEADERS}",
    ]
    given = (ctypes.c_char_p * len(options))(*map(str.encode, options))
    code = lib.nvrtcCompileProgram(program, len(options), given)
    size = ctypes.c_size_t()
    lib.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    lib.nvrtcGetProgramLog(program, log)
    lib.nvrtcDestroyProgram(ctypes.byref(program))
    return log.value.decode() if code else ""


def of(kind, parameters):
    return re.sub(r"\bT\b", kind, parameters)


def by_nvcc(text, types, architecture, folder, name):
    instances = [
        f"template __global__ void {kernel}<{kind}>({of(kind, parameters)});"
        for kernel, parameters in KERNEL.findall(text)
        for kind in types
    ]
    path = folder / f"{name}-{architecture}.cu"
    path.write_text("\n".join([text, *instances]))
    command = [
        "nvcc",
        "-std=c++17",
        "-DTINYCONV_HALF",
        f"-arch={architecture}",
        "-cubin",
        "-w",
        "-o",
        "/dev/null",
    ]
    done = subprocess.run([*command, str(path)], capture_output=True, text=True)
    return done.stderr if done.returncode else ""


@cache
def _pool():
    return ThreadPoolExecutor(2)


@pytest.fixture(scope="module")
def compilations(device, tmp_path_factory):
    """All at once, two at a time."""
    folder = tmp_path_factory.mktemp("cu")
    futures: dict[tuple[Path, str], Future] = {}
    for path in FILES:
        for arch in ARCHITECTURES:
            given = source(path), list(kinds(path)), arch
            futures[path, arch] = _pool().submit(
                noted, given, *((folder, path.stem) if COMPILER == "nvcc" else ())
            )
    return futures


def noted(given, *more):
    """Compile, unless the same has compiled before."""
    key = hashlib.sha256(repr((COMPILER, given)).encode()).hexdigest()[:20]
    note = Path(tempfile.gettempdir()) / f"tinyconv-compiled-{os.getuid()}" / key
    if note.exists():
        return ""
    complaints = (by_nvrtc if COMPILER == "NVRTC" else by_nvcc)(*given, *more)
    if not complaints:
        note.parent.mkdir(mode=0o700, exist_ok=True)
        note.touch()
    return complaints


@pytest.mark.skipif(not COMPILER, reason="neither NVRTC (nvidia-cuda-nvrtc) nor nvcc is here")
@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("path", FILES, ids=[f"{COMPILER}-{f.stem}" for f in FILES])
def test_compiles(compilations, path, arch):
    assert not compilations[path, arch].result()


@pytest.mark.skipif(not COMPILER, reason="neither NVRTC (nvidia-cuda-nvrtc) nor nvcc is here")
def test_a_fault_is_found(device, tmp_path):
    text = source(ROOT / "ops" / "gate.cu") + (
        "template <class T> __global__ void wrong(T* x) { x[0] = undeclared; }"
    )
    run = by_nvrtc if COMPILER == "NVRTC" else lambda *a: by_nvcc(*a, tmp_path, "wrong")
    assert "undeclared" in run(text, ["float"], "sm_90")
