"""PyTorch scripts, unchanged, on both libraries: every printed number is the same."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tinyconv.compat

ROOT = Path(__file__).parent.parent
SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.py"))
ORACLE = ROOT / "tests" / "real_torchvision.py"
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|\bnan\b|\binf\b")


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, env=ENVIRONMENT, check=False
    )


def printed(*command: str) -> str:
    done = run(*command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def assert_same_text(ours: str, theirs: str) -> None:
    """The words are equal, and so are the numbers but for the last of the digits shown."""
    assert NUMBER.sub("#", ours) == NUMBER.sub("#", theirs), f"{ours}\ninstead of\n{theirs}"
    for a, b in zip(NUMBER.findall(ours), NUMBER.findall(theirs), strict=True):
        digits = len(b.partition(".")[2])
        close = math.isclose(float(a), float(b), abs_tol=2 * 10.0**-digits if digits else 0)
        assert a == b or close, (a, b)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """What torch prints, script by script, while ours is run beside it."""
    folder = tmp_path_factory.mktemp("torch")
    command = [sys.executable, str(ORACLE), "--into", str(folder), *map(str, SCRIPTS)]
    with subprocess.Popen(command, env=ENVIRONMENT) as process:

        def printed_by(script: Path) -> str:
            assert process.wait() == 0
            return (folder / f"{script.stem}.out").read_text()

        yield printed_by


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_a_script_prints_the_same(script, theirs):
    ours = printed("-m", "tinyconv.compat", str(script))
    assert NUMBER.search(ours)
    assert_same_text(ours, theirs(script))


def test_the_comparison_sees_a_difference():
    assert_same_text("loss 1.2345 [3]", "loss 1.2346 [3]")
    for other in ("loss 1.2385 [3]", "loss 1.2345 [4]", "Loss 1.2345 [3]", "loss 1.2345"):
        with pytest.raises(AssertionError):
            assert_same_text("loss 1.2345 [3]", other)


MISSING = [
    ("import torch; torch.matmull", "AttributeError: torch.matmull is not in tinyconv. The nearest name is torch.matmul."),
    ("from torch.nn import Conv2", "ImportError: torch.nn.Conv2 is not in tinyconv. The nearest name is torch.nn.Conv2d."),
    ("import torch.nnn", "ModuleNotFoundError: torch.nnn is not in tinyconv. The nearest name is torch.nn."),
    ("from torch.distributed import rpc", "ModuleNotFoundError: torch.distributed is not in tinyconv."),
    ("from torchvision import modells", "ImportError: torchvision.modells is not in tinyconv."),
    ("import torch\nassert not hasattr(torch, 'no_such_name')\nraise KeyError('reached')", "KeyError: 'reached'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), MISSING)
def test_a_missing_name_is_said_at_once(text, message, tmp_path):
    (tmp_path / "script.py").write_text(text)
    done = run("-m", "tinyconv.compat", str(tmp_path / "script.py"))
    assert done.returncode
    assert message in done.stderr.splitlines()[-1]


def test_settings_arrive_and_names_are_those_of_torch(tmp_path):
    (tmp_path / "helper.py").write_text("import torch\nx = torch.ones(1)\n")
    (tmp_path / "script.py").write_text(
        "import sys, torch, helper\n"
        "import torch.backends.cudnn as cudnn\n"
        "from torchvision import transforms\n"
        "from torchsummary import summary\n"
        "cudnn.benchmark = True\n"
        "import tinyconv\n"
        "print(tinyconv.backends.cudnn.benchmark, isinstance(helper.x, tinyconv.Tensor), sys.argv[1:])\n"
        "print(torch.nn.functional is torch.nn.functional, torch.__version__, transforms.ToTensor())\n"
        "torch.manual_seed(0); summary(torch.nn.Linear(2, 3), (2,))\n"
    )  # fmt: skip
    out = printed("-m", "tinyconv.compat", str(tmp_path / "script.py"), "--lr", "3")
    assert out.startswith("True True ['--lr', '3']\nTrue 2.13.0+tinyconv ToTensor()")


PRINTED = """
import torch
x = torch.ones(2, 3, dtype=torch.int16)
print(x.shape, x.dtype, x, x.type(), x.float().sort(), torch.strided, torch.channels_last, x.layout)
from torch.autograd.function import once_differentiable, Function
from torch.nn.modules.utils import _pair, _triple
from torch.nn.modules.conv import Conv2d
from torch.nn.modules.batchnorm import _BatchNorm
print(_pair(3), _triple((1, 2, 3)), isinstance(torch.nn.BatchNorm2d(1), _BatchNorm), Function is torch.autograd.Function)
print(isinstance(torch.nn.Conv2d(1, 1, 1), torch.nn.modules.Conv2d), torch.nn.modules.conv.Conv2d is Conv2d)
from torch.hub import get_dir
print(get_dir(), x[:, torch.newaxis].shape, issubclass(torch.OutOfMemoryError, RuntimeError))
"""


def test_names_print_as_torchs(tmp_path):
    (tmp_path / "script.py").write_text(PRINTED)
    theirs = printed(str(tmp_path / "script.py"))
    assert printed("-m", "tinyconv.compat", str(tmp_path / "script.py")) == theirs
    with tinyconv.compat.installed():
        assert str(tinyconv.float32) == "torch.float32"
    assert str(tinyconv.float32) == "tinyconv.float32"


def test_the_real_torch_is_not_replaced_behind_its_back():
    done = run("-c", "import torch, tinyconv.compat; tinyconv.compat.install()")
    assert "torch is loaded already" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "where"),
    [([], 2, "stdout"), (["--help"], 0, "stdout"), (["nothing.py"], 2, "stderr")],
)
def test_the_command_line(arguments, code, where):
    done = run("-m", "tinyconv.compat", *arguments)
    assert done.returncode == code
    assert (
        "usage: python -m tinyconv.compat" if where == "stdout" else "There is no script"
    ) in getattr(done, where)
