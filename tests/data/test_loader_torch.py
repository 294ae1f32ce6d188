"""DataLoader's arguments, defaults, attributes, batches and errors are PyTorch's."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

import numpy as np
import pytest

import markone as mo
from markone import data as mo_data

torch = pytest.importorskip("torch")
torch_data = torch.utils.data
BOTH = ((mo, mo_data), (torch, torch_data))


class Pair(NamedTuple):
    x: Any
    y: Any


def plain(value: Any) -> Any:
    """Batches as Python values: tensors become their type and numbers."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return (type(value).__name__, [plain(v) for v in value])
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if hasattr(value, "dtype"):
        return (str(value.dtype).split(".")[-1], value.tolist())
    return value


def listed(data: Any, make: Any, count: int = 7) -> Any:
    class Items(data.Dataset):
        def __len__(self) -> int:
            return count

        def __getitem__(self, i: int) -> Any:
            return make(i)

    return Items()


def streamed(data: Any, count: int = 7, length: bool = False) -> Any:
    class Stream(data.IterableDataset):
        def __iter__(self) -> Any:
            return iter(range(count))

    if length:
        Stream.__len__ = lambda self: count  # type: ignore[attr-defined]
    return Stream()


def test_arguments_and_defaults():
    ours, theirs = (
        {k: (p.kind, p.default) for k, p in inspect.signature(d.DataLoader.__init__).parameters.items()}
        for _, d in BOTH
    )
    assert list(ours.items()) == list(theirs.items())


OPTIONS = {
    "default": {},
    "batches": {"batch_size": 3},
    "drop_last": {"batch_size": 3, "drop_last": True},
    "more than all": {"batch_size": 10},
    "nothing left": {"batch_size": 10, "drop_last": True},
    "no batches": {"batch_size": None},
    "sampler": {"sampler": [4, 1, 1], "batch_size": 2},
    "sampler alone": {"sampler": [4, 1, 1], "batch_size": None},
    "batch_sampler": {"batch_sampler": [[0, 3], [6], [1, 2, 5]]},
    "collate": {"batch_size": 2, "collate_fn": tuple},
    "workers": {"batch_size": 2, "num_workers": 2},
}
ATTRIBUTES = (
    "batch_size drop_last num_workers pin_memory timeout worker_init_fn prefetch_factor persistent_workers "
    "generator multiprocessing_context in_order pin_memory_device"
).split()


@pytest.mark.parametrize("name", OPTIONS)
def test_batches_lengths_and_attributes(name):
    found = []
    for _, data in BOTH:
        options = dict(OPTIONS[name])
        loader = data.DataLoader(listed(data, lambda i: i), **options)
        attributes = {k: getattr(loader, k) for k in ATTRIBUTES}
        samplers = [type(loader.sampler).__name__, type(loader.batch_sampler).__name__]
        if data is torch_data and options.get("num_workers"):
            options["num_workers"] = 0  # the batches are the same, and no process is started
            loader = data.DataLoader(listed(data, lambda i: i), **options)
        found.append((attributes, samplers, len(loader), [plain(b) for b in loader]))
    assert found[0] == found[1]


SAMPLES = {
    "float": lambda lib, i: i / 2,
    "text": lambda lib, i: str(i),
    "numpy": lambda lib, i: np.full(2, i, np.float32),
    "numpy scalar": lambda lib, i: np.float64(i),
    "tensor": lambda lib, i: lib.tensor([i, 1]),
    "tuple": lambda lib, i: (i, float(i)),
    "named": lambda lib, i: Pair(i, lib.tensor(1.0)),
    "dict": lambda lib, i: {"a": i, "b": [i, (2.0, "t")]},
    "bytes": lambda lib, i: b"x",
}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("size", [2, None])
def test_collated_types(name, size):
    ours, theirs = (
        [
            plain(b)
            for b in data.DataLoader(
                listed(data, lambda i, lib=lib: SAMPLES[name](lib, i), 3), batch_size=size
            )
        ]
        for lib, data in BOTH
    )
    assert ours == theirs


@pytest.mark.parametrize(
    "options", [{}, {"batch_size": 3}, {"batch_size": 3, "drop_last": True}, {"batch_size": None}]
)
def test_iterable_datasets(options):
    ours, theirs = ([plain(b) for b in d.DataLoader(streamed(d), **options)] for _, d in BOTH)
    assert ours == theirs
    lengths = [len(d.DataLoader(streamed(d, length=True), **options)) for _, d in BOTH]
    assert lengths[0] == lengths[1]
    for _, d in BOTH:
        with pytest.raises(TypeError):
            len(d.DataLoader(streamed(d), **options))


BAD = {
    "shuffle and sampler": {"shuffle": True, "sampler": [0]},
    "batch_sampler and size": {"batch_sampler": [[0]], "batch_size": 2},
    "batch_sampler and shuffle": {"batch_sampler": [[0]], "shuffle": True},
    "batch_sampler and drop_last": {"batch_sampler": [[0]], "drop_last": True},
    "no batch but drop_last": {"batch_size": None, "drop_last": True},
    "size 0": {"batch_size": 0},
    "negative workers": {"num_workers": -1},
    "negative timeout": {"timeout": -1},
    "prefetch alone": {"prefetch_factor": 2},
    "persistent alone": {"persistent_workers": True},
}


@pytest.mark.parametrize("name", BAD)
def test_bad_options(name):
    for _, data in BOTH:
        with pytest.raises(ValueError):
            data.DataLoader(listed(data, lambda i: i), **BAD[name])
    with pytest.raises(ValueError):
        mo_data.DataLoader(streamed(mo_data), shuffle=True)


def test_shuffles_are_permutations_given_by_the_generator():
    for lib, data in BOTH:
        orders = []
        for seed in (1, 1, 2):
            generator = lib.Generator()
            generator.manual_seed(seed)
            loader = data.DataLoader(listed(data, lambda i: i, 20), 4, shuffle=True, generator=generator)
            orders.append([[x for b in loader for x in b.tolist()] for _ in range(2)])
            assert all(sorted(o) == list(range(20)) for o in orders[-1]) and orders[-1][0] != orders[-1][1]
        assert orders[0] == orders[1] != orders[2]


def test_workers_are_started_with_their_numbers():
    seen = []

    def start(worker: int) -> None:
        info = mo_data.get_worker_info()
        seen.append((worker, info.id, info.num_workers))

    loader = mo_data.DataLoader(
        listed(mo_data, lambda i: i), 2, num_workers=2, worker_init_fn=start, persistent_workers=True,
        prefetch_factor=3,
    )  # fmt: skip
    assert [b.tolist() for b in loader] == [[0, 1], [2, 3], [4, 5], [6]]
    assert sorted(seen) == [(0, 0, 2), (1, 1, 2)] and mo_data.get_worker_info() is None
