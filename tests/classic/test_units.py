"""Threshold units, perceptron rule, delta rule, Madaline: the course's figures and the theory's."""

import itertools
import warnings

import numpy as np
import pytest

from markone import classic

POINTS = [
    (1, 9),
    (10, 9),
    (4, 7),
    (4, 5),
    (5, 3),
    (8, 9),
    (4, 2),
    (2, 5),
    (7, 1),
    (2, 10),
    (8, 5),
    (1, 2),
    (8, 2),
]
GREEN = [1, 1, 1, -1, -1, 1, -1, -1, -1, 1, 1, -1, -1]
TABLE = [[0, 0], [0, 1], [1, 0], [1, 1]]


def trained(dtype):
    return classic.Perceptron(eta=0.01, start=(0.5, 0.5, 0.5), dtype=dtype).fit(POINTS, GREEN)


def test_perceptron_trace_is_the_slides():
    history = trained("float32").history_
    assert len(history) == 38
    slide = {
        0: ("0.500 0.500 0.500", 7),
        1: ("0.360 -0.120 0.100", 6),
        2: ("0.300 -0.180 0.060", 5),
        3: ("0.240 -0.140 0.140", 4),
        4: ("0.180 -0.200 0.100", 5),
        10: ("-0.140 -0.040 0.180", 5),
        15: ("-0.420 -0.080 0.140", 2),
        16: ("-0.420 -0.080 0.240", 2),
        31: ("-0.900 -0.020 0.180", 1),
        32: ("-0.900 -0.020 0.240", 2),
        33: ("-0.920 0.020 0.220", 2),
        34: ("-0.960 -0.020 0.220", 3),
        35: ("-0.980 0.020 0.200", 2),
        36: ("-1.000 0.060 0.180", 2),
        37: ("-1.040 0.020 0.180", 0),
    }
    for epoch, (weights, errors) in slide.items():
        row = history[epoch]
        assert " ".join(f"{w:.3f}" for w in row.weights) == weights
        assert row.errors == errors
    assert str(history[37]) == "w0=-1.040, w1=0.020, w2=0.180  err=0"


def test_perceptron_trace_in_float64_ends_a_row_earlier():
    unit = trained("float64")
    assert len(unit.history_) == 37
    np.testing.assert_allclose(unit.history_[-1].weights, (-1.02, 0.02, 0.18), atol=1e-12)
    assert unit.separable_
    assert unit.score(POINTS, GREEN) == 1


def test_errors_by_epoch_are_not_monotone():
    errors = [row.errors for row in trained("float32").history_]
    assert any(later > earlier for earlier, later in itertools.pairwise(errors))


@pytest.mark.parametrize("make", [classic.Perceptron, classic.ThresholdUnit])
def test_xor_is_said_not_to_be_separable(make):
    with pytest.warns(classic.NotSeparableWarning, match="not separable by a line"):
        unit = make(start=(0, 0, 0)).fit(TABLE, [0, 1, 1, 0])
    assert not unit.separable_
    assert unit.n_iter_ < 100  # it proved it, the limit is 1000


def test_the_best_weights_are_kept_when_a_line_cannot_separate():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    y = (X[:, 0] > 0).astype(int)
    y[:3] = 1 - y[:3]
    with pytest.warns(classic.NotSeparableWarning, match="kept the best weights"):
        unit = classic.Perceptron(max_iter=50, random_state=0).fit(X, y)
    fewest = min(row.errors for row in unit.history_)
    assert round((1 - unit.score(X, y)) * 60) == fewest


@pytest.mark.parametrize(
    ("unit", "wanted"),
    [
        (classic.ThresholdUnit.AND(), [0, 0, 0, 1]),
        (classic.ThresholdUnit.OR(), [0, 1, 1, 1]),
        (classic.ThresholdUnit.by_hand(-30, [20, 20]), [0, 0, 0, 1]),
        (classic.ThresholdUnit.by_hand(-10, [20, 20]), [0, 1, 1, 1]),
        (classic.ThresholdUnit.by_hand(-1, [1.5, -1]), [0, 0, 1, 0]),
    ],
)
def test_units_by_hand(unit, wanted):
    assert unit.predict(TABLE).tolist() == wanted


def test_and_has_the_slides_weights():
    unit = classic.ThresholdUnit.AND()
    assert (unit.intercept_.tolist(), unit.coef_.tolist()) == ([-30], [[20, 20]])
    assert [classic.ThresholdUnit.NOT().predict_one(x) for x in (0, 1)] == [1, 0]


def test_every_m_of_n_function():
    for n in range(1, 6):
        rows = np.array(np.meshgrid(*[[0, 1]] * n)).reshape(n, -1).T
        for m in range(1, n + 1):
            out = classic.ThresholdUnit.m_of_n(m, n).predict(rows)
            np.testing.assert_array_equal(out, rows.sum(axis=1) >= m)
    with pytest.raises(ValueError, match="m_of_n"):
        classic.ThresholdUnit.m_of_n(3, 2)


def test_threshold_unit_learns_the_functions_that_a_line_separates():
    for y in ([0, 0, 0, 1], [0, 1, 1, 1], [1, 0, 0, 0], [0, 0, 1, 0]):
        unit = classic.ThresholdUnit(random_state=0).fit(TABLE, y)
        assert unit.separable_
        assert unit.predict(TABLE).tolist() == y


def test_two_perceptrons_tell_four_vehicles():
    y1, y2 = classic.ThresholdUnit.by_hand(-3, [1, 0]), classic.ThresholdUnit.by_hand(-3, [0, 1])
    codes = {(0, 0): "bus", (0, 1): "car", (1, 0): "plane", (1, 1): "bicycle"}
    rows = {(1, 1): "bus", (1, 4): "car", (2, 5): "car", (1, 2): "bus", (4, 2): "plane", (4, 5): "bicycle",
            (5, 4): "bicycle", (5, 2): "plane"}  # fmt: skip
    for row, name in {**rows, (2.1, 4.5): "car"}.items():
        assert codes[y1.predict_one(*row), y2.predict_one(*row)] == name


