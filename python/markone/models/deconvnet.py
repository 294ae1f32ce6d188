"""What in an image excites a unit: reconstruction by a deconvolutional network, and occlusion.

M. Zeiler, R. Fergus: "Visualizing and understanding convolutional networks", ECCV 2014, arXiv:1311.2901.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from markone import nn
from markone.autograd import Function, grad, no_grad
from markone.models.activations import activations
from markone.nn import functional as F
from markone.ops import from_numpy, relu, zeros_like
from markone.tensor import Tensor

__all__ = ["Occlusion", "Reconstruction", "deconvolve", "occlusion_map"]

# What a ReLU lets pass on the way down: (the gradient where its input was positive, what of it is positive).
RULES = {"deconvnet": (False, True), "gradient": (True, False), "guided": (True, True)}


class _Rectified(Function):
    """max(x, 0), and on the way down a rule of its own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, where_on: bool, positive: bool) -> Tensor:
        ctx.save_for_backward(x)
        ctx.rule = where_on, positive
        return relu(x)

    @staticmethod
    def backward(ctx: Any, signal: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        where_on, positive = ctx.rule
        if where_on:
            signal = signal * (x > 0)
        return relu(signal) if positive else signal, None, None


class Reconstruction(NamedTuple):
    """What of each image excited one unit.

    Attributes:
        images: Tensor as the images, around 0: what is bright or dark there made the unit answer.
        channels: the unit's map, one an image.
        places: (row, column) of the unit in its map, one an image; (0, 0) in a full layer.
        values: its activation, one an image.
    """

    images: Tensor
    channels: list[int]
    places: list[tuple[int, int]]
    values: list[float]

    def crop(self, index: int) -> tuple[slice, slice]:
        """The rows and columns of image `index` that the unit sees: where the reconstruction is not 0."""
        seen = np.abs(self.images[index].numpy()).max(0) > 0
        edges = []
        for axis in (1, 0):
            at = np.flatnonzero(seen.any(axis))
            edges.append(slice(int(at[0]), int(at[-1]) + 1) if len(at) else slice(0, seen.shape[1 - axis]))
        return edges[0], edges[1]


def deconvolve(
    model: nn.Module, x: Tensor, layer: str, channel: int | None = None, *, rule: str = "deconvnet"
) -> Reconstruction:
    """Goes from the strongest unit of a map back to the pixels, as Zeiler and Fergus do (their section 2.1).

    All other activations of the layer are set to 0. Then each layer below is undone: max pooling puts a value
    back where its largest input was (the switches), rectification keeps what is positive, a convolution gets
    its filters transposed; biases are left out. The backward pass does just this but for the rectification,
    where it asks whether the *input* was positive; so it does the work, with that rule replaced.

    Args:
        model: a network whose rectifications are `nn.ReLU` modules; runs in eval mode.
        x: images float [N, C, H, W].
        layer: the name of a module, as `named_modules()` has it, with outputs [N, K, ...].
        channel: the map; where None the one with the strongest unit, of each image.
        rule: "deconvnet"; "gradient", the plain gradient (Simonyan et al. 2014, arXiv:1312.6034); "guided",
            both conditions (Springenberg et al. 2015, arXiv:1412.6806).

    Raises:
        ValueError: there is no such layer, map or rule, or x is not images.

    Where windows of a pooling overlap, and in local response normalisation, the backward pass is taken as it
    is; the paper says nothing of these.
    """
    if rule not in RULES:
        raise ValueError(f"deconvolve: got rule={rule!r}, wants one of {', '.join(RULES)}")
    if x.ndim != 4:
        raise ValueError(f"deconvolve: x has shape {list(x.shape)}, wants images [N, C, H, W]")
    image = x.detach().clone().requires_grad_()
    with _ruled(model, *RULES[rule]):
        answer = activations(model, image, [layer], grad=True).get(layer)
    if answer is None or answer.ndim < 2:
        raise ValueError(f"deconvolve: layer '{layer}' gave no Tensor [N, K, ...] for x")
    maps = answer.detach().numpy().reshape(len(x), answer.shape[1], -1)
    if channel is not None and not 0 <= channel < maps.shape[1]:
        raise ValueError(f"deconvolve: got channel={channel}, layer '{layer}' has 0 .. {maps.shape[1] - 1}")
    channels = (
        [int(k) for k in maps.max(2).argmax(1)] if channel is None else [channel for _ in range(len(x))]
    )
    at = [int(maps[n, k].argmax()) for n, k in enumerate(channels)]
    values = [float(maps[n, k, i]) for n, (k, i) in enumerate(zip(channels, at))]
    seed = np.zeros_like(maps)
    for n, (k, i, value) in enumerate(zip(channels, at, values)):
        seed[n, k, i] = value
    start = from_numpy(seed.reshape(tuple(answer.shape)))
    (found,) = grad(answer, image, start, allow_unused=True)
    across = answer.shape[-1] if answer.ndim == 4 else 1
    places = [(i // across, i % across) for i in at]
    return Reconstruction(zeros_like(image) if found is None else found.detach(), channels, places, values)


@contextmanager
def _ruled(model: nn.Module, where_on: bool, positive: bool) -> Iterator[None]:
    """All ReLU modules of the model follow the rule."""

    def rectify(_module: nn.Module, inputs: Any, _output: Any) -> Tensor:
        result: Tensor = _Rectified.apply(inputs[0], where_on, positive)
        return result

    chosen = [module for module in model.modules() if isinstance(module, nn.ReLU)]
    in_place = [module.inplace for module in chosen]
    handles = [module.register_forward_hook(rectify, prepend=True) for module in chosen]
    for module in chosen:
        module.inplace = False
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        for module, was in zip(chosen, in_place):
            module.inplace = was


class Occlusion(NamedTuple):
    """What a network says of an image as a square moves over it; each [R, C], a value a place of the square.

    Attributes:
        probability: of the target: low where the square hides what the network goes by.
        label: the most probable class.
        activity: the sum of the chosen map; None where no layer was chosen.
        whole: the probability of the target with nothing hidden.
    """

    probability: np.ndarray
    label: np.ndarray
    activity: np.ndarray | None
    whole: float


def occlusion_map(
    model: nn.Module,
    image: Tensor,
    target: int | None = None,
    *,
    size: int = 8,
    stride: int = 2,
    fill: float = 0.0,
    layer: str | None = None,
    channel: int = 0,
    batch: int = 64,
) -> Occlusion:
    """Hides a square of the image, place after place, and asks the network again (their section 4.2).

    Args:
        model: gives scores [N, classes] for images; runs in eval mode.
        image: float [C, H, W], as the network wants it.
        target: the class; where None the one most probable for the whole image.
        size: side of the square in pixels. It stands at every place where its middle is in the image.
        stride: pixels from place to place.
        fill: the square's value; 0 is the mean of normalised images, grey.
        layer, channel: also record the sum of this map.
        batch: images computed at once.

    Raises:
        ValueError: a number out of range, or no such layer or map.
    """
    if image.ndim != 3:
        raise ValueError(f"occlusion_map: image has shape {list(image.shape)}, wants [C, H, W]")
    for name, value in (("size", size), ("stride", stride), ("batch", batch)):
        if value < 1:
            raise ValueError(f"occlusion_map: got {name}={value}, wants 1 or more")
    rows, columns = range(0, image.shape[1], stride), range(0, image.shape[2], stride)
    picture = image.detach().numpy()

    def ask(pictures: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray | None]:
        wanted = [""] if layer is None else ["", layer]
        found = activations(model, from_numpy(np.stack(pictures)), wanted)
        if "" not in found or found[""].ndim != 2:
            raise ValueError("occlusion_map: the model gives no scores [N, classes]")
        with no_grad():
            chances = F.softmax(found[""].double(), 1).numpy()
        if layer is None:
            return chances, None
        maps = found[layer].numpy()
        if not 0 <= channel < maps.shape[1]:
            raise ValueError(
                f"occlusion_map: got channel={channel}, layer '{layer}' has 0 .. {maps.shape[1] - 1}"
            )
        return chances, maps[:, channel].reshape(len(maps), -1).sum(1)

    (whole,), _ = ask([picture])
    if target is None:
        target = int(whole.argmax())
    if not 0 <= target < len(whole):
        raise ValueError(f"occlusion_map: got target={target}, the model has classes 0 .. {len(whole) - 1}")
    hidden = []
    for row in rows:
        for column in columns:
            one = picture.copy()
            top, left = row - size // 2, column - size // 2
            one[:, max(top, 0) : top + size, max(left, 0) : left + size] = fill
            hidden.append(one)
    parts = [ask(hidden[at : at + batch]) for at in range(0, len(hidden), batch)]
    chances = np.concatenate([chance for chance, _ in parts])
    shape = len(rows), len(columns)
    sums = [activity for _, activity in parts if activity is not None]
    return Occlusion(
        chances[:, target].reshape(shape),
        chances.argmax(1).reshape(shape),
        np.concatenate(sums).reshape(shape) if sums else None,
        float(whole[target]),
    )
