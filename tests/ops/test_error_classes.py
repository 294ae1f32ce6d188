"""Misuse raises what PyTorch raises: a PyTorch program's `except RuntimeError` catches it here too."""

from __future__ import annotations

from typing import Any

import pytest

import markone as mo


def _leaf(lib: Any, *shape: int) -> Any:
    return lib.ones(*shape, requires_grad=True)


def _twice(lib: Any) -> None:
    loss = (_leaf(lib, 3) ** 2).sum()
    loss.backward()
    loss.backward()


def _saved_then_changed(lib: Any) -> None:
    x = _leaf(lib, 3) * 2
    y = (x * x).sum()
    x += 1
    y.backward()


def _in_place_on_leaf(lib: Any) -> None:
    x = _leaf(lib, 3)
    x += 1


def _unused_input(lib: Any) -> None:
    x, y = _leaf(lib, 3), _leaf(lib, 3)
    lib.autograd.grad(x.sum(), y)


def _state(lib: Any, **shapes: tuple[int, ...]) -> None:
    lib.nn.Linear(2, 3).load_state_dict({k: lib.zeros(*s) for k, s in shapes.items()})


def _no_init(lib: Any) -> None:
    class Net(lib.nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            self.layer = lib.nn.Linear(2, 3)

    Net()


def F(lib: Any) -> Any:
    return lib.nn.functional


def whole(lib: Any, *values: int) -> Any:
    return lib.tensor(values)


# What a user does by mistake, by name; lib is markone or torch.
MISUSE = {
    "add shapes": lambda lib: lib.ones(2, 3) + lib.ones(2, 4),
    "add_ shape": lambda lib: lib.ones(3).add_(lib.ones(2, 3)),
    "add text": lambda lib: lib.ones(3) + "3",
    "matmul shapes": lambda lib: lib.ones(2, 3) @ lib.ones(2, 3),
    "matmul dtypes": lambda lib: lib.ones(2, 3) @ lib.ones(3, 2, dtype=lib.float64),
    "matmul 0d": lambda lib: lib.ones(()) @ lib.ones(3),
    "mm vectors": lambda lib: lib.mm(lib.ones(3), lib.ones(3)),
    "bmm batches": lambda lib: lib.bmm(lib.ones(2, 3, 4), lib.ones(3, 4, 5)),
    "dot shapes": lambda lib: lib.dot(lib.ones(3), lib.ones(4)),
    "einsum": lambda lib: lib.einsum("ij,jk->ik", lib.ones(2, 3), lib.ones(4, 5)),
    "cat shapes": lambda lib: lib.cat([lib.ones(2, 3), lib.ones(2, 4)]),
    "cat nothing": lambda lib: lib.cat([]),
    "cat dim": lambda lib: lib.cat([lib.ones(2), lib.ones(2)], 1),
    "stack shapes": lambda lib: lib.stack([lib.ones(2), lib.ones(3)]),
    "stack nothing": lambda lib: lib.stack([]),
    "view size": lambda lib: lib.ones(2, 3).view(4, 2),
    "view strides": lambda lib: lib.ones(2, 3).t().view(6),
    "view of one -1": lambda lib: lib.ones(2, 3).view(-1, -1),
    "reshape size": lambda lib: lib.ones(2, 3).reshape(5),
    "expand": lambda lib: lib.ones(2, 3).expand(4, 3),
    "permute": lambda lib: lib.ones(2, 3).permute(0, 0),
    "transpose dim": lambda lib: lib.ones(2, 3).transpose(0, 2),
    "squeeze dim": lambda lib: lib.ones(2, 1).squeeze(5),
    "unsqueeze dim": lambda lib: lib.ones(2).unsqueeze(3),
    "flatten": lambda lib: lib.ones(2, 3, 4).flatten(2, 1),
    "split": lambda lib: lib.ones(5).split([2, 2]),
    "chunk": lambda lib: lib.ones(5).chunk(0),
    "narrow": lambda lib: lib.ones(5).narrow(0, 3, 4),
    "sum dim": lambda lib: lib.ones(2, 3).sum(2),
    "sum dims": lambda lib: lib.ones(2, 3).sum((0, 0)),
    "max of nothing": lambda lib: lib.ones(0).max(),
    "argmax of nothing": lambda lib: lib.ones(0).argmax(),
    "mean of integers": lambda lib: whole(lib, 1, 2).mean(),
    "topk": lambda lib: lib.ones(3).topk(5),
    "index": lambda lib: lib.ones(3)[3],
    "too many indices": lambda lib: lib.ones(3)[0, 0],
    "index tensor": lambda lib: lib.ones(3)[whole(lib, 5)],
    "index float": lambda lib: lib.ones(3)[lib.ones(2)],
    "index text": lambda lib: lib.ones(3)["a"],
    "mask shape": lambda lib: lib.ones(3)[lib.ones(4) > 0],
    "assign shape": lambda lib: lib.ones(3).__setitem__(slice(0, 2), lib.ones(3)),
    "gather": lambda lib: lib.ones(3).gather(0, whole(lib, 4)),
    "gather dtype": lambda lib: lib.ones(3).gather(0, lib.ones(2)),
    "scatter": lambda lib: lib.zeros(3).scatter(0, whole(lib, 4), 1.0),
    "index_select": lambda lib: lib.ones(3).index_select(0, whole(lib, 3)),
    "index_add": lambda lib: lib.ones(3).index_add(0, whole(lib, 1), lib.ones(2)),
    "masked_fill dtype": lambda lib: lib.ones(3).masked_fill(lib.ones(3), 0.0),
    "where shapes": lambda lib: lib.where(lib.ones(2) > 0, lib.ones(3), lib.ones(3)),
    "one_hot negative": lambda lib: F(lib).one_hot(whole(lib, -1)),
    "one_hot": lambda lib: F(lib).one_hot(whole(lib, 4), 3),
    "item": lambda lib: lib.ones(2).item(),
    "bool": lambda lib: bool(lib.ones(2)),
    "int of many": lambda lib: int(lib.ones(2)),
    "len 0d": lambda lib: len(lib.ones(())),
    "iterate 0d": lambda lib: list(lib.ones(())),
    "numpy with gradient": lambda lib: _leaf(lib, 2).numpy(),
    "ragged": lambda lib: lib.tensor([[1, 2], [3]]),
    "negative size": lambda lib: lib.ones(-1),
    "arange": lambda lib: lib.arange(3, 0),
    "arange step": lambda lib: lib.arange(0, 3, 0),
    "multinomial": lambda lib: lib.multinomial(lib.ones(3), 5),
    "bernoulli": lambda lib: lib.bernoulli(lib.full((2,), 2.0)),
    "normal": lambda lib: lib.ones(2).normal_(0, -1),
    "linear": lambda lib: lib.nn.Linear(3, 2)(lib.ones(4, 5)),
    "linear dtype": lambda lib: lib.nn.Linear(3, 2)(lib.ones(4, 3, dtype=lib.float64)),
    "linear bias": lambda lib: F(lib).linear(lib.ones(4, 3), lib.ones(2, 3), lib.ones(3)),
    "bilinear": lambda lib: lib.nn.Bilinear(3, 4, 2)(lib.ones(5, 3), lib.ones(5, 3)),
    "conv channels": lambda lib: lib.nn.Conv2d(3, 4, 3)(lib.ones(1, 2, 8, 8)),
    "conv dims": lambda lib: lib.nn.Conv2d(3, 4, 3)(lib.ones(8, 8)),
    "conv kernel": lambda lib: lib.nn.Conv2d(1, 4, 9)(lib.ones(1, 1, 4, 4)),
    "conv groups": lambda lib: lib.nn.Conv2d(3, 4, 3, groups=2),
    "conv stride": lambda lib: F(lib).conv2d(lib.ones(1, 1, 4, 4), lib.ones(1, 1, 3, 3), stride=0),
    "conv dtype": lambda lib: lib.nn.Conv2d(1, 4, 3)(lib.ones(1, 1, 4, 4, dtype=lib.float64)),
    "conv bias": lambda lib: F(lib).conv2d(lib.ones(1, 1, 4, 4), lib.ones(2, 1, 3, 3), lib.ones(3)),
    "conv same": lambda lib: lib.nn.Conv2d(1, 4, 3, stride=2, padding="same"),
    "conv_transpose": lambda lib: lib.nn.ConvTranspose2d(3, 4, 3)(lib.ones(1, 2, 8, 8)),
    "output_padding": lambda lib: F(lib).conv_transpose2d(
        lib.ones(1, 1, 4, 4), lib.ones(1, 1, 3, 3), output_padding=1
    ),
    "pool kernel": lambda lib: F(lib).max_pool2d(lib.ones(1, 1, 2, 2), 3),
    "pool padding": lambda lib: F(lib).max_pool2d(lib.ones(1, 1, 8, 8), 2, padding=2),
    "pool stride": lambda lib: F(lib).avg_pool2d(lib.ones(1, 1, 8, 8), 2, 0),
    "pool dims": lambda lib: F(lib).max_pool2d(lib.ones(8, 8), 2),
    "adaptive size": lambda lib: F(lib).adaptive_avg_pool2d(lib.ones(1, 1, 8, 8), (2, 2, 2)),
    "unfold": lambda lib: F(lib).unfold(lib.ones(1, 1, 2, 2), 3),
    "fold": lambda lib: F(lib).fold(lib.ones(1, 4, 3), (4, 4), 2),
    "pixel_shuffle": lambda lib: F(lib).pixel_shuffle(lib.ones(1, 3, 2, 2), 2),
    "reflect pad": lambda lib: F(lib).pad(lib.ones(1, 1, 3), (3, 3), "reflect"),
    "pad mode": lambda lib: F(lib).pad(lib.ones(1, 1, 3), (1, 1), "mirror"),
    "interpolate": lambda lib: F(lib).interpolate(lib.ones(1, 1, 3, 3)),
    "grid_sample": lambda lib: F(lib).grid_sample(lib.ones(1, 1, 3, 3), lib.ones(2, 3, 3, 2)),
    "batch_norm dims": lambda lib: lib.nn.BatchNorm2d(3)(lib.ones(2, 3)),
    "batch_norm channels": lambda lib: lib.nn.BatchNorm2d(3)(lib.ones(2, 4, 2, 2)),
    "batch_norm of one": lambda lib: lib.nn.BatchNorm1d(3)(lib.ones(1, 3)),
    "layer_norm": lambda lib: lib.nn.LayerNorm(3)(lib.ones(2, 4)),
    "group_norm": lambda lib: lib.nn.GroupNorm(2, 3),
    "group_norm channels": lambda lib: lib.nn.GroupNorm(2, 4)(lib.ones(1, 6, 2)),
    "instance_norm of one": lambda lib: lib.nn.InstanceNorm1d(3)(lib.ones(1, 3, 1)),
    "embedding index": lambda lib: lib.nn.Embedding(3, 2)(whole(lib, 3)),
    "embedding dtype": lambda lib: lib.nn.Embedding(3, 2)(lib.ones(2)),
    "lstm input": lambda lib: lib.nn.LSTM(3, 4)(lib.ones(5, 2, 2)),
    "lstm state": lambda lib: lib.nn.LSTM(3, 4)(
        lib.ones(5, 2, 3), (lib.ones(1, 3, 4), lib.ones(1, 3, 4))
    ),
    "gru dims": lambda lib: lib.nn.GRU(3, 4)(lib.ones(3)),
    "padding_idx": lambda lib: lib.nn.Embedding(3, 2, padding_idx=5),
    "F.embedding padding_idx": lambda lib: F(lib).embedding(whole(lib, 0), lib.ones(3, 2), padding_idx=9),
    "attention heads": lambda lib: lib.nn.MultiheadAttention(5, 2),
    "dropout": lambda lib: lib.nn.Dropout(1.5),
    "softmax dim": lambda lib: lib.ones(2).softmax(1),
    "softmax of integers": lambda lib: whole(lib, 1, 2).softmax(0),
    "cross_entropy class": lambda lib: F(lib).cross_entropy(lib.ones(2, 3), whole(lib, 0, 3)),
    "cross_entropy batch": lambda lib: F(lib).cross_entropy(lib.ones(2, 3), whole(lib, 0, 1, 2)),
    "cross_entropy dtype": lambda lib: F(lib).cross_entropy(lib.ones(2, 3), whole(lib, 0, 1).int()),
    "cross_entropy weight": lambda lib: F(lib).cross_entropy(
        lib.ones(2, 3), whole(lib, 0, 1), lib.ones(2)
    ),
    "cross_entropy reduction": lambda lib: F(lib).cross_entropy(
        lib.ones(2, 3), whole(lib, 0, 1), reduction="all"
    ),
    "nll_loss class": lambda lib: F(lib).nll_loss(lib.ones(2, 3), whole(lib, 0, 3)),
    "nll_loss negative class": lambda lib: F(lib).nll_loss(lib.ones(2, 3), whole(lib, 0, -1)),
    "multi_margin_loss class": lambda lib: F(lib).multi_margin_loss(lib.ones(2, 3), whole(lib, 0, -1)),
    "nll_loss batch": lambda lib: F(lib).nll_loss(lib.ones(2, 3), whole(lib, 0)),
    "mse_loss": lambda lib: F(lib).mse_loss(lib.ones(2), lib.ones(3)),
    "binary_cross_entropy": lambda lib: F(lib).binary_cross_entropy(lib.ones(2), lib.ones(3)),
    "bce logits": lambda lib: F(lib).binary_cross_entropy_with_logits(lib.ones(2), lib.ones(3)),
    "cosine_similarity": lambda lib: F(lib).cosine_similarity(lib.ones(2, 3), lib.ones(2, 4)),
    "backward of many": lambda lib: (_leaf(lib, 3) * 2).backward(),
    "backward of no graph": lambda lib: lib.ones(()).backward(),
    "backward shape": lambda lib: (_leaf(lib, 3) * 2).backward(lib.ones(2)),
    "backward twice": _twice,
    "saved then changed": _saved_then_changed,
    "in place on a leaf": _in_place_on_leaf,
    "grad of unused": _unused_input,
    "integers with gradient": lambda lib: lib.ones(3, dtype=lib.int64, requires_grad=True),
    "set grad shape": lambda lib: setattr(_leaf(lib, 3), "grad", lib.ones(2)),
    "set grad text": lambda lib: setattr(_leaf(lib, 3), "grad", "g"),
    "in place dtype": lambda lib: whole(lib, 1, 2).mul_(1.5),
    "load missing": lambda lib: _state(lib, weight=(3, 2)),
    "load unexpected": lambda lib: _state(lib, weight=(3, 2), bias=(3,), more=(1,)),
    "load shape": lambda lib: _state(lib, weight=(2, 3), bias=(3,)),
    "no super().__init__()": _no_init,
    "parameter of integers": lambda lib: lib.nn.Parameter(whole(lib, 1)),
    "no such attribute": lambda lib: lib.nn.Linear(1, 1).weights,
    "Sequential index": lambda lib: lib.nn.Sequential(lib.nn.ReLU())[3],
    "Sequential of no module": lambda lib: lib.nn.Sequential(3),
    "optimiser of nothing": lambda lib: lib.optim.SGD([], 0.1),
    "optimiser of a tensor": lambda lib: lib.optim.SGD(lib.ones(2), 0.1),
    "negative rate": lambda lib: lib.optim.SGD([_leaf(lib, 2)], -0.1),
    "optimiser of no leaf": lambda lib: lib.optim.SGD([_leaf(lib, 2) * 2], 0.1),
    "betas": lambda lib: lib.optim.Adam([_leaf(lib, 2)], betas=(1.5, 0.9)),
}  # fmt: skip


@pytest.mark.parametrize("name", MISUSE)
@pytest.mark.filterwarnings("ignore")
def test_misuse_raises_what_pytorch_raises(name):
    torch = pytest.importorskip("torch")
    with pytest.raises(Exception) as theirs:
        MISUSE[name](torch)
    with pytest.raises(Exception) as ours:
        MISUSE[name](mo)
    # Where PyTorch asserts, a ValueError of ours will do.
    wanted = (AssertionError, ValueError) if theirs.type is AssertionError else theirs.type
    assert issubclass(ours.type, wanted), f"{ours.type.__mro__[:3]} for {theirs.type}: {ours.value}"
    assert str(ours.value)


@pytest.mark.parametrize("name", ["padding_idx", "F.embedding padding_idx", "attention heads"])
def test_what_pytorch_asserts_is_caught_as_either(name):
    for error in (AssertionError, ValueError):
        with pytest.raises(error, match="padding_idx is|embed_dim is"):
            MISUSE[name](mo)


def test_native_errors_are_pythons_and_pytorchs():
    for error, python in (
        (mo.ArgumentError, ValueError), (mo.DTypeError, TypeError), (mo.OutOfRangeError, IndexError),
        (mo.OutOfMemoryError, MemoryError),
    ):  # fmt: skip
        assert error.__bases__ == (python, RuntimeError)
        assert error.__module__ == "markone"
    with pytest.raises(mo.ArgumentError, match=r"^add: shapes \[2\] and \[3\]"):
        mo.ones(2) + mo.ones(3)
    with pytest.raises(mo.OutOfRangeError, match=r"index"):
        mo.ones(3)[mo.tensor([7])]
    with pytest.raises(mo.OutOfMemoryError, match=r"^empty"):
        mo.empty(1 << 60)
