"""Embeddings: rows of a table alone and in bags."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import markone as mo
import surface
from surface import Op, distinct, integers, normal, uniform

F = mo.nn.functional


def table(label: str, shape: tuple[int, ...], dtype: str = "int64", **options: Any) -> Op:
    """Rows below 4 of 5: the padding, whose gradient is not that of differences, has tests of its own."""
    return Op(
        "nn.functional.embedding",
        lambda lib, i, w: lib.nn.functional.embedding(i, w, **options),
        lambda i, w: w[i],
        [integers(0, 4, *shape, dtype=dtype), normal(5, 3)],
        label=label,
    )


def _bag(rows: Any, weights: Any, mode: str, width: int) -> Any:
    if len(rows) == 0:
        return np.zeros(width)
    if mode == "sum" and weights is not None:
        return (rows * weights[:, None]).sum(0)
    return {"sum": np.sum, "mean": np.mean, "max": np.max}[mode](rows, 0)


def bag(label: str, places: Any, offsets: Any = None, weighted: bool = False, **options: Any) -> Op:
    mode, padding = options.get("mode", "mean"), options.get("padding_idx")
    places = np.array(places, dtype=np.int64)

    def call(lib: Any, i: Any, w: Any, *samples: Any) -> Any:
        at = None if offsets is None else lib.tensor(offsets, dtype=lib.int64)
        more = {"per_sample_weights": samples[0]} if samples else {}
        return lib.nn.functional.embedding_bag(i, w, at, **options, **more)

    def reference(i: Any, w: Any, *samples: Any) -> Any:
        if offsets is None:
            parts = [(row, samples[0][n] if samples else None) for n, row in enumerate(i)]
        else:
            ends = offsets[1:] if options.get("include_last_offset") else [*offsets[1:], len(i)]
            parts = [(i[a:b], samples[0][a:b] if samples else None) for a, b in zip(offsets, ends)]
        out = []
        for row, weights in parts:
            kept = np.array([k for k in range(len(row)) if row[k] != padding], dtype=int)
            out.append(_bag(w[row[kept]], None if weights is None else weights[kept], mode, w.shape[1]))
        return np.array(out).reshape(len(parts), w.shape[1])

    inputs = [places, distinct(5, 3, step=0.37)]
    if weighted:
        inputs.append(uniform(*places.shape, low=0.2))
    return Op("nn.functional.embedding_bag", call, reference, inputs, label=label)


TWO = [[0, 2, 2], [4, 1, 0]]
ROW = [0, 2, 2, 4, 1, 0]
OPS = [
    table("plain", (2, 3)),
    table("int32", (4,), "int32"),
    table("0d", ()),
    table("empty", (0, 2)),
    table("padding", (2, 3), padding_idx=-1),
    *(bag(f"{m}", TWO, mode=m) for m in ("sum", "mean", "max")),
    *(bag(f"{m}-offsets", ROW, [0, 2, 2, 5], mode=m) for m in ("sum", "mean", "max")),
    *(bag(f"{m}-padding", [0, 2, 4, 4, 1, 4], [0, 3, 4], mode=m) for m in ("sum", "mean", "max")),
    bag("last", ROW, [0, 2, 6], include_last_offset=True),
    bag("weights", TWO, weighted=True, mode="sum"),
    bag("weights-offsets", ROW, [0, 1, 4], weighted=True, mode="sum"),
    bag("no-bags", np.zeros(0), [], mode="sum"),
]
test_all = surface.make_tests(OPS)


def both(run: Any) -> tuple[Any, Any]:
    torch = pytest.importorskip("torch")
    return run(mo), run(torch)


@pytest.mark.parametrize("options", [{"padding_idx": 2}, {"scale_grad_by_freq": True}, {"max_norm": 0.5}])
def test_gradients_of_the_table(options: dict[str, Any]) -> None:
    start = np.random.default_rng(0).standard_normal((5, 3))

    def run(lib: Any) -> Any:
        w = lib.tensor(start.tolist(), dtype=lib.float64).requires_grad_()
        i = lib.tensor([[0, 2, 2], [2, 4, 0]])
        out = lib.nn.functional.embedding(i, w, **options)
        scale = lib.arange(18, dtype=lib.float64).reshape(2, 3, 3)
        (g,) = lib.autograd.grad((out * scale).sum(), [w])
        return [t.detach().numpy() for t in (out, g, w)]

    for a, b in zip(*both(run)):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_bags_with_padding(mode: str) -> None:
    start = np.random.default_rng(0).standard_normal((5, 3))
    options = {"padding_idx": 2, "max_norm": 1.0}

    def run(lib: Any) -> Any:
        w = lib.tensor(start.tolist(), dtype=lib.float64).requires_grad_()
        i, offsets = lib.tensor([0, 2, 3, 2, 4, 0, 0]), lib.tensor([0, 3, 4])
        out = lib.nn.functional.embedding_bag(i, w, offsets, mode=mode, **options)
        (g,) = lib.autograd.grad((out * out).sum(), [w])
        return [t.detach().numpy() for t in (out, g, w)]

    for a, b in zip(*both(run)):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)


def test_frequencies_divide_the_gradients_of_bags() -> None:
    """PyTorch's own division takes the count of another row."""
    i, offsets, w = mo.tensor([0, 2, 3, 2, 4, 0, 0]), mo.tensor([0, 3, 4]), mo.randn(5, 3, requires_grad=True)
    grads = []
    for by_count in (False, True):
        out = F.embedding_bag(i, w, offsets, mode="sum", scale_grad_by_freq=by_count)
        grads += mo.autograd.grad((out * out).sum(), [w])
    assert mo.allclose(grads[0] / mo.tensor([[3.0], [1], [2], [1], [1]]), grads[1])


