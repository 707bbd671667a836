"""Train a ResNet-9 on CIFAR-10 to 94% in a minute or less of one GPU.

    python examples/cifar10_gpu.py --data-root data --download

Bytes travel to the GPU and are cropped, flipped and normalized there by one kernel; the network runs in bfloat16; the
whole step is captured once and then launched as one graph. Without a GPU a short version runs on the CPU:

    python examples/cifar10_gpu.py --device cpu --width 16 --batch-size 64 --steps 50 --epochs 2

The network and its schedule follow David Page, How to Train Your ResNet, 2018. Saves a checkpoint after each epoch; Ctrl-C
saves one too, and --resume goes on from it.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
from common import arguments, cifar10
from tqdm import tqdm

import tinyconv as torch
from tinyconv import nn, optim
from tinyconv.utils.data import DataLoader, DevicePrefetcher, TensorDataset
from tinyconv.vision import transforms

NORMAL = [
    transforms.ToTensor(),
    transforms.Normalize((0.4914, 0.4822, 0.4465), (0.247, 0.243, 0.262)),
]
MOVED = [
    transforms.RandomCrop(32, padding=4, padding_mode="reflect"),
    transforms.RandomHorizontalFlip(),
]
WARM_UP = 0.2  # of the training, in which the learning rate rises
SHOW = 20  # batches between two looks at the loss, each of which waits for the GPU
EVERY = 5  # batches between two updates of the average


def block(inputs: int, outputs: int, pool: bool = False) -> nn.Sequential:
    layers = [
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    ]
    return nn.Sequential(*layers, *([nn.MaxPool2d(2)] if pool else []))


class Residual(nn.Module):
    """Two blocks whose result is added to what came in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(block(width, width), block(width, width))

    def forward(self, x):
        return x + self.body(x)


class ResNet9(nn.Module):
    """Eight convolutions and a linear layer: 32x32 pixels to 10 classes."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        w = width
        self.features = nn.Sequential(
            block(3, w),
            block(w, 2 * w, pool=True),
            Residual(2 * w),
            block(2 * w, 4 * w, pool=True),
            block(4 * w, 8 * w, pool=True),
            Residual(8 * w),
            nn.MaxPool2d(4),
            nn.Flatten(),
        )
        self.classifier = nn.Linear(8 * w, 10, bias=False)

    def forward(self, x):
        return self.classifier(self.features(x)) * 0.125


class Average:
    """Weights and running statistics averaged over the last steps, by which the network is judged."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model, self.decay = model, decay
        self.state = {name: t.clone() for name, t in model.state_dict().items()}

    @torch.no_grad()
    def update(self) -> None:
        for name, t in self.model.state_dict().items():
            if t.is_floating_point():
                self.state[name].mul_(self.decay).add_(t, alpha=1 - self.decay)
            else:
                self.state[name].copy_(t)


def precision(options):
    """The context that the network runs in."""
    if options.dtype == "float32":
        return nullcontext()
    return torch.autocast(options.device, dtype=getattr(torch, options.dtype))


def training_step(model, criterion, optimizer, options):
    """A function that trains on a batch and returns the loss, which stays on the device."""
    if options.device == "cuda" and not options.eager:
        return torch.cuda.make_graphed_step(
            model, criterion, optimizer, autocast=precision(options)
        )

    def step(images, labels):
        optimizer.zero_grad()
        with precision(options):
            loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def train_epoch(step, batches, scheduler, average, label, steps):
    total = 0.0
    with tqdm(total=steps, desc=label, unit="batch", leave=False) as bar:
        for number, (images, labels) in enumerate(batches, 1):
            total = total + step(images, labels)
            scheduler.step()
            if average and number % EVERY == 0:
                average.update()
            bar.update()
            if number % SHOW == 0:
                bar.set_postfix(loss=f"{total.item() / number:.3f}")
            if number == steps:
                break
    return total.item() / steps


@torch.no_grad()
def evaluate(model, batches, criterion, options):
    model.eval()
    loss = correct = 0.0
    seen = 0
    for number, (images, labels) in enumerate(batches, 1):
        with precision(options):
            scores = model(images)
            loss = loss + criterion(scores, labels) * len(labels)
        correct, seen = correct + (scores.argmax(1) == labels).sum(), seen + len(labels)
        if number == options.steps:
            break
    model.train()
    return loss.item() / seen, correct.item() / seen


