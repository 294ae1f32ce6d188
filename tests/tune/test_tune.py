"""Hyperparameter search."""

import json
import math

import pytest

from markone import tune

SPACE = {
    "x": tune.Uniform(-2, 2),
    "rate": tune.LogUniform(1e-4, 1),
    "n": tune.Integer(1, 4),
    "f": tune.Choice("a", None),
}


def bowl(x, rate, n, f):
    return (x - 0.5) ** 2 + (math.log10(rate) + 2) ** 2 + (n - 3) ** 2 + (f != "a")


def test_values_stay_in_their_ranges_and_reach_all_of_them():
    study = tune.Study(bowl, SPACE).random(300)
    values = [t.values for t in study.trials]
    assert all(-2 <= v["x"] <= 2 and 1e-4 <= v["rate"] <= 1 for v in values)
    assert {v["n"] for v in values} == {1, 2, 3, 4} and {v["f"] for v in values} == {"a", None}
    assert 0.35 < sum(v["rate"] < 1e-2 for v in values) / 300 < 0.65
    counts = [sum(v["n"] == n for v in values) for n in (1, 4)]
    assert min(counts) > 45  # the ends are as likely as the others


def test_log_integers():
    kind = tune.Integer(1, 64, log=True)
    drawn = [kind.at(i / 999) for i in range(1000)]
    assert drawn[0] == 1 and drawn[-1] == 64 and all(isinstance(v, int) for v in drawn)
    assert 400 < sum(v <= 6 for v in drawn) < 600


def test_grid_is_every_combination_from_end_to_end():
    study = tune.Study(bowl, SPACE).grid({"x": 2, "rate": 5, "n": 4})
    assert len(study.trials) == 2 * 5 * 4 * 2
    assert {t.values["x"] for t in study.trials} == {-2, 2}
    assert sorted({t.values["rate"] for t in study.trials}) == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1])
    assert {t.values["n"] for t in study.trials} == {1, 2, 3, 4}
    best = study.best.values
    assert best["rate"] == pytest.approx(0.01) and best["n"] == 3 and best["f"] == "a" and best["x"] == 2
    assert (
        len(tune.Study(bowl, {**SPACE, "n": tune.Integer(1, 2)}).grid({"x": 1, "rate": 1, "n": 9}).trials)
        == 4
    )


def test_the_same_seed_draws_the_same_and_another_not():
    draws = [[t.values for t in tune.Study(bowl, SPACE, seed=s).random(5).trials] for s in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


def test_maximize_and_table():
    study = tune.Study(lambda x: x, {"x": tune.Uniform(0, 1)}, maximize=True).random(20)
    assert study.best.score == max(t.score for t in study.trials)
    lines = study.table(3).splitlines()
    assert lines[0].split() == ["trial", "x", "score", "seconds"] and len(lines) == 4
    assert float(lines[1].split()[2]) >= float(lines[2].split()[2])


def test_a_study_goes_on_from_its_file(tmp_path):
    file = tmp_path / "study.jsonl"
    tune.Study(bowl, SPACE, file=file).random(3)
    again = tune.Study(bowl, SPACE, file=file).random(2)
    whole = tune.Study(bowl, SPACE).random(5)
    assert [t.values for t in again.trials] == [t.values for t in whole.trials]
    assert [json.loads(line)["number"] for line in file.read_text().splitlines()] == list(range(5))
    with pytest.raises(ValueError, match="is of another study"):
        tune.Study(bowl, {"y": tune.Uniform(0, 1)}, file=file)
    file.write_text("{}\n")
    with pytest.raises(ValueError, match="line 1 is not a trial"):
        tune.Study(bowl, SPACE, file=file)


def test_failed_trials():
    def objective(x):
        if x < 0.3:
            raise ZeroDivisionError("too small")
        return math.nan if x < 0.6 else x

    study = tune.Study(objective, {"x": tune.Uniform(0, 1)}, catch=(ZeroDivisionError,)).random(40)
    assert study.best.score == min(t.values["x"] for t in study.trials if t.values["x"] >= 0.6)
    reasons = {t.error for t in study.trials}
    assert reasons == {"", "the score is nan", "ZeroDivisionError: too small"}
    assert "of 40 trials failed" in study.table()
    with pytest.raises(ZeroDivisionError):
        tune.Study(objective, {"x": tune.Choice(0.1)}).random(1)
    with pytest.raises(RuntimeError, match="none of 1 trials came to a score; the first: the score is nan"):
        _ = tune.Study(objective, {"x": tune.Choice(0.5)}).random(1).best


def test_optuna_knows_the_trials_before_and_finds_the_bottom():
    pytest.importorskip("optuna")
    study = tune.Study(bowl, SPACE, seed=0).random(10).optuna(40)
    assert len(study.trials) == 50
    assert study.best.score < min(t.score for t in study.trials[:10])
    again = tune.Study(bowl, SPACE, seed=0).random(10).optuna(40)
    assert [t.values for t in again.trials] == [t.values for t in study.trials]
    assert tune.Study(lambda x: math.nan, {"x": tune.Uniform(0, 1)}).optuna(2).ranked() == []


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: tune.Uniform(1, 1), "Uniform: got 1 .. 1, wants low below high"),
        (lambda: tune.Uniform(0, math.inf), "wants low below high"),
        (lambda: tune.LogUniform(0, 1), "LogUniform: got 0 .. 1, wants positive"),
        (lambda: tune.Integer(0.5, 2), "wants whole numbers"),
        (lambda: tune.Integer(0, 2, log=True), "positive with log"),
        (lambda: tune.Choice(), "Choice: got"),
        (lambda: tune.Choice([1]), "Choice: got"),
        (lambda: tune.Study(bowl, {"x": 3}), "Study: got space"),
        (lambda: tune.Study(bowl, {}), "Study: got space"),
        (lambda: tune.Study(bowl, SPACE).random(0), "Study.random: got 0"),
        (lambda: tune.Study(bowl, SPACE).grid(0), "Study.grid: got 0"),
        (lambda: tune.Study(bowl, SPACE).try_values(x=1), "Study: got x, wants x, rate, n, f"),
    ],
)
def test_bad_input(make, text):
    with pytest.raises(ValueError, match=text):
        make()
