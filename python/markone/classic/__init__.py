"""Classic units as estimators with scikit-learn's conventions: `fit`, `predict`, `score`."""

from markone.classic.adaline import LMS, Adaline, AdaptiveFilter, Madaline
from markone.classic.estimator import Classifier, Estimator, NotFittedError, Regressor
from markone.classic.networks import LogisticRegression, MLPClassifier, MLPRegressor
from markone.classic.units import BooleanNetwork, NotSeparableWarning, Perceptron, ThresholdUnit, TraceRow

__all__ = [
    "LMS",
    "Adaline",
    "AdaptiveFilter",
    "BooleanNetwork",
    "Classifier",
    "Estimator",
    "LogisticRegression",
    "MLPClassifier",
    "MLPRegressor",
    "Madaline",
    "NotFittedError",
    "NotSeparableWarning",
    "Perceptron",
    "Regressor",
    "ThresholdUnit",
    "TraceRow",
]
