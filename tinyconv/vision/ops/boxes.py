"""Boxes: rows of four numbers, written as corners (x1, y1, x2, y2) or with a width and a height."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...dtypes import float32, float64, int32, int64
from ...errors import ArgumentError
from ...ops import argsort, maximum, minimum, stack, where
from ...tensor import Tensor

__all__ = [
    "box_area",
    "box_convert",
    "box_iou",
    "clip_boxes_to_image",
    "nms",
    "remove_small_boxes",
]

Columns = tuple[Any, Any, Any, Any]

# Each format, to corners and from corners.
_TO_CORNERS: dict[str, Callable[..., Columns]] = {
    "xyxy": lambda x1, y1, x2, y2: (x1, y1, x2, y2),
    "xywh": lambda x, y, w, h: (x, y, x + w, y + h),
    "cxcywh": lambda cx, cy, w, h: (cx - 0.5 * w, cy - 0.5 * h, cx + 0.5 * w, cy + 0.5 * h),
}
_FROM_CORNERS: dict[str, Callable[..., Columns]] = {
    "xyxy": lambda x1, y1, x2, y2: (x1, y1, x2, y2),
    "xywh": lambda x1, y1, x2, y2: (x1, y1, x2 - x1, y2 - y1),
    "cxcywh": lambda x1, y1, x2, y2: ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1),
}


def _refuse(what: str, *formats: str) -> None:
    if unknown := [name for name in formats if name not in _TO_CORNERS]:
        raise ArgumentError(
            f"Unsupported {what}: {', '.join(unknown)}", f"There are {', '.join(_TO_CORNERS)}."
        )


def _wide(x: Tensor) -> Tensor:
    """The numbers in a type whose products do not overflow."""
    if x.is_floating_point():
        return x if x.dtype in (float32, float64) else x.float()
    return x if x.dtype in (int32, int64) else x.int()


def box_convert(boxes: Tensor, in_fmt: str, out_fmt: str) -> Tensor:
    """Write boxes in another format.

    Args:
        in_fmt: ``"xyxy"``, ``"xywh"`` or ``"cxcywh"``: two corners; a corner, width and height;
            the centre, width and height
        out_fmt: one of these

    Shape:
        ``(*, 4) -> (*, 4)``

    >>> from tinyconv import tensor
    >>> box_convert(tensor([[1., 2., 5., 8.]]), "xyxy", "cxcywh")
    tensor([[3., 5., 4., 6.]])
    """
    _refuse("Bounding Box Conversions for given formats", in_fmt, out_fmt)
    if in_fmt == out_fmt:
        return boxes.clone()
    corners = _TO_CORNERS[in_fmt](*boxes.unbind(-1))
    return stack(_FROM_CORNERS[out_fmt](*corners), -1)


def box_area(boxes: Tensor, fmt: str = "xyxy") -> Tensor:
    """Width times height of each box: ``(*, 4) -> (*)``."""
    _refuse("Bounding Box area for given format", fmt)
    _, _, w, h = _wide(boxes).unbind(-1)
    if fmt == "xyxy":
        x1, y1, x2, y2 = _wide(boxes).unbind(-1)
        w, h = x2 - x1, y2 - y1
    return w * h


def box_iou(boxes1: Tensor, boxes2: Tensor, fmt: str = "xyxy") -> Tensor:
    """What each two boxes have in common, as a part of what they cover together.

    Shape:
        ``(*, n, 4), (*, m, 4) -> (*, n, m)``

    >>> from tinyconv import tensor
    >>> box_iou(tensor([[0., 0., 2., 2.]]), tensor([[1., 0., 3., 2.], [2., 2., 3., 3.]]))
    tensor([[0.3333, 0.0000]])
    """
    _refuse("format", fmt)
    first, second = (box_convert(boxes, fmt, "xyxy") for boxes in (boxes1, boxes2))
    low = maximum(first[..., None, :2], second[..., None, :, :2])
    high = minimum(first[..., None, 2:], second[..., None, :, 2:])
    common = _wide(high - low).clamp(min=0).prod(-1)
    areas = box_area(boxes1, fmt)[..., None] + box_area(boxes2, fmt)[..., None, :]
    return common / (areas - common)


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Keep the best box of each heap: drop all that overlap with one of a higher score.

    Args:
        boxes: corners
        scores: the higher, the better
        iou_threshold: a :func:`box_iou` above it counts as overlap

    Returns:
        Indices of the boxes that are kept, the best first.

    Shape:
        ``(n, 4), (n) -> (k)``

    >>> from tinyconv import tensor
    >>> boxes = tensor([[0., 0., 2., 2.], [0., 0., 2., 1.9], [3., 3., 4., 4.]])
    >>> nms(boxes, tensor([0.5, 0.9, 0.2]), 0.5)
    tensor([1, 2])
    """
    left = argsort(scores.detach(), descending=True, stable=True)
    boxes = boxes.detach()
    kept = []
    while len(left):
        best, left = left[:1], left[1:]
        kept.append(best.item())
        left = left[box_iou(boxes[best], boxes[left])[0] <= iou_threshold]
    return scores.new_tensor(kept, dtype=int64)


def remove_small_boxes(boxes: Tensor, min_size: float) -> Tensor:
    """Indices of the boxes, given by corners, that are at least ``min_size`` wide and high."""
    x1, y1, x2, y2 = boxes.unbind(-1)
    return where((x2 - x1 >= min_size) & (y2 - y1 >= min_size))[0]


def clip_boxes_to_image(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Pull corners outside an image of height and width ``size`` back to its border."""
    height, width = size
    x1, y1, x2, y2 = boxes.unbind(-1)
    clipped = (x1.clamp(0, width), y1.clamp(0, height), x2.clamp(0, width), y2.clamp(0, height))
    return stack(clipped, -1)
