"""Hyperparameter search: what to draw from, and a study that tries and remembers.

    space = {"lr": tune.LogUniform(1e-4, 1e-1), "depth": tune.Choice(1, 2, 3)}
    study = tune.Study(train_and_validate, space, file="study.jsonl")
    study.random(30)
    print(study.table(), study.best.values)

The objective is a function of the hyperparameters, by name, that returns the figure to make small (or large).
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Choice", "Integer", "LogUniform", "Study", "Trial", "Uniform"]


@dataclasses.dataclass(frozen=True)
class Uniform:
    """A real number between `low` and `high`."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not -math.inf < self.low < self.high < math.inf:
            raise ValueError(f"{type(self).__name__}: got {self.low} .. {self.high}, wants low below high")

    def at(self, share: float) -> Any:
        """The value at this share, 0 .. 1, of the range."""
        return self.low + share * (self.high - self.low)

    def levels(self, count: int) -> list[Any]:
        """`count` values from end to end."""
        found = [self.at(i / (count - 1) if count > 1 else 0.5) for i in range(count)]
        return list(dict.fromkeys(found))

    def optuna(self, distributions: Any) -> Any:
        """As Optuna's distribution."""
        return distributions.FloatDistribution(self.low, self.high)


@dataclasses.dataclass(frozen=True)
class LogUniform(Uniform):
    """A positive number whose logarithm is evenly drawn: for rates and sizes of unknown order."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low <= 0:
            raise ValueError(f"LogUniform: got {self.low} .. {self.high}, wants positive numbers")

    def at(self, share: float) -> Any:
        """The value at this share, 0 .. 1, of the logarithms."""
        return float(math.exp(math.log(self.low) + share * math.log(self.high / self.low)))

    def optuna(self, distributions: Any) -> Any:
        """As Optuna's distribution."""
        return distributions.FloatDistribution(self.low, self.high, log=True)


@dataclasses.dataclass(frozen=True)
class Integer(Uniform):
    """A whole number, `low` and `high` included; evenly drawn, or its logarithm where `log`."""

    low: int
    high: int
    log: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if int(self.low) != self.low or int(self.high) != self.high or (self.log and self.low < 1):
            raise ValueError(
                f"Integer: got {self.low} .. {self.high}, wants whole numbers, positive with log"
            )

    def at(self, share: float) -> Any:
        """The value at this share, 0 .. 1, of the range."""
        low, high = (self.low - 0.5, self.high + 0.5)
        drawn = low * (high / low) ** share if self.log else low + share * (high - low)
        return min(max(round(drawn), self.low), self.high)

    def optuna(self, distributions: Any) -> Any:
        """As Optuna's distribution."""
        return distributions.IntDistribution(self.low, self.high, log=self.log)


class Choice:
    """One of the given values (numbers, strings, booleans or None)."""

    def __init__(self, *options: Any) -> None:
        if not options or not all(isinstance(o, str | int | float | bool | None) for o in options):
            raise ValueError(f"Choice: got {options}, wants numbers, strings, booleans or None")
        self.options = options

    def at(self, share: float) -> Any:
        """The option at this share, 0 .. 1, of the list."""
        return self.options[min(int(share * len(self.options)), len(self.options) - 1)]

    def levels(self, count: int) -> list[Any]:
        """All of them, whatever `count`."""
        return list(self.options)

    def optuna(self, distributions: Any) -> Any:
        """As Optuna's distribution."""
        return distributions.CategoricalDistribution(self.options)

    def __repr__(self) -> str:
        return f"Choice({', '.join(map(repr, self.options))})"


@dataclasses.dataclass(frozen=True)
class Trial:
    """One try: its number, hyperparameters, the score (None where it failed: see `error`), seconds."""

    number: int
    values: dict[str, Any]
    score: float | None
    seconds: float
    error: str = ""


