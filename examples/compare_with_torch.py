"""Run one training script with PyTorch and with tinyconv, step by step, and compare the numbers.

    python examples/compare_with_torch.py --dtype float64

Needs PyTorch (`pip install torch`). The same seed gives both libraries the same weights, the same
order of images and the same dropout masks; what is left is rounding. In float32 PyTorch differs
from itself too, with oneDNN on and off: that difference stands beside ours.
"""

from __future__ import annotations

import warnings

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from common import arguments, cifar10, save_figure

import tinyconv


def train(lib, images, labels, options):
    """The script, for `lib` = torch or tinyconv: yields the loss of each step, and the model."""
    nn, optim = lib.nn, lib.optim
    lib.manual_seed(options.seed)
    lib.set_default_dtype(getattr(lib, options.dtype))
    data = lib.utils.data.TensorDataset(
        lib.tensor(images, dtype=lib.get_default_dtype()), lib.tensor(labels)
    )
    loader = lib.utils.data.DataLoader(data, batch_size=options.batch_size, shuffle=True)

    def block(inputs, outputs):
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )

    model = nn.Sequential(
        block(3, 16),
        block(16, 32),
        nn.Flatten(),
        nn.Linear(2048, 64),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(64, 10),
    )
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=options.lr)
    for _ in range(options.epochs):
        for step, (x, y) in enumerate(loader):
            if step == options.steps:
                break
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            yield loss.item(), model


def weight_differences(theirs, ours):
    """The largest difference of each entry of two state dicts."""
    ours = ours.state_dict()
    return {
        name: np.abs(value.numpy() - ours[name].numpy()).max()
        for name, value in theirs.state_dict().items()
    }


def draw(curves, title, lowest, bound=None):
    """Differences over steps, those below ``lowest`` there: zero has no place on this axis."""
    figure, axes = plt.subplots(figsize=(7, 4))
    for style, (label, differences) in curves.items():
        axes.semilogy(
            range(1, len(differences) + 1), np.maximum(differences, lowest), style, label=label
        )
    if bound:
        axes.axhline(bound, color="grey", linestyle=":", label=f"bound: {bound:g}")
    axes.axhline(lowest, color="grey", linewidth=0.8, label="no difference")
    axes.set_xlabel("step")
    axes.set_ylabel("difference of the losses")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_title(title)
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def main() -> None:
    parser = arguments(__doc__.splitlines()[0], epochs=2, batch_size=64, lr=0.001)
    parser.add_argument("--dtype", choices=["float64", "float32"], default="float64")
    parser.add_argument("--images", type=int, default=1600, help="how many training images to use")
    options = parser.parse_args()

    dataset, which = cifar10(options)
    print(which)
    more = {"download": True} if options.download else {}
    data = dataset(options.data_root, train=True, **more)
    images = (data.data[: options.images].transpose(0, 3, 1, 2) / 255 - 0.5) / 0.25
    labels = np.array(data.targets[: options.images])
    script = images, labels, options

    single = options.dtype == "float32"
    heading = " step      loss torch   loss tinyconv  difference"
    plain = []
    if single:
        heading += "  torch without oneDNN"
        warnings.filterwarnings("ignore", "TF32")  # the switch speaks of GPUs, too
        with torch.backends.mkldnn.flags(enabled=False):
            plain = [loss for loss, _ in train(torch, *script)]

    print(heading)
    losses = []
    for step, pair in enumerate(zip(train(torch, *script), train(tinyconv, *script), strict=True)):
        theirs, ours = (loss for loss, _ in pair)
        losses.append((theirs, ours))
        own = f"  {abs(plain[step] - theirs):20.1e}" if single else ""
        print(f"{step + 1:5}  {theirs:14.10f}  {ours:14.10f}  {abs(ours - theirs):10.1e}{own}")

    theirs, ours = np.array(losses).T
    difference = np.abs(ours - theirs)
    curves = {"C0": ("tinyconv and torch", difference)}
    weights = weight_differences(*(model for _, model in pair))
    worst = max(weights, key=weights.get)
    print(f"largest difference of the losses:  {difference.max():.1e}")
    print(f"largest difference of the weights: {weights[worst]:.1e}, in {worst}")
    if single:
        own = np.abs(plain - theirs)
        curves["C1--"] = ("torch without oneDNN and torch", own)
        print(f"torch without oneDNN and torch:    {own.max():.1e}")
    bound = None if single else 1e-8
    lowest = np.finfo(options.dtype).eps / 16
    figure = draw(curves, f"The same script, the same seed, {options.dtype}", lowest, bound)
    save_figure(figure, options.out / f"compare_with_torch_{options.dtype}.png")
    if bound and not difference[:50].max() < bound:  # not a number is no agreement either
        raise SystemExit(f"the losses of the first 50 steps should differ by less than {bound:g}")


if __name__ == "__main__":
    main()
