"""Logistic regression and multilayer perceptrons as estimators, trained by the library's own layers."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

import markone as mo
from markone import nn, optim
from markone.classic.estimator import Classifier, Estimator, Regressor, random_state
from markone.nn import functional as F

__all__ = ["LogisticRegression", "MLPClassifier", "MLPRegressor"]


class _Network(Estimator):
    """A network on standardised inputs, trained on mini-batches with AdamW."""

    def __init__(
        self,
        hidden: Sequence[int] = (100,),
        activation: str = "relu",
        lr: float = 3e-3,
        batch_size: int = 64,
        max_iter: int = 200,
        weight_decay: float = 1e-4,
        tol: float = 1e-5,
        patience: int = 10,
        random_state: Any = None,
    ) -> None:
        self.hidden = hidden
        self.activation = activation
        self.lr = lr
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.weight_decay = weight_decay
        self.tol = tol
        self.patience = patience
        self.random_state = random_state

    def _build(self, features: int, outputs: int) -> nn.Sequential:
        kinds = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "identity": nn.Identity}
        if self.activation not in kinds:
            raise ValueError(
                f"{type(self).__name__}: got activation={self.activation!r}, wants one of {', '.join(kinds)}"
            )
        layers: list[nn.Module] = []
        width = features
        for size in self.hidden:
            layers += [nn.Linear(width, size), kinds[self.activation]()]
            width = size
        return nn.Sequential(*layers, nn.Linear(width, outputs))

    def _train(self, X: np.ndarray, target: np.ndarray, outputs: int, loss: Any) -> None:
        draw = random_state(self.random_state)
        seed = int(draw.integers(2**31) if isinstance(draw, np.random.Generator) else draw.randint(2**31 - 1))
        state = mo.get_rng_state()
        try:
            mo.manual_seed(seed)
            self.network_ = self._build(X.shape[1], outputs)
        finally:
            mo.set_rng_state(state)
        self._centre, self._scale = X.mean(axis=0), X.std(axis=0)
        self._scale[self._scale < 1e-12] = 1.0
        x, t = self._tensor(X), mo.tensor(target)
        decayed = [p for p in self.network_.parameters() if p.ndim > 1]
        biases = [p for p in self.network_.parameters() if p.ndim == 1]
        step = optim.AdamW(
            [{"params": decayed, "weight_decay": self.weight_decay}, {"params": biases, "weight_decay": 0.0}],
            lr=self.lr,
        )
        order_of = np.random.default_rng(seed)
        size = min(self.batch_size, len(X))
        self.loss_curve_: list[float] = []
        best, since = np.inf, 0
        for _ in range(self.max_iter):
            order = order_of.permutation(len(X))
            total = 0.0
            for at in range(0, len(X), size):
                rows = mo.from_numpy(order[at : at + size])
                value = loss(self.network_(x[rows]), t[rows])
                step.zero_grad()
                value.backward()
                step.step()
                total += value.item() * len(rows)
            self.loss_curve_.append(total / len(X))
            since = since + 1 if self.loss_curve_[-1] > best - self.tol else 0
            best = min(best, self.loss_curve_[-1])
            if since >= self.patience:
                break
        self.n_iter_ = len(self.loss_curve_)

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and copy: the network as its arrays."""
        state = dict(self.__dict__)
        if "network_" in state:
            state["network_"] = {name: value.numpy() for name, value in self.network_.state_dict().items()}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        arrays = state.get("network_")
        self.__dict__.update(state)
        if arrays is not None:
            outputs = list(arrays.values())[-1].shape[0]
            self.network_ = self._build(self.n_features_in_, outputs)
            self.network_.load_state_dict({name: mo.tensor(value) for name, value in arrays.items()})

    def _tensor(self, X: np.ndarray) -> mo.Tensor:
        return mo.tensor(((X - self._centre) / self._scale).astype(np.float32))

    def _outputs(self, X: Any) -> mo.Tensor:
        x = self._tensor(self._inputs(X))
        with mo.no_grad():
            return self.network_(x)


