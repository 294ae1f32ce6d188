"""What the classic units share: scikit-learn's conventions, without scikit-learn.

`fit(X, y)` returns the estimator, `predict(X)` and `score(X, y)` follow; the constructor only stores what it
is given; what is learned ends with an underscore. So the units work in scikit-learn's pipelines and searches,
and where scikit-learn is loaded they raise and warn with its classes.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from typing import Any

import numpy as np

__all__ = ["Classifier", "Estimator", "NotFittedError", "Regressor", "random_state"]


class NotFittedError(ValueError, AttributeError):
    """`predict` before `fit`."""


def _peer_class(name: str, ours: type) -> Any:
    """scikit-learn's exception of this name where a program has it loaded, since its users catch that one."""
    return getattr(sys.modules.get("sklearn.exceptions"), name, ours)


def random_state(seed: Any) -> np.random.Generator | np.random.RandomState:
    """A generator from None, an integer or a generator, which is passed through."""
    if isinstance(seed, (np.random.Generator, np.random.RandomState)):
        return seed
    return np.random.default_rng(seed)


class Estimator:
    """Parameters by name, checked inputs."""

    n_features_in_: int
    feature_names_in_: np.ndarray
    _kind = ""  # "classifier" or "regressor"

    # --- parameters ---------------------------------------------------------------------------------------

    @classmethod
    def _names(cls) -> list[str]:
        return sorted(name for name in inspect.signature(cls.__init__).parameters if name != "self")

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments by name."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params: Any) -> Any:
        """Changes constructor arguments; returns the estimator.

        Raises:
            ValueError: it has no parameter of this name.
        """
        known = self._names()
        for name, value in params.items():
            if name not in known:
                raise ValueError(f"{type(self).__name__}: no parameter {name!r}, it has {', '.join(known)}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self).__init__).parameters
        changed = [
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if repr(value) != repr(defaults[name].default)
        ]
        return f"{type(self).__name__}({', '.join(changed)})"

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "n_features_in_")

    def __sklearn_tags__(self) -> Any:
        """Only scikit-learn asks for them, so it is there."""
        from sklearn.utils import ClassifierTags, InputTags, RegressorTags, Tags, TargetTags

        tags = Tags(
            estimator_type=self._kind,
            target_tags=TargetTags(required=True),
            input_tags=InputTags(),
            classifier_tags=ClassifierTags() if self._kind == "classifier" else None,
            regressor_tags=RegressorTags() if self._kind == "regressor" else None,
        )
        self._tag(tags)
        return tags

    def _tag(self, tags: Any) -> None:
        """What a subclass says of itself to scikit-learn."""

    # --- inputs -------------------------------------------------------------------------------------------

    def _inputs(self, X: Any, fitting: bool = False) -> np.ndarray:
        """X as float64 [N, F], with the number and the names of the features that `fit` saw.

        Raises:
            NotFittedError: nothing was fitted.
            ValueError: not a finite numeric matrix with at least one row, or other features.
        """
        name = type(self).__name__
        if not fitting and not self.__sklearn_is_fitted__():
            raise _peer_class("NotFittedError", NotFittedError)(
                f"This {name} instance is not fitted yet: call fit(X, y) first."
            )
        names = _column_names(X)
        if type(X).__module__.startswith("scipy.sparse"):
            raise TypeError(f"{name}: sparse data was passed for X, but dense data is required")
        array = np.asarray(X.numpy() if type(X).__module__.startswith("markone") else X)
        if array.dtype.kind == "c":
            raise ValueError(f"{name}: Complex data not supported, got dtype {array.dtype}")
        array = array.astype(np.float64)
        if array.ndim != 2:
            raise ValueError(
                f"{name}: Expected 2D array, got {array.ndim}D array of shape {array.shape} instead. "
                "Reshape your data either using array.reshape(-1, 1) or array.reshape(1, -1)"
            )
        if array.shape[0] == 0:
            raise ValueError(f"{name}: Found array with 0 sample(s) (shape={array.shape}), at least 1 wanted")
        if array.shape[1] == 0:
            raise ValueError(
                f"{name}: Found array with 0 feature(s) (shape={array.shape}) while a minimum of 1 "
                "is required."
            )
        if not np.isfinite(array).all():
            raise ValueError(f"{name}: Input X contains NaN or infinity, wants finite numbers")
        if fitting:
            self.n_features_in_ = array.shape[1]
            if names is not None:
                self.feature_names_in_ = names
            elif hasattr(self, "feature_names_in_"):
                del self.feature_names_in_
        else:
            self._same_features(array, names)
        return array

    def _same_features(self, array: np.ndarray, names: np.ndarray | None) -> None:
        name, seen = type(self).__name__, getattr(self, "feature_names_in_", None)
        if names is not None and seen is None:
            warnings.warn(f"X has feature names, but {name} was fitted without feature names", stacklevel=4)
        elif names is None and seen is not None:
            warnings.warn(
                f"X does not have valid feature names, but {name} was fitted with feature names", stacklevel=4
            )
        elif names is not None and seen is not None and list(names) != list(seen):
            raise ValueError(_different_names(list(names), list(seen)))
        if array.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {array.shape[1]} features, but {name} is expecting {self.n_features_in_} features "
                "as input"
            )

    def _pair(self, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """X [N, F] and y [N] for `fit`."""
        name = type(self).__name__
        if y is None:
            raise ValueError(f"{name} requires y to be passed, but the target y is None")
        array = self._inputs(X, fitting=True)
        target = np.asarray(y.numpy() if type(y).__module__.startswith("markone") else y)
        if target.ndim == 2 and target.shape[1] == 1:
            warnings.warn(
                f"A column-vector y was passed when a 1d array was expected: {name} got shape {target.shape}",
                _peer_class("DataConversionWarning", UserWarning),
                stacklevel=3,
            )
            target = target[:, 0]
        if target.ndim != 1:
            raise ValueError(f"{name}: y should be a 1d array, got an array of shape {target.shape} instead")
        if len(target) != len(array):
            raise ValueError(
                f"{name}: Found input variables with inconsistent numbers of samples: {len(array)} rows of X "
                f"and {len(target)} targets"
            )
        if target.dtype.kind == "c":
            raise ValueError(f"{name}: Complex data not supported, got y of dtype {target.dtype}")
        if target.dtype.kind == "f" and not np.isfinite(target).all():
            raise ValueError(f"{name}: Input y contains NaN or infinity, wants finite numbers")
        return array, target


def _column_names(X: Any) -> np.ndarray | None:
    """The columns' names of a data frame whose names are strings."""
    columns = getattr(X, "columns", None)
    if columns is None:
        return None
    names = np.asarray(columns, dtype=object)
    strings = [isinstance(name, str) for name in names]
    if any(strings) and not all(strings):
        kinds = sorted({type(name).__name__ for name in names})
        raise TypeError(
            "Feature names are only supported if all input features have string names, but your input has "
            f"{kinds} as feature name / column name types."
        )
    return names if len(names) and all(strings) else None


def _different_names(names: list[str], seen: list[str]) -> str:
    """What differs, in scikit-learn's words, which its own checks look for."""
    message = "The feature names should match those that were passed during fit.\n"
    unseen, missing = sorted(set(names) - set(seen)), sorted(set(seen) - set(names))
    for title, group in (
        ("Feature names unseen at fit time", unseen),
        ("Feature names seen at fit time, yet now missing", missing),
    ):
        if group:
            shown = [f"- {name}\n" for name in group[:5]] + (["- ...\n"] if len(group) > 5 else [])
            message += f"{title}:\n{''.join(shown)}"
    if not unseen and not missing:
        message += "Feature names must be in the same order as they were in fit.\n"
    return message


class Classifier(Estimator):
    """Labels of any kind are coded 0 … C − 1 in `classes_`."""

    classes_: np.ndarray
    _kind = "classifier"
    _two_classes_only = False

    def _tag(self, tags: Any) -> None:
        tags.classifier_tags.multi_class = not self._two_classes_only

    def _labelled(self, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """X [N, F] and the codes [N] of the labels.

        Raises:
            ValueError: labels that are real numbers, one class alone, or more than two where only two go.
        """
        array, labels = self._pair(X, y)
        name = type(self).__name__
        if labels.dtype.kind == "f" and not np.array_equal(labels, np.floor(labels)):
            raise ValueError(f"{name}: Unknown label type: continuous. Labels are classes, not real numbers")
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"{name}: the data has 1 class ({self.classes_[0]!r}), wants at least 2")
        if self._two_classes_only and len(self.classes_) > 2:
            raise ValueError(
                f"{name}: Only binary classification is supported. The target has {len(self.classes_)} "
                "classes"
            )
        return array, codes

    def predict(self, X: Any) -> np.ndarray:
        """The label [N] of each row of X [N, F]."""
        raise NotImplementedError(f"{type(self).__name__}.predict")

    def score(self, X: Any, y: Any) -> float:
        """The share of the rows that get their own label."""
        return float(np.mean(self.predict(X) == np.asarray(y)))


class Regressor(Estimator):
    """Real targets."""

    _kind = "regressor"

    def predict(self, X: Any) -> np.ndarray:
        """The value [N] for each row of X [N, F]."""
        raise NotImplementedError(f"{type(self).__name__}.predict")

    def score(self, X: Any, y: Any) -> float:
        """R²: 1 − (squared error) / (squared distance from the mean)."""
        target = np.asarray(y, dtype=np.float64)
        spread = float(((target - target.mean()) ** 2).sum())
        rest = float(((target - self.predict(X)) ** 2).sum())
        return 1 - rest / spread if spread else float(rest == 0)
