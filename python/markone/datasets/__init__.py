"""Data sets: those inside the package, and those read from MARKONE_DATA or downloaded."""

from .digits import Digits
from .folders import cache_root, data_root
from .idx import read_idx, write_idx
from .images import LabelledImages
from .mnist import MNIST, FashionMNIST

__all__ = [
    "MNIST",
    "Digits",
    "FashionMNIST",
    "LabelledImages",
    "cache_root",
    "data_root",
    "read_idx",
    "write_idx",
]
