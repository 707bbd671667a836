"""For tests: are these numbers close enough, and does this model do what that one does?"""

from .closeness import assert_close
from .twins import compare_with_torch

__all__ = ["assert_close", "compare_with_torch"]
