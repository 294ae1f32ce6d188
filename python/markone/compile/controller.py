"""The Python side of a compiled step: runs it, sorts out what it touched, compares, lists what there is."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable
from typing import Any

from .. import _C, _context
from ..autograd.modes import modes
from ..tensor import Tensor
from .recorder import CompileError, Leaf, Recorded, Recorder, Run, mapped, tensors_in

# A step that is called in more ways than this forgets the one used longest ago.
_MOST_RECORDINGS = 64
# Labels of gradients, apart from those of arguments.
_GRADIENT = 1 << 20


class Controller:
    """The Python side of one compiled step: records, compares, and says what there is."""

    def __init__(self, function: Callable[..., Any], rewrites: dict[str, bool]) -> None:
        self.function = function
        self.rewrites = rewrites
        self.step: Any = None
        self.before_recording: Callable[[], None] | None = None  # called before the function runs in Python
        self._pool = _C.Program()  # holds the pool that all recordings share
        self._waiting: list[Run] = []
        self._generation = -1
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}  # leaf, its persistent gradient
        self._listed: list[tuple[Run, Recorded]] = []

    # -- recording

    def record(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs the function, remembering its kernel calls; called where no recording fits."""
        if self.before_recording is not None:
            self.before_recording()
        if self._generation != _C.state_generation():
            self._forget_stale()
        program = _C.sibling(self._pool)
        entry = _C.Entry(args, kwargs, program)
        given = entry.tensors
        stand_ins = self._stand_ins(entry, given)
        places = {id(tensor): i for i, tensor in enumerate(given)}

        def substitute(tensor: Tensor) -> Tensor:
            return stand_ins[places[id(tensor)]]

        earlier = [run.entry for run in self._waiting if run.entry.same_key(args, kwargs)]
        for other in earlier:
            other.note_outside()
        recorder = Recorder()
        own_args = mapped(args, substitute)
        own_kwargs = mapped(kwargs, substitute)
        try:
            result = self._run(program, recorder, own_args, own_kwargs)
        except BaseException:
            self._abandon(recorder)
            raise
        del own_args, own_kwargs
        generation = _C.state_generation()
        try:
            box = [result]
            del result
            returned, run, template = self._sort(entry, program, recorder, given, stand_ins, box)
            stand_ins.clear()
            try:
                self._check_writes(entry)
                self._check_survivors(entry)
                self._check_outside(earlier)
                if not recorder.discard:
                    self._compare(args, kwargs, run, template)
            except CompileError as error:
                error.completed, error.result = True, returned
                raise
            return returned
        except BaseException:
            self._abandon(recorder)
            raise
        finally:
            self._generation = generation

    def _run(self, program: Any, recorder: Recorder, args: Any, kwargs: Any) -> Any:
        _context.recording.recorder = recorder
        _context.recorders += 1
        _C.begin_recording(program)
        try:
            with contextlib.ExitStack() as scopes:
                for scope in _context.recording_scopes:
                    scopes.enter_context(scope())
                return self.function(*args, **kwargs)
        except RuntimeError as error:
            if "cannot be recorded by compile" in str(error) and not isinstance(error, CompileError):
                raise CompileError(str(error)) from error
            raise
        finally:
            _C.end_recording()
            _context.recorders -= 1
            _context.recording.recorder = None

    def _stand_ins(self, entry: Any, given: list[Tensor]) -> list[Tensor]:
        """What the step is given while it is recorded: other tensors on storages of their own, so that an
        argument can be told from a captured tensor on the same memory. Leaves, and what shares their memory,
        stay themselves."""
        leaders = [entry.leader(i) for i in range(len(given))]
        with_leaf = {leader for leader, tensor in zip(leaders, given, strict=True) if tensor._requires_grad}
        stand_ins: list[Tensor] = []
        for i, (tensor, leader) in enumerate(zip(given, leaders, strict=True)):
            if tensor._requires_grad and modes.grad and tensor.grad_fn is not None:
                raise CompileError(
                    f"compile: argument tensor {i} is part of a graph, which a replay has not; pass "
                    f".detach(){_C.user_line()}"
                )
            stand_in = tensor
            if leader not in with_leaf:
                stand_in = type(tensor).__new__(type(tensor))
                beside = stand_ins[leader]._array if leader != i else None
                Tensor.__init__(stand_in, _C.alias(tensor._array, beside))
                for name, value in getattr(tensor, "__dict__", {}).items():
                    setattr(stand_in, name, value)
            stand_ins.append(stand_in)
            entry.set_input(i, stand_in._array)
        return stand_ins

    def _sort(
        self,
        entry: Any,
        program: Any,
        recorder: Recorder,
        given: list[Tensor],
        stand_ins: list[Tensor],
        box: list[Any],
    ) -> tuple[Any, Run, Any]:
        """Sorts out what the recording touched: what this call returns, the run, and how a replay returns."""
        result = box.pop()
        for i, tensor in enumerate(given):
            # A leaf that the step writes is a parameter: another one is another step.
            if tensor._requires_grad and entry.writes(tensor._array):
                entry.pin(i)
        leaves = self._leaves(entry, recorder, stand_ins)
        made = [leaf for leaf in leaves if leaf.after is not leaf.before and leaf.after is not None]
        made = [leaf for leaf in made if entry.inside(leaf.after._array)]  # type: ignore[union-attr]
        kept = [leaf for leaf in made if leaf.argument < 0]
        kept_storages = {leaf.after._array.storage_id for leaf in kept}  # type: ignore[union-attr]
        outputs = list(tensors_in(result))
        order = [entry.place_of(t._array) for t in outputs]
        fresh: list[Any] = [
            t for t in outputs if entry.inside(t._array) and t._array.storage_id not in kept_storages
        ]
        fresh += [leaf.after for leaf in made if leaf.argument >= 0]
        homes = _C.moved_out([t._array for t in fresh])
        new = {id(t): Tensor(home) for t, home in zip(fresh, homes, strict=True)}
        persistent = self._persistent(entry, kept)

        returned = mapped(result, lambda t: self._now(t, new, given, stand_ins, persistent))
        template = mapped(result, lambda t: self._later(t, new, entry, stand_ins, persistent))
        for leaf in leaves:
            after: Any = leaf.after
            if after is leaf.before and leaf.pattern != "any":
                after = ...
            elif any(leaf is one for one in kept):
                after = persistent[after._array.storage_id][1]
            elif any(leaf is one for one in made):
                given[leaf.argument]._grad = new[id(after)]
                after = entry.add_fresh(after._array)
            before: Any = ... if leaf.pattern == "any" else leaf.before
            entry.add_leaf(leaf.argument if leaf.argument >= 0 else leaf.tensor, before, after)
        for module, training in recorder.modules.values():
            entry.add_mode(module, training)
        for position, action, end in recorder.actions:
            entry.add_action(position, action, end)
        inputs = [f"{t.dtype.name}{list(t.shape)}" for t in given]
        entry.forget_arguments()
        run = Run(entry, program, inputs, [leaf._replace(after=None) for leaf in leaves], order)
        return returned, run, template

    def _leaves(self, entry: Any, recorder: Recorder, stand_ins: list[Tensor]) -> list[Leaf]:
        arguments = {id(tensor): i for i, tensor in enumerate(stand_ins)}
        leaves: list[Leaf] = []
        for tensor, before in recorder.leaves.values():
            argument = arguments.get(id(tensor), -1)
            if argument < 0 and entry.inside(tensor._array):
                continue  # made in the step
            after = tensor._grad
            if before is None:
                pattern = "none"
            elif after is not before and not entry.touches(before._array):
                pattern = "any"
            else:
                pattern = "same"
                entry.label(before._array, _GRADIENT + len(leaves))
            if argument >= 0 and not tensor._requires_grad:
                continue
            leaves.append(Leaf(tensor, argument, before, after, pattern))
        recorder.leaves.clear()
        return leaves

    def _persistent(self, entry: Any, kept: list[Leaf]) -> dict[int, tuple[Tensor, Tensor]]:
        """Gradients that the step made live in memory that stays: one buffer a leaf for all recordings.

        Gives what was made and what stays, by the storage of the first.
        """
        made: list[Any] = [leaf.after._array for leaf in kept]  # type: ignore[union-attr]
        known = [self._home_of(entry, leaf, array) for leaf, array in zip(kept, made, strict=True)]
        fresh = iter(_C.moved_out([a for a, home in zip(made, known, strict=True) if home is None]))
        homes = [Tensor(next(fresh)) if home is None else home for home in known]
        persistent: dict[int, tuple[Tensor, Tensor]] = {}
        for leaf, array, gradient in zip(kept, made, homes, strict=True):
            after: Any = leaf.after
            if gradient is self._kept.get(id(leaf.tensor), (None, None))[1]:
                _C.copy_into(gradient._array, array)
            self._kept[id(leaf.tensor)] = (leaf.tensor, gradient)
            entry.label(array, 2 * _GRADIENT + len(persistent))
            entry.redirect(array, gradient._array)
            leaf.tensor._grad = gradient
            persistent[array.storage_id] = (after, gradient)
        return persistent

    def _home_of(self, entry: Any, leaf: Leaf, made: Any) -> Tensor | None:
        """The leaf's buffer of another recording, where it fits and the step does not use it otherwise."""
        known = self._kept.get(id(leaf.tensor))
        if known is None or known[0] is not leaf.tensor:
            return None
        a = known[1]._array
        same = (a.shape, a.strides, a.dtype, a.offset) == (made.shape, made.strides, made.dtype, made.offset)
        return known[1] if same and not entry.touches(a) else None

    def _on_gradient(self, tensor: Tensor, persistent: dict[int, tuple[Tensor, Tensor]]) -> Tensor | None:
        """A returned tensor that lies in a gradient's memory, where that is now."""
        if tensor._array.storage_id not in persistent:
            return None
        made, gradient = persistent[tensor._array.storage_id]
        if tensor is made:
            return gradient
        a = tensor._array
        return Tensor(gradient._array.as_strided(a.shape, a.strides, a.offset).bit_cast(a.dtype))

    def _later(self, tensor: Tensor, new: Any, entry: Any, stand_ins: list[Tensor], persistent: Any) -> Any:
        """What a replay returns in the place of a returned tensor."""
        for i, stand_in in enumerate(stand_ins):
            if tensor is stand_in:
                return _C.argument_output(i)
        for i, stand_in in enumerate(stand_ins):
            if tensor._array.storage_id == stand_in._array.storage_id:
                return _C.view_output(i, tensor._array)
        gradient = self._on_gradient(tensor, persistent)
        if gradient is not None:
            return gradient
        if id(tensor) in new:
            return _C.fresh_output(entry.add_fresh(tensor._array))
        return tensor if tensor._grad_fn is None else Tensor(tensor._array)

    def _now(
        self, tensor: Tensor, new: Any, given: list[Tensor], stand_ins: list[Tensor], persistent: Any
    ) -> Tensor:
        """What the recorded call itself returns."""
        for mine, theirs in zip(stand_ins, given, strict=True):
            if tensor is mine:
                return theirs
            if mine is not theirs and tensor._array.storage_id == mine._array.storage_id:
                own, array = theirs._array, tensor._array
                flat = own if array.dtype is own.dtype else own.bit_cast(array.dtype)
                return Tensor(flat.as_strided(array.shape, array.strides, array.offset))
        gradient = self._on_gradient(tensor, persistent)
        if gradient is not None:
            return gradient
        if id(tensor) in new:
            made: Tensor = new[id(tensor)]
            return made
        return tensor if tensor._grad_fn is None else Tensor(tensor._array)

    def _check_writes(self, entry: Any) -> None:
        try:
            entry.check_writes()
        except RuntimeError as error:
            raise CompileError(str(error)) from None

    def _check_outside(self, earlier: list[Any]) -> None:
        """NumPy memory that the step captured and that the function has written by itself."""
        for entry in earlier:
            if reader := entry.changed_outside():
                raise CompileError(
                    f"compile: the NumPy memory that {reader} reads was written while the step ran, which a "
                    "replay would leave out; write it before the call, or pass it as an argument"
                )

    def _check_survivors(self, entry: Any) -> None:
        """Whatever is still held of the recording's own memory is a tensor that outlives it unreturned."""
        if _C.build_info()["sanitized"] or _C.pool_bytes(self._pool) == 0:
            return
        gc.collect()
        if _C.pool_bytes(self._pool) == 0:
            return
        where = entry.survivor()
        raise CompileError(
            f"compile: a tensor that the step made{where or ''} is still held after it and was not returned; "
            "return it, or write it into a tensor that exists before (copy_)"
        )

    def _compare(self, args: Any, kwargs: Any, run: Run, template: Any) -> None:
        """Makes the recording ready where an earlier one was the same; raises where one differs."""
        for other in self._waiting:
            if not other.entry.same_key(args, kwargs):
                continue
            difference = self._difference(other, run)
            if not difference:
                self._waiting.remove(other)
                self._ready(run, template)
                return
            if other.patterns == run.patterns:
                self._waiting.remove(other)
                raise CompileError(
                    f"compile: two runs of the step were not the same: {difference}. What changes between "
                    "calls has to be a tensor argument, a tensor changed in place, or a plain argument"
                )
        self._waiting.append(run)
        del self._waiting[:-_MOST_RECORDINGS]

    def _difference(self, before: Run, now: Run) -> str:
        difference: str = before.entry.difference(now.entry)
        if not difference and before.outputs != now.outputs:
            difference = "it returned other tensors"
        if not difference and [id(x.tensor) for x in before.leaves if x.argument < 0] != [
            id(x.tensor) for x in now.leaves if x.argument < 0
        ]:
            difference = "it met the .grad of other tensors"
        return difference

    def _ready(self, run: Run, template: Any) -> None:
        run.entry.finish(template, **self.rewrites)
        known = [run.entry, *(w.entry for w in self._waiting), *_C.step_entries(self.step)]
        _C.trim_recorded(self._pool, known)
        entries = [run.entry, *_C.step_entries(self.step)][:_MOST_RECORDINGS]
        _C.set_step_entries(self.step, entries)
        self._listed = [pair for pair in self._listed if any(pair[0].entry is e for e in entries)]
        listed = Recorded(
            run.inputs, len(run.program), run.entry.kernels(), _C.pool_cached(self._pool), run.entry.rewrites
        )
        self._listed.append((run, listed))

    # -- forgetting

    def _abandon(self, recorder: Recorder) -> None:
        """After an error some tensor may still hold memory of the pool, so no recording may use it again."""
        recorder.leaves.clear()
        if _C.pool_bytes(self._pool):
            self.clear()

    def _forget_stale(self) -> None:
        _C.set_step_entries(self.step, [])
        self._waiting.clear()
        self._kept.clear()
        self._listed.clear()

    def recheck(self) -> None:
        """The next call of each kind runs in Python once more and is compared with its recording."""
        self._waiting += [run for run, _ in self._listed]
        self._listed.clear()
        _C.set_step_entries(self.step, [])

    def clear(self) -> None:
        """Forgets all recordings and gives their memory back."""
        self._forget_stale()
        self._pool = _C.Program()

    # -- what there is

    @property
    def recordings(self) -> list[Recorded]:
        """The recordings that are ready, the newest last."""
        return [listed for _, listed in self._listed]

    def explain(self) -> str:
        """For each recording its calls, kernels, memory and rewrites, as text."""
        lines = []
        for i, r in enumerate(self.recordings):
            lines.append(
                f"recording {i}: {', '.join(r.inputs) or 'no tensors'}; {r.calls} calls, {len(r.kernels)} "
                f"kernels, {r.bytes} bytes"
            )
            lines += [f"  {rewrite}" for rewrite in r.rewrites]
        return "\n".join(lines)
