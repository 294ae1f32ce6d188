"""The exponential moving average of a model's weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from markone.autograd import no_grad

__all__ = ["EMA"]


class EMA:
    """Keeps θ̄ ← decay · θ̄ + (1 − decay) · θ for every floating tensor of a module's state; others are copied.

    Tarvainen and Valpola 2017; Polyak and Juditsky 1992 average with equal weights.
    """

    def __init__(self, model: Any, decay: float = 0.999) -> None:
        if not 0.0 <= decay < 1.0:
            raise ValueError(f"EMA: got decay={decay}, wants 0 to below 1")
        self.model = model
        self.decay = decay
        self.average = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    def update(self) -> None:
        """Takes the weights as they are now into the average."""
        with no_grad():
            for name, tensor in self.model.state_dict().items():
                average = self.average[name]
                if tensor.is_floating_point():
                    average.mul_(self.decay).add_(tensor * (1.0 - self.decay))
                else:
                    average.copy_(tensor)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the model holds the averaged weights."""
        kept = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        self.model.load_state_dict(self.average)
        try:
            yield
        finally:
            self.model.load_state_dict(kept)

    def state_dict(self) -> dict[str, Any]:
        """The averages by the names of the model's state."""
        return dict(self.average)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        with no_grad():
            for name, tensor in state.items():
                self.average[name].copy_(tensor)
