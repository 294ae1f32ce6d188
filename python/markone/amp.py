"""Mixed precision (names of `torch.amp`): products in bfloat16 or float16, the rest in float32."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable, Iterable
from typing import Any

from . import _C
from ._context import host_action, host_branch, unrecorded
from ._dtypes import bfloat16, dtype, float16
from .autograd import no_grad
from .ops import isfinite, mul
from .ops.autocast import settle, state
from .tensor import Tensor

__all__ = [
    "GradScaler",
    "autocast",
    "clear_autocast_cache",
    "custom_bwd",
    "custom_fwd",
    "get_autocast_dtype",
    "is_autocast_available",
    "is_autocast_cache_enabled",
    "is_autocast_enabled",
    "set_autocast_cache_enabled",
    "set_autocast_dtype",
    "set_autocast_enabled",
]


def _device_type(op: str, device_type: str) -> str:
    if not isinstance(device_type, str):
        raise ValueError(f"{op}: device_type must be a str, got {type(device_type).__name__}")
    if device_type not in ("cpu", "cuda"):
        raise RuntimeError(f"{op}: device_type is {device_type!r}, wants 'cpu' or 'cuda'")
    return device_type


def is_autocast_available(device_type: str) -> bool:
    """There is such a device here."""
    return _device_type("is_autocast_available", device_type) == "cpu"


def is_autocast_enabled(device_type: str = "cpu") -> bool:
    """This thread is inside an autocast region of the device."""
    return _device_type("is_autocast_enabled", device_type) == "cpu" and state.enabled


def set_autocast_enabled(device_type: str, enabled: bool) -> None:
    """Switches autocast of this thread."""
    if _device_type("set_autocast_enabled", device_type) == "cpu":
        state.enabled = bool(enabled)
        settle()


def get_autocast_dtype(device_type: str) -> dtype:
    """What autocast regions of the device take by themselves: bfloat16 on cpu, float16 on cuda."""
    return state.dtype if _device_type("get_autocast_dtype", device_type) == "cpu" else float16


def set_autocast_dtype(device_type: str, dtype: dtype) -> None:
    """Sets the type of this thread's autocast."""
    if _device_type("set_autocast_dtype", device_type) == "cpu":
        state.dtype = dtype


