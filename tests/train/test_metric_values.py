"""Every figure against an independent computation, by hand or loops, and scikit-learn where installed."""

import math

import numpy as np
import pytest

import markone as mo
from markone import train

C = 4


def data(seed=0, n=60):
    rng = np.random.default_rng(seed)
    scores = rng.standard_normal((n, C)).astype(np.float32)
    labels = rng.integers(0, C - 1, n)  # the last class is never true
    return scores, labels


def run(metric, output, target, cuts=(20, 33)):
    """Batch by batch, with a reset before and a checkpoint between."""
    metric.update(output[:3], target[:3])
    metric.reset()
    parts = np.split(np.arange(len(target)), cuts)
    for i, part in enumerate(parts):
        wrap = mo.from_numpy if i % 2 else np.asarray
        metric.update(wrap(output[part]), wrap(target[part]))
        metric.load_state_dict(metric.state_dict())
    return metric.compute()


def counts(guesses, labels):
    """TP, FP, FN of each class by loops."""
    out = np.zeros((3, C))
    for g, t in zip(guesses, labels):
        if g == t:
            out[0, g] += 1
        else:
            out[1, g] += 1
            out[2, t] += 1
    return out


FIGURES = {
    "Precision": lambda tp, fp, fn: tp / (tp + fp),
    "Recall": lambda tp, fp, fn: tp / (tp + fn) if tp + fn else 0.0,
    "F1Score": lambda tp, fp, fn: 2 * tp / (2 * tp + fp + fn),
    "MeanIoU": lambda tp, fp, fn: tp / (tp + fp + fn),
}


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("average", ["micro", "macro", "weighted"])
def test_figures_of_classes(name, average):
    scores, labels = data()
    guesses = scores.argmax(1)
    tp, fp, fn = counts(guesses, labels)
    each = [FIGURES[name](*column) for column in zip(tp, fp, fn)]
    if average == "micro":
        want = FIGURES[name](tp.sum(), fp.sum(), fn.sum())
    elif average == "macro":
        want = np.mean(each)
    else:
        want = np.average(each, weights=np.bincount(labels, minlength=C))
    metric = getattr(train.metrics, name)(C, average)
    assert run(metric, scores, labels) == pytest.approx(want, abs=1e-12)
    np.testing.assert_allclose(metric.per_class(), each, atol=1e-12)
    sklearn = pytest.importorskip("sklearn.metrics")
    call = {"F1Score": "f1_score", "MeanIoU": "jaccard_score"}.get(name, f"{name.lower()}_score")
    theirs = getattr(sklearn, call)(labels, guesses, average=average, zero_division=0)
    assert metric.compute() == pytest.approx(theirs, abs=1e-12)


def test_top_k_and_ties():
    scores, labels = data()
    for k in (1, 2, 3):
        want = np.mean([t in np.argsort(-s)[:k] for s, t in zip(scores, labels)])
        assert run(train.metrics.TopKAccuracy(k), scores, labels) == pytest.approx(want)
    equal = train.metrics.TopKAccuracy(2)
    equal.update(np.zeros((3, 4)), np.array([0, 1, 2]))
    assert equal.compute() == pytest.approx(2 / 3) and equal.name == "top2_accuracy"


def test_pixels():
    rng = np.random.default_rng(1)
    scores = rng.standard_normal((5, C, 6, 7)).astype(np.float32)
    labels = rng.integers(0, C, (5, 6, 7))
    labels[:, 0] = 255
    guesses = scores.argmax(1)
    kept = labels != 255
    accuracy = run(train.metrics.PixelAccuracy(ignore_index=255), scores, labels, (2, 3))
    assert accuracy == pytest.approx((guesses == labels)[kept].mean())
    ious = []
    for c in range(C):
        a, b = (guesses == c) & kept, (labels == c) & kept
        ious.append((a & b).sum() / (a | b).sum())
    metric = train.metrics.MeanIoU(C, ignore_index=255)
    assert run(metric, scores, labels, (2, 3)) == pytest.approx(np.mean(ious))
    assert run(train.metrics.MeanIoU(C, ignore_index=255), guesses, labels, (2, 3)) == pytest.approx(
        np.mean(ious)
    )


