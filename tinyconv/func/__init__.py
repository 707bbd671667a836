"""Functions of functions, after ``torch.func``: derivatives, mapping over a dimension, modules as functions."""

from ..autograd import functional as _functional  # torch has it as an attribute of autograd
from .compiling import compile
from .derivatives import (
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    linearize,
    value_and_grad,
    vjp,
)
from .mapping import vmap
from .modules import functional_call, stack_module_state

__all__ = [
    "compile",
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "stack_module_state",
    "value_and_grad",
    "vjp",
    "vmap",
]
