"""Train two convolutions on 10,000 images of Fashion-MNIST, or on generated images without it.

    python examples/fashion_mnist.py --data-root data --download
    python examples/fashion_mnist.py --optimizer adam

Two batches of test images serve for validation. Their loss stops falling while that of the training
images goes on: from there the network learns its images by heart.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from common import arguments, save_figure
from tqdm import tqdm

import tinyconv as torch
from tinyconv import nn, optim
from tinyconv.utils.data import DataLoader, Subset
from tinyconv.vision import datasets, transforms

TRAINING, VALIDATION = 10_000, 1_024  # images


def images(options):
    """Training and validation images, grey 28x28, and the name of the data set."""
    root, download = options.data_root, options.download
    if download or Path(root, "FashionMNIST", "raw").is_dir():
        name, to_tensor = "Fashion-MNIST", transforms.ToTensor()
        train = datasets.FashionMNIST(root, train=True, download=download, transform=to_tensor)
        test = datasets.FashionMNIST(root, train=False, download=download, transform=to_tensor)
        print(f"{name} from {root}")
    else:
        name = "Shapes10"
        steps = [transforms.Grayscale(), transforms.CenterCrop(28), transforms.ToTensor()]
        train = datasets.Shapes10(train=True, transform=transforms.Compose(steps))
        test = datasets.Shapes10(train=False, transform=transforms.Compose(steps))
        print(
            f"{name}, generated images, grey 28x28 (no FashionMNIST/raw under {root}: "
            "--download fetches it, or say with --data-root where it is)"
        )
    return Subset(train, range(TRAINING)), Subset(test, range(VALIDATION)), name


class CNN(nn.Module):
    """Two convolutions and two linear layers: 28x28 grey pixels to 10 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3)  # 28x28 -> 26x26, pooled 13x13
        self.conv2 = nn.Conv2d(32, 64, 3)  # 13x13 -> 11x11, pooled 5x5
        self.pool = nn.MaxPool2d(2)
        self.relu = nn.ReLU()
        self.flatten = nn.Flatten()
        self.linear1 = nn.Linear(64 * 5 * 5, 128)
        self.linear2 = nn.Linear(128, 10)

    def forward(self, x):
        x = self.pool(self.relu(self.conv1(x)))
        x = self.pool(self.relu(self.conv2(x)))
        x = self.relu(self.linear1(self.flatten(x)))
        return self.linear2(x)


def run_epoch(model, loader, criterion, label, optimizer=None, steps=None):
    """Mean loss of the batches and accuracy; with an optimizer, train on the way."""
    losses, correct, seen = [], 0, 0
    count = min(len(loader), steps or len(loader))
    bar = tqdm(loader, desc=label, total=count, unit="batch", leave=False)
    for step, (x, y) in enumerate(bar):
        if step == steps:
            break
        scores = model(x)
        loss = criterion(scores, y)
        if optimizer:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses.append(loss.item())
        correct += (scores.argmax(1) == y).sum().item()
        seen += len(y)
        bar.set_postfix(loss=f"{losses[-1]:.3f}", accuracy=f"{correct / seen:.1%}")
    bar.close()
    return sum(losses) / len(losses), correct / seen


def draw(history, best, title):
    figure, left = plt.subplots(figsize=(7, 4.2))
    epochs = range(1, len(history) + 1)
    train_loss, train_accuracy, valid_loss, valid_accuracy = zip(*history, strict=True)
    left.plot(epochs, train_loss, "C0.--", label="loss, training")
    left.plot(epochs, valid_loss, "C0.-", label="loss, validation")
    left.plot(best + 1, valid_loss[best], "C0*", markersize=14, label="lowest validation loss")
    left.set_xlabel("epoch")
    left.set_ylabel("cross-entropy, mean of a batch", color="C0")
    left.set_ylim(bottom=0)
    left.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    right = left.twinx()
    right.plot(epochs, train_accuracy, "C1.--", label="accuracy, training")
    right.plot(epochs, valid_accuracy, "C1.-", label="accuracy, validation")
    right.set_ylabel("accuracy", color="C1")
    right.set_ylim(0, 1.02)
    left.set_title(title)
    lines = left.lines + right.lines
    figure.legend(
        lines, [line.get_label() for line in lines], loc="upper center", ncols=3,
        bbox_to_anchor=(0.5, 0.0), frameon=False,
    )  # fmt: skip
    return figure


def main() -> None:
    parser = arguments(__doc__.splitlines()[0], epochs=30, batch_size=512, lr=0.1)
    parser.set_defaults(lr=None)  # each optimizer has its own
    parser.add_argument(
        "--optimizer",
        choices=["sgd", "adam"],
        default="sgd",
        help="sgd has momentum 0.9; without --lr it takes 0.1, adam 0.001",
    )
    options = parser.parse_args()

    train, valid, name = images(options)
    torch.manual_seed(options.seed)
    train_loader = DataLoader(train, options.batch_size, shuffle=True)
    valid_loader = DataLoader(valid, VALIDATION // 2)

    model = CNN()
    criterion = nn.CrossEntropyLoss()
    if options.optimizer == "sgd":
        optimizer = optim.SGD(model.parameters(), lr=options.lr or 0.1, momentum=0.9)
    else:
        optimizer = optim.Adam(model.parameters(), lr=options.lr or 0.001)
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{len(train)} training and {len(valid)} validation images, {parameters} parameters")

    history = []
    for epoch in range(1, options.epochs + 1):
        label = f"epoch {epoch}/{options.epochs}"
        model.train()
        trained = run_epoch(model, train_loader, criterion, label, optimizer, options.steps)
        model.eval()
        with torch.no_grad():
            validated = run_epoch(model, valid_loader, criterion, "validation")
        history.append(trained + validated)
        print(
            "{}  training: loss {:.4f}, accuracy {:.2%}  "
            "validation: loss {:.4f}, accuracy {:.2%}".format(label, *history[-1])
        )
    if not history:
        return
    best = min(range(len(history)), key=lambda i: history[i][2])
    _, _, loss, accuracy = history[best]
    print(
        f"lowest validation loss: {loss:.4f} a batch ({2 * loss:.4f} over both), "
        f"accuracy {accuracy:.2%}, in epoch {best + 1}"
    )
    title = f"{name}, {TRAINING:,} training images, {type(optimizer).__name__}"
    save_figure(draw(history, best, title), options.out / f"fashion_mnist_{options.optimizer}.png")


if __name__ == "__main__":
    main()