def test_perplexity():
    rng = np.random.default_rng(2)
    scores, labels = rng.standard_normal((6, 5, 9)), rng.integers(0, 9, (6, 5))
    labels[:, -1] = -100
    p = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    logs = [math.log(p[i, j, labels[i, j]]) for i in range(6) for j in range(4)]
    got = run(train.metrics.Perplexity(ignore_index=-100), scores, labels, (2, 3))
    assert got == pytest.approx(math.exp(-np.mean(logs)), rel=1e-6)
    uniform = train.metrics.Perplexity()
    uniform.update(np.full((3, 7), 1e4), np.array([0, 1, 6]))
    assert uniform.compute() == pytest.approx(7.0)


def test_regression():
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((50, 2)), rng.standard_normal((50, 2)) + 1e6
    want = 1 - ((a - b) ** 2).sum() / ((b - b.mean()) ** 2).sum()
    assert run(train.metrics.R2Score(), a, b) == pytest.approx(want, rel=1e-9)
    assert run(train.metrics.MeanSquaredError(), a, b) == pytest.approx(((a - b) ** 2).mean())
    assert run(train.metrics.MeanAbsoluteError(), a, b) == pytest.approx(np.abs(a - b).mean())


def test_areas_under_curves():
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 2, 80)
    scores = np.round(labels * 0.7 + rng.standard_normal(80), 1)  # with equal ones
    pairs = [(p > n) + 0.5 * (p == n) for p in scores[labels == 1] for n in scores[labels == 0]]
    roc = train.metrics.AUROC()
    assert run(roc, scores, labels) == pytest.approx(np.mean(pairs), abs=1e-12)
    area, before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        chosen = scores >= threshold
        precision, recall = labels[chosen].mean(), labels[chosen].sum() / labels.sum()
        area += (recall - before) * precision
        before = recall
    pr = train.metrics.AveragePrecision()
    assert run(pr, scores, labels) == pytest.approx(area, abs=1e-12)
    sklearn = pytest.importorskip("sklearn.metrics")
    assert roc.compute() == pytest.approx(sklearn.roc_auc_score(labels, scores), abs=1e-12)
    assert pr.compute() == pytest.approx(sklearn.average_precision_score(labels, scores), abs=1e-12)
    for mine, theirs in zip(
        train.metrics.precision_recall_curve(labels, scores), sklearn.precision_recall_curve(labels, scores)
    ):
        np.testing.assert_allclose(mine, theirs)
    mine, theirs = (
        train.metrics.roc_curve(labels, scores),
        sklearn.roc_curve(labels, scores, drop_intermediate=False),
    )
    for a, b in zip(mine, theirs):
        np.testing.assert_allclose(a, b)


def boxes(*rows):
    return np.array(rows, np.float64).reshape(-1, 4)


def test_average_precision_worked_by_hand():
    """Three boxes to find; by falling score right, wrong, right, wrong: precision 1, 1/2, 2/3, 1/2."""
    recall, precision = [1 / 3, 1 / 3, 2 / 3, 2 / 3], [1.0, 1 / 2, 2 / 3, 1 / 2]
    assert train.metrics.voc_ap(recall, precision) == pytest.approx(1 / 3 * 1 + 1 / 3 * 2 / 3)
    # Recalls 0 to 0.3 see precision 1 (4 points), 0.4 to 0.6 see 2/3 (3 points), the other four 0.
    assert train.metrics.voc_ap(recall, precision, True) == pytest.approx((4 * 1 + 3 * 2 / 3) / 11)
    assert train.metrics.voc_ap([0.3], [1.0], True) == pytest.approx(4 / 11)
    assert train.metrics.voc_ap([], []) == 0.0 == train.metrics.voc_ap([], [], True)


def detections(eleven_point=False):
    """Two images, two classes; a box found twice, a difficult box, a poor overlap."""
    metric = train.metrics.MeanAveragePrecision(3, eleven_point=eleven_point)
    metric.update(
        [
            {
                "boxes": boxes((0, 0, 10, 10), (0, 0, 10, 9), (50, 50, 60, 60)),
                "scores": np.array([0.9, 0.8, 0.7]),
                "labels": np.array([0, 0, 0]),
            }
        ],
        [
            {
                "boxes": boxes((0, 0, 10, 10), (50, 50, 60, 60)),
                "labels": np.array([0, 0]),
                "difficult": np.array([False, True]),
            }
        ],
    )
    metric.load_state_dict(metric.state_dict())
    metric.update(
        [
            {
                "boxes": boxes((0, 0, 4, 10), (5, 5, 9, 9)),
                "scores": np.array([0.6, 0.5]),
                "labels": np.array([0, 1]),
            }
        ],
        [{"boxes": boxes((0, 0, 10, 10), (5, 5, 9, 9)), "labels": np.array([0, 1])}],
    )
    return metric


