"""Tensors from nothing: from data, of one value, in steps, at random."""

from .data import *
from .random import *
from .triangles import *
from .values import *
