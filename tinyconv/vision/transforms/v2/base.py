"""What a transform of samples is, and how one of images becomes one of samples.

A sample is what a dataset returns: an image, or images, labels and anything else in tuples, lists and dicts. A
transform changes the images and hands the rest through. Images are PIL images, and Tensors marked as such
(:class:`tv_tensors.Image`); if a sample has none of these, its first Tensor is taken for one.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from ....func.pytree import flatten, unflatten
from ....generator import current
from ....tensor import Tensor
from ...pillow import is_image
from ...tv_tensors import Image, wrap
from ..geometry import get_dimensions

__all__ = ["OfImages", "Transform", "is_pure_tensor", "listed", "query_chw", "query_size"]

Kinds = tuple[Any, ...]  # types, and functions that tell whether something is of a kind


def is_pure_tensor(inpt: Any) -> bool:
    """Tell whether this is a Tensor not marked as an image."""
    return isinstance(inpt, Tensor) and not isinstance(inpt, Image)


def is_a(inpt: Any, kinds: Kinds) -> bool:
    """Tell whether something is of one of these kinds."""
    return any(isinstance(inpt, k) if isinstance(k, type) else k(inpt) for k in kinds)


def query_chw(flat_inputs: list[Any]) -> tuple[int, ...]:
    """Return channels, height and width of all images of a sample.

    Raises:
        TypeError: there is none. ValueError: they differ.
    """
    return _common(flat_inputs, slice(0, 3), "CxHxW", "No image or video was found in the sample")


def query_size(flat_inputs: list[Any]) -> tuple[int, ...]:
    """Return height and width of all images of a sample; raises as :func:`query_chw` does."""
    nothing = "No image, video, mask, bounding box of keypoint was found in the sample"
    return _common(flat_inputs, slice(1, 3), "HxW", nothing)


def _common(flat_inputs: list[Any], part: slice, name: str, nothing: str) -> tuple[int, ...]:
    found = {tuple(get_dimensions(x)[part]) for x in flat_inputs if is_a(x, (Tensor, is_image))}
    if not found:
        raise TypeError(f"{nothing}\nPass a PIL image or a Tensor (..., C, H, W).")
    if len(found) > 1:
        raise ValueError(
            f"Found multiple {name} dimensions in the sample: {', '.join(map(str, sorted(found)))}\n"
            "What is drawn depends on them: put Resize() or RGB() before."
        )
    return found.pop()


class Transform:
    """One step on the images of a sample. A subclass defines :meth:`transform`, and :meth:`make_params` if need be.

    >>> class Darken(Transform):
    ...     def transform(self, inpt, params):
    ...         return inpt / 2
    >>> import tinyconv as tc
    >>> Darken()(tc.ones(1, 1, 2), "a label")
    (tensor([[[0.5000, 0.5000]]]), 'a label')
    """

    _transformed_types: Kinds = (Tensor, is_image)

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Refuse samples, given as a list of all that is in them."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw what all images of a sample, given as a list, have in common."""
        return {}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Change one image."""
        raise NotImplementedError(
            f"{type(self).__name__} needs a method transform(self, inpt, params)"
        )

    def forward(self, *inputs: Any) -> Any:
        """Change the images of a sample, which may be several arguments."""
        leaves, structure = flatten(inputs if len(inputs) > 1 else inputs[0])
        self.check_inputs(leaves)
        chosen = self.images_among(leaves)
        params = self.make_params([x for x, image in zip(leaves, chosen, strict=True) if image])
        outputs = [
            self.transform(x, params) if image else x
            for x, image in zip(leaves, chosen, strict=True)
        ]
        return unflatten(structure, outputs)

    def __call__(self, *inputs: Any) -> Any:
        return self.forward(*inputs)

    def images_among(self, leaves: list[Any]) -> list[bool]:
        """Tell which parts of a sample to change."""
        tensor_expected = not any(is_a(x, (Image, is_image)) for x in leaves)
        chosen = []
        for x in leaves:
            wanted = is_a(x, self._transformed_types)
            if wanted and is_pure_tensor(x):
                wanted, tensor_expected = tensor_expected, False
            chosen.append(wanted)
        return chosen

    def settings(self) -> dict[str, Any]:
        """Return the attributes that :meth:`extra_repr` shows."""
        return vars(self)

    def extra_repr(self) -> str:
        """Return what stands between the brackets: settings, those with simple values."""
        return ", ".join(
            f"{name}={value}"
            for name, value in self.settings().items()
            if not name.startswith("_")
            and isinstance(value, (bool, int, float, str, tuple, list, Enum))
        )

    def __repr__(self) -> str:
        lines = self.extra_repr().split("\n")
        inside = lines[0] if len(lines) == 1 else "".join(f"\n  {line}" for line in lines) + "\n"
        return f"{type(self).__name__}({inside})"


def listed(values: Any) -> list[Any]:
    """Return one value, or several, as a list."""
    return list(values) if isinstance(values, (list, tuple)) else [values]


class OfImages(Transform):
    """A transform of single images, made one of samples: the first of two bases, the other of which is that.

    Every image of a sample finds the same random numbers.
    """

    def check_images(self, flat_inputs: list[Any]) -> None:
        """Refuse images that cannot share what is drawn."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        self.check_images(flat_inputs)
        return {"state": current().get_state()} if len(flat_inputs) > 1 else {}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if params:
            current().set_state(params["state"])
        of_image: Any = super(Transform, self)
        output = of_image.__call__(inpt)
        if isinstance(output, tuple):
            return tuple(wrap(part, like=inpt) for part in output)
        return wrap(output, like=inpt)

    def settings(self) -> dict[str, Any]:
        first = {"p": self.p} if hasattr(self, "p") else {}
        values = {k: v.value if isinstance(v, Enum) else v for k, v in vars(self).items()}
        return first | values
