"""`markone.data` where PyTorch has it."""

from ..data import *  # noqa: F403
from ..data import __all__ as __all__