class MLPClassifier(Classifier, _Network):
    """A multilayer perceptron with softmax cross-entropy.

    Inputs are standardised by the training data's mean and standard deviation; AdamW on mini-batches.

    Args:
        hidden: the widths of the hidden layers.
        activation: "relu", "tanh", "sigmoid" or "identity".
        lr, batch_size, weight_decay: of the optimiser.
        max_iter: the most epochs; ends early after `patience` epochs without `tol` less loss.
        random_state: of the start and the order.

    Attributes:
        network_: the trained `nn.Sequential`.
        loss_curve_: the mean loss by epoch.
    """

    def fit(self, X: Any, y: Any) -> MLPClassifier:
        """Learns from X [N, F] and labels [N]."""
        array, codes = self._labelled(X, y)
        self._train(array, codes.astype(np.int64), len(self.classes_), F.cross_entropy)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability [N, C] of each class."""
        return F.softmax(self._outputs(X).double(), dim=1).numpy()

    def predict(self, X: Any) -> np.ndarray:
        """The label [N] of each row of X [N, F]."""
        best = self._outputs(X).argmax(1).numpy()
        return self.classes_[best]


class MLPRegressor(Regressor, _Network):
    """A multilayer perceptron with squared error on standardised targets; arguments as `MLPClassifier`'s."""

    def fit(self, X: Any, y: Any) -> MLPRegressor:
        """Learns from X [N, F] and real targets [N]."""
        array, target = self._pair(X, y)
        target = target.astype(np.float64)
        self._mean, self._spread = float(target.mean()), float(target.std()) or 1.0
        scaled = ((target - self._mean) / self._spread).astype(np.float32)[:, None]
        self._train(array, scaled, 1, F.mse_loss)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The value [N] for each row of X [N, F]."""
        return self._outputs(X).double().numpy()[:, 0] * self._spread + self._mean


class LogisticRegression(Classifier):
    """One layer with softmax (two classes: sigmoid) and cross-entropy, by full-batch gradient descent.

    Minimises the mean cross-entropy plus `l2`/2 · ‖w‖² (not on the bias) with Nesterov's momentum at the sure
    rate 1/L, L the largest curvature of the loss.

    Args:
        l2: the regulariser's weight.
        max_iter: the most steps.
        tol: end when the largest gradient is below this.

    Attributes:
        coef_ [1 or C, F], intercept_ [1 or C].
        loss_curve_: the loss by step.
    """

    def __init__(self, l2: float = 1e-4, max_iter: int = 2000, tol: float = 1e-5) -> None:
        self.l2 = l2
        self.max_iter = max_iter
        self.tol = tol

    def fit(self, X: Any, y: Any) -> LogisticRegression:
        """Learns from X [N, F] and labels [N]."""
        array, codes = self._labelled(X, y)
        self._centre, scale = array.mean(axis=0), array.std(axis=0)
        scale[scale < 1e-12] = 1.0
        x = mo.tensor((array - self._centre) / scale)
        two = len(self.classes_) == 2
        t = mo.tensor(codes.astype(np.float64 if two else np.int64))
        layer = nn.Linear(array.shape[1], 1 if two else len(self.classes_), dtype=mo.float64)
        bias = layer.bias
        assert bias is not None
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(bias)
        # The cross-entropy's second derivative in the net input is at most ¼ (sigmoid) or ½ (softmax).
        curvature = (1 + float(np.linalg.norm(x.numpy(), 2)) ** 2 / len(array)) * (0.25 if two else 0.5)
        step = optim.SGD(layer.parameters(), lr=1 / (curvature + self.l2), momentum=0.95, nesterov=True)
        self.loss_curve_: list[float] = []
        for _ in range(self.max_iter):
            net = layer(x)
            data = F.binary_cross_entropy_with_logits(net[:, 0], t) if two else F.cross_entropy(net, t)
            loss = data + 0.5 * self.l2 * (layer.weight**2).sum()
            step.zero_grad()
            loss.backward()
            self.loss_curve_.append(loss.item())
            if all(p.grad is not None and p.grad.abs().max().item() < self.tol for p in layer.parameters()):
                break
            step.step()
        else:
            warnings.warn(
                f"LogisticRegression: not converged in {self.max_iter} steps (tol={self.tol:g})", stacklevel=2
            )
        self.n_iter_ = len(self.loss_curve_)
        self.coef_ = layer.weight.detach().numpy() / scale
        self.intercept_ = bias.detach().numpy() - self.coef_ @ self._centre
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """The net inputs: [N] for two classes, else [N, C]."""
        net = mo.tensor(self._inputs(X)).matmul(mo.tensor(self.coef_.T)).numpy() + self.intercept_
        return net[:, 0] if len(self.classes_) == 2 else net

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability [N, C] of each class."""
        net = self.decision_function(X)
        if net.ndim == 1:
            high = mo.sigmoid(mo.tensor(net)).numpy()
            return np.stack([1 - high, high], axis=1)
        return F.softmax(mo.tensor(net), dim=1).numpy()

    def predict(self, X: Any) -> np.ndarray:
        """The label [N] of each row of X [N, F]."""
        net = self.decision_function(X)
        return self.classes_[(net >= 0).astype(int) if net.ndim == 1 else net.argmax(axis=1)]
