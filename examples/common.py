"""What the examples share: where the images are, how a curve is drawn."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from tinyconv.vision import datasets


def arguments(
    description: str | None, epochs: int | None, batch_size: int, lr: float
) -> argparse.ArgumentParser:
    """The options that every example takes."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--data-root",
        default=os.environ.get("TINYCONV_DATA", "data"),
        help="folder of the datasets",
    )
    parser.add_argument(
        "--download", action="store_true", help="fetch the dataset if it is not there"
    )
    parser.add_argument("--epochs", type=int, default=epochs, help="times through the images")
    parser.add_argument(
        "--steps", type=int, default=None, help="stop every epoch after so many batches"
    )
    parser.add_argument("--batch-size", type=int, default=batch_size)
    parser.add_argument("--lr", type=float, default=lr, help="learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--out", type=Path, default=Path("runs"), help="folder for pictures and checkpoints"
    )
    return parser


def cifar10(options: argparse.Namespace) -> tuple[Any, str]:
    """The dataset class to use, real or generated, and one line that says which and why."""
    if (Path(options.data_root) / datasets.CIFAR10.base_folder).is_dir():
        return datasets.CIFAR10, f"CIFAR-10 from {options.data_root}"
    if options.download:
        return datasets.CIFAR10, f"CIFAR-10, to be downloaded to {options.data_root}"
    return datasets.Shapes10, (
        f"Shapes10, generated images (no CIFAR-10 under {options.data_root}: --download fetches it, or put "
        f"{datasets.CIFAR10.base_folder} there with --data-root)"
    )


def save_figure(figure: Any, path: Path) -> None:
    """Write a picture as PNG and say where it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, bbox_inches="tight")
    print(f"picture: {path}")
