"""A line search by the strong Wolfe conditions (Nocedal and Wright, algorithms 3.5 and 3.6)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ..tensor import Tensor

__all__ = ["strong_wolfe"]

# Sufficient decrease and curvature, as is usual for quasi-Newton methods.
DECREASE, CURVATURE = 1e-4, 0.9


@dataclass
class Point:
    """At a length along the direction: the loss, its gradient, the slope."""

    length: float
    loss: float
    gradient: Tensor
    slope: float


def _cubic_minimum(a: Point, b: Point, low: float, high: float) -> float:
    """Where the cubic through two points with their slopes is lowest, within [low, high]."""
    one = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.length - b.length)
    square = one * one - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2
    root = math.sqrt(square)
    near, far = (a, b) if a.length <= b.length else (b, a)
    bottom = far.slope - near.slope + 2 * root
    if bottom == 0:
        return (low + high) / 2
    least = far.length - (far.length - near.length) * ((far.slope + root - one) / bottom)
    return min(max(least, low), high)


def strong_wolfe(
    evaluate: Callable[[float], tuple[float, Tensor]],
    direction: Tensor,
    t: float,
    loss: float,
    gradient: Tensor,
    slope: float,
    *,
    tolerance: float = 1e-9,
    most: int = 25,
) -> tuple[float, Tensor, float, int]:
    """A length at which the loss has fallen enough and the slope is flat enough.

    Args:
        evaluate: of a length, the loss and the gradient [n] there.
        direction: [n].
        t: the first length to try.
        loss, gradient, slope: at length 0.
        tolerance: end where the interval moves no parameter by more.
        most: how often to try on.

    Returns:
        Loss, gradient and length of the best point, and the number of evaluations.
    """

    def at(length: float) -> Point:
        value, g = evaluate(length)
        return Point(length, value, g, g.dot(direction).item())

    def too_high(p: Point) -> bool:
        return p.loss > loss + DECREASE * p.length * slope

    def flat(p: Point) -> bool:
        return abs(p.slope) <= -CURVATURE * slope

    start = Point(0.0, loss, gradient, slope)
    before, new = start, at(t)
    tried, done = 0, False
    bracket = [start, new]
    while tried < most:
        if too_high(new) or (tried > 1 and new.loss >= before.loss):
            bracket = [before, new]
            break
        if flat(new):
            bracket, done = [new], True
            break
        if new.slope >= 0:
            bracket = [before, new]
            break
        # Longer still, up to ten times.
        low = new.length + 0.01 * (new.length - before.length)
        length = _cubic_minimum(before, new, low, new.length * 10)
        before, new = new, at(length)
        tried += 1
    else:
        bracket = [start, new]

    # The bracket holds a good length; best is its end with the lower loss.
    best, other = sorted(bracket, key=lambda p: p.loss)[0], sorted(bracket, key=lambda p: p.loss)[-1]
    stuck = False
    widest = direction.abs().max().item()
    while not done and tried < most:
        low, high = sorted((best.length, other.length))
        if (high - low) * widest < tolerance:
            break
        length = _cubic_minimum(best, other, low, high)
        # A trial close to an end twice, or on it, is moved a tenth of the interval inwards.
        margin = 0.1 * (high - low)
        if min(high - length, length - low) < margin:
            if stuck or length >= high or length <= low:
                length = high - margin if abs(length - high) < abs(length - low) else low + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        new = at(length)
        tried += 1
        if too_high(new) or new.loss >= best.loss:
            other = new
            if other.loss < best.loss:
                best, other = other, best
            continue
        if flat(new):
            done = True
        elif new.slope * (other.length - best.length) >= 0:
            other = best
        best = new
    return best.loss, best.gradient, best.length, tried + 1
