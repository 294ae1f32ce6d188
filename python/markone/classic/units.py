"""The threshold unit of McCulloch and Pitts (1943) and the perceptron of Rosenblatt (1958)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import markone as mo
from markone.classic.estimator import Classifier, random_state

__all__ = ["BooleanNetwork", "NotSeparableWarning", "Perceptron", "ThresholdUnit", "TraceRow"]


class NotSeparableWarning(UserWarning):
    """Training ended without a line that separates the classes; the best weights seen are kept."""


@dataclass(frozen=True)
class TraceRow:
    """One epoch: the weights (w0, w1, …) at its start, and how many examples they get wrong."""

    epoch: int
    weights: np.ndarray
    errors: int

    def __str__(self) -> str:
        return ", ".join(f"w{i}={w:.3f}" for i, w in enumerate(self.weights)) + f"  err={self.errors}"


def with_bias(X: np.ndarray, dtype: mo.dtype) -> mo.Tensor:
    """X [N, F] as a tensor [N, 1 + F] whose first column is the constant input 1 of w0."""
    return mo.tensor(np.concatenate([np.ones((len(X), 1)), X], axis=1), dtype=dtype)


def net_input(x: mo.Tensor, w: mo.Tensor) -> mo.Tensor:
    """w·x for each row, summed from w0 on: each product and each sum is rounded, as by hand."""
    net = x[:, 0] * w[0]
    for i in range(1, x.shape[1]):
        net = net + x[:, i] * w[i]
    return net


class Perceptron(Classifier):
    """The perceptron training rule: wᵢ ← wᵢ + η(t − o)xᵢ on each misclassified example, one at a time.

    Examples come in the order of the data. The output o is high where w0 + w·x ≥ 0, else low. Two classes
    need one unit; with more each class has a unit against the rest, and the largest net input decides.

    Training stops when all examples are right. When the weights of an earlier epoch come back, it would go
    round for ever: the classes are proved not to be separable by a line, and it stops. It also stops after
    `max_iter` epochs. In both cases it warns and keeps the weights with the fewest errors (Gallant's pocket).

    Args:
        eta: the rate η.
        max_iter: the most epochs.
        start: the first weights (w0, w1, …); None draws them from [−0.05, 0.05].
        targets: (low, high) outputs and targets: (−1, 1), or (0, 1).
        dtype: of the weights, "float32" or "float64". It is part of the result: a tie falls by rounding.
        random_state: of the drawn start.

    Attributes:
        coef_ [1 or C, F], intercept_ [1 or C]: the weights.
        history_: a list of `TraceRow`, an epoch each (of the first unit).
        separable_: whether all training examples were right at the end.
        n_iter_: epochs until then.
    """

    def __init__(
        self,
        eta: float = 0.01,
        max_iter: int = 1000,
        start: Sequence[float] | None = None,
        targets: tuple[float, float] = (-1, 1),
        dtype: str = "float32",
        random_state: Any = None,
    ) -> None:
        self.eta = eta
        self.max_iter = max_iter
        self.start = start
        self.targets = targets
        self.dtype = dtype
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Perceptron:
        """Learns from X [N, F] and labels [N]; the larger label is the high output.

        Raises:
            ValueError: a wrong shape, a start with another number of weights, fewer than two classes.
        """
        array, codes = self._labelled(X, y)
        width = 1 + array.shape[1]
        if self.start is not None and len(self.start) != width:
            raise ValueError(
                f"{type(self).__name__}: start has {len(self.start)} weights, wants {width}: w0 and one "
                "a feature"
            )
        draw = random_state(self.random_state)
        dtype = getattr(mo, self.dtype)
        x = with_bias(array, dtype)
        units = [codes == 1] if len(self.classes_) == 2 else [codes == c for c in range(len(self.classes_))]
        weights, histories, ends = [], [], []
        for high in units:
            start = draw.uniform(-0.05, 0.05, width) if self.start is None else self.start
            w, history, end = self._unit(x, high, mo.tensor(np.asarray(start), dtype=dtype))
            weights.append(w)
            histories.append(history)
            ends.append(end)
        self.weights_ = np.stack(weights)
        self.intercept_, self.coef_ = self.weights_[:, 0], self.weights_[:, 1:]
        self.history_ = histories[0]
        self.n_iter_ = max(len(history) for history in histories)
        self.separable_ = not any(ends)
        if not self.separable_:
            best = ", ".join(str(min(row.errors for row in history)) for history in histories)
            warnings.warn(
                f"{type(self).__name__}: {next(e for e in ends if e)}; kept the best weights seen "
                f"(errors: {best} of {len(array)})",
                NotSeparableWarning,
                stacklevel=2,
            )
        return self

    def _unit(self, x: mo.Tensor, high: np.ndarray, w: mo.Tensor) -> tuple[np.ndarray, list[TraceRow], str]:
        """One unit: its weights, its trace, and why it ended without separating (empty: it did)."""
        low_value, high_value = self.targets
        history: list[TraceRow] = []
        seen: dict[bytes, int] = {}
        best, fewest = w, len(high) + 1
        for epoch in range(self.max_iter):
            wrong = (net_input(x, w) >= 0).numpy() != high
            row = TraceRow(epoch, w.numpy().copy(), int(wrong.sum()))
            history.append(row)
            if row.errors < fewest:
                best, fewest = w, row.errors
            if row.errors == 0:
                return row.weights, history, ""
            first = seen.setdefault(row.weights.tobytes(), epoch)
            if first != epoch:
                why = f"the data is not separable by a line: the weights of epoch {first} came back in epoch"
                return best.numpy(), history, f"{why} {epoch}"
            # An example that is right changes nothing, so the next misclassified one is looked up at once.
            at = 0
            while wrong[at:].any():
                at += int(wrong[at:].argmax())
                change = high_value - low_value if high[at] else low_value - high_value
                w = w + (self.eta * change) * x[at]
                at += 1
                if at < len(high):
                    wrong[at:] = (net_input(x[at:], w) >= 0).numpy() != high[at:]
        return best.numpy(), history, f"no separating line was found in {self.max_iter} epochs"

    def decision_function(self, X: Any) -> np.ndarray:
        """The net inputs: [N] for two classes, else [N, C]."""
        x = with_bias(self._inputs(X), getattr(mo, self.dtype))
        nets = [net_input(x, mo.tensor(w)).numpy() for w in self.weights_]
        return nets[0] if len(nets) == 1 else np.stack(nets, axis=1)

    def predict(self, X: Any) -> np.ndarray:
        """The label [N] of each row of X [N, F]."""
        net = self.decision_function(X)
        return self.classes_[(net >= 0).astype(int) if net.ndim == 1 else net.argmax(axis=1)]


class ThresholdUnit(Perceptron):
    """Output 1 where bias + weights·x ≥ 0, else 0 (McCulloch and Pitts 1943).

    Made by hand (`ThresholdUnit.AND()`), or `fit` to a table of 0s and 1s by the perceptron rule with targets
    0 and 1.
    """

    _two_classes_only = True

    def __init__(
        self,
        eta: float = 0.1,
        max_iter: int = 1000,
        start: Sequence[float] | None = None,
        random_state: Any = None,
    ) -> None:
        super().__init__(eta, max_iter, start, (0, 1), "float64", random_state)

    @classmethod
    def by_hand(cls, bias: float, weights: Sequence[float]) -> ThresholdUnit:
        """The unit with these weights, ready to `predict`."""
        unit = cls()
        unit.weights_ = np.array([[bias, *weights]], dtype=np.float64)
        unit.intercept_, unit.coef_ = unit.weights_[:, 0], unit.weights_[:, 1:]
        unit.classes_, unit.n_features_in_ = np.array([0, 1]), len(weights)
        return unit

    @classmethod
    def m_of_n(cls, m: int, n: int) -> ThresholdUnit:
        """1 where at least m of the n inputs are 1: weights 20, bias −(20m − 10).

        Raises:
            ValueError: m is not in 1 … n.
        """
        if not 1 <= m <= n:
            raise ValueError(f"ThresholdUnit.m_of_n: got m={m}, n={n}, wants 1 ≤ m ≤ n")
        return cls.by_hand(10 - 20 * m, [20] * n)

    @classmethod
    def AND(cls, n: int = 2) -> ThresholdUnit:
        """All of n inputs: for two, bias −30 and weights 20."""
        return cls.m_of_n(n, n)

    @classmethod
    def OR(cls, n: int = 2) -> ThresholdUnit:
        """Any of n inputs: bias −10, weights 20."""
        return cls.m_of_n(1, n)

    @classmethod
    def NOT(cls) -> ThresholdUnit:
        """The other of one input: bias 10, weight −20."""
        return cls.by_hand(10, [-20])

    def predict_one(self, *x: float) -> int:
        """The output for one example: `ThresholdUnit.AND().predict_one(1, 0)`."""
        return int(self.predict([x])[0])


class BooleanNetwork(Classifier):
    """Any Boolean function as two levels of threshold units, built from its truth table (sum of products).

    The hidden unit of a true row has weight +1 for each 1 of the row and −1 for each 0, and is on for that
    row alone; the output unit is their OR.
    """

    _two_classes_only = True

    def fit(self, X: Any, y: Any) -> BooleanNetwork:
        """Takes the truth table: rows X [N, F] of 0 and 1, values y [N] of 0 and 1.

        Raises:
            ValueError: other values, or a row twice with different values.
        """
        array, target = self._pair(X, y)
        if not (np.isin(array, (0, 1)).all() and np.isin(target, (0, 1)).all()):
            raise ValueError("BooleanNetwork: a truth table holds 0 and 1 only")
        rows: dict[bytes, int] = {}
        for row, value in zip(array, target):
            if rows.setdefault(row.tobytes(), int(value)) != int(value):
                raise ValueError(
                    f"BooleanNetwork: the row {row.astype(int).tolist()} stands twice, as 0 and as 1"
                )
        self.classes_ = np.array([0, 1])
        true = np.unique(array[target == 1], axis=0)
        # On where Σ±x reaches the number of ones, which only the row itself does.
        self.hidden_ = [ThresholdUnit.by_hand(0.5 - row.sum(), 2 * row - 1) for row in true]
        self.output_ = ThresholdUnit.OR(len(true)) if len(true) else ThresholdUnit.by_hand(-1, [0])
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The function's value [N] for each row of X [N, F]."""
        array = self._inputs(X)
        hidden = [unit.predict(array) for unit in self.hidden_] or [np.zeros(len(array))]
        return self.output_.predict(np.stack(hidden, axis=1))
