"""A typical training script with types on everything that is one's own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from typing import Any

import tinyconv as tc
import tinyconv.nn.functional as F
from tinyconv import Tensor, nn, optim
from tinyconv.autograd import Function
from tinyconv.nn.utils import clip_grad_norm_
from tinyconv.optim.lr_scheduler import CosineAnnealingLR, StepLR
from tinyconv.optim.swa_utils import AveragedModel
from tinyconv.utils.data import DataLoader, Dataset, Subset, TensorDataset, random_split
from tinyconv.vision import transforms

device = tc.device("cuda" if tc.cuda.is_available() else "cpu")


class Blobs(Dataset[tuple[Tensor, int]]):
    """Images whose brightness tells their class."""

    def __init__(self, n: int, transform: transforms.Compose | None = None) -> None:
        self.labels: Tensor = tc.randint(0, 3, (n,))
        self.images: Tensor = tc.randn(n, 1, 8, 8) + self.labels.view(-1, 1, 1, 1)
        self.transform = transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = self.images[index]
        if self.transform is not None:
            image = self.transform(image)
        return image, int(self.labels[index].item())


class Swish(Function):
    """x sigmoid(x), with a backward of its own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * tc.sigmoid(x)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        s = tc.sigmoid(x)
        result: Tensor = grad_output * (s + x * s * (1 - s))
        return result


class Block(nn.Module):
    """A convolution, a normalisation, and the way around both."""

    def __init__(self, width: int, kernel_size: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, kernel_size, padding=kernel_size // 2, bias=False)
        self.bn = nn.BatchNorm2d(width)
        self.scale = nn.Parameter(tc.full((1,), 0.5))
        self.register_buffer("calls", tc.zeros((), dtype=tc.int64))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = Swish.apply(self.bn(self.conv(x)))
        return x + self.scale * y


class Net(nn.Module):
    """Two blocks and a classifier."""

    def __init__(self, width: int = 4, classes: int = 3, dropout: float = 0.1) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.ReLU(inplace=True))
        self.blocks = nn.ModuleList([Block(width) for _ in range(2)])
        self.pool = nn.AdaptiveAvgPool2d((2, 2))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(4 * width, classes)
        self.reset()

    def reset(self) -> None:
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def features(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = F.max_pool2d(F.relu(block(x)), 2) if x.size(-1) > 4 else F.gelu(block(x))
        return tc.flatten(self.pool(x), 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.dropout(self.features(x)))
        return out


def train(
    model: nn.Module,
    loader: DataLoader[tuple[Tensor, int]],
    optimizer: optim.Optimizer,
    average: AveragedModel,
) -> float:
    model.train()
    total = 0.0
    for step, (images, labels) in enumerate(loader):
        images, labels = images.to(device), labels.to(device, non_blocking=True)
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(images), labels, label_smoothing=0.1)
        loss.backward()
        norm = clip_grad_norm_(model.parameters(), max_norm=5.0)
        optimizer.step()
        average.update_parameters(model)
        total += loss.item() * labels.size(0)
        if step == 0:
            print(f"step {step} loss {loss.item():.4f} norm {norm.item():.4f}")
    return total / len(loader)


@tc.no_grad()
def evaluate(model: nn.Module, loader: DataLoader[tuple[Tensor, int]]) -> tuple[float, float]:
    model.eval()
    criterion = nn.CrossEntropyLoss(reduction="sum")
    correct, count, total = 0, 0, 0.0
    for images, labels in loader:
        logits: Tensor = model(images.to(device))
        total += criterion(logits, labels.to(device)).item()
        predicted = logits.argmax(dim=1)
        correct += int((predicted == labels.to(device)).sum().item())
        count += labels.shape[0]
    return total / count, correct / count


