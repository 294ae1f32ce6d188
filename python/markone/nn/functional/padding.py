"""Padding, windows as columns, and moves between channels and pixels."""

from ...ops.padding import channel_shuffle, fold, pad, pixel_shuffle, pixel_unshuffle, unfold

__all__ = ["channel_shuffle", "fold", "pad", "pixel_shuffle", "pixel_unshuffle", "unfold"]