def loader(dataset, options, train):
    """Batches on the device: bytes on the way there, normal floats at the end."""
    pixels = np.ascontiguousarray(np.asarray(dataset.data).transpose(0, 3, 1, 2))
    data = TensorDataset(torch.from_numpy(pixels), torch.tensor(list(dataset.targets)))
    gpu = options.device == "cuda"
    batches = DataLoader(
        data,
        options.batch_size * (1 if train else 2),
        shuffle=train,
        drop_last=train,  # a graph is for one size
        pin_memory=gpu,
    )
    dtype = getattr(torch, options.dtype)
    moved = [*MOVED, *NORMAL, transforms.Cutout(8)]
    draw = transforms.Batched(moved if train else NORMAL, dtype)
    return DevicePrefetcher(batches, options.device, draw)


def main() -> None:
    parser = arguments(__doc__.splitlines()[0], epochs=24, batch_size=512, lr=0.4)
    gpu = torch.cuda.is_available()
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if gpu else "cpu")
    parser.add_argument(
        "--dtype",
        choices=("bfloat16", "float32"),
        default="bfloat16" if gpu else "float32",
    )
    parser.add_argument("--width", type=int, default=64, help="channels of the first block")
    parser.add_argument("--weight-decay", type=float, default=5e-4)
    parser.add_argument("--smoothing", type=float, default=0.1, help="of the labels")
    parser.add_argument("--ema", type=float, default=0.0, help="decay of averaged weights; 0: none")
    parser.add_argument("--eager", action="store_true", help="do not capture the step")
    parser.add_argument("--resume", type=Path, default=None, help="checkpoint to go on from")
    options = parser.parse_args()

    dataset, which = cifar10(options)
    print(which)
    torch.manual_seed(options.seed)
    train, test = (
        dataset(options.data_root, train=train, download=options.download)
        for train in (True, False)
    )
    train_batches, test_batches = loader(train, options, True), loader(test, options, False)

    model = ResNet9(options.width).to(options.device)
    criterion = nn.CrossEntropyLoss(label_smoothing=options.smoothing)
    optimizer = optim.SGD(
        model.parameters(),
        lr=options.lr,
        momentum=0.9,
        nesterov=True,
        weight_decay=options.weight_decay,
    )
    history = []
    checkpoint = options.out / "cifar10_gpu.safetensors"
    if options.resume:
        saved = torch.load(options.resume)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        torch.set_rng_state(saved["random"])
        history = saved["history"]
        print(f"resumed after epoch {len(history)} from {options.resume}")
    average = Average(model, options.ema) if options.ema else None
    steps = min(len(train_batches), options.steps or len(train_batches))
    total = options.epochs * steps
    top = max(1, round(WARM_UP * total))
    scheduler = optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: float(np.interp(step, [0, top, total], [0.05, 1, 0])),
        last_epoch=len(history) * steps - 1 if history else -1,
    )
    step = training_step(model, criterion, optimizer, options)

    def save() -> None:
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        state = {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "history": history,
        }
        torch.save(state | {"random": torch.get_rng_state()}, checkpoint)

    print(
        f"{len(train)} training and {len(test)} test images, {sum(p.numel() for p in model.parameters())} parameters, "
        f"{options.dtype} on {options.device}"
    )
    spent = 0.0  # in training, without the tests
    try:
        for epoch in range(len(history) + 1, options.epochs + 1):
            label = f"epoch {epoch}/{options.epochs}"
            start = time.perf_counter()
            loss = train_epoch(step, train_batches, scheduler, average, label, steps)
            seconds = time.perf_counter() - start
            spent += seconds
            own = {name: t.clone() for name, t in model.state_dict().items()} if average else None
            if average:
                model.load_state_dict(average.state)
            test_loss, test_accuracy = evaluate(model, test_batches, criterion, options)
            if own:
                model.load_state_dict(own)
            history.append(
                {
                    "train_loss": loss,
                    "test_loss": test_loss,
                    "test_accuracy": test_accuracy,
                    "seconds": seconds,
                }
            )
            print(
                f"{label}  training: loss {loss:.4f}  test: loss {test_loss:.4f}, accuracy {test_accuracy:.2%}  "
                f"{seconds:.2f} s, {spent:.1f} s in all"
            )
            save()
    except KeyboardInterrupt:
        save()
        print(f"\nstopped; go on with --resume {checkpoint}")
        return
    print(f"checkpoint: {checkpoint}")


if __name__ == "__main__":
    main()
