"""A CNN and an MLP with equally many parameters, side by side.

    python examples/cnn_vs_mlp.py --data-root data

First on CIFAR-10, or on generated images without it: the same number of parameters, the same
epochs. Then on one digit (of MNIST, or drawn without it) that both have only ever seen in the
middle of a canvas: how sure is each of the digit when it lies elsewhere?
"""

from __future__ import annotations

import time
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from common import arguments, cifar10, save_figure
from tqdm import tqdm

import tinyconv as torch
import tinyconv.nn.functional as F
from tinyconv import nn, optim
from tinyconv.utils.data import DataLoader, TensorDataset
from tinyconv.vision import datasets, transforms

COLOURS = {"CNN": "C0", "MLP": "C1"}


def train_epoch(model, loader, optimizer, label, steps=None):
    """One epoch; the share of the images that were recognised on the way."""
    model.train()
    correct = seen = 0
    bar = tqdm(
        loader, desc=label, total=min(len(loader), steps or len(loader)), unit="batch", leave=False
    )
    for step, (x, y) in enumerate(bar):
        if step == steps:
            break
        optimizer.zero_grad()
        scores = model(x)
        F.cross_entropy(scores, y).backward()
        optimizer.step()
        correct += (scores.argmax(1) == y).sum().item()
        seen += len(y)
        bar.set_postfix(accuracy=f"{correct / seen:.1%}")
    bar.close()
    return correct / seen


@torch.no_grad()
def accuracy(model, loader, steps=None):
    model.eval()
    correct = seen = 0
    for step, (x, y) in enumerate(loader):
        if step == steps:
            break
        correct += (model(x).argmax(1) == y).sum().item()
        seen += len(y)
    return correct / seen


def parameters(model):
    return sum(p.numel() for p in model.parameters())


# ------------------------------------------------------------------- colour images, 32x32


def image_models():
    """Two classifiers of 188,810 and 188,650 parameters: 3x32x32 pixels to 10 classes."""
    cnn = nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 4 * 4, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    mlp = nn.Sequential(
        nn.Flatten(),
        nn.Linear(3 * 32 * 32, 60), nn.ReLU(), nn.Linear(60, 60), nn.ReLU(), nn.Linear(60, 10),
    )  # fmt: skip
    return {"CNN": cnn, "MLP": mlp}


@torch.no_grad()
def multiplications(model, x):
    """How many it takes to classify x: a weight of a convolution is used once per position."""
    total = 0
    for layer in model:
        x = layer(x)
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            positions = x[0, 0].numel() if isinstance(layer, nn.Conv2d) else 1
            total += layer.weight.numel() * positions
    return total


def compare_on_images(options):
    dataset, which = cifar10(options)
    print(which)
    transform = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))]
    )
    more = {"download": True} if options.download else {}
    train = dataset(options.data_root, train=True, transform=transform, **more)
    test = dataset(options.data_root, train=False, transform=transform, **more)
    test_loader = DataLoader(test, 500)

    curves, rows = {}, []
    for name, model in image_models().items():
        torch.manual_seed(options.seed)  # both see the images in the same order
        train_loader = DataLoader(train, options.batch_size, shuffle=True)
        optimizer = optim.Adam(model.parameters(), lr=options.lr)
        curve, start = [], time.time()
        for epoch in range(1, options.epochs + 1):
            label = f"{name} epoch {epoch}/{options.epochs}"
            trained = train_epoch(model, train_loader, optimizer, label, options.steps)
            tested = accuracy(model, test_loader, options.steps)
            curve.append((trained, tested))
            print(f"{label}  accuracy: training {trained:.2%}, test {tested:.2%}")
        curves[name] = curve
        count = multiplications(model, test[0][0][None])
        rows.append((name, parameters(model), count, *curve[-1], time.time() - start))

    print(
        f"\n{'':6}{'parameters':>12}{'multiplications':>17}{'training':>10}{'test':>8}{'time':>8}"
    )
    for name, size, count, trained, tested, seconds in rows:
        print(f"{name:6}{size:12,}{count:17,}{trained:10.1%}{tested:8.1%}{seconds:6.0f} s")
    print()
    return curves, which.split(",")[0].split(" from")[0]