class Study:
    """Tries hyperparameters and keeps what came out.

    Args:
        objective: called with the hyperparameters by name; returns a number. One that is not finite makes a
            failed trial.
        space: Uniform, LogUniform, Integer or Choice by name.
        maximize: the largest score is the best.
        catch: exceptions of the objective that make a failed trial too; others end the search.
        seed: of what is drawn. The n-th trial of a study draws the same, also after a restart.
        file: a line of JSON a trial is added to it; what it has is read first, so a study goes on.

    Attributes:
        trials: all so far.
    """

    def __init__(
        self,
        objective: Callable[..., Any],
        space: Mapping[str, Any],
        *,
        maximize: bool = False,
        catch: tuple[type[Exception], ...] = (),
        seed: int = 0,
        file: str | os.PathLike[str] | None = None,
    ) -> None:
        unknown = [name for name, kind in space.items() if not hasattr(kind, "at")]
        if unknown or not space:
            raise ValueError(
                f"Study: got space {dict(space)}, wants Uniform, LogUniform, Integer or Choice by name"
            )
        self.objective, self.space, self.maximize, self.seed = objective, dict(space), maximize, seed
        self.file = None if file is None else Path(file)
        self.catch = catch
        self.trials: list[Trial] = []
        if self.file is not None and self.file.exists():
            self.trials = [self._read(i, line) for i, line in enumerate(self.file.read_text().splitlines())]

    def _read(self, number: int, line: str) -> Trial:
        try:
            trial = Trial(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise ValueError(f"Study: {self.file} line {number + 1} is not a trial: {line[:60]!r}") from error
        if set(trial.values) != set(self.space):
            raise ValueError(f"Study: {self.file} is of another study: it has {', '.join(trial.values)}")
        return trial

    # -- Searching

    def random(self, count: int) -> Study:
        """`count` trials drawn at random (Bergstra and Bengio 2012: better than a grid where few of the
        hyperparameters matter)."""
        for _ in range(self._count("random", count)):
            draw = np.random.default_rng((self.seed, len(self.trials)))
            self.try_values(**{name: kind.at(float(draw.random())) for name, kind in self.space.items()})
        return self

    def grid(self, levels: int | Mapping[str, int] = 3) -> Study:
        """Every combination of `levels` values of each range, by name or for all, and of all choices."""
        of = {n: levels if isinstance(levels, int) else levels.get(n, 3) for n in self.space}
        lists = [kind.levels(self._count("grid", of[name])) for name, kind in self.space.items()]
        for values in itertools.product(*lists):
            self.try_values(**dict(zip(self.space, values)))
        return self

    def optuna(self, count: int, sampler: Any = None) -> Study:
        """`count` trials that Optuna proposes (`pip install 'markone[tune]'`), knowing those before.

        Args:
            sampler: one of Optuna's; its tree-structured Parzen estimator with this study's seed where None.
        """
        try:
            import optuna
        except ImportError as error:
            raise ImportError(
                "Study.optuna: needs Optuna; install it with: pip install 'markone[tune]'"
            ) from error
        distributions = {name: kind.optuna(optuna.distributions) for name, kind in self.space.items()}
        level = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            theirs = optuna.create_study(
                direction="maximize" if self.maximize else "minimize",
                sampler=sampler or optuna.samplers.TPESampler(seed=self.seed),
            )
            for trial in self._good():
                theirs.add_trial(
                    optuna.trial.create_trial(
                        params=trial.values, distributions=distributions, value=trial.score
                    )
                )
            for _ in range(self._count("optuna", count)):
                asked = theirs.ask(distributions)
                score = self.try_values(**asked.params).score
                theirs.tell(asked, score, optuna.trial.TrialState.FAIL if score is None else None)
        finally:
            optuna.logging.set_verbosity(level)
        return self

    def try_values(self, **values: Any) -> Trial:
        """One trial of these hyperparameters."""
        if set(values) != set(self.space):
            raise ValueError(f"Study: got {', '.join(values)}, wants {', '.join(self.space)}")
        begin, score, error = time.perf_counter(), None, ""
        try:
            score = float(self.objective(**values))
            if not math.isfinite(score):
                score, error = None, f"the score is {score}"
        except self.catch as reason:
            error = f"{type(reason).__name__}: {reason}"
        trial = Trial(len(self.trials), values, score, time.perf_counter() - begin, error)
        self.trials.append(trial)
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as out:
                out.write(json.dumps(dataclasses.asdict(trial)) + "\n")
        return trial

    @staticmethod
    def _count(name: str, count: int) -> int:
        if count < 1:
            raise ValueError(f"Study.{name}: got {count}, wants 1 or more")
        return count

    # -- What came out

    def _good(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.score is not None]

    def ranked(self) -> list[Trial]:
        """The trials that did not fail, best first."""
        return sorted(self._good(), key=lambda t: t.score or 0.0, reverse=self.maximize)

    @property
    def best(self) -> Trial:
        """The best trial. RuntimeError where none came to its end."""
        ranked = self.ranked()
        if not ranked:
            first = f"; the first: {self.trials[0].error}" if self.trials else ""
            raise RuntimeError(f"Study.best: none of {len(self.trials)} trials came to a score{first}")
        return ranked[0]

    def table(self, rows: int = 10) -> str:
        """The best trials as text, and how many failed."""
        head = ["trial", *self.space, "score", "seconds"]
        cells: Iterable[list[str]] = [
            [str(t.number), *(_text(t.values[n]) for n in self.space), _text(t.score), f"{t.seconds:.2f}"]
            for t in self.ranked()[:rows]
        ]
        lines = [head, *cells]
        wide = [max(len(line[i]) for line in lines) for i in range(len(head))]
        text = "\n".join("  ".join(c.rjust(w) for c, w in zip(line, wide)) for line in lines)
        failed = len(self.trials) - len(self._good())
        return text + (f"\n{failed} of {len(self.trials)} trials failed" if failed else "")

    def __repr__(self) -> str:
        return f"<Study: {len(self.trials)} trials of {', '.join(self.space)}>"


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
