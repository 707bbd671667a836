"""Train a small CNN on CIFAR-10, or on generated images where CIFAR-10 is not at hand.

    python examples/cifar10_cnn.py --data-root data --download --epochs 6

Saves a checkpoint after each epoch (Ctrl-C saves one too; --resume goes on from it) and the curves of loss and accuracy.
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
from tinyconv import nn, optim
from tinyconv.utils.data import DataLoader
from tinyconv.vision import datasets, transforms


def block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.MaxPool2d(2),
    )


class CNN(nn.Module):
    """Three convolution blocks and two linear layers: 32x32 pixels to 10 classes."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.features = nn.Sequential(
            block(3, width), block(width, 2 * width), block(2 * width, 4 * width)
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(4 * width * 4 * 4, 128),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(128, 10),
        )

    def forward(self, x):
        return self.classifier(self.features(x))


def train_epoch(model, loader, criterion, optimizer, scheduler, label, steps=None):
    model.train()
    total = correct = seen = 0
    bar = tqdm(
        loader, desc=label, total=min(len(loader), steps or len(loader)), unit="batch", leave=False
    )
    for step, (images, labels) in enumerate(bar):
        if step == steps:
            break
        optimizer.zero_grad()
        scores = model(images)
        loss = criterion(scores, labels)
        loss.backward()
        optimizer.step()
        scheduler.step()
        total += loss.item() * len(labels)
        correct += (scores.argmax(1) == labels).sum().item()
        seen += len(labels)
        bar.set_postfix(loss=f"{total / seen:.3f}", accuracy=f"{correct / seen:.1%}")
    bar.close()
    return total / seen, correct / seen


@torch.no_grad()
def evaluate(model, loader, criterion, steps=None):
    model.eval()
    total = correct = seen = 0
    for step, (images, labels) in enumerate(tqdm(loader, desc="test", unit="batch", leave=False)):
        if step == steps:
            break
        scores = model(images)
        total += criterion(scores, labels).item() * len(labels)
        correct += (scores.argmax(1) == labels).sum().item()
        seen += len(labels)
    return total / seen, correct / seen


def draw(history, title):
    figure, left = plt.subplots(figsize=(7, 4))
    epochs = range(1, len(history) + 1)
    left.plot(epochs, [h["train_loss"] for h in history], "C0--", label="loss, training")
    left.plot(epochs, [h["test_loss"] for h in history], "C0", label="loss, test")
    left.set_xlabel("epoch")
    left.set_ylabel("cross-entropy", color="C0")
    right = left.twinx()
    right.plot(epochs, [h["train_accuracy"] for h in history], "C1--", label="accuracy, training")
    right.plot(epochs, [h["test_accuracy"] for h in history], "C1", label="accuracy, test")
    right.set_ylabel("accuracy", color="C1")
    right.set_ylim(0, 1)
    left.set_title(title)
    left.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    lines = left.lines + right.lines
    left.legend(lines, [line.get_label() for line in lines], loc="center right")
    return figure


def main() -> None:
    parser = arguments(__doc__.splitlines()[0], epochs=None, batch_size=128, lr=0.003)
    parser.add_argument("--width", type=int, default=32, help="channels of the first block")
    parser.add_argument("--augment", action="store_true", help="random crops and flips")
    parser.add_argument("--resume", type=Path, default=None, help="checkpoint to go on from")
    options = parser.parse_args()

    dataset, which = cifar10(options)
    print(which)
    if options.epochs is None:  # a minute or so; on CIFAR-10, six epochs reach 80%
        options.epochs = 1 if dataset is datasets.CIFAR10 else 3
    torch.manual_seed(options.seed)
    normal = [
        transforms.ToTensor(),
        transforms.Normalize((0.4914, 0.4822, 0.4465), (0.247, 0.243, 0.262)),
    ]
    moved = (
        [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]
        if options.augment
        else []
    )
    train = dataset(
        options.data_root,
        train=True,
        download=options.download,
        transform=transforms.Compose(moved + normal),
    )
    test = dataset(
        options.data_root,
        train=False,
        download=options.download,
        transform=transforms.Compose(normal),
    )
    train_loader = DataLoader(
        train, options.batch_size, shuffle=True, num_workers=2 if options.augment else 0
    )
    test_loader = DataLoader(test, 500)

    model = CNN(options.width)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=options.lr)
    history = []
    checkpoint = options.out / "cifar10_cnn.safetensors"
    if options.resume:
        saved = torch.load(options.resume)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        torch.set_rng_state(saved["random"])
        history = saved["history"]
        print(f"resumed after epoch {len(history)} from {options.resume}")
    batches = min(len(train_loader), options.steps or len(train_loader))
    scheduler = optim.lr_scheduler.OneCycleLR(
        optimizer,
        options.lr,
        total_steps=options.epochs * batches + 1,
        last_epoch=len(history) * batches - 1,
    )

    def save() -> None:
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        state = {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "history": history,
        }
        torch.save(state | {"random": torch.get_rng_state()}, checkpoint)

    print(
        f"{len(train)} training and {len(test)} test images, {sum(p.numel() for p in model.parameters())} parameters"
    )

    start = time.time()
    try:
        for epoch in range(len(history) + 1, options.epochs + 1):
            label = f"epoch {epoch}/{options.epochs}"
            loss, accuracy = train_epoch(
                model, train_loader, criterion, optimizer, scheduler, label, options.steps
            )
            test_loss, test_accuracy = evaluate(model, test_loader, criterion, options.steps)
            history.append(
                {
                    "train_loss": loss,
                    "train_accuracy": accuracy,
                    "test_loss": test_loss,
                    "test_accuracy": test_accuracy,
                }
            )
            print(
                f"{label}  training: loss {loss:.4f}, accuracy {accuracy:.2%}  test: loss {test_loss:.4f}, "
                f"accuracy {test_accuracy:.2%}  {time.time() - start:.0f} s"
            )
            save()
    except KeyboardInterrupt:
        save()
        print(f"\nstopped; go on with --resume {checkpoint}")
        return
    print(f"checkpoint: {checkpoint}")
    if history:
        save_figure(
            draw(history, which.split(",")[0].split(" from")[0]), options.out / "cifar10_cnn.png"
        )


if __name__ == "__main__":
    main()
