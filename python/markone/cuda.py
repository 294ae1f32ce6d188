"""NVIDIA GPUs: whether there are any, and what programs ask of them before they know."""

from __future__ import annotations

from typing import Any, NoReturn

from . import _C

__all__ = ["device_count", "empty_cache", "is_available", "manual_seed", "manual_seed_all"]


def is_available() -> bool:
    """Whether tensors can be on a GPU: markone was built for them, and there is one."""
    return device_count() > 0


def device_count() -> int:
    """How many GPUs there are; 0 where markone was built without CUDA."""
    return int(_C.build_info().get("cuda_devices", 0))


def manual_seed(seed: int) -> None:
    """Seeds the GPU's random numbers; as in PyTorch, nothing where there is none."""


def manual_seed_all(seed: int) -> None:
    """Seeds the random numbers of all GPUs; nothing where there are none."""


def empty_cache() -> None:
    """Gives unused GPU memory back; nothing where there is no GPU."""


# What wants a GPU.
_NEEDS_ONE = """current_device get_device_name get_device_properties max_memory_allocated memory_allocated
    memory_reserved reset_peak_memory_stats set_device synchronize""".split()


def __getattr__(name: str) -> Any:
    if name not in _NEEDS_ONE:
        raise AttributeError(f"module 'markone.cuda' has no attribute {name!r}")

    def missing(*args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(f"cuda.{name}: this build of markone runs on the cpu only")

    return missing
