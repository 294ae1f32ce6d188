"""What a recording is made of: what the step met while it ran, and the trees that it takes and returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from .. import _C
from ..tensor import Tensor

__all__ = ["CompileError", "Leaf", "Recorded", "Recorder", "Run", "mapped", "tensors_in"]


class CompileError(RuntimeError):
    """A step cannot be recorded: says why, and the file and line of the user's code.

    Attributes:
        completed: the call did all that it should, and only its recording is refused.
        result: what it would have returned.
    """

    completed = False
    result: Any = None


class Recorded(NamedTuple):
    """A recording, as `step.recordings` lists it.

    Attributes:
        inputs: dtype and shape of each tensor among the arguments.
        calls: kernel calls that were recorded.
        kernels: operation and kernel of each call that a replay runs.
        bytes: memory of its own, shared with the other recordings of the step.
        rewrites: what was changed in the recorded calls.
    """

    inputs: list[str]
    calls: int
    kernels: list[tuple[str, str]]
    bytes: int
    rewrites: list[str]


def tensors_in(tree: Any) -> Iterator[Tensor]:
    if isinstance(tree, Tensor):
        yield tree
    elif isinstance(tree, tuple | list):
        for item in tree:
            yield from tensors_in(item)
    elif isinstance(tree, dict):
        for item in tree.values():
            yield from tensors_in(item)


def mapped(tree: Any, function: Callable[[Tensor], Any]) -> Any:
    """The tree with each tensor replaced; subtrees without any stay the same objects."""
    if isinstance(tree, Tensor):
        return function(tree)
    if isinstance(tree, tuple | list):
        items = [mapped(item, function) for item in tree]
        if all(new is old for new, old in zip(items, tree, strict=True)):
            return tree
        kind: Any = type(tree)
        return kind._make(items) if hasattr(kind, "_make") else kind(items)
    if isinstance(tree, dict):
        values = {key: mapped(value, function) for key, value in tree.items()}
        if all(values[key] is tree[key] for key in tree):
            return tree
        return values if type(tree) is dict else type(tree)(values)
    return tree


class Recorder:
    """What this thread's recording has met: gradients, modules, actions of Python."""

    def __init__(self) -> None:
        self.leaves: dict[int, tuple[Tensor, Tensor | None]] = {}
        self.modules: dict[int, tuple[Any, bool]] = {}
        # What Python does before which call; where it says False, it goes on with the last number.
        self.actions: list[tuple[int, Callable[[], Any], int]] = []
        self.discard = False

    def note_gradient(self, tensor: Tensor) -> None:
        if id(tensor) not in self.leaves and tensor._grad_fn is None:
            self.leaves[id(tensor)] = (tensor, tensor._grad)

    def note_module(self, module: Any) -> None:
        for part in module.modules():
            self.modules.setdefault(id(part), (part, part.training))

    def note_action(self, action: Callable[[], Any]) -> None:
        self.actions.append((_C.recorded_calls(), action, -1))

    def begin_branch(self, condition: Callable[[], bool]) -> None:
        self.actions.append((_C.recorded_calls(), condition, -2))

    def end_branch(self) -> None:
        """Ends the branch that began last."""
        for i in range(len(self.actions) - 1, -1, -1):
            begin, condition, end = self.actions[i]
            if end == -2:
                self.actions[i] = (begin, condition, _C.recorded_calls())
                return


class Leaf(NamedTuple):
    """A tensor whose .grad the step met, and what that was before and after."""

    tensor: Tensor
    argument: int  # its place among the arguments, -1 for a captured one
    before: Tensor | None
    after: Tensor | None
    pattern: str  # of `before`: "none", "any" where it does not matter, "same"


class Run(NamedTuple):
    """A recording with what it was made of, kept until another one has confirmed it."""

    entry: Any
    program: Any
    inputs: list[str]
    leaves: list[Leaf]
    outputs: list[int]  # where each returned tensor stands among what the calls touch

    @property
    def patterns(self) -> list[tuple[int, str]]:
        return [(leaf.argument, leaf.pattern) for leaf in self.leaves]