def test_layers() -> None:
    torch = pytest.importorskip("torch")
    i = np.array([[0, 3, 1], [2, 2, 3]])
    for name, options in (
        ("Embedding", {"padding_idx": -1}),
        ("Embedding", {"max_norm": 1.0, "norm_type": 1.0}),
        ("EmbeddingBag", {"mode": "max", "padding_idx": 2}),
        ("EmbeddingBag", {}),
    ):
        theirs, ours = getattr(torch.nn, name)(4, 3, **options), getattr(mo.nn, name)(4, 3, **options)
        if options.get("padding_idx") == -1:
            assert (ours.weight[3] == 0).all()
        ours.load_state_dict({k: mo.from_numpy(v.numpy()) for k, v in theirs.state_dict().items()})
        a, b = ours(mo.from_numpy(i)), theirs(torch.from_numpy(i))
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-6)
        assert repr(ours) == repr(theirs)
    rows = mo.arange(6.0).reshape(3, 2)
    layer = mo.nn.Embedding.from_pretrained(rows, padding_idx=0)
    assert not layer.weight.requires_grad and (layer(mo.tensor([2])) == rows[2]).all()
    assert mo.nn.EmbeddingBag.from_pretrained(rows, freeze=False).weight.requires_grad


ROWS, PLACES = mo.ones(3, 2), mo.tensor([0, 1])


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: F.embedding(mo.tensor([3]), ROWS), "embedding"),
        (lambda: F.embedding(mo.tensor([-1]), ROWS), "embedding"),
        (lambda: F.embedding(mo.ones(2), ROWS), "embedding"),
        (lambda: F.embedding(PLACES, mo.ones(3)), "embedding"),
        (lambda: F.embedding(PLACES, ROWS, padding_idx=3), "padding_idx"),
        (lambda: F.embedding(PLACES, ROWS, sparse=True), "sparse"),
        (lambda: F.embedding_bag(PLACES, ROWS), "embedding_bag"),
        (lambda: F.embedding_bag(PLACES, ROWS, mo.tensor([1])), "offsets"),
        (lambda: F.embedding_bag(PLACES, ROWS, mo.tensor([0, 3])), "offsets"),
        (lambda: F.embedding_bag(PLACES, ROWS, mo.tensor([0]), mode="min"), "mode"),
        (lambda: F.embedding_bag(mo.tensor([5]), ROWS, mo.tensor([0])), "embedding_bag"),
        (lambda: F.embedding_bag(PLACES, ROWS, mo.tensor([0]), per_sample_weights=mo.ones(2)), "mode"),
        (lambda: mo.nn.Embedding(3, 2, sparse=True), "sparse"),
        (lambda: mo.nn.Embedding(3, 2, padding_idx=5), "padding_idx"),
        (lambda: mo.nn.Embedding(3, 2, _weight=mo.ones(2, 2)), "Embedding"),
    ],
)
def test_bad_input(call: Any, match: str) -> None:
    with pytest.raises((ValueError, RuntimeError, IndexError, NotImplementedError), match=match):
        call()
