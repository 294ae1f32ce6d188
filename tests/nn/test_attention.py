"""Attention and the Transformer against PyTorch's with the same weights, and against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import markone as mo
import surface
from surface import Op, bools, normal

F = mo.nn.functional


def softmax(s: np.ndarray) -> np.ndarray:
    top = np.where(np.isfinite(s), s, -1e300).max(-1, keepdims=True, initial=-1e300)
    e = np.exp(s - top)
    total = e.sum(-1, keepdims=True)
    return np.divide(e, total, out=np.zeros_like(e), where=np.isfinite(s).any(-1, keepdims=True))


def attention(q: Any, k: Any, v: Any, add: Any = 0.0, scale: float | None = None) -> np.ndarray:
    s = q @ np.swapaxes(k, -1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale) + add
    return softmax(s) @ v


def causal(rows: int, columns: int) -> np.ndarray:
    return np.where(np.tri(rows, columns, dtype=bool), 0.0, -np.inf)


def dot(label: str, q: Any, k: Any, v: Any, reference: Any, *masks: Any, **options: Any) -> Op:
    def call(lib: Any, q: Any, k: Any, v: Any, *mask: Any) -> Any:
        return lib.nn.functional.scaled_dot_product_attention(q, k, v, *mask, **options)

    return Op(
        "nn.functional.scaled_dot_product_attention", call, reference,
        [normal(*q), normal(*k), normal(*v), *masks], label=label,
    )  # fmt: skip


def heads(
    x: Any, y: Any, w: Any, b: Any, o: Any, ob: Any, count: int, add: Any = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Attention of x [L, N, E] to y [S, N, E], head by head, item by item."""
    e = x.shape[-1]
    size, out, told = e // count, np.zeros(x.shape), np.zeros((x.shape[1], len(x), len(y)))
    q, k, v = (t @ w[i * e : (i + 1) * e].T + b[i * e : (i + 1) * e] for i, t in enumerate((x, y, y)))
    for n in range(x.shape[1]):
        for h in range(count):
            at = slice(h * size, (h + 1) * size)
            p = softmax(q[:, n, at] @ k[:, n, at].T / np.sqrt(size) + (add[n] if np.ndim(add) == 3 else add))
            out[:, n, at] = p @ v[:, n, at]
            told[n] += p / count
    return out @ o.T + ob, told


def many(label: str, length: int, source: int, batch: int, add: Any = 0.0, **options: Any) -> Op:
    def call(lib: Any, x: Any, y: Any, *weights: Any) -> Any:
        w, b, o, ob = weights
        given = {k: lib.tensor(m) for k, m in options.items()}
        given = {k: m.to(x.dtype) if m.is_floating_point() else m for k, m in given.items()}
        return lib.nn.functional.multi_head_attention_forward(
            x, y, y, 4, 2, w, b, None, None, False, 0.0, o, ob, **given
        )

    return Op(
        "nn.functional.multi_head_attention_forward", call,
        lambda x, y, *weights: heads(x, y, *weights, 2, add),
        [normal(*s) for s in ((length, batch, 4), (source, batch, 4), (12, 4), (12,), (4, 4), (4,))],
        label=label,
    )  # fmt: skip


PADDING = [[False, True, False], [False, False, True]]
OPS = [
    dot("plain", (2, 3, 4), (2, 5, 4), (2, 5, 2), attention),
    dot("matrices", (3, 4), (5, 4), (5, 2), attention),
    dot("broadcast", (2, 1, 3, 4), (3, 5, 4), (3, 5, 2), attention),
    dot("causal", (2, 3, 4), (2, 5, 4), (2, 5, 2), lambda q, k, v: attention(q, k, v, causal(3, 5)),
        is_causal=True),
    dot("scale", (3, 4), (5, 4), (5, 2), lambda q, k, v: attention(q, k, v, 0, 0.3), scale=0.3),
    dot("seen", (2, 3, 4), (2, 5, 4), (2, 5, 2),
        lambda q, k, v, m: attention(q, k, v, np.where(m, 0.0, -np.inf)), bools(3, 5)),
    dot("blind", (3, 4), (3, 4), (3, 2),
        lambda q, k, v, m: attention(q, k, v, np.where(m, 0.0, -np.inf)),
        np.array([[True, False, True], [False, False, False], [True, True, True]])),
    dot("added", (2, 3, 4), (2, 5, 4), (2, 5, 2), attention, normal(2, 3, 5)),
    dot("shared", (2, 4, 3, 2), (2, 2, 5, 2), (2, 2, 5, 2),
        lambda q, k, v: attention(q, np.repeat(k, 2, 1), np.repeat(v, 2, 1)), enable_gqa=True),
    dot("empty", (0, 3, 4), (0, 5, 4), (0, 5, 2), attention),
    many("plain", 3, 5, 2),
    many("causal", 3, 3, 2, causal(3, 3), attn_mask=np.isinf(causal(3, 3))),
    many("padding", 2, 3, 2, np.where(np.array(PADDING)[:, None], -np.inf, 0), key_padding_mask=PADDING),
    many("added", 2, 3, 1, np.array([[0.5, -1, 0], [0, 2, 1]]),
         attn_mask=np.array([[0.5, -1, 0], [0, 2, 1]])),
]  # fmt: skip
test_all = surface.make_tests(OPS)


