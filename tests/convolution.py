"""Convolutions of images in float64: what the kernels of several families are compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Pair = tuple[int, int]


@dataclass(frozen=True)
class Problem:
    """Shapes and parameters; x is [n, c, h, w], the weights [o, c / groups, r, s]."""

    n: int
    c: int
    h: int
    w: int
    o: int
    r: int
    s: int
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    @property
    def x(self) -> tuple[int, ...]:
        return self.n, self.c, self.h, self.w

    @property
    def weight(self) -> tuple[int, ...]:
        return self.o, self.c // self.groups, self.r, self.s

    @property
    def out(self) -> tuple[int, ...]:
        sizes = (
            (size + 2 * p - d * (k - 1) - 1) // s + 1
            for size, k, s, p, d in zip(
                (self.h, self.w), (self.r, self.s), self.stride, self.padding, self.dilation
            )
        )
        return (self.n, self.o, *sizes)

    @property
    def rest(self) -> tuple[Any, ...]:
        return self.stride, self.padding, self.dilation, self.groups

    @property
    def few(self) -> bool:
        """Whether the kernel for few channels takes it for sure."""
        return (
            (self.r, self.s) in ((3, 3), (5, 5))
            and self.stride in ((1, 1), (2, 2))
            and self.dilation == (1, 1)
            and self.c == self.groups
        )

    def __str__(self) -> str:
        return (
            f"{self.n}x{self.c}x{self.h}x{self.w}-{self.o}x{self.r}x{self.s}"
            f"-s{self.stride}p{self.padding}d{self.dilation}g{self.groups}".replace(" ", "")
        )


def taps(p: Problem) -> Any:
    """(r, s, the part of the padded input that this tap reads) for each tap."""
    for r in range(p.r):
        for s in range(p.s):
            top, left = r * p.dilation[0], s * p.dilation[1]
            rows = slice(top, top + (p.out[2] - 1) * p.stride[0] + 1, p.stride[0])
            cols = slice(left, left + (p.out[3] - 1) * p.stride[1] + 1, p.stride[1])
            yield r, s, (slice(None), slice(None), slice(None), rows, cols)


def padded(p: Problem, x: np.ndarray) -> np.ndarray:
    (ph, pw) = p.padding
    wide = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    return wide.reshape(p.n, p.groups, -1, *wide.shape[2:])


def forward(p: Problem, x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    wide, split = padded(p, x), weight.reshape(p.groups, p.o // p.groups, *p.weight[1:])
    y = np.zeros((p.n, p.groups, p.o // p.groups, *p.out[2:]))
    for r, s, part in taps(p):
        y += np.einsum("ngchw,gmc->ngmhw", wide[part], split[..., r, s])
    return y.reshape(p.out)


def input_grad(p: Problem, g: np.ndarray, weight: np.ndarray) -> np.ndarray:
    split = weight.reshape(p.groups, p.o // p.groups, *p.weight[1:])
    g = g.reshape(p.n, p.groups, -1, *p.out[2:])
    wide = padded(p, np.zeros(p.x))
    for r, s, part in taps(p):
        wide[part] += np.einsum("ngmhw,gmc->ngchw", g, split[..., r, s])
    wide = wide.reshape(p.n, p.c, *wide.shape[3:])
    return wide[:, :, p.padding[0] : p.padding[0] + p.h, p.padding[1] : p.padding[1] + p.w]


def weight_grad(p: Problem, g: np.ndarray, x: np.ndarray) -> np.ndarray:
    wide, g = padded(p, x), g.reshape(p.n, p.groups, -1, *p.out[2:])
    out = np.zeros((p.groups, p.o // p.groups, *p.weight[1:]))
    for r, s, part in taps(p):
        out[..., r, s] = np.einsum("ngmhw,ngchw->gmc", g, wide[part])
    return out.reshape(p.weight)


def inputs(p: Problem, dtype: str = "float32") -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(5)
    return tuple(rng.standard_normal(shape).astype(dtype) for shape in (p.x, p.weight, (p.o,), p.out))
