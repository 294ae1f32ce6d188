"""The delta rule (Widrow and Hoff 1960): Adaline, least mean squares, the adaptive filter, Madaline."""

from __future__ import annotations

from typing import Any

import numpy as np

import markone as mo
from markone.classic.estimator import Classifier, Regressor, random_state
from markone.classic.units import with_bias

__all__ = ["LMS", "Adaline", "AdaptiveFilter", "Madaline"]


def delta_rule(
    x: mo.Tensor, t: mo.Tensor, w: mo.Tensor, eta: float | None, epochs: int, rule: str, tol: float
) -> tuple[mo.Tensor, list[float]]:
    """Gradient descent on E = ½Σ(t − o)², o = w·x: returns the weights and E at each epoch's start.

    "batch" sums the changes η(t − o)x over all examples before it applies them; "stochastic" applies each at
    once. Without a rate the largest sure one is taken: 1/λ of the largest eigenvalue λ of XᵀX (batch), the
    inverse of the largest squared length of an example (stochastic). Ends early when E falls by less than
    `tol` of itself.
    """
    if rule not in ("batch", "stochastic"):
        raise ValueError(f"delta rule: got rule={rule!r}, wants 'batch' or 'stochastic'")
    if eta is None:
        array = x.numpy()
        squares = float((array**2).sum(axis=1).max())
        eta = 1 / (float(np.linalg.norm(array, 2)) ** 2 if rule == "batch" else squares)
    history: list[float] = []
    for _ in range(epochs):
        error = t - x.matmul(w)
        history.append(0.5 * float((error * error).sum().item()))
        if not np.isfinite(history[-1]):
            raise FloatingPointError(
                f"delta rule: η = {eta:g} is too large, the error is {history[-1]} in epoch "
                f"{len(history) - 1}"
            )
        if len(history) > 1 and abs(history[-2] - history[-1]) <= tol * history[-2]:
            break
        if rule == "batch":
            w = w + eta * error.matmul(x)
        else:
            w = _one_by_one(x.numpy(), t.numpy(), w.numpy(), eta)
    return w, history


def _one_by_one(x: np.ndarray, t: np.ndarray, w: np.ndarray, eta: float) -> mo.Tensor:
    """An epoch of the stochastic rule; on views, since a tensor call an example would be all the time."""
    w = w.copy()
    for row, target in zip(x, t):
        w += eta * (target - row @ w) * row
    return mo.from_numpy(w)


class LMS(Regressor):
    """A linear unit trained by the delta rule; ends at the least-squares fit.

    Args:
        rule: "batch" or "stochastic".
        eta: the rate η; None takes the largest that is sure to converge.
        max_iter: the most epochs.
        tol: end when the error falls by less than this share of itself in an epoch.
        random_state: of the start, uniform in [−0.05, 0.05].

    Attributes:
        coef_ [F], intercept_: the weights.
        history_: E = ½Σ(t − o)² at each epoch's start.
    """

    def __init__(
        self,
        rule: str = "batch",
        eta: float | None = None,
        max_iter: int = 1000,
        tol: float = 1e-6,
        random_state: Any = None,
    ) -> None:
        self.rule = rule
        self.eta = eta
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> LMS:
        """Learns from X [N, F] and real targets [N]."""
        array, target = self._pair(X, y)
        return self._learn(array, target.astype(np.float64))

    def _learn(self, array: np.ndarray, target: np.ndarray) -> Any:
        start = random_state(self.random_state).uniform(-0.05, 0.05, 1 + array.shape[1])
        # Centred inputs have the same fit; the error's valley is round, so the rate can be larger.
        self._centre = array.mean(axis=0)
        w, self.history_ = delta_rule(
            with_bias(array - self._centre, mo.float64),
            mo.tensor(target),
            mo.tensor(start),
            self.eta,
            self.max_iter,
            self.rule,
            self.tol,
        )
        weights = w.numpy()
        self.coef_ = weights[1:].copy()
        self.intercept_ = float(weights[0] - self.coef_ @ self._centre)
        self.n_iter_ = len(self.history_)
        return self

    def _net(self, X: Any) -> np.ndarray:
        x = mo.tensor(self._inputs(X))
        return (x.matmul(mo.tensor(self.coef_)) + self.intercept_).numpy()

    def predict(self, X: Any) -> np.ndarray:
        """The value [N] for each row of X [N, F]."""
        return self._net(X)


class Adaline(Classifier, LMS):
    """ADAptive LINear Element: the delta rule on targets −1 and +1; the class is the sign of the output."""

    _two_classes_only = True

    def fit(self, X: Any, y: Any) -> Adaline:
        """Learns from X [N, F] and two labels [N]; the larger one is +1."""
        array, codes = self._labelled(X, y)
        return self._learn(array, 2.0 * codes - 1)

    def decision_function(self, X: Any) -> np.ndarray:
        """The outputs [N] before the threshold."""
        return self._net(X)

    def predict(self, X: Any) -> np.ndarray:
        """The label [N] of each row of X [N, F]."""
        net = self._net(X)
        return self.classes_[(net >= 0).astype(int)]