# -- modules with PyTorch's weights


def pair(name: str, *args: Any, **options: Any) -> tuple[Any, Any]:
    """The same module in both libraries, float64, in eval mode, with biases and norms that are not plain."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    theirs = getattr(torch.nn, name)(*args, **options).double().eval()
    with torch.no_grad():
        for p in theirs.parameters():
            p.add_(0.1 * torch.randn_like(p))
    ours = getattr(mo.nn, name)(*args, **options).double().eval()
    state = {k: mo.from_numpy(v.numpy()) for k, v in theirs.state_dict().items()}
    assert {k: list(v.shape) for k, v in ours.state_dict().items()} == {
        k: list(v.shape) for k, v in state.items()
    }
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(state)
    return ours, theirs


def agree(ours: Any, theirs: Any, arrays: Any, **masks: Any) -> None:
    """Results and all gradients."""
    import torch

    found = []
    for lib, module in ((mo, ours), (torch, theirs)):
        inputs = [lib.from_numpy(a.copy()).requires_grad_() for a in arrays]
        given = {k: lib.from_numpy(m) if isinstance(m, np.ndarray) else m for k, m in masks.items()}
        out = module(*inputs, **given)
        outs = [y for y in (out if isinstance(out, tuple) else (out,)) if y is not None]
        total = sum(
            (y * lib.linspace(0.5, 1.5, y.numel(), dtype=y.dtype).reshape(y.shape)).sum() for y in outs
        )
        leaves = [*inputs, *module.parameters()]
        grads = lib.autograd.grad(total, leaves, allow_unused=True)
        found.append([*outs, *(lib.zeros(1) if g is None else g for g in grads)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-11)


def rand(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


CAUSAL = np.isinf(causal(3, 3))
HIDDEN = np.array([[False, False, True], [False, True, False]])
ATTENTION = [
    ("plain", {}, {}),
    ("no bias", {"bias": False}, {}),
    ("more keys", {"add_bias_kv": True, "add_zero_attn": True},
     {"attn_mask": CAUSAL, "key_padding_mask": HIDDEN}),
    ("batch first", {"batch_first": True}, {"key_padding_mask": HIDDEN[:, :2]}),
    ("sizes", {"kdim": 3, "vdim": 5}, {"average_attn_weights": False}),
    ("no weights", {}, {"need_weights": False, "attn_mask": CAUSAL, "is_causal": True}),
    ("each head", {}, {"attn_mask": rand(8, 3, 3, seed=5)}),
]  # fmt: skip


@pytest.mark.parametrize(("options", "masks"), [c[1:] for c in ATTENTION], ids=[c[0] for c in ATTENTION])
def test_multihead_attention(options: dict[str, Any], masks: dict[str, Any]) -> None:
    ours, theirs = pair("MultiheadAttention", 8, 4, **options)
    first = options.get("batch_first", False)
    shape = (2, 3) if first else (3, 2)
    source = shape if not first else (2, 2)
    arrays = [
        rand(*shape, 8), rand(*source, options.get("kdim", 8), seed=1),
        rand(*source, options.get("vdim", 8), seed=2),
    ]  # fmt: skip
    agree(ours, theirs, arrays, **masks)


def test_self_attention_makes_one_product() -> None:
    ours, theirs = pair("MultiheadAttention", 4, 2, batch_first=True)
    import torch

    x = rand(2, 3, 4)
    a, b = mo.from_numpy(x), torch.from_numpy(x)
    for mine, other in zip(ours(a, a, a), theirs(b, b, b)):
        np.testing.assert_allclose(mine.detach().numpy(), other.detach().numpy(), rtol=1e-10)
    one = mo.from_numpy(x[0])
    out, weights = ours(one, one, one)
    assert list(out.shape) == [3, 4] and list(weights.shape) == [3, 3]
    assert mo.allclose(out, ours(a, a, a)[0][0])


LAYERS = [
    ("plain", {}),
    ("before", {"norm_first": True, "activation": "gelu"}),
    ("batch", {"batch_first": True, "bias": False}),
]


@pytest.mark.parametrize("options", [c[1] for c in LAYERS], ids=[c[0] for c in LAYERS])
def test_transformer_layers(options: dict[str, Any]) -> None:
    shape = (2, 3, 4) if options.get("batch_first") else (3, 2, 4)
    x, y = rand(*shape), rand(*shape, seed=1)
    ours, theirs = pair("TransformerEncoderLayer", 4, 2, 6, **options)
    agree(ours, theirs, [x], src_mask=CAUSAL, src_key_padding_mask=HIDDEN)
    ours, theirs = pair("TransformerDecoderLayer", 4, 2, 6, **options)
    agree(ours, theirs, [x, y], tgt_mask=CAUSAL, memory_key_padding_mask=HIDDEN)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
def test_transformer() -> None:
    ours, theirs = pair("Transformer", 4, 2, 2, 2, 6, norm_first=True)
    mask = mo.nn.Transformer.generate_square_subsequent_mask(3, dtype=mo.float64).numpy()
    assert (mask == causal(3, 3)).all()
    agree(ours, theirs, [rand(4, 2, 4), rand(3, 2, 4, seed=1)], tgt_mask=mask)
    assert [n for n, _ in ours.named_modules()] == [n for n, _ in theirs.named_modules()]


def test_adaptive_softmax() -> None:
    ours, theirs = pair("AdaptiveLogSoftmaxWithLoss", 8, 10, [3, 6], div_value=2.0, head_bias=True)
    import torch

    x, y = rand(5, 8), np.array([0, 9, 4, 2, 5])
    found = []
    for lib, module in ((mo, ours), (torch, theirs)):
        given = lib.from_numpy(x).requires_grad_()
        out = module(given, lib.from_numpy(y))
        grads = lib.autograd.grad(out.loss, [given, *module.parameters()])
        found.append([out.output, out.loss, module.log_prob(given), module.predict(given), *grads])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-12)
    assert ours(mo.from_numpy(x[0]), mo.tensor(4)).output.ndim == 0
    for bad in ([], [3, 3], [0, 2], [2, 10]):
        with pytest.raises(ValueError, match="cutoffs"):
            mo.nn.AdaptiveLogSoftmaxWithLoss(8, 10, bad)
    with pytest.raises(RuntimeError, match="targets"):
        ours(mo.from_numpy(x), mo.tensor([0, 1, 2, 3, 10]))


def test_dropout_of_weights() -> None:
    q = mo.randn(2, 3, 4)
    mo.manual_seed(0)
    a = F.scaled_dot_product_attention(q, q, q, dropout_p=0.5)
    mo.manual_seed(0)
    b = F.scaled_dot_product_attention(q, q, q, dropout_p=0.5)
    assert (a == b).all() and not mo.allclose(a, F.scaled_dot_product_attention(q, q, q))
    layer = mo.nn.TransformerEncoderLayer(4, 2, 8, dropout=0.5)
    assert not (layer(q) == layer(q)).all()
    assert (layer.eval()(q) == layer(q)).all()


Q, MHA = mo.ones(2, 3, 4), mo.nn.MultiheadAttention(4, 2)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: F.scaled_dot_product_attention(Q, mo.ones(2, 3, 5), Q), "scaled_dot_product_attention"),
        (lambda: F.scaled_dot_product_attention(Q, mo.ones(4), Q), "scaled_dot_product_attention"),
        (lambda: F.scaled_dot_product_attention(Q, Q.double(), Q), "scaled_dot_product_attention"),
        (lambda: F.scaled_dot_product_attention(Q, Q, Q, mo.ones(3, 3), is_causal=True), "is_causal"),
        (lambda: F.scaled_dot_product_attention(Q, Q, Q, dropout_p=2.0), "dropout_p"),
        (lambda: mo.nn.MultiheadAttention(5, 2), "MultiheadAttention"),
        (lambda: MHA(Q, Q, Q, is_causal=True), "attn_mask"),
        (lambda: MHA(Q, Q, Q, attn_mask=mo.ones(3, 3)), "attn_mask"),
        (lambda: MHA(Q, Q, Q, key_padding_mask=mo.ones(2, 3)), "key_padding_mask"),
        (lambda: MHA(Q, Q, Q, attn_mask=mo.ones(2, 2).long()), "attn_mask"),
        (lambda: MHA(mo.ones(2, 3, 6), Q, Q), "multi_head_attention_forward"),
        (lambda: mo.nn.TransformerEncoderLayer(4, 2, activation="some"), "activation"),
        (lambda: mo.nn.Transformer(4, 2, 1, 1, 4)(Q, mo.ones(2, 4, 4)), "Transformer"),
    ],
)
def test_bad_input(call: Any, match: str) -> None:
    with pytest.raises((ValueError, RuntimeError), match=match):
        call()
