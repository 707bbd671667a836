"""Published weights: where they are, what they expect, and how good they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any

from ..hub import load_state_dict_from_url
from .preset import ImageClassification

__all__ = ["Weights", "WeightsEnum", "imagenet"]

_SITE = "https://download.pytorch.org/models/"


class NotThere(KeyError):
    """A KeyError whose message is printed as it is written."""

    def __str__(self) -> str:
        return str(self.args[0])


class _Meta(dict[str, Any]):
    def __missing__(self, key: str) -> Any:
        if key == "categories":
            raise NotThere(
                "'categories'\nThe names of the classes of ImageNet do not come along. They are, one a line, at "
                "https://raw.githubusercontent.com/pytorch/hub/master/imagenet_classes.txt"
            )
        raise NotThere(f"{key!r}\nThere are {', '.join(map(repr, self))}.")


@dataclass
class Weights:
    """One file of published weights.

    Args:
        url: its address
        transforms: makes what is to be done to images before the network sees them
        meta: facts: ``num_params``, ``num_classes``, ``min_size`` of images, and, with a first
            ``_``, ``_metrics`` in percent, ``_ops`` in billions of multiplications for an image,
            ``_file_size`` in MB
    """

    url: str
    transforms: Callable[..., Any]
    meta: dict[str, Any]


class WeightsEnum(Enum):
    """Base of the weights of each network: members are :class:`Weights`."""

    @classmethod
    def verify(cls, obj: Any) -> Any:
        """Return the member that is meant: itself, its name, or None.

        Raises:
            KeyError: no member has this name
            TypeError: something else, such as a member for another network
        """
        if isinstance(obj, str):
            name = obj.replace(f"{cls.__name__}.", "")
            if name not in cls.__members__:
                raise NotThere(f"{name!r}\n{cls.__name__} has {', '.join(cls.__members__)}.")
            return cls[name]
        if obj is not None and not isinstance(obj, cls):
            raise TypeError(
                f"Invalid Weight class provided; expected {cls.__name__} but received "
                f"{type(obj).__name__}.\nWrite weights={cls.__name__}.DEFAULT, or None."
            )
        return obj

    def get_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Fetch and read the file, by :func:`~tinyconv.vision.hub.load_state_dict_from_url`."""
        return load_state_dict_from_url(self.url, *args, **kwargs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self.name}"

    @property
    def url(self) -> str:
        """The address of the file."""
        return self.value.url

    @property
    def transforms(self) -> Callable[..., Any]:
        """Makes what is to be done to images first: ``weights.transforms()(image)``."""
        return self.value.transforms

    @property
    def meta(self) -> dict[str, Any]:
        """Facts, as :class:`Weights` lists them."""
        return self.value.meta


def imagenet(
    name: str,
    num_params: int,
    accuracy: tuple[float, float],
    gflops: float,
    megabytes: float,
    crop_size: int = 224,
    resize_size: int = 256,
    min_size: int = 1,
    num_classes: int | None = 1000,
    **preset: Any,
) -> Weights:
    """Weights trained on ImageNet: a row of the tables in the files of the networks.

    Args:
        name: of the file
        accuracy: how often, in percent, the first guess is right, and one of the first five
        gflops: billions of multiplications for an image
        megabytes: size of the file
        crop_size: height and width of images, in pixels
        resize_size: the shorter side before they are cut
        min_size: of the smallest image that the network takes
        num_classes: None where the file has no classifier
        preset: more arguments of :class:`ImageClassification`
    """
    top1, top5 = accuracy
    meta = _Meta(
        num_params=num_params,
        num_classes=num_classes,
        min_size=(min_size, min_size),
        _metrics={"ImageNet-1K": {"acc@1": top1, "acc@5": top5}},
        _ops=gflops,
        _file_size=megabytes,
    )
    transforms = partial(
        ImageClassification, crop_size=crop_size, resize_size=resize_size, **preset
    )
    return Weights(f"{_SITE}{name}.pth", transforms, meta)
