"""Networks for images, under torchvision's names, and published weights for them.

    >>> from tinyconv.vision.models import resnet18
    >>> model = resnet18(num_classes=10)

With ``weights="DEFAULT"`` the weights are fetched from where PyTorch's are.
"""

from __future__ import annotations

from .alexnet import *
from .convnext import *
from .densenet import *
from .efficientnet import *
from .googlenet import *
from .inception import *
from .mnasnet import *
from .mobilenetv2 import *
from .mobilenetv3 import *
from .registry import (
    get_model,
    get_model_builder,
    get_model_weights,
    get_weight,
    list_models,
)
from .resnet import *
from .shufflenetv2 import *
from .squeezenet import *
from .vgg import *
from .weights import Weights, WeightsEnum
