"""Linear filters of images by the library's own convolution.

An image is a tensor [..., H, W], of bytes or of a floating type; every channel is filtered alone. Bytes are
filtered in float32 and come back as float32, since a filtered image may leave 0 … 255.

At the border the image goes on as `border` says, in PyTorch's words: "reflect" (d c b | a b c), "symmetric"
(b a | a b c), "replicate" (a a | a b c), "circular" (b c | a b c), "constant" (`value`); or "valid": only
where the whole kernel lies inside, so the result is smaller.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import ops
from .._dtypes import float32
from ..nn.functional import pad
from ..tensor import Tensor

__all__ = [
    "BORDERS",
    "EDGES",
    "SOBEL_X",
    "SOBEL_Y",
    "convolve",
    "correlate",
    "direction",
    "edges",
    "gaussian_filter",
    "gaussian_kernel",
    "hybrid",
    "magnitude",
    "mean_filter",
    "mean_kernel",
    "sharpen",
    "shift_kernel",
    "sobel",
    "unsharp_mask",
]

# How NumPy calls each way of going on beyond the border.
BORDERS = {
    "reflect": "reflect",
    "symmetric": "symmetric",
    "replicate": "edge",
    "circular": "wrap",
    "constant": "",
    "valid": "",
}
EDGES = ((1, 1, 1), (1, -8, 1), (1, 1, 1))
# Derivatives of a smoothed image, per pixel (Sobel and Feldman 1968, over 8); y points up.
SOBEL_X = ((-0.125, 0, 0.125), (-0.25, 0, 0.25), (-0.125, 0, 0.125))
SOBEL_Y = ((0.125, 0.25, 0.125), (0, 0, 0), (-0.125, -0.25, -0.125))


def _as_image(op: str, image: Any) -> Tensor:
    image = ops.as_tensor(image)
    if image.ndim < 2 or 0 in image.shape:
        raise ValueError(f"{op}: got an image of shape {list(image.shape)}, wants [..., H, W], not empty")
    return image if image.is_floating_point() else image.to(float32)


def _as_kernel(op: str, kernel: Any, image: Tensor) -> Tensor:
    kernel = ops.as_tensor(kernel) if isinstance(kernel, Tensor) else ops.tensor(kernel)
    if kernel.ndim != 2 or 0 in kernel.shape:
        raise ValueError(f"{op}: got a kernel of shape {list(kernel.shape)}, wants [rows, columns]")
    return kernel.to(image.dtype)


def _extend(op: str, flat: Tensor, dim: int, before: int, after: int, border: str, value: float) -> Tensor:
    """[N, 1, H, W] longer along `dim`."""
    if before == 0 and after == 0:
        return flat
    if border == "constant":
        sizes = [0, 0, before, after] if dim == 2 else [before, after, 0, 0]
        return pad(flat, sizes, value=value)
    places = np.arange(flat.shape[dim], dtype=np.int64)
    if border == "reflect" and max(before, after) >= len(places):
        raise ValueError(
            f"{op}: the border 'reflect' reaches {max(before, after)} out of an image of {len(places)}, "
            "wants fewer than it has, or another border"
        )
    mode: Any = BORDERS[border]
    return ops.index_select(flat, dim, ops.from_numpy(np.pad(places, (before, after), mode=mode)))


def _filter(op: str, image: Tensor, kernel: Tensor, border: str, value: float) -> Tensor:
    """Cross-correlation, the middle of the kernel (its upper left one where there are two) on each pixel."""
    if border not in BORDERS:
        raise ValueError(f"{op}: got border={border!r}, wants one of {', '.join(BORDERS)}")
    lead, (height, width) = image.shape[:-2], image.shape[-2:]
    rows, columns = kernel.shape
    flat = image.reshape(-1, 1, height, width)
    if border != "valid":
        flat = _extend(op, flat, 2, (rows - 1) // 2, rows // 2, border, value)
        flat = _extend(op, flat, 3, (columns - 1) // 2, columns // 2, border, value)
    elif rows > height or columns > width:
        raise ValueError(f"{op}: a kernel of {rows}x{columns} has no place in an image of {height}x{width}")
    out = ops.conv2d(flat, kernel.reshape(1, 1, rows, columns))
    return out.reshape(*lead, *out.shape[-2:])


def correlate(image: Any, kernel: Any, border: str = "reflect", value: float = 0.0) -> Tensor:
    """Cross-correlation, which networks call convolution: Σ I(i + a, j + b) K(a, b).

    Args:
        image: [..., H, W].
        kernel: [rows, columns].
        border, value: see the module.

    Returns:
        the same shape, or smaller with border="valid".
    """
    image = _as_image("correlate", image)
    return _filter("correlate", image, _as_kernel("correlate", kernel, image), border, value)


def convolve(image: Any, kernel: Any, border: str = "reflect", value: float = 0.0) -> Tensor:
    """True convolution, the kernel turned by 180°: Σ I(i − a, j − b) K(a, b); else as `correlate`.

    With a kernel of even size the middle is its lower right one, so that this is `correlate` turned.
    """
    image = _as_image("convolve", image)
    kernel = ops.flip(_as_kernel("convolve", kernel, image), (0, 1))
    return _filter("convolve", image, kernel, border, value)


def mean_kernel(size: int = 3) -> Tensor:
    """size × size weights of 1/size²."""
    if size < 1:
        raise ValueError(f"mean_kernel: got size={size}, wants 1 or more")
    return ops.full((size, size), 1 / size**2)


def shift_kernel(rows: int, columns: int) -> Tensor:
    """A single 1, `rows` below and `columns` right of the middle: correlation moves the image up and left by
    that much, true convolution down and right."""
    reach = max(abs(rows), abs(columns))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), dtype=np.float32)
    kernel[reach + rows, reach + columns] = 1
    return ops.from_numpy(kernel)


def _gaussian(sigma: float, truncate: float) -> np.ndarray:
    if not (sigma > 0 and math.isfinite(sigma)):
        raise ValueError(f"gaussian: got sigma={sigma}, wants a positive number of pixels")
    reach = int(truncate * sigma + 0.5)
    values = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return values / values.sum()


def gaussian_kernel(sigma: float, truncate: float = 4.0) -> Tensor:
    """G(x, y) ∝ exp(−(x² + y²) / 2σ²), out to truncate · σ pixels, summing to 1."""
    row = _gaussian(sigma, truncate)
    return ops.from_numpy(np.outer(row, row).astype(np.float32))


def gaussian_filter(
    image: Any, sigma: float, border: str = "reflect", value: float = 0.0, truncate: float = 4.0
) -> Tensor:
    """Blurs by a Gaussian of σ pixels, in two passes of one dimension each.

    Twice by σ is once by √2 σ.
    """
    image = _as_image("gaussian_filter", image)
    row = ops.from_numpy(_gaussian(sigma, truncate)).to(image.dtype)
    image = _filter("gaussian_filter", image, row.reshape(-1, 1), border, value)
    return _filter("gaussian_filter", image, row.reshape(1, -1), border, value)


def mean_filter(image: Any, size: int = 3, border: str = "reflect", value: float = 0.0) -> Tensor:
    """The mean of the size × size pixels around each."""
    return correlate(image, mean_kernel(size), border, value)


def sharpen(image: Any, border: str = "reflect", value: float = 0.0) -> Tensor:
    """Twice the pixel minus the mean of the 3×3 around it: accentuates what differs from its surroundings."""
    twice = shift_kernel(0, 0).reshape(1, 1) * 2
    return correlate(image, pad(twice, (1, 1, 1, 1)) - mean_kernel(3), border, value)


def unsharp_mask(image: Any, sigma: float = 2.0, amount: float = 1.0, border: str = "reflect") -> Tensor:
    """image + amount · (image − blurred image): adds back, stronger, what blurring takes away."""
    image = _as_image("unsharp_mask", image)
    return image + amount * (image - gaussian_filter(image, sigma, border))


def edges(image: Any, border: str = "reflect", value: float = 0.0) -> Tensor:
    """The sum of the eight neighbours minus eight times the pixel: 0 where nothing changes."""
    return correlate(image, EDGES, border, value)


def sobel(image: Any, border: str = "reflect") -> tuple[Tensor, Tensor]:
    """Smoothed derivatives (s_x to the right, s_y upwards), in grey levels a pixel."""
    return correlate(image, SOBEL_X, border), correlate(image, SOBEL_Y, border)


def magnitude(gradient: Sequence[Tensor]) -> Tensor:
    """√(s_x² + s_y²) of (s_x, s_y): how steep. An edge is where it exceeds a threshold."""
    x, y = gradient
    return ops.sqrt(x * x + y * y)


def direction(gradient: Sequence[Tensor]) -> Tensor:
    """The angle of (s_x, s_y) in radians, −π … π, 0 to the right, counting against the clock."""
    x, y = gradient
    return ops.atan2(y, x)


def hybrid(near: Any, far: Any, sigma_near: float = 3.0, sigma_far: float = 6.0) -> Tensor:
    """Fine detail of one image on the coarse shape of another (Oliva, Torralba, Schyns 2006).

    Close by a person sees `near`, from a distance `far`; both [..., H, W] of one shape.
    """
    near, far = _as_image("hybrid", near), _as_image("hybrid", far)
    if near.shape != far.shape:
        raise ValueError(f"hybrid: got images of {list(near.shape)} and {list(far.shape)}, wants one shape")
    return near - gaussian_filter(near, sigma_near) + gaussian_filter(far, sigma_far)
