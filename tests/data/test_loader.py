"""DataLoader: order, workers, exceptions, early ends, resume."""

import gc
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import markone as mo
from markone import data


class Jitter(data.Dataset):
    """Sample i is i plus a random number of the sample's own stream; takes a while, unevenly."""

    def __init__(self, n=23, wait=0.0):
        self.n, self.wait = n, wait

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        if self.wait:
            time.sleep(self.wait * ((i * 7) % 3))
        return mo.tensor([float(i), data.sample_random().uniform()])


def loader_threads():
    return [t for t in threading.enumerate() if t.name.startswith("markone-loader")]


def wait_for_no_threads():
    end = time.monotonic() + 5
    while loader_threads() and time.monotonic() < end:
        time.sleep(0.005)
    assert not loader_threads()


def epochs(loader, n=1):
    return [[b.tolist() for b in loader] for _ in range(n)]


def test_order_and_sizes():
    batches = list(data.DataLoader(data.TensorDataset(mo.arange(7)), batch_size=3))
    assert [b[0].tolist() for b in batches] == [[0, 1, 2], [3, 4, 5], [6]]
    loader = data.DataLoader(data.TensorDataset(mo.arange(7)), batch_size=3, drop_last=True)
    assert len(loader) == 2 == len(list(loader))
    assert [x.tolist() for (x,) in data.DataLoader(data.TensorDataset(mo.arange(2)), batch_size=None)] == [
        0,
        1,
    ]
    assert list(data.DataLoader(data.TensorDataset(mo.ones(0)), batch_size=2)) == []


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("shuffle", [False, True])
def test_workers_change_nothing(workers, shuffle):
    mo.manual_seed(1)
    want = epochs(data.DataLoader(Jitter(), batch_size=4, shuffle=shuffle), 2)
    got = epochs(data.DataLoader(Jitter(wait=0.001), batch_size=4, shuffle=shuffle, num_workers=workers), 2)
    assert got == want
    # The second epoch draws other random numbers, and another order where shuffled.
    assert want[0] != want[1]
    assert [row[0] for b in want[0] for row in b] != [row[0] for b in want[1] for row in b] or not shuffle


def test_shuffle_is_keyed_by_the_generator():
    def order(seed):
        return epochs(data.DataLoader(Jitter(), batch_size=23, shuffle=True, generator=mo.Generator(seed)))

    assert order(5) == order(5) != order(6)


def test_a_batch_is_one_gather():
    d = data.TensorDataset(mo.arange(100).float(), mo.arange(100))
    d.__class__ = type("Counting", (data.TensorDataset,), {"__getitem__": None})
    assert len(list(data.DataLoader(d, batch_size=10, shuffle=True))) == 10


def test_own_collate_and_samplers():
    loader = data.DataLoader(Jitter(5), batch_size=2, collate_fn=len)
    assert list(loader) == [2, 2, 1]
    loader = data.DataLoader(data.TensorDataset(mo.arange(9)), sampler=[8, 1, 4], batch_size=2)
    assert [b[0].tolist() for b in loader] == [[8, 1], [4]]
    loader = data.DataLoader(data.TensorDataset(mo.arange(9)), batch_sampler=[[8], [1, 4]], num_workers=2)
    assert [b[0].tolist() for b in loader] == [[8], [1, 4]] and len(loader) == 2


class Broken(Jitter):
    def __getitem__(self, i):
        if i == 6:
            raise OSError("the disk is on fire")
        return super().__getitem__(i)


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_exceptions_come_at_their_place_with_their_traceback(workers):
    seen = []
    with pytest.raises(OSError, match="fire") as error:
        for batch in data.DataLoader(Broken(), batch_size=2, num_workers=workers):
            seen.append(batch)
    assert len(seen) == 3
    assert "__getitem__" in [entry.name for entry in error.traceback]
    if workers and hasattr(error.value, "__notes__"):
        assert "markone-loader" in error.value.__notes__[0] and "[6, 7]" in error.value.__notes__[0]
    wait_for_no_threads()


def test_an_exception_of_the_sampler_is_raised():
    def sampler():
        yield 0
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        list(data.DataLoader(Jitter(), sampler=sampler(), num_workers=2))
    wait_for_no_threads()


def test_worker_init():
    names = []
    loader = data.DataLoader(Jitter(), num_workers=2, worker_init_fn=names.append)
    list(loader)
    assert sorted(names) == [0, 1]

    def fails(worker):
        raise ValueError("not today")

    with pytest.raises(ValueError, match="not today"):
        list(data.DataLoader(Jitter(), num_workers=2, worker_init_fn=fails))
    wait_for_no_threads()


def test_early_break_and_dropped_iterators_end_the_threads():
    loader = data.DataLoader(Jitter(200, wait=0.0005), num_workers=3)
    for _ in loader:
        break
    gc.collect()
    wait_for_no_threads()
    it = iter(loader)
    next(it)
    assert loader_threads()
    del it
    gc.collect()
    wait_for_no_threads()
    it = iter(loader)
    next(it)
    it.close()
    wait_for_no_threads()
    iter(loader)  # never started
    wait_for_no_threads()


