"""NVIDIA GPUs: whether there are any, their memory, waiting for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import _C
from ._dtypes import device as as_a_device

__all__ = [
    "DeviceProperties",
    "Event",
    "current_device",
    "device_count",
    "empty_cache",
    "get_device_capability",
    "get_device_name",
    "get_device_properties",
    "is_available",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "mem_get_info",
    "memory_allocated",
    "memory_reserved",
    "reset_peak_memory_stats",
    "set_device",
    "synchronize",
]


def is_available() -> bool:
    """Whether tensors can be on a GPU: markone was built for them, and there is one."""
    return device_count() > 0


def device_count() -> int:
    """How many GPUs there are; 0 where markone was built without CUDA."""
    return int(_C.cuda_device_count())


def _index(op: str, device: Any) -> int:
    """The number of a device: an int, "cuda:1", a device, or None for the current one.

    Raises NotImplementedError where there is no GPU at all, with the reason, RuntimeError for one too many.
    """
    if not _C.cuda_device_count():
        raise NotImplementedError(f"cuda.{op}: {_C.cuda_missing()}")
    if device is None or isinstance(device, int):
        wanted = as_a_device("cuda", device)
    else:
        wanted = as_a_device(device)
    if wanted.type != "cuda":
        raise ValueError(f"cuda.{op}: wants a CUDA device, got {wanted}")
    _C.check_device(wanted)
    return int(wanted.index)


def _device(op: str, device: Any) -> Any:
    return _C.Device("cuda", _index(op, device))


def synchronize(device: Any = None) -> None:
    """Waits for all work on the device, and raises what its kernels found wrong with values since the last
    time: bad indices and labels are reported here, in the name of their operation."""
    _C.cuda_synchronize(_index("synchronize", device))


def current_device() -> int:
    """The number of the device that "cuda" names: 0."""
    return _index("current_device", None)


def set_device(device: Any) -> None:
    """Accepts the device that "cuda" names anyway, 0; NotImplementedError for others: write "cuda:1"."""
    if _index("set_device", device):
        raise NotImplementedError("cuda.set_device: 'cuda' is always device 0, name the other one: 'cuda:1'")


def get_device_name(device: Any = None) -> str:
    """What the driver calls the device."""
    return str(_C.cuda_name(_index("get_device_name", device)))


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """Major and minor compute capability."""
    major, minor, _ = _C.cuda_capability(_index("get_device_capability", device))
    return major, minor


@dataclass(frozen=True)
class DeviceProperties:
    """What a device is: bytes of memory, multiprocessors, compute capability."""

    name: str
    major: int
    minor: int
    total_memory: int
    multi_processor_count: int


def get_device_properties(device: Any = None) -> DeviceProperties:
    """The name, compute capability, memory and multiprocessors of a device."""
    index = _index("get_device_properties", device)
    major, minor, multiprocessors = _C.cuda_capability(index)
    return DeviceProperties(_C.cuda_name(index), major, minor, _C.cuda_memory(index)[1], multiprocessors)


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """Bytes that are free on the device, and all of them, as the driver counts."""
    free, total = _C.cuda_memory(_index("mem_get_info", device))
    return free, total


def _statistics(op: str, device: Any) -> Any:
    return _C.memory_stats(_device(op, device))


def memory_allocated(device: Any = None) -> int:
    """Bytes that tensors have on the device now."""
    return int(_statistics("memory_allocated", device)["allocated_bytes"])


def max_memory_allocated(device: Any = None) -> int:
    """The most bytes that tensors have had on the device."""
    return int(_statistics("max_memory_allocated", device)["peak_bytes"])


def memory_reserved(device: Any = None) -> int:
    """Bytes that are taken from the device: those of tensors, and those that wait to be used again."""
    found = _statistics("memory_reserved", device)
    return int(found["allocated_bytes"] + found["cached_bytes"])


def reset_peak_memory_stats(device: Any = None) -> None:
    """NotImplementedError: the peak is that of the process."""
    _index("reset_peak_memory_stats", device)
    raise NotImplementedError("cuda.reset_peak_memory_stats: the peak is that of the process")


def empty_cache() -> None:
    """Gives unused GPU memory back; nothing where there is no GPU."""
    if device_count():
        _C.empty_cache()


def manual_seed(seed: int) -> None:
    """Seeds the random numbers of device 0; as in PyTorch, nothing where there is none."""
    if device_count():
        _C.default_generator_of(_C.Device("cuda", 0)).manual_seed(int(seed))


def manual_seed_all(seed: int) -> None:
    """Seeds the random numbers of all GPUs; nothing where there are none."""
    for index in range(device_count()):
        _C.default_generator_of(_C.Device("cuda", index)).manual_seed(int(seed))


class Event:
    """A point in the work of a device; the time between two of them is the device's own.

    `blocking` and `interprocess` are taken for PyTorch's sake and change nothing.
    """

    def __init__(
        self, enable_timing: bool = True, blocking: bool = False, interprocess: bool = False
    ) -> None:
        self._index = _index("Event", None)
        self._event = _C.CudaEvent(self._index)

    def record(self) -> None:
        """Stands behind all that was submitted so far."""
        self._event.record(_C.Device("cuda", self._index))

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from this event to another; waits for the other."""
        return float(self._event.elapsed(end_event._event))

    def synchronize(self) -> None:
        """Waits for the device."""
        _C.cuda_synchronize(self._index)
