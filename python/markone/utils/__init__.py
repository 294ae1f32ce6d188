"""PyTorch's place of its data tools: `markone.utils.data` is `markone.data`."""

from . import data

__all__ = ["data"]
