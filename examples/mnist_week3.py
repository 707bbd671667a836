"""Classify MNIST or CIFAR-10 with a CNN or a feed-forward network; see what the convolutions see.

    python examples/mnist_week3.py --data-root data --download
    python examples/mnist_week3.py --dataset cifar10 --model feedforward

Saves the weights, loads them into a new network, and draws its feature maps of one test image.
Without the files, generated images stand in.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from common import arguments, cifar10, save_figure
from tqdm import tqdm

import tinyconv as torch
import tinyconv.nn.functional as F
from tinyconv import nn, optim
from tinyconv.utils.data import DataLoader, default_collate
from tinyconv.vision import datasets, transforms

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def classifier(features: int) -> list[nn.Module]:
    """From a list of numbers to ten classes."""
    return [
        nn.Flatten(),
        nn.Linear(features, 600), nn.ReLU(),
        nn.Linear(600, 120), nn.ReLU(),
        nn.Linear(120, 10),
    ]  # fmt: skip


class FeedForward(nn.Sequential):
    """The classifier alone: it sees a list of pixels, none of them next to another."""

    def __init__(self, channels: int, size: int) -> None:
        super().__init__(*classifier(channels * size * size))


class CNN(nn.Sequential):
    """The classifier behind two convolutions: MNIST's 28x28 pixels become 64 maps of 6x6."""

    def __init__(self, channels: int, size: int) -> None:
        super().__init__(
            nn.Conv2d(channels, 32, 3, padding=1), nn.MaxPool2d(2), nn.ReLU(),
            nn.Conv2d(32, 64, 3), nn.MaxPool2d(2), nn.ReLU(),
            *classifier(64 * ((size // 2 - 2) // 2) ** 2),
        )  # fmt: skip


MODELS = {"cnn": CNN, "feedforward": FeedForward}


def images(options):
    """Training and test images, and the number of their channels and pixels a side."""
    steps = [transforms.ToTensor()]
    folder = Path(options.data_root, "MNIST", "raw")
    if options.dataset == "cifar10":
        (dataset, which), channels, size = cifar10(options), 3, 32
        steps += [transforms.Normalize((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))]
    else:
        dataset, which, channels, size = datasets.MNIST, f"MNIST from {options.data_root}", 1, 28
        steps += [transforms.Normalize((0.1307,), (0.3081,))]
        if not (options.download or folder.is_dir()):
            dataset = datasets.Shapes10
            which = (
                f"Shapes10, generated images, made grey 28x28 (no {folder}: --download fetches "
                "MNIST, or say with --data-root where it is)"
            )
            steps = [transforms.Grayscale(), transforms.CenterCrop(28), *steps]
    print(which)
    more = {"download": True} if options.download else {}
    transform = transforms.Compose(steps)
    train = dataset(options.data_root, train=True, transform=transform, **more)
    test = dataset(options.data_root, train=False, transform=transform, **more)
    return train, test, channels, size


def to_device(samples):
    """The usual batch of some samples, moved to where the network is."""
    return [tensor.to(device) for tensor in default_collate(samples)]


def batches(loader, label, steps):
    """The batches of a loader, or its first few, with a progress bar."""
    total = min(len(loader), steps or len(loader))
    with tqdm(loader, desc=label, total=total, unit="batch", leave=False) as bar:
        for step, batch in enumerate(bar):
            if step == steps:
                return
            yield batch


def train_epoch(model, loader, criterion, optimizer, label, steps=None):
    model.train()
    total = seen = 0
    for x, y in batches(loader, label, steps):
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(y)
        seen += len(y)
    return total / seen


@torch.no_grad()
def accuracy(model, loader, steps=None):
    model.eval()
    correct = seen = 0
    for x, y in batches(loader, "test", steps):
        correct += (model(x).argmax(1) == y).sum().item()
        seen += len(y)
    return correct / seen


@torch.no_grad()
def feature_maps(model, image):
    """What each convolution answers to an image: hooks on the layers note it while the network runs."""
    maps = {}

    def note(layer, inputs, output):
        maps[layer] = output[0].cpu()

    hooks = [
        layer.register_forward_hook(note)
        for layer in model.modules()
        if isinstance(layer, nn.Conv2d)
    ]
    model.eval()
    scores = model(image[None].to(device))[0]
    for hook in hooks:
        hook.remove()
    return maps, scores.softmax(0)


def mosaic(maps, rows=8, gap=2):
    """Lay maps side by side: (channels, h, w) -> one picture with a margin around each map."""
    maps = F.pad(maps, (gap, gap, gap, gap), value=float("nan"))
    channels, height, width = maps.shape
    return (
        maps.reshape(rows, channels // rows, height, width)
        .transpose(1, 2)
        .reshape(rows * height, -1)
    )


def draw_maps(maps, image, title):
    """The image, and beside it the maps of each layer: red where the filter answers yes, blue where it answers no."""
    widths = [1.2, *(len(values) / 32 for values in maps.values())]
    figure, axes = plt.subplots(
        1, len(widths), figsize=(13, 5.6), width_ratios=widths, layout="constrained"
    )
    shown = (image - image.min()) / (image.max() - image.min())
    axes[0].imshow(shown.permute(1, 2, 0).numpy(), cmap="gray")
    axes[0].set_title(title)
    for axis, (layer, values) in zip(axes[1:], maps.items(), strict=True):
        limit = values.abs().max().item()
        axis.imshow(
            mosaic(values, gap=values.shape[1] // 12).numpy(),
            cmap="RdBu_r",
            vmin=-limit,
            vmax=limit,
        )
        channels, height, width = values.shape
        axis.set_title(
            f"Conv2d({layer.in_channels}, {layer.out_channels}, 3)\n{channels} maps of {height}x{width}"
        )
    for axis in axes:
        axis.set_axis_off()
    return figure


def main() -> None:
    parser = arguments(__doc__.splitlines()[0], epochs=3, batch_size=64, lr=0.001)
    parser.add_argument("--dataset", choices=["mnist", "cifar10"], default="mnist")
    parser.add_argument("--model", choices=list(MODELS), default="cnn")
    parser.add_argument(
        "--image", type=int, default=0, help="number of the test image whose feature maps are drawn"
    )
    options = parser.parse_args()

    train, test, channels, size = images(options)
    torch.manual_seed(options.seed)
    train_loader = DataLoader(train, options.batch_size, shuffle=True, collate_fn=to_device)
    test_loader = DataLoader(test, 500, collate_fn=to_device)

    model = MODELS[options.model](channels, size).to(device)
    print(model)
    print(
        f"{len(train)} training and {len(test)} test images, {sum(p.numel() for p in model.parameters())} parameters"
    )
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=options.lr)
    reached = 0.0
    for epoch in range(1, options.epochs + 1):
        label = f"epoch {epoch}/{options.epochs}"
        loss = train_epoch(model, train_loader, criterion, optimizer, label, options.steps)
        reached = accuracy(model, test_loader, options.steps)
        print(f"{label}  training loss {loss:.4f}, test accuracy {reached:.2%}")

    options.out.mkdir(parents=True, exist_ok=True)
    name = f"mnist_week3_{options.dataset}_{options.model}"
    path = options.out / f"{name}.safetensors"
    torch.save(model.state_dict(), path)
    loaded = MODELS[options.model](channels, size).to(device)
    loaded.load_state_dict(torch.load(path, map_location=device))
    again = accuracy(loaded, test_loader, options.steps)
    print(
        f"weights: {path}; loaded into a new network: test accuracy {again:.2%}, before {reached:.2%}"
    )

    image, label = test[options.image]
    maps, probabilities = feature_maps(loaded, image)
    best = int(probabilities.argmax())
    answer = f"{test.classes[best]} ({probabilities[best].item():.1%})"
    print(f"test image {options.image}: label {test.classes[label]}, answer {answer}")
    if maps:
        save_figure(
            draw_maps(maps, image, f"label: {test.classes[label]}\nanswer: {answer}"),
            options.out / f"{name}.png",
        )


if __name__ == "__main__":
    main()
