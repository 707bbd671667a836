"""Samples in folders: one folder per class, and the class is the folder's name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import pillow
from .base import Transform, VisionDataset

__all__ = [
    "IMG_EXTENSIONS",
    "DatasetFolder",
    "ImageFolder",
    "default_loader",
    "find_classes",
    "has_file_allowed_extension",
    "is_image_file",
    "make_dataset",
    "pil_loader",
]

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")

Extensions = str | tuple[str, ...]
Sample = tuple[str, int]


def has_file_allowed_extension(filename: str, extensions: Extensions) -> bool:
    """Tell whether a file's name ends in one of the extensions, in small or capital letters.

    >>> has_file_allowed_extension("cat.PNG", (".png", ".jpg"))
    True
    """
    return filename.lower().endswith(extensions)


def is_image_file(filename: str) -> bool:
    """Tell whether a file's name is that of an image."""
    return has_file_allowed_extension(filename, IMG_EXTENSIONS)


def find_classes(directory: str | Path) -> tuple[list[str], dict[str, int]]:
    """Return the names of the folders in a folder, in order, and the label of each.

    Raises:
        FileNotFoundError: there are none
    """
    classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
    if not classes:
        raise FileNotFoundError(
            f"Couldn't find any class folder in {directory}.\n"
            "A class is a folder of its own: root/cat/1.png, root/dog/2.png."
        )
    return classes, {name: label for label, name in enumerate(classes)}


def make_dataset(
    directory: str | Path,
    class_to_idx: dict[str, int] | None = None,
    extensions: Extensions | None = None,
    is_valid_file: Callable[[str], bool] | None = None,
    allow_empty: bool = False,
) -> list[Sample]:
    """Return path and label of each file below the folders of the classes, in order of names.

    Args:
        directory: the folder in which those of the classes lie
        class_to_idx: label by name; by default what :func:`find_classes` says
        extensions: endings of the files that count
        is_valid_file: called with a path instead: whether it counts
        allow_empty: whether a class may have no file

    Raises:
        FileNotFoundError: a class has no file
        ValueError: both of ``extensions`` and ``is_valid_file`` are given, or neither is
    """
    directory = os.path.expanduser(directory)
    if class_to_idx is None:
        class_to_idx = find_classes(directory)[1]
    elif not class_to_idx:
        raise ValueError(
            "'class_to_index' must have at least one entry to collect any samples.\n"
            "Pass None to take the names of the folders."
        )
    if (extensions is None) == (is_valid_file is None):
        raise ValueError(
            "Both extensions and is_valid_file cannot be None or not None at the same time\n"
            "Say which files count: by extensions=('.png', '.jpg'), or by a function of the path."
        )

    def counts(path: str) -> bool:
        if is_valid_file is not None:
            return is_valid_file(path)
        return extensions is not None and has_file_allowed_extension(path, extensions)

    samples = [
        (path, label)
        for name, label in sorted(class_to_idx.items())
        for folder, _, files in sorted(os.walk(os.path.join(directory, name), followlinks=True))
        for path in (os.path.join(folder, file) for file in sorted(files))
        if counts(path)
    ]
    filled = {label for _, label in samples}
    empty = sorted(name for name, label in class_to_idx.items() if label not in filled)
    if empty and not allow_empty:
        listed = extensions if isinstance(extensions, str) else ", ".join(extensions or ())
        supported = f"Supported extensions are: {listed}" if extensions is not None else ""
        raise FileNotFoundError(
            f"Found no valid file for the classes {', '.join(empty)}. {supported}\n"
            "Pass allow_empty=True to keep classes without samples."
        )
    return samples


def pil_loader(path: str | Path) -> Any:
    """Return the PIL image in a file, as RGB.

    Raises:
        ModuleNotFoundError: Pillow is not installed
    """
    pillow.require()
    with pillow.Image.open(path) as image:
        return image.convert("RGB")


default_loader = pil_loader


class DatasetFolder(VisionDataset):
    """Samples that lie in a folder per class: ``root/class/.../sample.ext``.

    ``samples`` are pairs of path and label, ``targets`` the labels; ``classes`` the names of the
    folders, ``class_to_idx`` the label of each.

    Args:
        root: the folder in which those of the classes lie
        loader: called with a path; returns the sample
        extensions: endings of the files that count
        transform: called with each sample
        target_transform: called with each label
        is_valid_file: called with a path, instead of ``extensions``: whether it counts
        allow_empty: whether a class may have no file

    Raises:
        FileNotFoundError: there is no class, or one without a file
        ValueError: both of ``extensions`` and ``is_valid_file`` are given, or neither is
    """

    root: str | Path

    def __init__(
        self,
        root: str | Path,
        loader: Callable[[str], Any],
        extensions: tuple[str, ...] | None = None,
        transform: Transform = None,
        target_transform: Transform = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(root, transform, target_transform)
        self.classes, self.class_to_idx = self.find_classes(self.root)
        self.samples = self.make_dataset(
            self.root,
            class_to_idx=self.class_to_idx,
            extensions=extensions,
            is_valid_file=is_valid_file,
            allow_empty=allow_empty,
        )
        self.loader = loader
        self.extensions = extensions
        self.targets = [label for _, label in self.samples]

    @staticmethod
    def make_dataset(
        directory: str | Path,
        class_to_idx: dict[str, int],
        extensions: tuple[str, ...] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> list[Sample]:
        """Return path and label of each sample; a subclass may find them elsewhere."""
        if class_to_idx is None:  # else a subclass's own find_classes would be passed over
            raise ValueError(
                "The class_to_idx parameter cannot be None.\n"
                "Pass what the method find_classes(directory) returns second."
            )
        return make_dataset(directory, class_to_idx, extensions, is_valid_file, allow_empty)

    def find_classes(self, directory: str | Path) -> tuple[list[str], dict[str, int]]:
        """Return the names of the classes and the label of each; a subclass may choose others."""
        return find_classes(directory)

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        path, target = self.samples[index]
        return self._transformed(self.loader(path), target)

    def __len__(self) -> int:
        return len(self.samples)


class ImageFolder(DatasetFolder):
    """Images that lie in a folder per class: ``root/class/.../image.png``.

    ``imgs`` is another name of ``samples``; for the rest see :class:`DatasetFolder`.

    Args:
        root: the folder in which those of the classes lie
        transform: called with each image
        target_transform: called with each label
        loader: called with a path; by default it returns a PIL image in RGB
        is_valid_file: called with a path: whether it counts; by default by :data:`IMG_EXTENSIONS`
        allow_empty: whether a class may have no image

    Raises:
        FileNotFoundError: there is no class, or one without an image
    """

    def __init__(
        self,
        root: str | Path,
        transform: Transform = None,
        target_transform: Transform = None,
        loader: Callable[[str], Any] = default_loader,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(
            root,
            loader,
            IMG_EXTENSIONS if is_valid_file is None else None,
            transform=transform,
            target_transform=target_transform,
            is_valid_file=is_valid_file,
            allow_empty=allow_empty,
        )
        self.imgs = self.samples
