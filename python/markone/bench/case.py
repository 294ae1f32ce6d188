"""What is timed, as data: one definition of a case serves markone and every peer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

__all__ = ["GROUPS", "PASSES", "Case", "CaseError", "Spec", "group_cases", "network_cases", "network_names"]

FOLDER = Path(__file__).parent
GROUPS = (
    "matmul", "conv", "pool", "lstm", "gru", "norm", "elementwise", "reduce", "index", "loss", "optimizer",
    "overhead", "step", "inference", "load", "startup",
)  # fmt: skip
# forward: the call alone. graph: the call on tensors that want gradients. input_grad, weight_grad, backward:
# the gradients of the inputs, of the weights, of both, from a graph that stands. step: call and backward.
PASSES = ("forward", "graph", "input_grad", "weight_grad", "backward", "step")


class CaseError(ValueError):
    """A case that cannot be made from what was given."""


@dataclass(frozen=True)
class Spec:
    """A tensor argument: standard normal float32 unless said otherwise."""

    shape: tuple[int, ...]
    name: str | None = None  # the argument's, where it is passed by keyword
    below: int | None = None  # whole numbers from `offset` to this
    offset: int = 0
    truth: bool = False  # whether those, below 2, are truth values
    value: float | None = None  # the same everywhere
    positive: bool = False  # exp of the normal
    dtype: str | None = None  # what the numbers are rounded to
    grad: bool = True  # whether gradients by it are asked for, in the passes that have any

    @staticmethod
    def of(row: Any) -> Spec:
        """From a list (the shape) or an object of a case file."""
        if isinstance(row, Spec):
            return row
        fields = dict(row) if isinstance(row, dict) else {"shape": row}
        return Spec(**{**fields, "shape": tuple(int(n) for n in fields["shape"])})

    @property
    def integer(self) -> bool:
        """Whether its elements are int64."""
        return self.below is not None

    @property
    def numel(self) -> int:
        """How many elements."""
        count = 1
        for n in self.shape:
            count *= n
        return count

    @property
    def bytes(self) -> int:
        """What it takes in memory."""
        return self.numel * (1 if self.truth else 8 if self.integer else 2 if self.dtype == "bfloat16" else 4)


@dataclass(frozen=True)
class Case:
    """One row of the table: `fn` on inputs and weights, in one pass."""

    group: str
    name: str
    fn: str  # a program of markone.bench.programs, or a name that markone and PyTorch share
    inputs: tuple[Spec, ...] = ()
    weights: tuple[Spec, ...] = ()
    args: dict[str, Any] = field(default_factory=dict)
    rest: tuple[Any, ...] = ()  # what is passed by place after the tensors
    which: str = "forward"
    # Our own other ways to the same end, timed beside it: label to what differs ("fn", "args", "impl").
    against: dict[str, dict[str, Any]] = field(default_factory=dict)
    # An optimiser's: how often it reads and writes all parameters.
    streams: tuple[int, ...] = ()
    # The implementation that markone is forced to take.
    impl: str | None = None

    @property
    def title(self) -> str:
        """'vgg3_2 input_grad'."""
        return self.name if self.which == "forward" else f"{self.name} {self.which}"

    @property
    def key(self) -> str:
        """What a result is found by."""
        return f"{self.group}/{self.title}"

    @property
    def shape_text(self) -> str:
        """'32x64x56x56 64x64x3x3 padding=1'."""
        shapes = ["x".join(str(n) for n in s.shape) or "()" for s in (*self.inputs, *self.weights)]
        return " ".join(
            [
                *shapes[:2],
                *(_short(v) for v in self.rest),
                *(f"{k}={_short(v)}" for k, v in self.args.items()),
            ]
        )

    def to_json(self) -> str:
        """One line that from_json reads."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Case:
        """The case that to_json wrote."""
        return _case(json.loads(text))


def _short(value: Any) -> str:
    return "x".join(str(v) for v in value) if isinstance(value, (list, tuple)) else str(value)


def _case(row: dict[str, Any]) -> Case:
    tensors = {k: tuple(Spec.of(s) for s in row.get(k, ())) for k in ("inputs", "weights")}
    return Case(**{**row, **tensors, "rest": tuple(row.get("rest", ()))})


def _rows(folder: str, name: str) -> dict[str, Any]:
    with open(FOLDER / folder / f"{name}.json", encoding="utf-8") as file:
        content: dict[str, Any] = json.load(file)
    return content


def expand(row: dict[str, Any]) -> Iterator[Case]:
    """A row of a file is a case for each of its passes."""
    fields = {k: v for k, v in row.items() if k != "passes"}
    for which in row.get("passes", ["forward"]):
        if which not in PASSES:
            raise CaseError(f"bench: case {row['name']} has pass '{which}', wants one of {', '.join(PASSES)}")
        yield _case({**fields, "which": which})


def group_cases(group: str) -> list[Case]:
    """The cases of a group's file, in order; what stands beside its rows is the rows' default."""
    content = _rows("cases", group)
    common = {k: v for k, v in content.items() if k not in ("about", "cases")}
    return [case for row in content["cases"] for case in expand({"group": group, **common, **row})]


def network_names() -> list[str]:
    """The networks whose layers are known."""
    return sorted(path.stem for path in (FOLDER / "networks").glob("*.json"))


def network(name: str) -> dict[str, Any]:
    """A network's file: about, input, batch, and its layers or cases."""
    return _rows("networks", name)


def network_cases(name: str, batch: int | None = None) -> list[Case]:
    """The layers of a network, each as a case; equal ones once."""
    from markone.bench.networks import layer_rows

    seen, cases = set(), []
    for row in layer_rows(name, batch):
        for case in expand(row):
            same = replace(case, name="").to_json()
            if same not in seen:
                seen.add(same)
                cases.append(case)
    return cases


# A user's own shape: the operation of each group, and which options become arguments.
OWN = {
    "matmul": "matmul",
    "conv": "nn.functional.conv2d",
    "pool": "nn.functional.max_pool2d",
    "lstm": "lstm",
    "gru": "gru",
    "norm": "nn.functional.layer_norm",
    "elementwise": "exp",
    "reduce": "sum",
}


def own_case(
    group: str,
    shapes: Sequence[tuple[int, ...]],
    weights: Sequence[tuple[int, ...]],
    args: dict[str, Any],
    fn: str | None,
    passes: Sequence[str],
) -> list[Case]:
    """The case of a shape given on the command line, one a pass."""
    if group not in OWN:
        raise CaseError(f"group {group} takes no --shape; those that do: {', '.join(OWN)}")
    name = fn or OWN[group]
    if group == "conv" and fn is None and len(shapes[0]) in (3, 4, 5):
        name = f"nn.functional.conv{len(shapes[0]) - 2}d"
    if group == "norm" and fn is None and "normalized_shape" not in args:
        args = {"normalized_shape": [shapes[0][-1]], **args}
    row = {
        "group": group, "name": "own", "fn": name, "args": args, "inputs": [list(s) for s in shapes],
        "weights": [list(s) for s in weights], "passes": list(passes),
    }  # fmt: skip
    return list(expand(row))