def save(path: str, model: nn.Module, optimizer: optim.Optimizer, epoch: int) -> None:
    state: dict[str, Any] = {
        "epoch": epoch,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    tc.save(state, path)


def resume(path: str, model: nn.Module, optimizer: optim.Optimizer) -> int:
    state = tc.load(path, map_location=device, weights_only=True)
    missing, unexpected = model.load_state_dict(state["model"])
    assert not missing and not unexpected  # noqa: PT018
    optimizer.load_state_dict(state["optimizer"])
    epoch: int = state["epoch"]
    return epoch


def arithmetic() -> None:
    """What one does with tensors, in one place."""
    x = tc.randn(3, 4, dtype=tc.float64, device=device, requires_grad=True)
    y = 2 * x**2 - x / 3 + 1
    y = -y @ y.T + tc.eye(3, dtype=tc.float64)
    y += 1
    mask = (y > 0) & ~(y >= 5) | (y == 1)
    z = tc.where(mask, y, tc.zeros_like(y))
    row, column = z[0], z[:, 1:3]
    last = z[..., -1].unsqueeze(0).expand(2, -1)
    z = tc.cat([row.unsqueeze(0), column.mean(dim=1, keepdim=True).t(), last[:1]], dim=1)
    values, indices = z.max(dim=1)
    best = z.topk(2, dim=1)
    parts = z.chunk(2, dim=1)
    stacked = tc.stack([p.sum() for p in parts])
    n, m = z.shape
    picked = z[tc.arange(n), indices]
    w = x.detach().clone().requires_grad_()
    w.data[0, 0] = 1.0
    with tc.no_grad():
        w -= 0.1 * tc.ones_like(w)
        w[1] = 0.0
    total = stacked.sum() + values.sum() + best.values.mean() + picked.std(unbiased=False)
    total.backward()
    assert x.grad is not None
    grad: Tensor = x.grad
    (g,) = tc.autograd.grad((x**3).sum(), x, create_graph=True)
    print(n, m, x.shape, tuple(x.size()), x.dtype, x.device, x.ndim, len(x), float(total) > 0)
    print(
        grad.abs().sum().item() > 0,
        g.norm().item() > 0,
        x.tolist()[0][0] > 9,
        x.detach().numpy().shape,
    )
    print([float(v) for v in z.flatten()[:2]], bool((grad == grad).all()), int(mask.sum()))


def gradients_of_functions() -> None:
    def energy(w: Tensor, x: Tensor) -> Tensor:
        return (tc.tanh(x @ w) ** 2).sum()

    w, x = tc.randn(4), tc.randn(5, 4)
    slope = tc.func.grad(energy)(w, x)
    per_sample = tc.func.vmap(tc.func.grad(energy), in_dims=(None, 0))(w, x)
    print(tc.allclose(slope, per_sample.sum(0), atol=1e-5))


def batches(data: Subset[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(data), size):
        yield [data[i] for i in range(start, min(start + size, len(data)))]


def main() -> None:
    tc.manual_seed(0)
    transform = transforms.Compose(
        [transforms.RandomHorizontalFlip(), transforms.Normalize((0.5,), (0.5,))]
    )
    train_set, test_set = random_split(Blobs(60, transform), [48, 12])
    print(sum(len(b) for b in batches(test_set, 5)))
    train_loader: DataLoader[tuple[Tensor, int]] = DataLoader(
        train_set, batch_size=16, shuffle=True, drop_last=True
    )
    test_loader: DataLoader[tuple[Tensor, int]] = DataLoader(test_set, batch_size=12)
    model = Net().to(device)
    average = AveragedModel(model)
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    scheduler = StepLR(optimizer, step_size=1, gamma=0.5)
    losses: list[float] = []
    for epoch in range(2):
        losses.append(train(model, train_loader, optimizer, average))
        loss, accuracy = evaluate(model, test_loader)
        scheduler.step()
        print(f"{epoch} {losses[-1]:.4f} {loss:.4f} {accuracy:.2f} {scheduler.get_last_lr()[0]}")
    other = Net().to(device)
    groups: list[dict[str, Any]] = [
        {"params": other.stem.parameters(), "lr": 1e-3},
        {"params": other.head.parameters()},
    ]
    adam = optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.99))
    cosine = CosineAnnealingLR(adam, T_max=10)
    adam.step()
    cosine.step()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "checkpoint.pt")
        save(path, model, optimizer, 2)
        again = optim.SGD(other.parameters(), lr=0.05, momentum=0.9)
        print("resumed", resume(path, other, again), tc.equal(model.head.weight, other.head.weight))
    for name, parameter in model.named_parameters():
        if name.endswith("bias") and parameter.grad is not None:
            print(name, tuple(parameter.shape), parameter.requires_grad)
    arithmetic()
    gradients_of_functions()
    pairs = TensorDataset(tc.ones(2), tc.zeros(2))
    a, b = pairs[0]
    print(a.item() + b.item())


if __name__ == "__main__":
    main()
