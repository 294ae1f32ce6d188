"""Views and rearrangements against PyTorch, with gradients."""

import numpy as np
import pytest

import against_torch as at
import markone as mo
from markone import _C
from markone.autograd import gradcheck, gradgradcheck

X = np.random.default_rng(0).standard_normal((2, 3, 4))

CASES = {
    "reshape": lambda lib, x: [
        x.reshape(6, 4),
        x.reshape(-1),
        x.reshape((4, -1)),
        x.transpose(0, 2).reshape(6, 4),
    ],
    "view": lambda lib, x: [x.view(6, 4), x.view(-1, 2), x[:, :1].view(2, 4)],
    "flatten": lambda lib, x: [lib.flatten(x), lib.flatten(x, 1), x.flatten(0, 1), x.sum().flatten()],
    "unflatten": lambda lib, x: x.unflatten(2, (2, 2)),
    "squeeze": lambda lib, x: [x[:1].squeeze(), x[:1].squeeze(0), x.squeeze(1), x[:1, :1].squeeze((0, 1))],
    "unsqueeze": lambda lib, x: [x.unsqueeze(0), x.unsqueeze(-1), x.unsqueeze(2)],
    "permute": lambda lib, x: [x.permute(2, 0, 1), x.permute((1, 0, 2)), x.permute(-1, 0, 1), x[0].T, x.mT],
    "transpose": lambda lib, x: [x.transpose(0, 2), lib.transpose(x, -1, -2), x[0].t(), x.movedim(0, 2)],
    "movedim": lambda lib, x: [lib.movedim(x, (0, 1), (2, 0)), x.movedim(-1, 0)],
    "expand": lambda lib, x: [x[:1].expand(5, 3, 4), x[:, :1].expand(-1, 6, -1), x.expand(2, 2, 3, 4)],
    "repeat": lambda lib, x: [x.repeat(2, 1, 3), x.repeat(2, 1, 1, 2), x.tile(2), x.repeat(0, 1, 1)],
    "repeat_interleave": lambda lib, x: [x.repeat_interleave(2, 1), x.repeat_interleave(3)],
    "narrow": lambda lib, x: [x.narrow(1, 1, 2), x.narrow(2, -3, 2), x.narrow(0, 2, 0)],
    "select": lambda lib, x: [x.select(1, 2), x.select(-1, -1)],
    "split": lambda lib, x: [
        *x.split(2, 2),
        *x.split([1, 2], 1),
        *x.chunk(2, 2),
        *x.chunk(5, 1),
        *x.unbind(1),
    ],
    "diagonal": lambda lib, x: [x.diagonal(0, 1, 2), x.diagonal(1, 0, 2), lib.diagonal(x, -1, 1, 2)],
    "cat": lambda lib, x: [
        lib.cat([x, x * 2], 1),
        lib.cat((x[:1], x, x[:0])),
        lib.cat([x.transpose(0, 1), x.transpose(0, 1)], -1),
    ],
    "stack": lambda lib, x: [
        lib.stack([x, x]),
        lib.stack([x, x * 2], -1),
        lib.hstack([x, x]),
        lib.vstack([x[0], x[1]]),
    ],
    "flip": lambda lib, x: [x.flip(0), x.flip(0, 2), lib.flip(x, (-1,))],
    "roll": lambda lib, x: [x.roll(1, 0), x.roll(-5, 2), lib.roll(x, (1, 2), (0, 1)), x.roll(3)],
    "clone": lambda lib, x: [x.clone(), x.contiguous(), x.transpose(0, 1).contiguous()],
    "tri": lambda lib, x: [lib.tril(x), lib.triu(x, 1), x.tril(-1)],
    "cast": lambda lib, x: [x.double(), x.to(lib.float64) * 2, x.detach().long(), x.type_as(x.double())],
}


@pytest.mark.parametrize("name", CASES)
def test_case(name):
    at.compare(CASES[name], [X])
    if name != "cast":
        at.check_gradients(lambda lib, x: [y * y for y in _list(CASES[name](lib, x))], [X], second=False)


def _list(value):
    return list(value) if isinstance(value, (list, tuple)) else [value]


@pytest.mark.parametrize(
    "name", ["reshape", "permute", "expand", "cat", "roll", "repeat", "diagonal", "flip"]
)
def test_second_order(name):
    at.check_gradients(lambda lib, x: [(y * y * y).sum() for y in _list(CASES[name](lib, x))], [X[:, :, :]])


