"""Padding in PyTorch's modes, windows as columns, and moves between channels and pixels."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any

from .. import _C
from ..tensor import Tensor
from ._common import Linear, numbers, over_axes, tensor_arg
from .matmul import matmul
from .shape import narrow, pad_constant, permute, reshape, unsqueeze

# Named in nn.functional alone.
HELPERS = "pad unfold fold locally_connected1d locally_connected2d"


# -- padding from the image itself: one native call
#
# Its gradient goes back one dimension after the other, as if each had been padded alone: the middle, and each
# side added to where it came from. (mode, before, after, size) gives the sides as (target, source) pairs of
# ranges (start, stop, step) in the padded dimension.

_Range = tuple[int, int, int]


def _sides(mode: str, before: int, after: int, size: int) -> list[tuple[_Range, _Range]]:
    first, end = before, before + size
    left, right = (0, before, 1), (end, end + after, 1)
    if mode == "circular":
        return [(left, (end - before, end, 1)), (right, (first, first + after, 1))]
    if mode == "reflect":
        return [
            (left, (first + 1, first + before + 1, -1)),
            (right, (end - 1 - after, end - 1, -1)),
        ]
    return [(left, (first, first + 1, 0)), (right, (end - 1, end, 0))]


def _pad_one_transposed(g: Any, mode: str, dim: int, before: int, after: int) -> Any:
    size = g.shape[dim] - before - after
    out = _C.clone(g.slice(dim, before, before + size, 1))
    for target, source in _sides(mode, before, after, size):
        length = target[1] - target[0]
        if not length:
            continue
        side = g.slice(dim, target[0], target[1], 1)
        if source[2] == 0:
            side = _C.sum(side, (dim,), True)
        elif source[2] < 0:
            side = side.flip([dim])
        place = out.slice(dim, source[0] - before, source[1] - before, 1)
        _C.copy_into(place, _C.add(place, side))
    return out


def _pad_transposed(g: Any, mode: str, sides: tuple[int, ...]) -> Any:
    for i in range(len(sides) // 2 - 1, -1, -1):
        before, after = sides[2 * i : 2 * i + 2]
        if before or after:
            g = _pad_one_transposed(g, mode, g.ndim - 1 - i, before, after)
    return g


_PAD = Linear("pad", _C.pad, _pad_transposed)


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Adds elements around the last dimensions (negative numbers take some away).

    Args:
        input: any shape; of the modes other than 'constant' [N, C, sizes..] or [C, sizes..].
        pad: before, after of the last dimension, then of the one before it, ...
        mode: 'constant'; 'reflect' (without repeating the border), 'replicate', 'circular'.
        value: of the constant; 0 where None.

    Raises:
        RuntimeError: a size becomes negative, or the image has too few elements to reflect or repeat.
        NotImplementedError: an input of a shape that the mode does not take.
    """
    x = tensor_arg("pad", input)
    try:
        sides = [index(n) for n in pad]
    except TypeError:
        raise TypeError(f"pad: pad is {pad!r}, wants integers, two a dimension") from None
    if any(not -(2**61) < n < 2**61 for n in sides):
        raise RuntimeError(f"pad: pad is {pad!r}, wants numbers below 2^61")
    if len(sides) % 2 or len(sides) // 2 > x.ndim:
        raise RuntimeError(
            f"pad: got {len(sides)} numbers for an input of {x.ndim} dimensions (shape {list(x.shape)}), "
            "wants two a dimension"
        )
    if mode == "constant":
        return pad_constant(input, sides, 0.0 if value is None else value)
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(
            f"pad: mode is '{mode}', wants 'constant', 'reflect', 'replicate' or 'circular'"
        )
    if value is not None and value != 0:
        raise ValueError(f"pad: mode '{mode}' takes no value")
    axes = len(sides) // 2
    if not 1 <= axes <= 3 or x.ndim not in (axes + 1, axes + 2):
        raise NotImplementedError(
            f"pad: mode '{mode}' pads the last one, two or three dimensions of [N, C, ..] or [C, ..], got "
            f"{len(sides)} numbers for shape {list(x.shape)}"
        )
    for i in range(axes):
        dim, before, after = x.ndim - 1 - i, sides[2 * i], sides[2 * i + 1]
        _check_sides(x.shape[dim], dim, before, after, mode)
        cut = max(-before, 0), max(-after, 0)
        if any(cut):
            input = narrow(input, dim, cut[0], x.shape[dim] - sum(cut))
    added = tuple(max(n, 0) for n in sides)
    return _PAD(input, (mode, added)) if any(added) else input