class AdaptiveFilter:
    """An LMS filter: predicts a signal from the last `taps` samples of a reference, and adapts as it goes.

    With the far speaker's signal as the reference and the line's as the signal, the prediction is the echo
    and what is left is the near speaker: what MADALINE did on telephone lines. The step is normalised by the
    power in the window (Widrow and Stearns 1985).

    Args:
        taps: the window's length.
        eta: the rate, 0 < η < 2.
    """

    def __init__(self, taps: int = 32, eta: float = 0.5) -> None:
        if taps < 1 or not 0 < eta < 2:
            raise ValueError(f"AdaptiveFilter: got taps={taps}, eta={eta}, wants taps ≥ 1 and 0 < eta < 2")
        self.taps, self.eta = taps, eta
        self.weights = np.zeros(taps)
        self._power = 0.0

    @staticmethod
    def _rate(i: int) -> float:
        """Of the running mean: over all samples at first, over about 2,000 later."""
        return max(1 / (i + 1), 5e-4)

    def __call__(self, reference: Any, signal: Any) -> tuple[np.ndarray, np.ndarray]:
        """(predicted echo, what is left), each [T], of reference and signal [T]; `weights` go on learning."""
        x, d = np.asarray(reference, dtype=np.float64), np.asarray(signal, dtype=np.float64)
        if x.ndim != 1 or x.shape != d.shape:
            raise ValueError(f"AdaptiveFilter: got shapes {x.shape} and {d.shape}, wants two equal [T]")
        padded = np.concatenate([np.zeros(self.taps - 1), x])
        echo = np.empty_like(d)
        for i in range(len(d)):
            window = padded[i : i + self.taps][::-1]
            echo[i] = self.weights @ window
            # The mean power is a floor: in a pause the near speaker alone would drive the step.
            self._power += (x[i] ** 2 - self._power) * self._rate(i)
            power = window @ window + self.taps * self._power + 1e-12
            self.weights = self.weights + self.eta / power * (d[i] - echo[i]) * window
        return echo, d - echo


class Madaline(Classifier):
    """Many ADALINEs: a layer of them, and a fixed OR (Widrow 1962; MR-I as in Fausett 1994, section 2.4).

    On an error with target +1 the unit whose net input is nearest to zero is moved to +1; with target −1
    every unit that is on is moved to −1. So it learns XOR, which no single unit can.

    Args:
        units: in the layer.
        eta: the rate of the delta rule inside.
        max_iter: the most epochs.
        tries: starts; the best is kept, since a start can end in a local minimum.
        random_state: of the starts.
    """

    _two_classes_only = True

    def __init__(
        self, units: int = 8, eta: float = 0.1, max_iter: int = 200, tries: int = 5, random_state: Any = None
    ) -> None:
        self.units = units
        self.eta = eta
        self.max_iter = max_iter
        self.tries = tries
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Madaline:
        """Learns from X [N, F] and two labels [N]; the larger one is +1."""
        array, codes = self._labelled(X, y)
        draw = random_state(self.random_state)
        self._centre, self._scale = array.mean(axis=0), np.maximum(array.std(axis=0), 1e-12)
        x = np.concatenate([np.ones((len(array), 1)), (array - self._centre) / self._scale], axis=1)
        target = 2 * codes - 1
        self.errors_ = len(x) + 1
        for _ in range(self.tries):
            w = draw.uniform(-0.5, 0.5, (self.units, x.shape[1]))
            for epoch in range(self.max_iter):
                wrong = int((self._output(x, w) != target).sum())
                if wrong < self.errors_:
                    self.errors_, self.weights_, self.n_iter_ = wrong, w.copy(), epoch + 1
                if wrong == 0:
                    return self
                for i in draw.permutation(len(x)):
                    self._adapt(x[i], int(target[i]), w)
        return self

    @staticmethod
    def _output(x: np.ndarray, w: np.ndarray) -> np.ndarray:
        return np.where((x @ w.T >= 0).any(axis=1), 1, -1)

    def _adapt(self, x: np.ndarray, target: int, w: np.ndarray) -> None:
        net = w @ x
        on = net >= 0
        if on.any() == (target == 1):
            return
        moved = [int(np.abs(net).argmin())] if target == 1 else np.flatnonzero(on)
        for j in moved:
            w[j] += self.eta * (target - net[j]) * x

    def predict(self, X: Any) -> np.ndarray:
        """The label [N] of each row of X [N, F]."""
        array = (self._inputs(X) - self._centre) / self._scale
        x = np.concatenate([np.ones((len(array), 1)), array], axis=1)
        return self.classes_[(self._output(x, self.weights_) + 1) // 2]
