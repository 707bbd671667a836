"""A seed gives PyTorch's numbers: whole training runs of both libraries, side by side."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from twins import array

import tinyconv as tc

README = Path(__file__).parent.parent / "README.md"
LIBRARIES = torch, tc


def numbers(state: dict[str, Any]) -> dict[str, np.ndarray]:
    return {name: array(value) for name, value in state.items()}


def same_state(theirs: Any, ours: Any, tolerance: float = 0.0) -> None:
    """Two state dicts have the same keys in the same order, and the same numbers of the same dtype."""
    expected, found = numbers(theirs), numbers(ours)
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert found[name].dtype == value.dtype, name
        assert found[name].shape == value.shape, name
        np.testing.assert_allclose(found[name], value, rtol=tolerance, atol=tolerance, err_msg=name)


# ── the first numbers ─────────────────────────────────────────────────────────────────────────

LAYERS: dict[str, Callable[[Any], Any]] = {
    "Linear": lambda nn: nn.Linear(7, 5),
    "Linear without bias": lambda nn: nn.Linear(40, 30, bias=False),
    "Conv1d": lambda nn: nn.Conv1d(3, 8, 5),
    "Conv2d": lambda nn: nn.Conv2d(3, 16, 3),
    "Conv2d in groups": lambda nn: nn.Conv2d(8, 16, (3, 5), groups=4, bias=False),
    "ConvTranspose1d": lambda nn: nn.ConvTranspose1d(4, 6, 3),
    "ConvTranspose2d": lambda nn: nn.ConvTranspose2d(4, 6, 3, groups=2),
    "BatchNorm1d": lambda nn: nn.BatchNorm1d(6),
    "BatchNorm2d": lambda nn: nn.BatchNorm2d(6, affine=False),
    "BatchNorm2d without statistics": lambda nn: nn.BatchNorm2d(6, track_running_stats=False),
    "LayerNorm": lambda nn: nn.LayerNorm((4, 5)),
    "GroupNorm": lambda nn: nn.GroupNorm(2, 6),
    "Embedding": lambda nn: nn.Embedding(11, 6),
    "Embedding with padding": lambda nn: nn.Embedding(11, 6, padding_idx=2),
    "PReLU": lambda nn: nn.PReLU(3),
    "a network": lambda nn: nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Sequential(nn.Linear(16, 8), nn.Linear(8, 2)),
    ),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LAYERS)
def test_a_seed_gives_the_weights(name: str, dtype: str) -> None:
    states, next_numbers = [], []
    for lib in LIBRARIES:
        lib.manual_seed(3)
        lib.set_default_dtype(getattr(lib, dtype))
        states.append(LAYERS[name](lib.nn).state_dict())
        next_numbers.append(lib.rand(2).tolist())  # as many numbers were drawn
    same_state(*states)
    assert next_numbers[1] == next_numbers[0]


MASKS: dict[str, Callable[[Any, Any], Any]] = {
    "Dropout": lambda lib, x: lib.nn.Dropout(0.3)(x),
    "Dropout twice": lambda lib, x: lib.nn.Sequential(lib.nn.Dropout(0.1), lib.nn.Dropout(0.8))(x),
    "Dropout of nothing": lambda lib, x: lib.nn.Dropout(0.0)(x),
    "Dropout of all": lambda lib, x: lib.nn.Dropout(1.0)(x),
    "Dropout in place": lambda lib, x: lib.nn.Dropout(0.5, inplace=True)(x + 0),
    "Dropout in eval": lambda lib, x: lib.nn.Dropout(0.5).eval()(x),
    "Dropout2d": lambda lib, x: lib.nn.Dropout2d(0.4)(x),
    "F.dropout": lambda lib, x: lib.nn.functional.dropout(x),
    "F.dropout2d": lambda lib, x: lib.nn.functional.dropout2d(x, 0.2),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MASKS)
def test_a_seed_gives_the_dropout_masks(name: str, dtype: str) -> None:
    runs = []
    for lib in LIBRARIES:
        x = lib.ones(4, 6, 5, 3, dtype=getattr(lib, dtype), requires_grad=True)
        y = MASKS[name](lib, x)
        y.sum().backward()
        runs.append((array(y), array(x.grad), lib.rand(2).tolist()))
    for expected, found in zip(*runs, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_seed_gives_the_order_of_the_images() -> None:
    """Over epochs, with other random numbers drawn in between."""

    def batches(lib: Any) -> Iterator[tuple[list[float], list[int]]]:
        data = lib.utils.data.TensorDataset(lib.arange(23.0), lib.arange(23) % 3)
        train, rest = lib.utils.data.random_split(data, [17, 6])
        for _ in range(3):
            for x, y in lib.utils.data.DataLoader(train, batch_size=4, shuffle=True):
                yield x.tolist(), y.tolist()
                lib.nn.functional.dropout(x)
            for x, y in lib.utils.data.DataLoader(rest, batch_size=4, shuffle=True, drop_last=True):
                yield x.tolist(), y.tolist()

    expected, found = (list(batches(lib)) for lib in LIBRARIES)
    assert found == expected
    assert len(found) == 18


# ── training ──────────────────────────────────────────────────────────────────────────────────


def network(nn: Any) -> Any:
    return nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout2d(0.1),
        nn.Conv2d(6, 8, 3, stride=2), nn.BatchNorm2d(8, momentum=None), nn.LeakyReLU(0.1), nn.AdaptiveAvgPool2d(2),
        nn.Flatten(), nn.Linear(32, 16), nn.BatchNorm1d(16), nn.GELU(), nn.Dropout(0.3), nn.Linear(16, 5),
    )  # fmt: skip


Made = tuple[
    Any, Any, bool
]  # optimizer, schedule, whether it steps after each batch rather than each epoch


def sgd(optim: Any, parameters: Any) -> Made:
    optimizer = optim.SGD(parameters, lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-3)
    return optimizer, optim.lr_scheduler.StepLR(optimizer, 3, 0.5), False


def adam(optim: Any, parameters: Any) -> Made:
    optimizer = optim.Adam(parameters, lr=0.01)
    return optimizer, optim.lr_scheduler.CosineAnnealingLR(optimizer, 50), True


def adamw(optim: Any, parameters: Any) -> Made:
    optimizer = optim.AdamW(parameters, lr=0.003, amsgrad=True)
    return optimizer, optim.lr_scheduler.OneCycleLR(optimizer, 0.02, total_steps=50), True


def rmsprop(optim: Any, parameters: Any) -> Made:
    optimizer = optim.RMSprop(parameters, lr=0.003, momentum=0.5, centered=True)
    return optimizer, optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, factor=0.3), False


OPTIMIZERS = [sgd, adam, adamw, rmsprop]


class Run:
    """50 steps with everything that draws or remembers numbers: shuffling, dropout, batch statistics, schedules."""

    def __init__(
        self, lib: Any, make: Callable[[Any, Any], Made], dtype: str, steps: int = 50
    ) -> None:
        rng = np.random.default_rng(5)
        images, labels = rng.standard_normal((40, 2, 9, 9)), rng.integers(5, size=40)
        lib.manual_seed(11)
        lib.set_default_dtype(getattr(lib, dtype))
        self.images = lib.tensor(images.astype(dtype))
        data = lib.utils.data.TensorDataset(self.images, lib.tensor(labels))
        loader = lib.utils.data.DataLoader(data, batch_size=8, shuffle=True)
        self.model = network(lib.nn)
        self.optimizer, schedule, each_batch = make(lib.optim, self.model.parameters())
        criterion = lib.nn.CrossEntropyLoss(label_smoothing=0.1)
        self.losses: list[float] = []
        self.rates: list[float] = []
        while len(self.losses) < steps:
            for x, y in loader:
                self.optimizer.zero_grad()
                loss = criterion(self.model(x), y)
                loss.backward()
                self.optimizer.step()
                self.losses.append(loss.item())
                self.rates.append(self.optimizer.param_groups[0]["lr"])
                if each_batch and len(self.losses) < steps:
                    schedule.step()
            if isinstance(schedule, lib.optim.lr_scheduler.ReduceLROnPlateau):
                schedule.step(loss.item())
            elif not each_batch:
                schedule.step()
        with lib.no_grad():
            self.answers = array(self.model.eval()(self.images))


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_training_is_torchs(make: Callable[[Any, Any], Made]) -> None:
    theirs, ours = (Run(lib, make, "float64") for lib in LIBRARIES)
    assert len(ours.losses) == 50
    np.testing.assert_allclose(ours.rates, theirs.rates, rtol=1e-12)
    np.testing.assert_allclose(ours.losses, theirs.losses, rtol=0, atol=1e-8)
    np.testing.assert_allclose(ours.answers, theirs.answers, rtol=0, atol=1e-8)
    same_state(theirs.model.state_dict(), ours.model.state_dict(), 1e-8)
    memory, expected = ours.optimizer.state_dict(), theirs.optimizer.state_dict()
    assert list(memory["state"]) == list(expected["state"])
    for index, state in expected["state"].items():
        assert list(memory["state"][index]) == list(state)
        for name, value in state.items():
            np.testing.assert_allclose(
                array(memory["state"][index][name]), array(value), atol=1e-8, err_msg=name
            )


@pytest.mark.filterwarnings("ignore:TF32 acceleration")  # torch, of its own switch for oneDNN
@pytest.mark.parametrize("make", [sgd, adam])
def test_in_float32_we_differ_no_more_than_torch_from_itself(
    make: Callable[[Any, Any], Made],
) -> None:
    """Twenty steps: later, rounding errors have grown to differences that say nothing about their source."""
    theirs, ours = (np.array(Run(lib, make, "float32", 20).losses) for lib in LIBRARIES)
    with torch.backends.mkldnn.flags(enabled=False):
        plain = np.array(Run(torch, make, "float32", 20).losses)
    own = np.abs(plain - theirs).max()
    assert 0 < own < 1e-3
    assert np.abs(ours - theirs).max() < 8 * own


# ── weights from one to the other ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("source", "target"), [(torch, tc), (tc, torch)], ids=["from torch", "to torch"]
)
def test_weights_travel(source: Any, target: Any) -> None:
    trained = Run(source, adam, "float64", 10)
    fresh = network(target.nn).double()
    state = {
        name: target.from_numpy(value)
        for name, value in numbers(trained.model.state_dict()).items()
    }
    result = fresh.load_state_dict(state)
    assert not result.missing_keys
    assert not result.unexpected_keys
    with target.no_grad():
        answers = fresh.eval()(target.tensor(array(trained.images)))
    np.testing.assert_allclose(array(answers), trained.answers, rtol=1e-12, atol=1e-12)


# ── a script with its imports changed ─────────────────────────────────────────────────────────

SCRIPT = """
import torch
from torch import nn, optim
import torch.nn.functional as F
from torch.utils.data import DataLoader
from torch.utils.data import TensorDataset

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding="same")
        self.norm = nn.BatchNorm2d(4)
        self.fc = nn.Linear(36, 3)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm(self.conv(x))), 2)
        return F.log_softmax(self.fc(F.dropout(x.flatten(1), 0.2, self.training)), dim=-1)

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
torch.manual_seed(1)
torch.set_default_dtype(torch.float64)
x = torch.randn(30, 1, 6, 6)
y = (x.mean((1, 2, 3)) * 20).long().clamp(-1, 1) + 1
loader = DataLoader(TensorDataset(x, y), 7, shuffle=True)
model = Net().to(device)
print(model)
optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
for epoch in range(3):
    for images, labels in loader:
        images, labels = images.to(device), labels.to(device)
        optimizer.zero_grad()
        loss = F.nll_loss(model(images), labels)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        print(f"{loss.item():.8f}")
model.eval()
with torch.no_grad():
    print((model(x).argmax(dim=1) == y).float().mean(), model(x)[:2])
print(model.fc.bias, x.shape, x.dtype, model.conv.weight.grad[0])
"""


def test_a_script_runs_with_its_imports_changed() -> None:
    """The table in the README says how; what both print is the same text."""
    rows = re.findall(r"^\| `(.+?)` \| `(.+?)` \|$", README.read_text(), re.M)
    ours, changed = [], 0
    for line in SCRIPT.splitlines():
        for before, after in rows:
            stem = (
                before if before.startswith("import") else before.split(" import ")[0] + " import "
            )
            if line.startswith(stem) and (line == before or stem != before):
                line = line.replace(
                    stem, after if stem == before else after.split(" import ")[0] + " import ", 1
                )
                changed += 1
                break
        ours.append(line)
    assert changed == 5
    printed = []
    for source in (SCRIPT, "\n".join(ours)):
        with redirect_stdout(io.StringIO()) as out:
            exec(compile(source, "script", "exec"), {"__name__": "script"})
        printed.append(out.getvalue().replace("tinyconv", "torch"))
    assert printed[1] == printed[0]