def _check_sides(size: int, dim: int, before: int, after: int, mode: str) -> None:
    if size + before + after < (0 if size == 0 else 1) or size + min(before, 0) + min(after, 0) < 0:
        raise RuntimeError(f"pad: {before} and {after} leave nothing of the {size} of dimension {dim}")
    limit = {"reflect": size - 1, "circular": size}.get(mode)
    if limit is not None and max(before, after) > max(limit, 0):
        raise RuntimeError(
            f"pad: mode '{mode}' can add at most {max(limit, 0)} to dimension {dim} of size {size}, got "
            f"{before} and {after}"
        )
    left = size + min(before, 0) + min(after, 0)
    if max(before, after) > 0 and left < (max(before, after) + 1 if mode == "reflect" else 1):
        raise RuntimeError(f"pad: {before} and {after} leave too few of the {size} of dimension {dim}")


# -- windows as columns

_UNFOLD = Linear(
    "unfold",
    lambda x, sizes, *args: _C.unfold(x, *args),
    lambda columns, sizes, *args: _C.fold(columns, sizes, *args),
)


def unfold(input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """The elements of each window as a column.

    Args:
        input: [N, C, H, W] or [C, H, W].
        kernel_size, dilation, padding, stride: as in conv2d; two numbers or one for both.

    Returns:
        [N, C · KH · KW, windows] (without N where the input has none), windows from left to right and from
        top to bottom.
    """
    x = tensor_arg("unfold", input)
    if x.ndim not in (3, 4):
        raise RuntimeError(f"unfold: wants [N, C, H, W] or [C, H, W], got shape {list(x.shape)}")
    args = [
        numbers("unfold", name, value, 2)
        for name, value in (
            ("kernel_size", kernel_size),
            ("stride", stride),
            ("padding", padding),
            ("dilation", dilation),
        )
    ]
    if x.ndim == 4:
        return _UNFOLD(input, (x.shape[2:], *args))
    out = _UNFOLD(unsqueeze(input, 0), (x.shape[1:], *args))
    return reshape(out, out.shape[1:])


def fold(
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """The transpose of `unfold`: sums columns in the image from which `unfold` would take them.

    Args:
        input: [N, C · KH · KW, windows] or [C · KH · KW, windows].
        output_size: H, W of the image.
        kernel_size, dilation, padding, stride: as given to unfold.

    Returns:
        [N, C, H, W] or [C, H, W].
    """
    x = tensor_arg("fold", input)
    if x.ndim not in (2, 3):
        raise RuntimeError(f"fold: wants [N, C · KH · KW, windows] without or with N, got {list(x.shape)}")
    sizes, *args = (
        numbers("fold", name, value, 2)
        for name, value in (
            ("output_size", output_size),
            ("kernel_size", kernel_size),
            ("stride", stride),
            ("padding", padding),
            ("dilation", dilation),
        )
    )
    if x.ndim == 3:
        return _UNFOLD.transposed(input, (sizes, *args))
    out = _UNFOLD.transposed(unsqueeze(input, 0), (sizes, *args))
    return reshape(out, out.shape[1:])


# -- convolution whose weights differ from place to place


def _locally_connected(
    axes: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
) -> Tensor:
    """conv{n}d with weights of its own at each place: weight [outputs.., O, C, {kernel}], of which
    weight[i, ..] is that of an ordinary convolution, bias [O, outputs..]. Not in PyTorch.

    LeCun 1989, "Generalization and network design strategies".
    """
    op = f"locally_connected{axes}d"
    x, w = tensor_arg(op, input), tensor_arg(op, weight, "weight")
    if w.ndim != 2 * axes + 2 or x.ndim not in (axes + 1, axes + 2):
        raise RuntimeError(
            f"{op}: wants input [N, C, sizes..] or [C, sizes..] and weight [outputs.., O, C, kernel..] of "
            f"{axes} axes, got shapes {list(x.shape)} and {list(w.shape)}"
        )
    args = [
        numbers(op, name, value, axes)
        for name, value in (("stride", stride), ("padding", padding), ("dilation", dilation))
    ]
    out_sizes, (out, channels), kernel = w.shape[:axes], w.shape[axes : axes + 2], w.shape[axes + 2 :]
    if channels != x.shape[-axes - 1]:
        raise RuntimeError(
            f"{op}: input has {x.shape[-axes - 1]} channels (shape {list(x.shape)}) but weight wants "
            f"{channels} (shape {list(w.shape)})"
        )
    batched = input if x.ndim == axes + 2 else unsqueeze(input, 0)
    columns = _UNFOLD(batched, (batched.shape[2:], kernel, *args))
    for i, size in enumerate(out_sizes):
        reach = args[2][i] * (kernel[i] - 1)
        if (batched.shape[2 + i] + 2 * args[1][i] - reach - 1) // args[0][i] + 1 != size:
            raise RuntimeError(
                f"{op}: weight {list(w.shape)} is for outputs {list(out_sizes)}, the input of shape "
                f"{list(x.shape)} has {columns.shape[2]} windows of other sizes"
            )
    places = columns.shape[2]
    per_place = permute(columns, (2, 0, 1))  # [places, N, C · kernel]
    weights = reshape(weight, (places, out, columns.shape[1]))
    y = permute(matmul(per_place, permute(weights, (0, 2, 1))), (1, 2, 0))
    y = reshape(y, (*y.shape[:2], *out_sizes))
    if bias is not None:
        if bias.shape != (out, *out_sizes):
            raise RuntimeError(f"{op}: bias must be {[out, *out_sizes]}, got shape {list(bias.shape)}")
        y = y + bias
    return y if x.ndim == axes + 2 else reshape(y, y.shape[1:])


locally_connected1d, locally_connected2d = over_axes("locally_connected{}d", _locally_connected)[:2]


# -- between channels and pixels


def _factor(op: str, name: str, value: Any) -> int:
    try:
        factor = index(value)
    except TypeError:
        raise TypeError(f"{op}: {name} must be an integer, got {value!r}") from None
    if factor < 1:
        raise RuntimeError(f"{op}: {name} must be at least 1, got {factor}")
    return factor


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """[*, C·r², H, W] → [*, C, H·r, W·r]: each r² channels become the r × r pixels of a place (Shi et al.
    2016)."""
    shape = tuple(tensor_arg("pixel_shuffle", input).shape)
    r = _factor("pixel_shuffle", "upscale_factor", upscale_factor)
    if len(shape) < 3 or shape[-3] % (r * r):
        raise RuntimeError(
            f"pixel_shuffle: wants [*, C·{r}², H, W] with channels in whole multiples of {r * r}, got shape "
            f"{list(shape)}"
        )
    *lead, c, h, w = shape
    n = len(lead)
    split = reshape(input, (*lead, c // (r * r), r, r, h, w))
    order = (*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return reshape(permute(split, order), (*lead, c // (r * r), h * r, w * r))


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """[*, C, H·r, W·r] → [*, C·r², H, W]: the inverse of pixel_shuffle."""
    shape = tuple(tensor_arg("pixel_unshuffle", input).shape)
    r = _factor("pixel_unshuffle", "downscale_factor", downscale_factor)
    if len(shape) < 3 or shape[-2] % r or shape[-1] % r:
        raise RuntimeError(
            f"pixel_unshuffle: wants [*, C, H, W] with H and W in whole multiples of {r}, got shape "
            f"{list(shape)}"
        )
    *lead, c, h, w = shape
    n = len(lead)
    split = reshape(input, (*lead, c, h // r, r, w // r, r))
    order = (*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return reshape(permute(split, order), (*lead, c * r * r, h // r, w // r))


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """[N, C, *]: channel j of group i of the C / groups a group becomes channel i of place j (Zhang et al.
    2018)."""
    shape = tuple(tensor_arg("channel_shuffle", input).shape)
    g = _factor("channel_shuffle", "groups", groups)
    if len(shape) < 3 or shape[1] % g:
        raise RuntimeError(
            f"channel_shuffle: wants [N, C, *] with channels in whole multiples of {g}, got shape "
            f"{list(shape)}"
        )
    split = reshape(input, (shape[0], g, shape[1] // g, *shape[2:]))
    return reshape(permute(split, (0, 2, 1, *range(3, len(shape) + 1))), shape)
