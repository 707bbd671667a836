"""The tape: what was computed, how to walk it backwards. Has never heard of a convolution."""

from . import function, graph
from .anomaly import detect_anomaly, set_detect_anomaly
from .custom import Function, once_differentiable
from .engine import backward, grad
from .gradcheck import GradcheckError, gradcheck, gradgradcheck
from .mode import enable_grad, inference_mode, no_grad, set_grad_enabled
from .variable import Variable

__all__ = [
    "Function",
    "GradcheckError",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "function",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "no_grad",
    "once_differentiable",
    "set_detect_anomaly",
    "set_grad_enabled",
]
