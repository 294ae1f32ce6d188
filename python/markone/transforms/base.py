"""What every transform is: one draw of random parameters, used on all parts of a sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..autograd import no_grad
from ..data.random import KeyedRandom, sample_random
from ..tensor import Tensor

__all__ = ["Transform"]

# What the keys of a dict stand for; what other keys hold is passed on as it is.
_KINDS = {"image": "image", "target_image": "image", "mask": "mask", "masks": "mask", "boxes": "boxes"}


class Transform:
    """A change of an image, and of the boxes and masks that belong to it.

    Called with an image [..., C, H, W], a dict, or several things (as one tuple or as several arguments):

    - of a dict, "image" and "target_image" are images, "boxes" is [N, 4] (x1, y1, x2, y2 in pixels, the
      first pixel reaching from 0 to 1), "mask" and "masks" are [..., H, W] of class or instance numbers; the
      rest is passed on;
    - of a tuple, the first thing is the image. A later tensor whose last two dimensions are the image's is an
      image where it has three dimensions and the image's dtype, else a mask; a later dict is as above; the
      rest is passed on.

    A subclass writes `draw` where it is random and `on_image`, `on_mask`, `on_boxes` where it changes these.
    With `batched = True` it does the same to a batch as to each image of it.
    """

    batched: bool = False

    def draw(self, size: tuple[int, int], random: KeyedRandom) -> Any:
        """The parameters for a sample whose image has this height and width."""
        return None

    def on_image(self, image: Any, drawn: Any) -> Any:
        return image

    def on_mask(self, mask: Tensor, drawn: Any) -> Tensor:
        return mask

    def on_boxes(self, boxes: Tensor, drawn: Any) -> Tensor:
        return boxes

    def __call__(self, *inputs: Any) -> Any:
        if not inputs:
            raise TypeError(f"{type(self).__name__}: wants an image or a sample")
        sample = inputs[0] if len(inputs) == 1 else inputs
        with no_grad():
            return self._apply(sample)

    def _apply(self, sample: Any) -> Any:
        image = _image_of(sample)
        random = type(self).draw is not Transform.draw
        if random and not (isinstance(image, Tensor) and image.ndim >= 2):
            got = f"shape {list(image.shape)}" if isinstance(image, Tensor) else type(image).__name__
            raise TypeError(
                f"{type(self).__name__}: wants an image as a tensor [..., C, H, W], got {got} "
                "(ToImage or ToTensor makes one)"
            )
        drawn = self.draw((image.shape[-2], image.shape[-1]), sample_random()) if random else None
        if isinstance(sample, Mapping):
            return self._on_dict(sample, drawn)
        if not isinstance(sample, (tuple, list)):
            return self.on_image(sample, drawn)
        parts = [self.on_image(image, drawn)]
        for part in sample[1:]:
            if isinstance(part, Mapping):
                part = self._on_dict(part, drawn)
            elif isinstance(part, Tensor) and isinstance(image, Tensor):
                if part.ndim >= 2 and part.shape[-2:] == image.shape[-2:]:
                    alike = part.ndim == 3 and part.dtype == image.dtype
                    part = self.on_image(part, drawn) if alike else self.on_mask(part, drawn)
            parts.append(part)
        return type(sample)(*parts) if hasattr(sample, "_fields") else type(sample)(parts)

    def _on_dict(self, sample: Mapping[str, Any], drawn: Any) -> dict[str, Any]:
        changed = dict(sample)
        for key, kind in _KINDS.items():
            if changed.get(key) is not None:
                changed[key] = getattr(self, f"on_{kind}")(changed[key], drawn)
        return changed

    def extra_repr(self) -> str:
        """What stands between the brackets of its text."""
        return ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.extra_repr()})"


def _image_of(sample: Any) -> Any:
    if isinstance(sample, Mapping):
        if "image" not in sample:
            raise KeyError(f"transform: a sample has to have an 'image', got the keys {sorted(sample)}")
        return sample["image"]
    if isinstance(sample, (tuple, list)):
        if not sample:
            raise ValueError("transform: an empty sample")
        return sample[0]
    return sample


def probability(owner: str, p: float) -> float:
    """Checks a probability."""
    if not 0 <= p <= 1:
        raise ValueError(f"{owner}: p is {p}, wants a probability in [0, 1]")
    return float(p)


def height_width(owner: str, size: Any) -> tuple[int, int]:
    """One number for both, or height and width."""
    pair = (size, size) if isinstance(size, int) else tuple(int(n) for n in size)
    if len(pair) == 1:
        pair = pair * 2
    if len(pair) != 2 or min(pair) < 1:
        raise ValueError(f"{owner}: size is {size}, wants one or two numbers above 0")
    return (pair[0], pair[1])
