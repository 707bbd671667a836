"""Views, joins, indexing, order and matrix products on the samples of torch's own tests."""

from __future__ import annotations

import pytest

from . import opinfo
from .opinfo import Op

VIEWS = [
    Op("reshape"),
]
