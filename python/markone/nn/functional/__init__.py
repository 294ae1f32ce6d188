"""Layers and losses as functions (names of `torch.nn.functional`), a theme a file."""

from typing import Any as _Any

from ...ops import front as _front
from .activation import *  # noqa: F403
from .attention import *  # noqa: F403
from .conv import *  # noqa: F403
from .ctc import *  # noqa: F403
from .distance import *  # noqa: F403
from .dropout import *  # noqa: F403
from .embedding import *  # noqa: F403
from .loss import *  # noqa: F403
from .margin_loss import *  # noqa: F403
from .norm import *  # noqa: F403
from .padding import *  # noqa: F403
from .pool import *  # noqa: F403
from .vision import *  # noqa: F403

_front.install(globals())


def __getattr__(name: str) -> _Any:
    from ..._left_out import absent

    raise absent("nn.functional", name)
