"""A function of one example as a function of a batch."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from .. import generator
from ..errors import ArgumentError
from ..ops import stack
from ..tensor import Tensor
from .pytree import flatten, spread, unflatten


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """``func`` mapped over a dimension of its arguments: called once for each index, and the results stacked.

    This is a loop: it gives torch's results and gradients, not its speed.

    Args:
        in_dims: the dimension to map over, of all arguments or of each; None for one that stays whole.
        out_dims: where that dimension goes in the results; None for a result that does not depend on it.
        randomness: ``"different"`` draws anew in each call, ``"same"`` the same; ``"error"`` refuses to draw.
        chunk_size: of no effect here.

    Raises:
        ArgumentError: dimensions that do not fit the arguments or results.

    >>> import tinyconv as tc
    >>> dot = tc.func.vmap(tc.dot, in_dims=(0, None))
    >>> dot(tc.tensor([[1., 2.], [3., 4.]]), tc.tensor([1., 10.]))
    tensor([21., 43.])
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(
            f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}"
        )

    @wraps(func)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        name = getattr(func, "__name__", repr(func))
        leaves, structure = flatten(args)
        dims, size = _sizes(
            f"vmap({name}, in_dims={in_dims}, ...)(<inputs>)", name, in_dims, leaves, structure
        )
        before = generator.current().get_state()
        results: list[list[Any]] = []
        form: Any = None
        for i in range(size):
            if randomness == "same":
                generator.current().set_state(before)
            parts = [x if d is None else x.select(d, i) for x, d in zip(leaves, dims, strict=True)]
            outputs, form = flatten(func(*unflatten(structure, parts), **kwargs))
            results.append(outputs)
        if randomness == "error" and not _same(before, generator.current().get_state()):
            raise RuntimeError(
                "vmap: called random operation while in randomness error mode. Please either use the "
                "'same' or 'different' randomness flags on vmap or perform the randomness operation out of vmap"
            )
        places = spread(out_dims, form)
        if places is None:
            raise ArgumentError(
                f"vmap({name}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with the "
                f"structure of `outputs`. out_dims has structure {flatten(out_dims)[1]} but outputs has "
                f"structure {form}."
            )
        columns = zip(*results, strict=True)
        return unflatten(form, [_stacked(name, c, d) for c, d in zip(columns, places, strict=True)])

    return mapped


def _sizes(
    where: str, name: str, in_dims: Any, leaves: list[Any], structure: Any
) -> tuple[list[int | None], int]:
    """For each leaf the dimension mapped over, and how long that is."""
    if not leaves:
        raise ArgumentError(
            f"vmap({name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying to "
            "vmap over a function with no inputs. The latter is unsupported."
        )
    if not isinstance(in_dims, (int, tuple, list)):
        raise ArgumentError(
            f"{where}: expected `in_dims` to be int or a (potentially nested) tuple matching the structure "
            f"of inputs, got: {type(in_dims)}."
        )
    dims = spread(in_dims, structure)
    if dims is None:
        raise ArgumentError(
            f"{where}: in_dims is not compatible with the structure of `inputs`. in_dims has structure "
            f"{flatten(in_dims)[1]} but inputs has structure {structure}."
        )
    sizes = []
    for x, d in zip(leaves, dims, strict=True):
        if d is None:
            continue
        if not isinstance(x, Tensor):
            raise ArgumentError(
                f"{where}: Got in_dim={d} for an input but the input is of type {type(x)}. We cannot vmap "
                "over non-Tensor arguments, please use None as the respective in_dim"
            )
        if not -x.dim() <= d < x.dim():
            raise ArgumentError(
                f"{where}: Got in_dim={d} for some input, but that input is a Tensor of dimensionality "
                f"{x.dim()} so expected in_dim to satisfy -{x.dim()} <= in_dim < {x.dim()}."
            )
        sizes.append(x.size(d))
    if len(set(sizes)) != 1:
        raise ArgumentError(
            "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes "
            f"{sizes} for the mapped dimension"
        )
    return dims, sizes[0]


def _stacked(name: str, results: tuple[Any, ...], dim: int | None) -> Any:
    if not isinstance(results[0], Tensor):
        raise ArgumentError(
            f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(results[0])}. Did you "
            "mean to set out_dims= to None for output?"
        )
    return results[0] if dim is None else stack(list(results), dim)


def _same(a: Any, b: Any) -> bool:
    return bool((a == b).all())
