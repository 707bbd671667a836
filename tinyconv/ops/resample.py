"""Images of another size.

Every smooth mode is separable: a small (new size, old size) matrix for each axis, whose transpose is the gradient.
The nearest element is an index.
"""