def test_mean_average_precision_worked_by_hand():
    # Class 0 has two boxes: right (.9), wrong (second of its box, .8), not counted (difficult), wrong.
    metric = detections()
    np.testing.assert_allclose(metric.per_class(), [0.5, 1.0, np.nan])
    assert metric.compute() == pytest.approx(0.75)
    # Recall 0.5 at precision 1: 6 of the 11 points.
    assert detections(True).compute() == pytest.approx((6 / 11 + 1) / 2)
    empty = train.metrics.MeanAveragePrecision(2)
    assert math.isnan(empty.compute())
    nothing = {"boxes": boxes(), "scores": np.empty(0), "labels": np.empty(0, int)}
    empty.update([nothing], [{"boxes": boxes((0, 0, 1, 1)), "labels": np.array([1])}])
    assert empty.compute() == 0.0


def test_box_overlaps():
    got = train.metrics.box_ious(
        boxes((0, 0, 2, 2), (5, 5, 5, 5)), boxes((1, 1, 3, 3), (0, 0, 2, 2), (9, 9, 10, 10))
    )
    np.testing.assert_allclose(got, [[1 / 7, 1, 0], [0, 0, 0]])


def test_bleu():
    metric = train.metrics.BLEU()
    metric.update(["the cat sat on the mat today"], ["the cat sat on the mat today"])
    try:
        assert metric.compute() == pytest.approx(100.0)
    except ImportError as error:
        assert "markone[text]" in str(error)
        return
    metric.reset()
    metric.update(["the cat sat on the old mat"], [["the cat sat on the mat", "a cat sat on the old mat"]])
    # n-grams right: 7/7, 6/6, 5/5, 4/4 of the two references together but for "the old mat"'s start: clipped
    # counts below; the closest reference has 7 words, so there is no brevity penalty.
    want = 100 * math.exp(sum(math.log(x) for x in (7 / 7, 6 / 6, 5 / 5, 4 / 4)) / 4)
    assert metric.compute() == pytest.approx(want, abs=1e-6)


def test_nothing_seen_is_nan_and_bad_input_is_named():
    m = train.metrics
    some = [
        m.TopKAccuracy(2),
        m.F1Score(3),
        m.PixelAccuracy(),
        m.Perplexity(),
        m.AUROC(),
        m.AveragePrecision(),
    ]
    for metric in [*some, m.R2Score(), m.MeanSquaredError(), m.BLEU(), m.MeanAveragePrecision(2)]:
        assert math.isnan(metric.compute())
    with pytest.raises(ValueError, match="F1Score: got average='mean'"):
        m.F1Score(3, "mean")
    with pytest.raises(ValueError, match=r"Recall: got an output of shape \[2\] for labels of shape \[3\]"):
        m.Recall(3).update(np.zeros(2, int), np.zeros(3, int))
    with pytest.raises(ValueError, match=r"MeanSquaredError: got an output of shape \[2\]"):
        m.MeanSquaredError().update(np.zeros(2), np.zeros(3))
    with pytest.raises(ValueError, match="AUROC: wants labels 0 and 1"):
        m.AUROC().update(np.zeros(2), np.array([0, 2]))
    with pytest.raises(ValueError, match="Perplexity: got a label outside 0 to 3"):
        m.Perplexity().update(np.zeros((2, 4)), np.array([0, 4]))
    with pytest.raises(ValueError, match="MeanAveragePrecision: a target has a label outside"):
        one = {"boxes": boxes((0, 0, 1, 1)), "scores": np.ones(1), "labels": np.array([0])}
        m.MeanAveragePrecision(2).update([one], [{**one, "labels": np.array([2])}])


def test_a_checkpoint_keeps_them(tmp_path):
    metric = detections()
    train.checkpoint.save({"m": metric.state_dict()}, tmp_path / "a")
    other = train.metrics.MeanAveragePrecision(3)
    other.load_state_dict(train.checkpoint.load(tmp_path / "a")["m"])
    assert other.compute() == metric.compute()