def test_views_share_memory():
    x = mo.arange(6).reshape(2, 3)
    for view in (x.t(), x[1], x.reshape(-1), x.unsqueeze(0), x.expand(2, 2, 3), x.diagonal()):
        assert mo._C.Array.storage_id.fget(view._array) == mo._C.Array.storage_id.fget(x._array)
    for copy in (x.t().reshape(-1), x.clone(), x.flip(0), x.repeat(1, 1), x.roll(0, 0)):
        assert mo._C.Array.storage_id.fget(copy._array) != mo._C.Array.storage_id.fget(x._array)


@pytest.mark.parametrize(
    "bad",
    [
        lambda x: x.reshape(5),
        lambda x: x.reshape(-1, -1),
        lambda x: x.reshape(-2, 3),
        lambda x: x.t().view(-1),
        lambda x: x.permute(0, 0),
        lambda x: x.permute(0),
        lambda x: x.transpose(0, 2),
        lambda x: x.expand(3, 3),
        lambda x: x.unsqueeze(4),
        lambda x: x.squeeze(7),
        lambda x: x.narrow(0, 1, 5),
        lambda x: x.select(0, 2),
        lambda x: x.split(0),
        lambda x: x.split([1, 2, 3]),
        lambda x: x.chunk(0),
        lambda x: mo.cat([]),
        lambda x: mo.cat([x, x.t()]),
        lambda x: mo.cat([x, 3]),
        lambda x: mo.stack([x, x[0]]),
        lambda x: x.repeat(2),
        lambda x: x.repeat(-1, 1),
        lambda x: x.roll((1, 2), (0,)),
        lambda x: x.flip(0, 0),
        lambda x: x.flip(9),
        lambda x: x.reshape(2**40, 2**40),
        lambda x: x.expand(2**40, 2**40, 2, 3).contiguous(),
        lambda x: x.reshape("a"),
        lambda x: x.reshape(1.5),
        lambda x: x.reshape(*[1] * 9, 6),
        lambda x: x.to("cuda"),
        lambda x: x.to("tpu"),
    ],
)
def test_bad_arguments_are_named_errors(bad):
    with pytest.raises(
        (RuntimeError, ValueError, IndexError, TypeError, MemoryError, NotImplementedError)
    ) as caught:
        bad(mo.ones(2, 3))
    assert ":" in str(caught.value)


SLICERS = {
    "iter": list,
    "unbind": lambda x: x.unbind(0),
    "unbind 1": lambda x: x.t().unbind(1),
    "split": lambda x: x.split(1),
    "split sizes": lambda x: x.split([1] * x.shape[0]),
    "chunk": lambda x: x.chunk(x.shape[0]),
}


@pytest.mark.parametrize("name", SLICERS)
def test_all_slices_are_one_node(name):
    """Backward's kernels and bytes grow with the tensor, not with its square."""
    calls, memory = [], []
    for n in (50, 100):
        x = mo.ones(n, 3, requires_grad=True)
        parts = SLICERS[name](x)
        assert len({part.grad_fn.edges[0] for part in parts}) == 1
        before = _C.native_calls()
        (grad,) = mo.autograd.grad(parts, x, [mo.full(part.shape, 2.0 + i) for i, part in enumerate(parts)])
        calls.append(_C.native_calls() - before)
        assert grad.tolist() == [[2.0 + i] * 3 for i in range(n)]
        memory.append(_C.memory_stats()["requests"])
        mo.autograd.grad(parts[n // 2].sum(), x)
        memory[-1] = _C.memory_stats()["requests"] - memory[-1]
    # The fills of the test's own gradients are counted too.
    assert calls[1] <= 2 * calls[0] <= 2 * (2 * 50 + 2)
    assert memory[1] <= 2 * memory[0]


@pytest.mark.parametrize("name", SLICERS)
def test_slices_of_which_some_are_used(name):
    x = mo.tensor(np.random.default_rng(0).normal(size=(4, 3)), requires_grad=True)

    def used(x):
        parts = SLICERS[name](x)
        return parts[1] * parts[3] ** 2 + parts[1]

    assert gradcheck(used, [x]) and gradgradcheck(used, [x])


def test_a_slice_written_in_place_leads_to_its_base():
    torch = pytest.importorskip("torch")
    for write in (lambda p: p[1].mul_(3), lambda p: p[2].copy_(p[0] + p[1])):
        grads = []
        for lib in (mo, torch):
            x = lib.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], requires_grad=True)
            base = x * 1.0
            # PyTorch does not let the slices of unbind be written; ours are as those of indexing.
            parts = base.unbind() if lib is mo else [base[i] for i in range(3)]
            write(parts)
            ((base * base).sum() + sum(part.sum() for part in parts)).backward()
            grads.append(x.grad.tolist())
        assert grads[0] == grads[1]
