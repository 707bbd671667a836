"""Transforms of samples: of an image, or of images among labels and other things, in torchvision's second manner.

    >>> import tinyconv as tc
    >>> chain = Compose([ToImage(), RandomCrop(32, padding=4), ToDtype(tc.float32, scale=True)])

They are called with what a dataset returns, or with several arguments, ``chain(image, label)``, and change the images
only. An array is no image before :class:`ToImage`.
"""

from __future__ import annotations

from ..resample import InterpolationMode
from . import functional
from .base import Transform, query_chw, query_size
from .containers import Compose, RandomApply, RandomChoice, RandomOrder
from .images import *
from .images import __all__ as _images
from .mixing import CutMix, MixUp

__all__ = [
    "Compose",
    "CutMix",
    "InterpolationMode",
    "MixUp",
    "RandomApply",
    "RandomChoice",
    "RandomOrder",
    "Transform",
    "functional",
    "query_chw",
    "query_size",
    *_images,
]
