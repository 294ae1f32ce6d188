"""Figures that run over an epoch."""

import math

import numpy as np
import pytest

import markone as mo
from markone.train import Accuracy, ConfusionMatrix

SCORES = np.array([[3, 1, 0], [0, 2, 1], [5, 0, 4], [1, 1, 0]], np.float32)
LABELS = np.array([0, 1, 2, 1])


@pytest.mark.parametrize("wrap", [np.asarray, mo.from_numpy])
def test_figures(wrap):
    accuracy, table = Accuracy(), ConfusionMatrix(3)
    for part in (slice(0, 1), slice(1, 4)):
        accuracy.update(wrap(SCORES[part]), wrap(LABELS[part]))
        table.update(wrap(SCORES[part]), wrap(LABELS[part]))
    assert accuracy.compute() == table.compute() == 0.5
    assert table.table.tolist() == [[1, 0, 0], [1, 1, 0], [1, 0, 0]]
    assert table.text(["a", "b", "c"]).splitlines()[3].split() == ["b", "|", "1", "1", ".", "|", "50.0", "%"]
    accuracy.reset()
    assert math.isnan(accuracy.compute())


def test_state_cut_in_two():
    first, second = Accuracy(), Accuracy()
    first.update(SCORES[:2], LABELS[:2])
    second.load_state_dict(first.state_dict())
    second.update(SCORES[2:], LABELS[2:])
    assert second.compute() == 0.5


def test_labels_outside_are_named():
    with pytest.raises(ValueError, match="got the label 7, wants 0 to 2"):
        ConfusionMatrix(3).update(SCORES[:1], np.array([7]))