def test_timeout():
    class Slow(Jitter):
        def __getitem__(self, i):
            time.sleep(0.5 if i else 0)
            return super().__getitem__(i)

    it = iter(data.DataLoader(Slow(), num_workers=1, timeout=0.1))
    next(it)
    with pytest.raises(RuntimeError, match="timeout"):
        next(it)
    wait_for_no_threads()


def test_ctrl_c_and_the_end_of_the_program_do_not_hang():
    program = """
import os, signal, threading, time
import markone as mo
from markone import data

class Slow(data.Dataset):
    def __len__(self): return 1000
    def __getitem__(self, i):
        time.sleep(0.05)
        return mo.ones(2)

signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent may ignore it
loader = data.DataLoader(Slow(), num_workers=2)
threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    for batch in loader: pass
except KeyboardInterrupt:
    print("interrupted", flush=True)
it = iter(loader)
next(it)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout.strip() == "interrupted", done.stderr


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("stop", [0, 1, 3, 6])
def test_resume_in_the_middle(workers, stop):
    def make(n):
        return data.DataLoader(Jitter(), batch_size=4, shuffle=True, num_workers=n, generator=mo.Generator(8))

    straight = make(0)
    want = epochs(straight, 3)
    loader = make(workers)
    epochs(loader, 1)
    it = iter(loader)
    got = [next(it).tolist() for _ in range(stop)]
    state = loader.state_dict()
    assert state == {"seed": 8, "epoch": 1, "position": stop}
    it.close()
    fresh = data.DataLoader(Jitter(), batch_size=4, shuffle=True, num_workers=workers)
    fresh.load_state_dict(state)
    assert fresh.state_dict() == state and fresh.epoch == 1
    got += epochs(fresh)[0]
    assert got == want[1]
    assert fresh.state_dict() == {"seed": 8, "epoch": 2, "position": 0}
    assert epochs(fresh)[0] == want[2]


def test_positions():
    loader = data.DataLoader(Jitter(8), batch_size=2, shuffle=True, generator=mo.Generator(1))
    for i, _ in enumerate(loader):
        assert loader.state_dict()["position"] == i + 1 and loader.epoch == 0
    assert loader.epoch == 1
    for _ in loader:
        break
    assert loader.state_dict() == {"seed": 1, "epoch": 1, "position": 1}
    first = epochs(loader)  # an epoch that was left is not taken up again
    assert loader.epoch == 3
    loader.set_epoch(2)
    assert epochs(loader) == first
    with pytest.raises(KeyError, match="position"):
        loader.load_state_dict({"seed": 1, "epoch": 0})
    with pytest.raises(ValueError, match="epoch"):
        loader.load_state_dict({"seed": 1, "epoch": -1, "position": 0})


class Stream(data.IterableDataset):
    def __iter__(self):
        return iter(mo.tensor(float(i)) for i in range(7))


@pytest.mark.parametrize("workers", [0, 2])
def test_iterable_datasets(workers):
    loader = data.DataLoader(Stream(), batch_size=3, num_workers=workers)
    assert [b.tolist() for b in loader] == [[0, 1, 2], [3, 4, 5], [6]]
    assert len(list(data.DataLoader(Stream(), batch_size=3, drop_last=True, num_workers=workers))) == 2
    assert len(list(data.DataLoader(Stream(), batch_size=None, num_workers=workers))) == 7
    with pytest.raises(TypeError, match="length"):
        len(loader)
    state = data.DataLoader(Stream(), batch_size=3)
    it = iter(state)
    next(it)
    fresh = data.DataLoader(Stream(), batch_size=3, num_workers=workers)
    fresh.load_state_dict(state.state_dict())
    assert next(iter(fresh)).tolist() == [3, 4, 5]


BAD = [
    ({"num_workers": -1}, "num_workers"),
    ({"batch_size": 0}, "batch_size"),
    ({"shuffle": True, "sampler": [0]}, "sampler"),
    ({"batch_sampler": [[0]], "batch_size": 2}, "batch_sampler"),
    ({"batch_size": None, "drop_last": True}, "drop_last"),
    ({"timeout": -1}, "timeout"),
    ({"prefetch_factor": 0}, "prefetch_factor"),
    ({"dataset": Stream(), "shuffle": True}, "IterableDataset"),
]


@pytest.mark.parametrize(("options", "match"), BAD, ids=[m for _, m in BAD])
def test_bad_arguments_are_named(options, match):
    with pytest.raises(ValueError, match=match):
        data.DataLoader(**{"dataset": Jitter(), **options})


def test_a_bad_generator_is_named():
    with pytest.raises(TypeError, match="Generator"):
        next(iter(data.DataLoader(Jitter(), shuffle=True, generator=object())))


def test_memory_of_taken_batches_is_not_kept():
    import weakref

    class Big(data.Dataset):
        def __len__(self):
            return 6

        def __getitem__(self, i):
            return np.zeros(10, dtype=np.float32)

    refs = []
    for batch in data.DataLoader(Big(), num_workers=2):
        refs.append(weakref.ref(batch))
        del batch
        gc.collect()
        assert refs[-1]() is None
