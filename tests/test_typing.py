"""What a strict type checker says about a user's script: mypy run once, on a script, on questions and on mistakes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from stubs import outdated

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "tests" / "scripts_typed" / "classifier.py"

HEAD = """
import tinyconv as tc
import tinyconv.nn.functional as F
from tinyconv import Tensor, nn, optim
from tinyconv.optim.lr_scheduler import StepLR
from tinyconv.utils.data import DataLoader, Dataset, TensorDataset, random_split

x = tc.randn(2, 3)
model = nn.Sequential(nn.Linear(3, 2))
layer = nn.Linear(2, 3)
data = TensorDataset(x, x)
loader = DataLoader(data, batch_size=2)
optimizer = optim.SGD(model.parameters(), lr=0.1)

@tc.no_grad()
def decorated(x: Tensor, n: int) -> Tensor:
    return x * n
"""
TYPES = {
    "x": "Tensor",
    "x + 1": "Tensor",
    "1 - x": "Tensor",
    "2 ** x": "Tensor",
    "-x @ x.T": "Tensor",
    "x[0]": "Tensor",
    "x[..., None, 1:]": "Tensor",
    "x > 0": "Tensor",
    "x == 0": "Tensor",
    "~(x > 0) & (x != 1)": "Tensor",
    "x.shape": "Size",
    "x.shape[0]": "int",
    "x.shape[1:]": "Size",
    "x.size()": "Size",
    "x.size(0)": "int",
    "x.dtype": "dtype",
    "x.device": "device",
    "x.grad": "Tensor | None",
    "x.relu()": "Tensor",
    "x.sum(dim=1)": "Tensor",
    "x.add_(1)": "Tensor",
    "x.to('cpu')": "Tensor",
    "x.view(3, 2).flatten(1)": "Tensor",
    "x.item()": "int | float",
    "x.max()": "Tensor",
    "x.max(dim=1).indices": "Tensor",
    "x.topk(2)[0]": "Tensor",
    "x.chunk(2)": "tuple[Tensor, ...]",
    "x.detach()": "Tensor",
    "layer.weight.requires_grad_()": "Parameter",
    "x.backward()": "None",
    "[row for row in x]": "list[Tensor]",
    "tc.cat([x, x])": "Tensor",
    "tc.where(x > 0, x, 0)": "Tensor",
    "tc.tensor(2)": "Tensor",
    "tc.softmax(x, 0)": "Tensor",
    "tc.linalg.norm(x)": "Tensor",
    "tc.float32": "dtype",
    "tc.allclose(x, x)": "bool",
    "tc.load('model.pt')": "Any",
    "tc.autograd.grad(x.sum(), x)": "tuple[Tensor, ...]",
    "F.relu(x)": "Tensor",
    "F.cross_entropy(x, x)": "Tensor",
    "F.dropout(x)": "Tensor",
    "nn.CrossEntropyLoss()(x, x)": "Any",  # as any call of a module
    "model(x)": "Any",
    "model.train()": "Sequential",
    "model.parameters()": "Iterator[Parameter]",
    "model[0]": "Module",
    "layer.weight": "Parameter",
    "layer.to('cpu')": "Linear",
    "next(iter(loader))": "Any",
    "loader.dataset": "Dataset[tuple[Tensor, ...]]",
    "random_split(data, [1, 1])[0]": "Subset[tuple[Tensor, ...]]",
    "data[0]": "tuple[Tensor, ...]",
    "optimizer.param_groups": "list[dict[str, Any]]",
    "StepLR(optimizer, 1).get_last_lr()": "list[float | Tensor]",
    "nn.utils.clip_grad_norm_(model.parameters(), 1.0)": "Tensor",
    "decorated": "def (x: Tensor, n: int) -> Tensor",
    "tc.cuda.is_available()": "bool",
}
MISTAKES = {
    "n: int = tc.randn(2)": "Incompatible types in assignment",
    "n: int = x.relu()": "Incompatible types in assignment",
    "t: Tensor = x.shape": "Incompatible types in assignment",
    "t: Tensor = x.grad": "Incompatible types in assignment",
    "n: int = x.sum().item()": "Incompatible types in assignment",
    "t: Tensor = F.relu(x).item()": "Incompatible types in assignment",
    "x.reluu()": 'has no attribute "reluu"',
    "tc.randnn(2)": 'has no attribute "randnn"',
    "nn.Linearr(2, 3)": 'has no attribute "Linearr"',
    "F.rellu(x)": 'has no attribute "rellu"',
    "nn.Linear('2', 3)": 'has incompatible type "str"',
    "nn.Linear(2)": "Missing positional argument",
    "F.dropout(x, p='half')": 'has incompatible type "str"',
    "optim.SGD(3, lr=0.1)": 'has incompatible type "int"',
    "DataLoader(data, batch_sizes=2)": 'Unexpected keyword argument "batch_sizes"',
    "decorated(x, 'three')": 'has incompatible type "str"',
    "x.softmax(0, other=3)": 'Unexpected keyword argument "other"',
    "layer.weight.shape.append(3)": 'has no attribute "append"',
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What mypy says: by file and line, or by file alone for the script."""
    folder = tmp_path_factory.mktemp("typing")
    start = len(HEAD.splitlines()) + 1
    questions = HEAD + "".join(f"reveal_type({e})\n" for e in TYPES)
    (folder / "questions.py").write_text(questions)
    (folder / "mistakes.py").write_text(HEAD + "".join(_alone(m) for m in MISTAKES))
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary"]
    command += ["--config-file", os.devnull, "--cache-dir", str(folder / "cache")]
    command += ["--follow-imports=silent"]  # errors of an installed package are not the user's
    done = subprocess.run(
        [*command, str(SCRIPT), str(folder / "questions.py"), str(folder / "mistakes.py")],
        capture_output=True,
        text=True,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        check=False,
        cwd=folder,
    )
    found: dict[str, list[str]] = {SCRIPT.name: []}
    for path, line, text in _lines(done.stdout):
        at = 0 if path == SCRIPT.name else (line - start) // (1 if path == "questions.py" else 2)
        found.setdefault(path if path == SCRIPT.name else f"{path} {at}", []).append(text)
    assert "questions.py 0" in found, done.stdout + done.stderr
    return found


def _alone(mistake: str) -> str:
    """A statement whose names do not meet those of the next."""
    return f"def _() -> None:\n    {mistake}\n"


def _lines(output: str) -> Iterator[tuple[str, int, str]]:
    for line in output.splitlines():
        match = re.fullmatch(r"(.*?):(\d+): (?:error|note): (.*)", line)
        assert match, output
        yield Path(match[1]).name, int(match[2]), match[3]


def test_a_training_script_passes(said):
    assert said[SCRIPT.name] == []


@pytest.mark.parametrize("expression", TYPES)
def test_types(said, expression):
    (text,) = said[f"questions.py {list(TYPES).index(expression)}"]
    shown = re.fullmatch(r'Revealed type is "(.*)"', text)
    assert shown, text
    assert re.sub(r"[\w.]+\.(\w+)", r"\1", shown[1]) == TYPES[expression]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(said, mistake):
    texts = said.get(f"mistakes.py {list(MISTAKES).index(mistake)}", [])
    assert any(MISTAKES[mistake] in text for text in texts), texts


def test_the_script_runs():
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(SCRIPT)], capture_output=True, text=True, env=env, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "resumed 2 True" in done.stdout


def test_stubs_say_what_the_sources_say():
    assert outdated() == [], "write them anew: python tests/stubs.py"
