"""Optimizer: parameter groups, state, and the arrays through which a fused step reads what changes.

A step is one native call a group: it gets all parameters, gradients and state arrays at once. The learning
rate and the step count are one-element arrays, so that a recorded step follows `param_groups[i]["lr"] = x`.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np

from .. import _C
from .._context import parameters_changed, unrecorded
from ..autograd import enable_grad
from ..tensor import Tensor

__all__ = ["Optimizer", "ParamGroup", "Run"]

ParamsT: TypeAlias = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]


def _number(name: str, value: float, device: Any) -> Tensor:
    """A number that a step reads and writes, 0-d as PyTorch keeps it; the count is int64, others float64."""
    return _filled((), _C.int64 if name == "step" else _C.float64, value, device)


def _filled(shape: tuple[int, ...], dtype: Any, value: float, device: Any) -> Tensor:
    with unrecorded():
        array = _C.empty(shape, dtype, device)
        _C.fill(array, value)
    return Tensor(array)


def _moves(before: Any, now: Any) -> bool:
    """The momentum, or the first beta, is another number and all else is the same."""
    if isinstance(before, tuple):
        return isinstance(now, tuple) and before[1:] == now[1:] and bool(before[0]) == bool(now[0])
    return bool(before) == bool(now)


class ParamGroup(dict[str, Any]):
    """A parameter group: a dict whose 'lr' is also kept in a one-element float64 array, `lr_array`, and so is
    what some schedules move, 'momentum' or the first of 'betas': `momentum_array`."""

    lr_array: Any
    momentum_array: Any
    # Whether the optimiser's step reads the momentum there; else it is a constant of a recording.
    reads_array = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        self.lr_array = _C.empty((1,), _C.float64)
        self.momentum_array = _C.empty((1,), _C.float64)
        self.update(*args, **kwargs)

    def place(self, device: Any) -> None:
        """Puts the arrays where the parameters are."""
        if self.lr_array.device != device:
            self.lr_array = _C.to_device(self.lr_array, device)
            self.momentum_array = _C.to_device(self.momentum_array, device)

    def __setitem__(self, key: str, value: Any) -> None:
        if key == "lr":
            if isinstance(value, Tensor):
                value = value.item()
            _C.fill(self.lr_array, float(value))
        elif key in ("momentum", "betas"):
            if not (self.reads_array and key in self and _moves(self[key], value)):
                parameters_changed()
            number = value[0] if isinstance(value, (tuple, list)) else value
            if isinstance(number, (int, float)):
                _C.fill(self.momentum_array, float(number))
        elif key not in self or self[key] is not value:
            parameters_changed()  # what a step reads as a number is a constant of its recording
        super().__setitem__(key, value)

    @property
    def moving(self) -> tuple[str, Any]:
        """The option of the native rule that is read from `momentum_array`, if there is one."""
        name = "beta1" if "betas" in self else "momentum" if "momentum" in self else ""
        return name, self.momentum_array if name else None

    def update(self, *args: Any, **kwargs: Any) -> None:
        for key, value in dict(*args, **kwargs).items():
            self[key] = value

    def setdefault(self, key: str, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def __deepcopy__(self, memo: dict[int, Any]) -> ParamGroup:
        return ParamGroup({k: copy.deepcopy(v, memo) for k, v in self.items()})

    def __reduce__(self) -> tuple[Any, ...]:
        return ParamGroup, (dict(self),)


# PyTorch's choices between its implementations of a step; here there is one, fused and recordable.
_CHOICES = ("foreach", "fused", "capturable")


def _without_choices(init: Callable[..., None]) -> Callable[..., None]:
    """`__init__` that also takes PyTorch's arguments about how a step is done."""

    @functools.wraps(init)
    def taking_choices(self: Any, *args: Any, **options: Any) -> None:
        for name in _CHOICES:
            options.pop(name, None)
        if options.pop("differentiable", False):
            raise NotImplementedError(
                f"{type(self).__name__}: differentiable=True is left out: a step is one native call"
            )
        init(self, *args, **options)

    return taking_choices


