"""The neocognitron, which learns without gradients and without being told what it sees.

K. Fukushima: "Neocognitron: a self-organizing neural network model for a mechanism of pattern recognition
unaffected by shift in position", Biological Cybernetics 36, 193-202, 1980. Equations are numbered as there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from markone import nn
from markone._C import float64, int64
from markone.autograd import no_grad
from markone.models.common import Weights, checked_classes, finished
from markone.nn import functional as F
from markone.ops import from_numpy, relu, sqrt, zeros
from markone.tensor import Tensor

__all__ = ["CLayer", "Neocognitron", "SLayer", "neocognitron"]

_CHUNK = 100  # images at a time, so that the answers of all planes to them stay small


class SLayer(nn.Module):
    """Simple cells: planes of cells that look for one feature, each at its own place (equations 1 and 2).

    u_S = r · max(0, (1 + e) / (1 + 2r/(1+r) · b · v) - 1),
    e   = sum over the planes before and the area of a · u, what excites,
    v   = sqrt(sum of c · u²), what inhibits.

    With what a plane has learnt, e / 2bv is the weighted cosine between the input and the feature: a cell
    answers where it is above r / (1 + r), the plane's selectivity.

    Shape: u [N, before, H, W] → [N, planes, H, W] (`padding` half of the area), or the places where the area
    fits (`padding` 0).

    Args:
        before: planes of the input at most.
        planes: how many features it can learn at most.
        area: side of the area that a cell sees.
        selectivity: r.
        speed: q, the size of a step of learning.
        column: side of the columns, in each of which the strongest cell may learn.
    """

    a: Tensor
    b: Tensor
    c: Tensor
    count: Tensor

    def __init__(
        self,
        before: int,
        planes: int,
        area: int,
        *,
        selectivity: float,
        speed: float,
        column: int = 5,
        padding: int = 0,
    ) -> None:
        super().__init__()
        self.planes, self.area, self.r, self.q = planes, area, selectivity, speed
        self.column, self.padding = column, padding
        # c falls with the distance from the middle; its sum over the area is 1 (equation 4: and the planes).
        place = np.arange(area) - (area - 1) / 2
        fall = 0.9 ** np.hypot(place[:, None], place[None])
        self.register_buffer(
            "c", from_numpy((fall / fall.sum()).astype(np.float32).reshape(1, 1, area, area))
        )
        self.register_buffer("a", zeros(planes, before, area, area))
        self.register_buffer("b", zeros(planes))
        self.register_buffer("count", zeros((), dtype=int64))

    @property
    def learnt(self) -> int:
        """How many planes have learnt something; the others wait."""
        return int(self.count)

    def inhibition(self, u: Tensor) -> Tensor:
        """v [N, 1, ...]: how much there is to see at each place."""
        return sqrt(F.conv2d((u * u).mean(1, keepdim=True), self.c, padding=self.padding))

    def forward(self, u: Tensor) -> Tensor:
        n = self.learnt
        excitation = F.conv2d(u, self.a[:n, : u.shape[1]], padding=self.padding)
        shunt = self.b[:n].reshape(1, -1, 1, 1) * (2 * self.r / (1 + self.r)) * self.inhibition(u)
        return relu((excitation + 1.0) / (shunt + 1.0) - 1.0) * self.r

    def patch(self, u: Tensor, place: tuple[int, int]) -> Tensor:
        """What the cells at `place` see of u [1, before, H, W]."""
        padded = F.pad(u, (self.padding,) * 4)
        y, x = place
        return padded[0, :, y : y + self.area, x : x + self.area]

    def learn(self, plane: int, u: Tensor, place: tuple[int, int], v: np.ndarray) -> None:
        """The plane's representative at `place` strengthens what excites it (equations 10 and 11)."""
        self.a[plane, : u.shape[1]] += self.patch(u, place) * self.c[0] * (self.q / u.shape[1])
        self.b[plane] += float(self.q / 2 * v[place])

    def grow(self, u: Tensor, place: tuple[int, int], v: np.ndarray) -> int:
        """A plane that has learnt nothing yet takes the feature at `place`."""
        plane = self.learnt
        self.count += 1
        self.learn(plane, u, place, v)
        return plane

    def present(self, u: Tensor) -> int | None:
        """Shows one pattern u [1, before, H, W]; the representatives learn. Returns the strongest's plane.

        In each column the strongest cell is a candidate; of a plane's candidates the strongest is its
        representative. Where no plane answers, one that has learnt nothing would win by its first, tiny
        weights: the strongest such place seeds a new plane. A pattern seeds several.
        """
        v = self.inhibition(u)[0, 0].numpy()
        answers = self(u)[0].numpy() if self.learnt else np.zeros((1, *v.shape), np.float32)
        strongest = answers.max(0)
        best: dict[int, tuple[float, tuple[int, int]]] = {}
        for top in range(0, v.shape[0], self.column):
            for left in range(0, v.shape[1], self.column):
                tile = strongest[top : top + self.column, left : left + self.column]
                y, x = np.unravel_index(int(tile.argmax()), tile.shape)
                place = (top + int(y), left + int(x))
                plane = int(answers[:, place[0], place[1]].argmax())
                if strongest[place] > best.get(plane, (0.0, place))[0]:
                    best[plane] = (float(strongest[place]), place)
        winner = max(best, key=lambda plane: best[plane][0]) if best else None
        for plane, (_, place) in best.items():
            self.learn(plane, u, place, v)
        silent = np.where(strongest > 0, 0.0, v)
        while self.learnt < self.planes and silent.max() > 0.5 * v.max():
            y, x = np.unravel_index(int(silent.argmax()), silent.shape)
            plane = self.grow(u, (int(y), int(x)), v)
            winner = plane if winner is None else winner
            silent = np.where(self(u)[0].numpy().max(0) > 0, 0.0, silent)
            silent[y, x] = 0.0
        return winner

    def extra_repr(self) -> str:
        return f"planes={self.learnt} of {self.planes}, area={self.area}, selectivity={self.r}"


