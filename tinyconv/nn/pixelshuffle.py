"""Channels into pixels and back, as layers."""

from __future__ import annotations

from . import functional as F
from .layer import Layer


class PixelShuffle(Layer, function=F.pixel_shuffle):
    upscale_factor: int


class PixelUnshuffle(Layer, function=F.pixel_unshuffle):
    downscale_factor: int


class ChannelShuffle(Layer, function=F.channel_shuffle):
    groups: int