class Optimizer:
    """The base of optimisers.

    A subclass with a native rule (`kernels/common/optim.def`) is its name, the names of its state and its
    options; one that is written over tensor operations has a `_step_run` of its own.

    Args:
        params: parameters, `(name, parameter)` pairs, or dicts with 'params' and options of a group.
        defaults: the options where a group does not set them.

    Attributes:
        param_groups: the groups; `param_groups[i]["lr"] = x` counts from the next step on.
        state: a dict a parameter, with PyTorch's names.
    """

    _rule = ""
    # The arrays that a parameter may need, in the rule's order.
    _states: tuple[str, ...] = ()
    # One-element arrays that parameters stepping together share: the count, and what the rule carries on.
    _numbers: tuple[str, ...] = ("step",)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # Those of this package; a user's own subclass keeps the __init__ that it wrote.
        if "__init__" in cls.__dict__ and cls.__module__.startswith(__package__ or ""):
            cls.__init__ = _without_choices(cls.__init__)  # type: ignore[method-assign]

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                f"{type(self).__name__}: params is one Tensor, wants an iterable of them (or of dicts)"
            )
        self.defaults = defaults
        self.state: dict[Tensor, dict[str, Any]] = {}
        self.param_groups: list[ParamGroup] = []
        self._runs: list[list[Run]] = []
        self._step_pre_hooks: dict[int, Any] = {}
        self._step_post_hooks: dict[int, Any] = {}
        given: list[Any] = list(params)
        if not given:
            raise ValueError(f"{type(self).__name__}: got an empty list of parameters")
        if not isinstance(given[0], dict):
            given = [{"params": given}]
        for group in given:
            self.add_param_group(group)

    # ---- groups ----

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds a group: a dict with 'params' and the options that differ from the defaults.

        Raises:
            TypeError: something in it is not a parameter.
            ValueError: a parameter is not a leaf, is there twice, or an option has a wrong value.
        """
        name = type(self).__name__
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise TypeError(f"{name}: a parameter group has to be a dict with 'params'")
        group = dict(param_group)
        members = group.pop("params")
        if isinstance(members, set):
            raise TypeError(f"{name}: a set of parameters has no fixed order, wants a list")
        params: list[Any] = [members] if isinstance(members, Tensor) else list(members)
        if params and isinstance(params[0], tuple):
            group["param_names"] = [pair[0] for pair in params]
            params = [pair[1] for pair in params]
        known = {id(p) for g in self.param_groups for p in g["params"]}
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"{name}: can optimise Tensors only, got {type(p).__name__}")
            if p.grad_fn is not None:
                raise ValueError(f"{name}: cannot optimise a tensor that is not a leaf (it has a grad_fn)")
            if id(p) in known:
                raise ValueError(
                    f"{name}: a parameter (shape {list(p.shape)}) is in the groups more than once"
                )
            known.add(id(p))
        made = ParamGroup(params=params)
        for key, value in self.defaults.items():
            made[key] = group.get(key, value)
        for key, value in group.items():
            if key not in made:
                made[key] = value
        self._check_group(made)
        self.param_groups.append(made)
        self._runs.append([])
        self._build_runs(len(self.param_groups) - 1)

    def _check_group(self, group: ParamGroup) -> None:
        """Raises ValueError where an option is out of its range."""

    def _build_runs(self, index: int) -> None:
        """Makes the state of a group's parameters that want gradients: it is there before any step."""
        group = self.param_groups[index]
        group.reads_array = type(self)._step_run is Optimizer._step_run
        runs = self._runs[index] = []
        for p in group["params"][:1]:
            group.place(p.device)
        parameters_changed()
        by_kind: dict[Any, list[Tensor]] = {}
        for p in group["params"]:
            state = self.state.get(p, {})
            kind = (p.dtype.name, str(p.device), *(id(state.get(name)) for name in self._numbers))
            by_kind.setdefault(kind, []).append(p)
        for params in by_kind.values():
            state = self.state.get(params[0], {})
            numbers = {
                name: state[name]
                if name in state
                else _number(name, self._initial(name, group), params[0].device)
                for name in self._numbers
            }
            run = Run(params, numbers)
            for p in params:
                if p.requires_grad:
                    self._state_of(p, run, group)
            runs.append(run)

    def _state_of(self, p: Tensor, run: Run, group: ParamGroup) -> dict[str, Any]:
        state = self.state.setdefault(p, {})
        state.update(run.numbers)
        for key in self._state_names(group):
            shape = self._shape_of(key, p)
            if key not in state and shape is not None:
                state[key] = _filled(shape, p.dtype, self._initial(key, group), p.device)
        return state

    def _state_names(self, group: ParamGroup) -> tuple[str, ...]:
        """Those of `_states` that this group's step reads and writes."""
        return self._states

    def _shape_of(self, name: str, p: Tensor) -> tuple[int, ...] | None:
        """The shape of an array of the state of `p`; None where `p` has none of that name."""
        return tuple(p.shape)

    def _initial(self, name: str, group: ParamGroup) -> float:
        """What an array or number of the state holds before the first step."""
        return 0

    def _options(self, group: ParamGroup) -> dict[str, float]:
        """The options of the native rule."""
        raise NotImplementedError(
            f"{type(self).__name__}: an optimiser has to write _options() or _step_run()"
        )

    # ---- steps ----

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clears the gradients of all parameters: None, or zeros in place."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                if set_to_none:
                    p.grad = None
                else:
                    p.grad.detach_()
                    p.grad.zero_()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Changes every parameter that has a gradient, once.

        Args:
            closure: computes the loss again (with gradients) and returns it.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        if self._step_pre_hooks or self._step_post_hooks:
            _C.refuse_recording("hook", f"a replay would not call a step hook of {type(self).__name__}")
        for hook in list(self._step_pre_hooks.values()):
            hook(self, (closure,), {})
        for i, group in enumerate(self.param_groups):
            # A run splits where only some of its parameters have a gradient: their step counts part.
            for run in list(self._runs[i]):
                active = [p for p in run.params if p.grad is not None]
                if not active:
                    continue
                if len(active) != len(run.params):
                    run = self._split(i, run, active)
                self._step_run(group, run)
        for hook in list(self._step_post_hooks.values()):
            hook(self, (closure,), {})
        return loss

    def _split(self, index: int, run: Run, active: list[Tensor]) -> Run:
        chosen = {id(p) for p in active}
        run.params = [p for p in run.params if id(p) not in chosen]
        with unrecorded():
            fresh = Run(active, {name: _number(name, n.item(), n.device) for name, n in run.numbers.items()})
        for p in active:
            self._state_of(p, fresh, self.param_groups[index])
        self._runs[index].append(fresh)
        return fresh

    def _step_run(self, group: ParamGroup, run: Run) -> None:
        """One native call: all arrays at once; it advances the numbers too."""
        names = self._state_names(group)
        state: dict[str, list[Any]] = {name: [] for name in self._states}
        params = []
        grads = []
        for p in run.params:
            params.append(p._array)
            grads.append(self._grad_of(p)._array)
            own = self.state.get(p)
            if own is None or any(key not in own for key in names):
                own = self._state_of(p, run, group)
            for key in names:
                state[key].append(own[key]._array)
        _C.optim_step(
            self._rule,
            params,
            grads,
            list(state.values()),
            group.lr_array,
            run.step_array,
            run.carried,
            self._options(group),
            *group.moving,
        )

    def _grad_of(self, p: Tensor) -> Tensor:
        grad: Any = p.grad
        if grad.dtype is not p.dtype:
            raise TypeError(
                f"{type(self).__name__}: a gradient is {grad.dtype} but its parameter {p.dtype} "
                f"(shape {list(p.shape)})"
            )
        return grad

    def register_step_pre_hook(self, hook: Callable[..., None]) -> Any:
        """`hook(optimizer, args, kwargs)` before each step."""
        return _register(self._step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[..., None]) -> Any:
        """`hook(optimizer, args, kwargs)` after each step."""
        return _register(self._step_post_hooks, hook)

    # ---- saving ----

    def state_dict(self) -> dict[str, Any]:
        """`{'state': {number: {name: tensor}}, 'param_groups': [{option: value, 'params': [number]}]}`.

        Parameters are numbered through all groups. Tensors share memory with the optimiser.
        """
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            for p in group["params"]:
                numbers.setdefault(id(p), len(numbers))
            plain = {k: v for k, v in group.items() if k != "params"}
            plain["params"] = [numbers[id(p)] for p in group["params"]]
            groups.append(plain)
        state = {numbers[id(p)]: dict(values) for p, values in self.state.items() if id(p) in numbers}
        return {"state": dict(sorted(state.items())), "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over options and (copies of) state from `state_dict()` of an optimiser with equal groups.

        Dicts of PyTorch's optimiser of the same name are understood too. All is checked before anything
        changes.

        Raises:
            KeyError: 'state' or 'param_groups' is missing.
            ValueError: other groups, or an array of another shape.
        """
        name = type(self).__name__
        for key in ("state", "param_groups"):
            if key not in state_dict:
                raise KeyError(f"{name}.load_state_dict: '{key}' is missing, got {sorted(state_dict)}")
        saved = state_dict["param_groups"]
        if len(saved) != len(self.param_groups):
            raise ValueError(
                f"{name}.load_state_dict: the state has {len(saved)} parameter groups, this optimiser has "
                f"{len(self.param_groups)}"
            )
        places: dict[Any, tuple[int, Tensor]] = {}
        for i, (theirs, own) in enumerate(zip(saved, self.param_groups, strict=True)):
            if len(theirs["params"]) != len(own["params"]):
                raise ValueError(
                    f"{name}.load_state_dict: group {i} has {len(theirs['params'])} parameters in the state, "
                    f"{len(own['params'])} here"
                )
            places.update(zip(theirs["params"], ((i, p) for p in own["params"]), strict=True))
        loaded: dict[Tensor, dict[str, Any]] = {}
        shared: dict[Any, dict[str, Tensor]] = {}
        for number, values in state_dict["state"].items():
            found = places.get(number if number in places else _as_int(number))
            if found is not None:
                index, p = found
                loaded[p] = self._loaded_state(number, index, p, values, shared)
        for theirs, own in zip(saved, self.param_groups, strict=True):
            candidate = ParamGroup(own)
            candidate.update({k: v for k, v in theirs.items() if k not in ("params", "param_names")})
            self._check_group(candidate)
        self.state = loaded
        for i, (theirs, own) in enumerate(zip(saved, self.param_groups, strict=True)):
            own.update({k: copy.deepcopy(v) for k, v in theirs.items() if k not in ("params", "param_names")})
            self._build_runs(i)

    def _loaded_state(
        self,
        number: Any,
        index: int,
        p: Tensor,
        values: Mapping[str, Any],
        shared: dict[Any, dict[str, Tensor]],
    ) -> dict[str, Any]:
        """One parameter's state: copies; parameters of a group whose numbers are equal share their arrays."""
        result: dict[str, Any] = {}
        for key in self._states:
            value = values.get(key)
            if value is None:
                continue
            array = np.asarray(value.detach() if hasattr(value, "detach") else value)
            if array.shape != self._shape_of(key, p):
                wanted = self._shape_of(key, p)
                raise ValueError(
                    f"{type(self).__name__}.load_state_dict: '{key}' of parameter {number} has shape "
                    f"{list(array.shape)}, wants {'none' if wanted is None else list(wanted)}"
                )
            copied = _C.cast(_C.from_numpy(np.array(array, order="C")), p.dtype)
            result[key] = Tensor(_C.to_device(copied, p.device))
        numbers: dict[str, float] = {}
        for key in self._numbers:
            value = values.get(key)
            if value is None:  # SGD of PyTorch keeps no count: a buffer tells that there was a step
                value = float(bool(result)) if key == "step" else self._initial(key, self.param_groups[index])
            numbers[key] = float(value.item() if hasattr(value, "item") else value)
        kind = (index, p.dtype.name, str(p.device), *numbers.values())
        if kind not in shared:
            shared[kind] = {key: _number(key, value, p.device) for key, value in numbers.items()}
        return {**shared[kind], **result}

    def __repr__(self) -> str:
        lines = []
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {k}: {group[k]}" for k in sorted(group) if k not in ("params", "param_names")]
        return f"{type(self).__name__} (\n" + "\n".join(lines) + "\n)"


class Run:
    """Parameters of one group that have one dtype and took the same number of steps: one native call."""

    __slots__ = ("carried", "numbers", "params", "step_array")

    step_array: Any

    def __init__(self, params: list[Tensor], numbers: dict[str, Tensor]) -> None:
        self.params = params
        self.numbers = numbers  # 0-d
        # The same memory, as the native call takes it.
        arrays = {name: number._array.unsqueeze(0) for name, number in numbers.items()}
        self.step_array = arrays.pop("step", None)
        self.carried = list(arrays.values())


class _Handle:
    def __init__(self, hooks: dict[int, Any]) -> None:
        self._hooks = hooks

    def remove(self) -> None:
        self._hooks.pop(id(self), None)


def _register(hooks: dict[int, Any], hook: Any) -> _Handle:
    handle = _Handle(hooks)
    hooks[id(handle)] = hook
    parameters_changed()  # what was recorded without the hook is stale
    return handle


def _as_int(number: Any) -> Any:
    return int(number) if isinstance(number, str) and number.isdigit() else number