def test_every_boolean_function_of_three_inputs():
    rows = [[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    for function in range(256):
        y = [function >> i & 1 for i in range(8)]
        assert classic.BooleanNetwork().fit(rows, y).predict(rows).tolist() == y
    with pytest.raises(ValueError, match="stands twice"):
        classic.BooleanNetwork().fit([[0, 1], [0, 1]], [0, 1])


@pytest.mark.parametrize("rule", ["batch", "stochastic"])
def test_delta_rule_ends_at_least_squares(rule):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(80, 3)) + 2
    noise = 0 if rule == "stochastic" else 0.3  # one by one it only circles round the fit of noisy data
    y = X @ [1.0, -2.0, 0.5] + 3 + noise * rng.normal(size=80)
    unit = classic.LMS(rule, max_iter=5000, tol=0, random_state=0).fit(X, y)
    closed = np.linalg.lstsq(np.c_[np.ones(80), X], y, rcond=None)[0]
    np.testing.assert_allclose([unit.intercept_, *unit.coef_], closed, atol=1e-6)
    assert all(b <= a + 1e-12 for a, b in zip(unit.history_, unit.history_[1:]))


def test_a_rate_that_is_too_large_is_named():
    with pytest.raises(FloatingPointError, match="η = 5 is too large"):
        classic.LMS(eta=5).fit(np.arange(20.0)[:, None], np.arange(20.0))


def test_adaline_separates_the_points():
    assert classic.Adaline(random_state=0).fit(POINTS, GREEN).score(POINTS, GREEN) == 1


def test_madaline_learns_xor():
    unit = classic.Madaline(random_state=0).fit(TABLE, [0, 1, 1, 0])
    assert unit.predict(TABLE).tolist() == [0, 1, 1, 0]


def test_adaptive_filter_removes_an_echo():
    rng = np.random.default_rng(2)
    far, path = rng.normal(size=4000), 0.6 ** np.arange(12) * np.cos(np.arange(12))
    echo = np.convolve(far, path)[:4000]
    near = 0.05 * np.sin(np.arange(4000) / 9)
    predicted, left = classic.AdaptiveFilter(16, 0.3)(far, echo + near)
    tail = slice(2000, None)
    assert np.mean((predicted[tail] - echo[tail]) ** 2) < 0.01 * np.mean(echo[tail] ** 2)
    assert np.mean((left[tail] - near[tail]) ** 2) < 0.01 * np.mean(echo[tail] ** 2)


def test_logistic_regression_is_a_one_layer_net():
    peer = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(3)
    for classes in (2, 3):
        X = rng.normal(size=(90, 4)) + np.repeat(np.arange(classes), 90 // classes)[:, None]
        y = np.repeat(np.arange(classes), 90 // classes)
        scaled = (X - X.mean(0)) / X.std(0)
        ours = classic.LogisticRegression(l2=0.01).fit(scaled, y)
        theirs = peer.LogisticRegression(C=1 / (0.01 * 90), tol=1e-10, max_iter=10000).fit(scaled, y)
        np.testing.assert_allclose(ours.predict_proba(scaled), theirs.predict_proba(scaled), atol=1e-3)


def test_multilayer_perceptrons_learn():
    rng = np.random.default_rng(4)
    X = rng.uniform(-1, 1, size=(200, 2))
    y = np.where(X[:, 0] * X[:, 1] > 0, "same", "other")
    model = classic.MLPClassifier((16,), lr=2e-2, max_iter=100, random_state=0).fit(X, y)
    assert model.score(X, y) > 0.95
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)
    again = classic.MLPClassifier((16,), lr=2e-2, max_iter=100, random_state=0).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), again.predict_proba(X))
    regressor = classic.MLPRegressor((32,), lr=2e-2, max_iter=150, random_state=0).fit(X, X[:, 0] ** 2)
    assert regressor.score(X, X[:, 0] ** 2) > 0.95


@pytest.mark.parametrize(
    ("X", "y", "match"),
    [
        ([1, 2, 3], [0, 1, 0], "Expected 2D array"),
        ([[1, 2]], [0, 1], "inconsistent numbers of samples"),
        ([[np.nan], [1]], [0, 1], "NaN or infinity"),
        ([[1], [2]], [0, 0], "1 class"),
        (np.zeros((0, 2)), [], "0 sample"),
    ],
)
def test_bad_input_is_named(X, y, match):
    with pytest.raises(ValueError, match=match):
        classic.Perceptron().fit(X, y)


def test_predict_before_fit():
    for make in (classic.Perceptron, classic.Adaline, classic.MLPClassifier):
        with pytest.raises(ValueError, match="not fitted"):
            make().predict([[1.0, 2.0]])


QUICK = {
    "Perceptron": {"max_iter": 20},
    "ThresholdUnit": {"max_iter": 20},
    "Madaline": {"max_iter": 20, "tries": 1},
    "LogisticRegression": {"max_iter": 200},
    "MLPClassifier": {"max_iter": 60},
    "MLPRegressor": {"max_iter": 60},
}


@pytest.mark.parametrize(
    "name",
    ["Perceptron", "ThresholdUnit", "LMS", "Adaline", "Madaline", "LogisticRegression", "MLPClassifier",
     "MLPRegressor"],
)  # fmt: skip
def test_check_estimator(name):
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        checks.check_estimator(getattr(classic, name)(**QUICK.get(name, {})))
