"""Figures of regressions and of texts."""

from __future__ import annotations

from typing import Any

import numpy as np

from markone.train.metrics.base import Metric, as_numpy

__all__ = ["BLEU", "MeanAbsoluteError", "MeanSquaredError", "R2Score"]


def _pair(op: str, output: Any, target: Any) -> tuple[np.ndarray, np.ndarray]:
    a, b = as_numpy(output).astype(np.float64), as_numpy(target).astype(np.float64)
    if a.shape != b.shape:
        raise ValueError(
            f"{op}: got an output of shape {list(a.shape)} for a target of shape {list(b.shape)}"
        )
    return a.ravel(), b.ravel()


class _Mean(Metric):
    def __init__(self, name: str | None = None) -> None:
        self.name = type(self).name if name is None else name
        self.reset()

    def reset(self) -> None:
        self.total = 0.0
        self.seen = 0

    def _errors(self, difference: np.ndarray) -> np.ndarray:
        raise NotImplementedError(f"{type(self).__name__}: has to write _errors(difference)")

    def update(self, output: Any, target: Any) -> None:
        a, b = _pair(type(self).__name__, output, target)
        self.total += float(self._errors(a - b).sum())
        self.seen += a.size

    def compute(self) -> float:
        return self.total / self.seen if self.seen else float("nan")


class MeanSquaredError(_Mean):
    """The mean of (output − target)² over all elements."""

    name = "mse"

    def _errors(self, difference: np.ndarray) -> np.ndarray:
        return np.square(difference)


class MeanAbsoluteError(_Mean):
    """The mean of |output − target| over all elements."""

    name = "mae"

    def _errors(self, difference: np.ndarray) -> np.ndarray:
        return np.abs(difference)


class R2Score(Metric):
    """1 − Σ(y − ŷ)² / Σ(y − ȳ)² over all elements; by Welford's running mean, so large means lose nothing."""

    def __init__(self, name: str = "r2") -> None:
        self.name = name
        self.reset()

    def reset(self) -> None:
        self.residual = 0.0
        self.spread = 0.0
        self.mean = 0.0
        self.seen = 0

    def update(self, output: Any, target: Any) -> None:
        a, b = _pair("R2Score", output, target)
        if not b.size:
            return
        self.residual += float(np.square(a - b).sum())
        mean, both = float(b.mean()), self.seen + b.size
        shift = mean - self.mean
        self.spread += float(np.square(b - mean).sum()) + shift**2 * self.seen * b.size / both
        self.mean += shift * b.size / both
        self.seen = both

    def compute(self) -> float:
        return 1.0 - self.residual / self.spread if self.seen > 1 and self.spread else float("nan")


class BLEU(Metric):
    """Corpus BLEU from 0 to 100 by sacrebleu: sentences, and for each its references (a string or several).

    Raises:
        ImportError: sacrebleu is not installed; says how to get it.
    """

    def __init__(self, name: str = "bleu") -> None:
        self.name = name
        self.reset()

    def reset(self) -> None:
        self.sentences: list[str] = []
        self.references: list[list[str]] = []

    def update(self, output: Any, target: Any) -> None:
        if len(output) != len(target):
            raise ValueError(f"BLEU: got {len(output)} sentences and {len(target)} references, wants as many")
        self.sentences += [str(sentence) for sentence in output]
        self.references += [[given] if isinstance(given, str) else list(given) for given in target]

    def compute(self) -> float:
        if not self.sentences:
            return float("nan")
        try:
            import sacrebleu
        except ImportError as error:
            raise ImportError(
                "BLEU: needs sacrebleu; install it with: pip install 'markone[text]'"
            ) from error
        most = max(map(len, self.references))
        streams: Any = [[r[i] if i < len(r) else None for r in self.references] for i in range(most)]
        return float(sacrebleu.corpus_bleu(self.sentences, streams).score)
