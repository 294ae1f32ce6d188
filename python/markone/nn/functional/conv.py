"""Linear maps and convolutions."""

from ...ops.conv import conv2d
from ...ops.matmul import bilinear, linear

__all__ = ["bilinear", "conv2d", "linear"]