def draw_curves(curves, title):
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), width_ratios=[2, 1], sharey=True)
    for name, curve in curves.items():
        epochs = range(1, len(curve) + 1)
        trained, tested = zip(*curve, strict=True)
        left.plot(epochs, trained, ".--", color=COLOURS[name], label=f"{name}, training")
        left.plot(epochs, tested, ".-", color=COLOURS[name], label=f"{name}, test")
        bars = right.bar(name, tested[-1], color=COLOURS[name], width=0.6)
        right.bar_label(bars, [f"{tested[-1]:.1%}"], padding=2)
    left.axhline(0.1, color="grey", linewidth=0.8, linestyle=":", label="guessing")
    right.axhline(0.1, color="grey", linewidth=0.8, linestyle=":")
    left.set_ylim(0, 1)
    left.set_xlabel("epoch")
    left.set_ylabel("accuracy")
    left.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    left.legend(loc="upper left", ncols=2, fontsize="small")
    left.set_title("while training")
    right.set_title("on test images, at the end")
    figure.suptitle(f"{title}: a CNN and an MLP of 189,000 parameters each")
    figure.tight_layout()
    return figure


# ------------------------------------------------------------------- one digit, 49 places

SEGMENTS = {  # of a pocket calculator: left, top, right, bottom; the digit is 1 wide and 2 high
    "a": (0, 0, 1, 0), "b": (1, 0, 1, 1), "c": (1, 1, 1, 2), "d": (0, 2, 1, 2),
    "e": (0, 1, 0, 2), "f": (0, 0, 0, 1), "g": (0, 1, 1, 1),
}  # fmt: skip
LIT = ["abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgcde", "abc", "abcdefg", "abcdfg"]


def drawn_digits(count):
    """Digits of seven segments, 28x28, each with a size, a slant and a stroke of its own."""
    labels = torch.randint(10, (count,))
    high, slant, thick = (
        low + (up - low) * torch.rand(count, 1, 1) for low, up in [(7, 9), (-0.1, 0.35), (1, 2)]
    )
    row, column = torch.arange(28.0)[:, None] - 13.5, torch.arange(28.0) - 13.5
    y = row / high + 1  # 0 .. 2 from the top of the digit to its bottom
    x = (column + slant * row) / high + 0.5  # 0 .. 1 from its left to its right
    images = torch.zeros(count, 28, 28)
    for name, (left, top, right, bottom) in SEGMENTS.items():
        lit = torch.tensor([name in LIT[label] for label in labels.tolist()])
        dx = x - x.clamp(left, right)  # from the nearest point of the segment
        dy = y - y.clamp(top, bottom)
        segment = (thick - (dx**2 + dy**2).sqrt() * high + 0.5).clamp(0, 1)
        images = torch.where(lit[:, None, None], torch.maximum(images, segment), images)
    return images[:, None], labels


def digits(options, train_size, test_size):
    """Training images and labels, test images and labels, and where they are from."""
    root = options.data_root
    if options.download or Path(root, "MNIST", "raw").is_dir():
        parts, name = [], "MNIST"
        for train, size in [(True, train_size), (False, test_size)]:
            mnist = datasets.MNIST(root, train=train, download=options.download)
            parts += [mnist.data[:size, None] / 255, mnist.targets[:size]]
    else:
        parts, name = [*drawn_digits(train_size), *drawn_digits(test_size)], "drawn digits"
    return *parts, name


def place(digit, top, left):
    """Lay digits on canvases: (n, 1, 28, 28) -> (n, 1, 56, 56)."""
    return F.pad(digit, (left, 28 - left, top, 28 - top))


def digit_models():
    """56x56 pixels to 10 classes. The CNN forgets where it saw what: its last map is pooled whole."""
    cnn = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 64, 3, padding=1), nn.ReLU(),
        nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip
    mlp = nn.Sequential(nn.Flatten(), nn.Linear(56 * 56, 64), nn.ReLU(), nn.Linear(64, 10))
    return {"CNN": cnn, "MLP": mlp}