def is_autocast_cache_enabled() -> bool:
    """Copies of parameters are kept while an autocast region lasts."""
    return state.cache_enabled


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Switches the keeping of copies."""
    state.cache_enabled = bool(enabled)


def clear_autocast_cache() -> None:
    """Forgets the kept copies."""
    state.cache.clear()


class autocast:
    """A context manager and decorator: inside, products (linear, matmul, convolutions, attention, LSTM) run
    in a lower type, and losses in float32; gradients of float32 parameters are float32. Of this thread alone.

    Args:
        device_type: 'cpu'. For 'cuda' without such a device it warns and does nothing.
        dtype: bfloat16 (where None) or float16; for another it warns and does nothing.
        enabled: False switches an outer region off.
        cache_enabled: parameters are cast once in a region.
    """

    def __init__(
        self,
        device_type: str,
        dtype: dtype | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        self.device = _device_type("autocast", device_type)
        self.fast_dtype = get_autocast_dtype(self.device) if dtype is None else dtype
        self._cache_enabled = is_autocast_cache_enabled() if cache_enabled is None else cache_enabled
        self._enabled = enabled
        self._before: list[tuple[bool, Any, bool]] = []
        if enabled and self.device == "cuda":
            warnings.warn("autocast: there is no cuda device, it is switched off", UserWarning, stacklevel=2)
            self._enabled = False
        elif enabled and self.fast_dtype not in (bfloat16, float16):
            told = f"autocast: dtype is {self.fast_dtype}, wants bfloat16 or float16; it is switched off"
            warnings.warn(told, UserWarning, stacklevel=2)
            self._enabled = False

    def __enter__(self) -> autocast:
        self._before.append((state.enabled, state.dtype, state.cache_enabled))
        if self.device == "cpu":
            state.enabled, state.dtype = self._enabled, self.fast_dtype
        state.cache_enabled = self._cache_enabled
        state.nesting += 1
        settle()
        return self

    def __exit__(self, *exception: object) -> None:
        state.nesting -= 1
        if state.nesting == 0:
            state.cache.clear()
        state.enabled, state.dtype, state.cache_enabled = self._before.pop()
        settle()

    def __call__(self, func: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(func)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self:
                return func(*args, **kwargs)

        return wrapped


def _cast_all(value: Any, wanted: Any) -> Any:
    if isinstance(value, Tensor):
        return value.to(wanted) if value.is_floating_point() else value
    if isinstance(value, dict):
        return {k: _cast_all(v, wanted) for k, v in value.items()}
    if value.__class__ in (list, tuple):
        return value.__class__(_cast_all(v, wanted) for v in value)
    return value


def custom_fwd(
    fwd: Callable[..., Any] | None = None, *, device_type: str, cast_inputs: dtype | None = None
) -> Callable[..., Any]:
    """Marks `forward` of an autograd.Function: with cast_inputs it runs in that type, outside autocast."""
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)
    forward = fwd

    @functools.wraps(forward)
    def wrapped(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        ctx._autocast = is_autocast_enabled(device_type)
        ctx._autocast_dtype = get_autocast_dtype(device_type)
        if cast_inputs is None or not ctx._autocast:
            return forward(ctx, *args, **kwargs)
        ctx._autocast = False
        with autocast(device_type, enabled=False):
            return forward(ctx, *_cast_all(args, cast_inputs), **_cast_all(kwargs, cast_inputs))

    return wrapped


def custom_bwd(bwd: Callable[..., Any] | None = None, *, device_type: str) -> Callable[..., Any]:
    """Marks `backward` of an autograd.Function: it runs in the mode that its forward ran in."""
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)
    backward = bwd

    @functools.wraps(backward)
    def wrapped(ctx: Any, *args: Any) -> Any:
        with autocast(device_type, dtype=ctx._autocast_dtype, enabled=ctx._autocast):
            return backward(ctx, *args)

    return wrapped


def _number() -> Tensor:
    """One float64 of state, no part of a recording."""
    with unrecorded():
        return Tensor(_C.empty((), _C.float64))


class GradScaler:
    """Multiplies the loss, so that small gradients do not vanish in float16, and divides the gradients again.

    A step whose gradients have Inf or NaN is left out and the scale becomes smaller; after growth_interval
    steps without one it grows (Micikevicius et al. 2018, "Mixed precision training", section 3.2).

    Args:
        device: of the losses; it changes nothing.
        init_scale: the first scale.
        growth_factor, backoff_factor: by which it grows (above 1) and shrinks (below 1).
        growth_interval: how many steps in a row must be finite before it grows.
        enabled: False makes every method do nothing.
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        if growth_factor <= 1.0:
            raise ValueError(f"GradScaler: growth_factor is {growth_factor}, wants above 1")
        if not 0.0 < backoff_factor < 1.0:
            raise ValueError(f"GradScaler: backoff_factor is {backoff_factor}, wants a number in (0, 1)")
        self._device = device
        self._enabled = enabled
        # What a step reads, so that a recorded one follows: the scale and its inverse, and for each optimiser
        # whether its gradients are finite.
        self._scale_tensor, self._inverse_tensor = _number(), _number()
        self._flags: dict[int, Tensor] = {}
        self._set_scale(init_scale)
        self._growth_factor = growth_factor
        self._backoff_factor = backoff_factor
        self._growth_interval = growth_interval
        self._growth_tracker = 0
        # By the optimiser's id: what has happened to it since the last update.
        self._finite: dict[int, bool] = {}
        self._stepped: set[int] = set()

    def _set_scale(self, value: float) -> None:
        self._scale = float(value)
        _C.fill(self._scale_tensor._array, self._scale)
        _C.fill(self._inverse_tensor._array, 1.0 / self._scale if self._scale else math.inf)

    def scale(self, outputs: Any) -> Any:
        """A loss, or lists of them, times the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            return mul(outputs, self._scale_tensor)
        if isinstance(outputs, Iterable):
            scaled = [self.scale(o) for o in outputs]
            return tuple(scaled) if isinstance(outputs, tuple) else scaled
        raise ValueError(f"GradScaler.scale: wants Tensors, got {type(outputs).__name__}")

    def unscale_(self, optimizer: Any) -> None:
        """Divides the optimiser's gradients by the scale: before they are clipped, once a step."""
        if not self._enabled:
            return
        if id(optimizer) in self._stepped:
            raise RuntimeError("GradScaler: unscale_() is called after step()")
        if id(optimizer) in self._finite:
            raise RuntimeError("GradScaler: unscale_() has been called on this optimiser since update()")
        flag = self._flags.get(id(optimizer))
        if flag is None:
            flag = self._flags[id(optimizer)] = _number()
        with no_grad():
            self._unscale(optimizer, flag)
        self._note(id(optimizer))

    @host_action
    def _note(self, which: int) -> None:
        self._finite[which] = bool(self._flags[which].item())

    def _unscale(self, optimizer: Any, flag: Tensor) -> None:
        flag.fill_(1)
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                grad = parameter.grad
                if grad is None:
                    continue
                if grad.dtype is float16:
                    raise ValueError("GradScaler: gradients in float16 cannot be unscaled")
                flag.mul_(isfinite(grad).all())
                grad.detach().mul_(self._inverse_tensor)

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """optimizer.step(*args), after unscale_ where that was not called; left out where a gradient is not
        finite."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("GradScaler: step with a closure is not supported")
        if id(optimizer) in self._stepped:
            raise RuntimeError("GradScaler: step() has been called since the last update()")
        if id(optimizer) not in self._finite:
            self.unscale_(optimizer)
        self._stepped.add(id(optimizer))
        return host_branch(
            functools.partial(self._finite.__getitem__, id(optimizer)),
            functools.partial(optimizer.step, *args, **kwargs),
        )

    @host_action
    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Sets the scale for the next step."""
        if not self._enabled:
            return
        if new_scale is not None:
            self._set_scale(float(new_scale))
        elif not self._finite:
            raise RuntimeError("GradScaler: update() wants a step() or unscale_() before it")
        elif not all(self._finite.values()):
            self._set_scale(self._scale * self._backoff_factor)
            self._growth_tracker = 0
        else:
            self._growth_tracker += 1
            if self._growth_tracker == self._growth_interval:
                self._growth_tracker = 0
                grown = self._scale * self._growth_factor
                if grown <= 3.4e38:
                    self._set_scale(grown)
        self._finite.clear()
        self._stepped.clear()

    def get_scale(self) -> float:
        """The scale; 1 where not enabled."""
        return self._scale if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        self._growth_interval = new_interval

    def is_enabled(self) -> bool:
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """The scale, its factors and how many finite steps there were; empty where not enabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self._scale,
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._growth_tracker,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """What `state_dict` gave."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError("GradScaler: the state dict is empty, it came from a scaler that was disabled")
        self._set_scale(state_dict["scale"])
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._growth_tracker = state_dict["_growth_tracker"]