class CLayer(nn.Module):
    """Complex cells: each answers where a cell of its plane does within an area (equations 5 to 8).

    u_C = psi((1 + sum of d · u_S) / (1 + v) - 1), v = the mean of these sums over the planes, so that planes
    hold each other back; psi(x) = x / (alpha + x) for x > 0. Every `stride`-th place has a cell. The smaller
    alpha (0.5 in 1980) the less it matters how strongly a feature is there.
    """

    d: Tensor

    def __init__(self, area: int, stride: int = 2, alpha: float = 0.02) -> None:
        super().__init__()
        self.area, self.stride, self.alpha = area, stride, alpha
        place = np.arange(area) - (area - 1) / 2
        fall = (0.8 ** np.hypot(place[:, None], place[None])).astype(np.float32)
        self.register_buffer("d", from_numpy((fall / fall.sum()).reshape(1, 1, area, area)))

    def forward(self, u: Tensor) -> Tensor:
        n, planes, h, w = u.shape
        flat = u.reshape(n * planes, 1, h, w)
        blurred = F.conv2d(flat, self.d, stride=self.stride, padding=self.area // 2)
        blurred = blurred.reshape(n, planes, *blurred.shape[2:])
        x = relu((blurred + 1.0) / (blurred.mean(1, keepdim=True) + 1.0) - 1.0)
        return x / (x + self.alpha)


class Neocognitron(nn.Module):
    """Three stages of S- and C-cells for float32 images [N, 1, 36, 36], ink 1 on 0, digits of about 20 x 20.

    =====  =====================================  =====================
    layer  what                                   shape after
    =====  =====================================  =====================
    U0     the image                              1 x 36 x 36
    S1     areas 5x5: edges                       up to 16 x 36 x 36
    C1     areas 5x5, every second place          up to 16 x 18 x 18
    S2     areas 5x5: corners, ends, crossings    up to 32 x 18 x 18
    C2     areas 5x5, every second place          up to 32 x 9 x 9
    S3     areas 7x7: whole patterns              up to 1000 x 3 x 3
    C3     the strongest of each plane            up to 1000
    =====  =====================================  =====================

    A layer learns once the ones before it have: `fit`, or `show` layer by layer. No label is used in this;
    afterwards each plane of S3 is named by the class that most of the images it answered to belong to
    (`vote`), and an image's score for a class is the answer of the strongest plane of that name.

    What differs from 1980, where 16 x 16 images of five digits were told apart with 24 planes a layer: the
    sizes and the selectivities (4, 1.5, 1.5 there); planes begin empty and are seeded where none answers
    (there they begin with tiny weights, which answer exactly there); columns are side by side, not
    overlapping; C3 takes the largest of its area.

    Args:
        planes, selectivity: of S1, S2 and S3.
        seen: how many images S1, S2 and S3 are shown.
    """

    shown: Tensor
    votes: Tensor

    def __init__(
        self,
        num_classes: int = 10,
        *,
        planes: Sequence[int] = (16, 32, 1000),
        selectivity: Sequence[float] = (1.5, 1.5, 3.0),
        seen: Sequence[int] = (60, 120, 4000),
    ) -> None:
        super().__init__()
        checked_classes("neocognitron", num_classes)
        self.num_classes, self.seen = num_classes, tuple(seen)
        r1, r2, r3 = selectivity
        self.s1 = SLayer(1, planes[0], 5, selectivity=r1, speed=1.0, padding=2)
        self.c1 = CLayer(5)
        self.s2 = SLayer(planes[0], planes[1], 5, selectivity=r2, speed=16.0, padding=2)
        self.c2 = CLayer(5)
        self.s3 = SLayer(planes[1], planes[2], 7, selectivity=r3, speed=16.0, column=3)
        self.register_buffer("shown", zeros(3, dtype=int64))
        self.register_buffer("votes", zeros(planes[2], num_classes, dtype=float64))

    @property
    def labels(self) -> Tensor:
        """What the planes that S3 has learnt are named: int64 [planes learnt]."""
        return self.votes[: self.s3.learnt].argmax(1)

    def stages(self, x: Tensor) -> dict[str, Tensor]:
        """The answers of every layer to images [N, 1, H, W], by name."""
        _check(x)
        if not self.s3.learnt:
            raise RuntimeError("neocognitron: has learnt nothing yet, call fit first")
        found = {"u0": x}
        with no_grad():
            for name in ("s1", "c1", "s2", "c2", "s3"):
                x = getattr(self, name)(x)
                found[name] = x
            found["c3"] = x.amax((2, 3))
        return found

    def forward(self, x: Tensor) -> Tensor:
        """The scores of images [N, 1, H, W]: [N, num_classes], all 0 while no plane has a name."""
        _check(x)
        scores = zeros(len(x), self.num_classes)
        if not float(self.votes.max().item()):
            return scores
        for part, u in zip(scores.split(_CHUNK), x.split(_CHUNK)):
            answers = self.stages(u)["c3"]
            part.scatter_reduce_(1, self.labels.expand(*answers.shape), answers, "amax")
        return scores

    def fit(self, images: Tensor, labels: Any = None) -> Neocognitron:
        """Shows images [N, 1, H, W] to S1, S2 and S3, to each the first `seen`, one layer after the other.

        labels [N], where given, name the planes of S3 afterwards; they change nothing else.

        Raises:
            ValueError: images of another shape, none at all or all blank, or not a label an image.
        """
        _check(images)
        if not len(images) or float(images.max().item()) <= 0:
            raise ValueError(f"neocognitron: wants images with ink, got {list(images.shape)}, all blank")
        given = None if labels is None else self._checked_labels(images, labels)
        for layer in range(3):
            self.show(images, layer)
        if given is not None:
            self.vote(images, given)
        return self

    def show(self, images: Tensor, layer: int) -> None:
        """Shows images [N, 1, H, W] to S1, S2 or S3 (`layer` 0 to 2), until it saw as many as `seen` says.

        The layers before it must have learnt.
        """
        _check(images)
        images = images[: max(0, self.seen[layer] - int(self.shown[layer]))]
        cells = (self.s1, self.s2, self.s3)[layer]
        with no_grad():
            for u in self._before(images, layer):
                for i in range(len(u)):
                    cells.present(u[i : i + 1])
            self.shown[layer] += len(images)

    def vote(self, images: Tensor, labels: Any) -> None:
        """Images [N, 1, H, W] vote that their strongest planes in S3 be named by their labels [N], each as
        strongly as it is answered."""
        _check(images)
        given = self._checked_labels(images, labels)
        if not self.s3.learnt:
            raise RuntimeError("neocognitron: has learnt nothing yet, no plane could be named")
        with no_grad():
            answers = [self.s3(u).amax((2, 3)).numpy() for u in self._before(images, 2)]
        for found, names in zip(answers, np.split(given, range(_CHUNK, len(given), _CHUNK))):
            np.add.at(self.votes.numpy(), (found.argmax(1), names), found.max(1))

    def predict(self, images: Tensor) -> Tensor:
        """The classes of images [N, 1, H, W]: what the strongest plane of C3 is named; int64 [N]."""
        if not float(self.votes.max().item()):
            raise RuntimeError("neocognitron: predict wants a network that was fitted with labels")
        return self(images).argmax(1)

    def _before(self, images: Tensor, layer: int) -> Iterator[Tensor]:
        """What an S-layer sees of the images, in pieces."""
        follow = ((self.s1, self.c1), (self.s2, self.c2))[:layer]
        for u in images.split(_CHUNK):
            for s, c in follow:
                u = c(s(u))
            yield u

    def _checked_labels(self, images: Tensor, labels: Any) -> np.ndarray:
        given = np.asarray(labels.numpy() if isinstance(labels, Tensor) else labels)
        if given.shape != (len(images),) or given.dtype.kind not in "iu":
            got = f"{given.dtype} {list(given.shape)}"
            raise ValueError(f"neocognitron: labels are {got}, wants {len(images)} integers from 0")
        if len(given) and not 0 <= given.min() <= given.max() < self.num_classes:
            wrong = given.min() if given.min() < 0 else given.max()
            raise ValueError(f"neocognitron: got label {wrong}, wants 0 to {self.num_classes - 1}")
        return given


def _check(images: Tensor) -> None:
    if images.ndim != 4 or images.shape[1] != 1 or min(images.shape[2:]) < 28:
        raise ValueError(
            f"neocognitron: images have shape {list(images.shape)}, wants [N, 1, H, W] of 28 x 28 at least"
        )


def neocognitron(num_classes: int = 10, *, weights: Weights = None, **options: Any) -> Neocognitron:
    """A neocognitron, which has learnt nothing yet where no `weights` are given; see `Neocognitron`."""
    return finished(Neocognitron(num_classes, **options), weights)