@torch.no_grad()
def probabilities(model, digit, labels, places):
    """The probability of the right class: (n, 1, 28, 28) -> (n, 7, 7)."""
    model.eval()
    answers = [
        model(place(digit, top, left)).softmax(1).gather(1, labels[:, None])
        for top in places
        for left in places
    ]
    return torch.stack(answers, 1).reshape(len(labels), len(places), len(places))


def compare_on_places(options):
    train_x, train_y, test_x, test_y, name = digits(options, train_size=6_000, test_size=32)
    print(f"{name}: trained on {len(train_x)} digits, all of them in the middle of the canvas")
    places = [round(28 * i / 6) for i in range(7)]  # of the corner of the digit: 0 5 9 14 19 23 28
    centred = TensorDataset(place(train_x, 14, 14), train_y)
    maps = {}
    for model_name, model in digit_models().items():
        torch.manual_seed(options.seed)
        loader = DataLoader(centred, 64, shuffle=True)
        optimizer = optim.Adam(model.parameters(), lr=0.003)
        for epoch in range(1, options.digit_epochs + 1):
            label = f"{model_name} epoch {epoch}/{options.digit_epochs}"
            trained = train_epoch(model, loader, optimizer, label, options.steps)
        p = maps[model_name] = probabilities(model, test_x, test_y, places)
        print(
            f"{model_name}  {parameters(model):,} parameters, training accuracy {trained:.1%}; "
            f"probability of the right class over {len(test_x)} test digits: "
            f"{p[:, 3, 3].mean().item():.2f} in the middle, {p.mean().item():.2f} over 49 places"
        )
    return maps, test_x, test_y, places, name


def draw_places(maps, images, labels, places, name):
    # the first digit that both recognise where they have learnt it
    both = torch.minimum(maps["CNN"][:, 3, 3], maps["MLP"][:, 3, 3]) > 0.9
    shown = both.long().argmax().item()
    figure, axes = plt.subplots(1, 3, figsize=(12, 4.2), layout="constrained")
    axes[0].imshow(place(images[shown : shown + 1], 14, 14)[0, 0].numpy(), cmap="gray")
    centres = [corner + 13.5 for corner in places]
    for y in centres:
        axes[0].plot(centres, [y] * len(centres), "C3.", markersize=5)
    axes[0].set_title(
        f"a {labels[shown].item()} where it was learnt;\nred: the 49 places of its centre"
    )
    axes[0].set_axis_off()
    for axis, (model_name, p) in zip(axes[1:], maps.items(), strict=True):
        p = p[shown]
        picture = axis.imshow(p.numpy(), cmap="viridis", vmin=0, vmax=1)
        for i in range(7):
            for j in range(7):
                colour = "black" if p[i, j] > 0.6 else "white"
                axis.text(j, i, f"{p[i, j].item():.2f}", ha="center", va="center", color=colour)
        axis.set_title(
            f"{model_name}: {p.min().item():.2f} to {p.max().item():.2f}, mean {p.mean().item():.2f}"
        )
        shifts = [f"{corner - 14:+d}" if corner != 14 else "0" for corner in places]
        axis.set_xticks(range(7), shifts)
        axis.set_yticks(range(7), shifts)
        axis.set_xlabel("pixels to the right")
        axis.set_ylabel("pixels down")
    figure.colorbar(picture, ax=axes[1:], label=f"probability of class {labels[shown].item()}")
    figure.suptitle(f"Trained in the middle, asked elsewhere ({name})")
    return figure


def main() -> None:
    parser = arguments(__doc__.splitlines()[0], epochs=5, batch_size=128, lr=0.001)
    parser.add_argument("--digit-epochs", type=int, default=3, help="for the digits on the canvas")
    options = parser.parse_args()
    if min(options.epochs, options.digit_epochs) < 1:
        parser.error("--epochs and --digit-epochs start at 1")
    torch.manual_seed(options.seed)
    curves, which = compare_on_images(options)
    save_figure(draw_curves(curves, which), options.out / "cnn_vs_mlp.png")
    torch.manual_seed(options.seed)
    save_figure(draw_places(*compare_on_places(options)), options.out / "cnn_vs_mlp_places.png")


if __name__ == "__main__":
    main()
