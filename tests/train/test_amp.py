"""Mixed precision against PyTorch's autocast on the CPU."""

from __future__ import annotations

import importlib
import threading
from typing import Any

import numpy as np
import pytest

import markone as mo
from markone import amp
from markone.datasets import Digits
from markone.ops.autocast import POLICIES, state

RANDOM = np.random.default_rng(0)


def normal(*shape: int) -> Any:
    return RANDOM.normal(size=shape).astype(np.float32)


X, W, S = normal(4, 6), normal(5, 6), normal(6, 6)
IMAGE, KERNEL = normal(2, 3, 6, 6), normal(4, 3, 3, 3)
TARGET = np.abs(normal(4, 6))
PROBABILITIES = (TARGET / 4).clip(0.1, 0.9)
CLASSES = np.array([0, 1, 5, 2])

# By name: lib, its functional, then Tensors of the inputs.
CASES: dict[str, tuple[Any, ...]] = {
    "linear": (lambda m, F, x, w: F.linear(x, w), X, W),
    "matmul": (lambda m, F, x, w: x @ w.t(), X, W),
    "mm": (lambda m, F, x, w: m.mm(x, w.t()), X, W),
    "bmm": (lambda m, F, x, w: m.bmm(x[None], w.t()[None]), X, W),
    "addmm": (lambda m, F, x, w: m.addmm(x[:, :5], x, w.t()), X, W),
    "baddbmm": (lambda m, F, x, w: m.baddbmm(x[None, :, :5], x[None], w.t()[None]), X, W),
    "einsum": (lambda m, F, x, w: m.einsum("ij,kj->ik", x, w), X, W),
    "tensordot": (lambda m, F, x, w: m.tensordot(x, w.t(), 1), X, W),
    "mv": (lambda m, F, x: m.mv(x, x[0]), X),
    "outer": (lambda m, F, x: m.outer(x[0], x[1]), X),
    "conv1d": (lambda m, F, x, w: F.conv1d(x[:, :, 0], w[:, :, 0]), IMAGE, KERNEL),
    "conv2d": (lambda m, F, x, w: F.conv2d(x, w), IMAGE, KERNEL),
    "conv_transpose2d": (lambda m, F, x, w: F.conv_transpose2d(x, w.transpose(0, 1)), IMAGE, KERNEL),
    "prelu": (lambda m, F, x, w: F.prelu(x, w[0]), X, W),
    "sdpa": (lambda m, F, x, w: F.scaled_dot_product_attention(x[None], w[None], w[None]), X, W),
    "softmax": (lambda m, F, x: x.softmax(1), X),
    "exp": (lambda m, F, x: x.exp(), X),
    "add": (lambda m, F, x: x + x, X),
    "sum": (lambda m, F, x: x.sum(1), X),
    "prod": (lambda m, F, x: x.prod(), X),
    "trace": (lambda m, F, x: x.trace(), S),
    "quantile": (lambda m, F, x: m.quantile(x, 0.5), X),
    "cdist": (lambda m, F, x: m.cdist(x, x.flip(0)), X),
    "layer_norm": (lambda m, F, x: F.layer_norm(x, (6,), m.ones(6), m.zeros(6)), X),
    "batch_norm": (lambda m, F, x: F.batch_norm(x, m.zeros(6), m.ones(6), m.ones(6), m.ones(6), True), X),
    "group_norm": (lambda m, F, x: F.group_norm(x, 2, m.ones(6), m.zeros(6)), X),
    "gelu": (lambda m, F, x: F.gelu(x), X),
    "max_pool2d": (lambda m, F, x: F.max_pool2d(x, 2), IMAGE),
    "cat": (lambda m, F, x: m.cat([x, m.ones(1, 6)]), X),
    "stack": (lambda m, F, x: m.stack([x, m.ones(4, 6)]), X),
    "cross_entropy": (lambda m, F, x: F.cross_entropy(x, m.tensor(CLASSES)), X),
    "nll_loss": (lambda m, F, x: F.nll_loss(x, m.tensor(CLASSES)), X),
    "multi_margin_loss": (lambda m, F, x: F.multi_margin_loss(x, m.tensor(CLASSES)), X),
    "binary_cross_entropy": (lambda m, F, x: F.binary_cross_entropy(x, x), PROBABILITIES),
    "margin_ranking_loss": (lambda m, F, x, y: F.margin_ranking_loss(x, y, y), X, TARGET),
    "triplet_margin_loss": (lambda m, F, x, y: F.triplet_margin_loss(x, y, y.flip(0)), X, TARGET),
    **{
        name: (lambda m, F, x, y, name=name: getattr(F, name)(x, y), X, TARGET)
        for name in (
            "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "soft_margin_loss", "poisson_nll_loss",
            "kl_div", "binary_cross_entropy_with_logits", "hinge_embedding_loss",
        )
    },
}  # fmt: skip
# PyTorch refuses these with bfloat16 beside float32.
FLOAT_ALONE = {"mv", "tensordot"}


def short(tensor: Any) -> str:
    return str(tensor.dtype).split(".")[-1]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("given", ["float32", "bfloat16"])
def test_types_and_values_are_pytorchs(name, given):
    torch = pytest.importorskip("torch")
    if given == "bfloat16" and name in FLOAT_ALONE:
        pytest.skip("PyTorch refuses two types")
    call, first, *rest = CASES[name]
    results = []
    for lib in (mo, torch):
        x = lib.tensor(first).to(getattr(lib, given)).requires_grad_()
        others = [lib.tensor(a).requires_grad_(a is not TARGET) for a in rest]
        with lib.autocast("cpu"):
            out = call(lib, lib.nn.functional, x, *others)
        flat = out.float().reshape(-1)
        (flat * lib.arange(1.0, len(flat) + 1) / len(flat)).sum().backward()
        assert short(x.grad) == given and all(
            short(o.grad) == "float32" for o in others if o.grad is not None
        )
        results.append((short(out), out, x.grad))
    (kind, out, grad), (wanted, theirs, their_grad) = results
    assert kind == wanted
    for a, b in ((out, theirs), (grad, their_grad)):
        a, b = a.detach().float().numpy(), b.detach().float().numpy()
        assert np.allclose(a, b, rtol=0.05, atol=0.02 * max(np.abs(b).max(initial=0), 1e-3)), name


def test_recurrent_layers_run_in_the_lower_type():
    for kind, wanted in (("LSTM", mo.bfloat16), ("RNN", mo.bfloat16), ("GRU", mo.float32)):
        layer = getattr(mo.nn, kind)(3, 4)
        with mo.autocast("cpu"):
            out = layer(mo.randn(5, 2, 3))[0]
        assert out.dtype is wanted
        out.float().sum().backward()
        assert all(p.grad is not None and p.grad.dtype is mo.float32 for p in layer.parameters())
    attention = mo.nn.MultiheadAttention(4, 2)
    x = mo.randn(5, 2, 4)
    with mo.autocast("cpu"):
        assert attention(x, x, x)[0].dtype is mo.bfloat16


def test_every_rule_names_an_operation():
    norms = importlib.import_module("markone.ops.norm")
    for name in POLICIES:
        homes = [
            getattr(mo, name, None),
            getattr(mo.nn.functional, name, None),
            getattr(norms, name, None),
        ]
        if name in ("lstm", "rnn_tanh", "rnn_relu", "gru"):
            homes.append(mo.ops.FUNCTIONS.get(name))
        assert any(getattr(home, "_autocast", None) for home in homes), name


def test_regions_nest_and_end():
    x = mo.randn(3, 3)
    assert not mo.is_autocast_enabled("cpu") and mo.get_autocast_dtype("cpu") is mo.bfloat16
    with mo.autocast("cpu", dtype=mo.float16):
        assert mo.is_autocast_enabled("cpu") and mo.get_autocast_dtype("cpu") is mo.float16
        assert (x @ x).dtype is mo.float16
        with amp.autocast("cpu", enabled=False):
            assert (x @ x).dtype is mo.float32
        with amp.autocast("cpu", mo.bfloat16):
            assert (x @ x).dtype is mo.bfloat16
        assert (x.double() @ x.double()).dtype is mo.float64
        seen = []
        thread = threading.Thread(target=lambda: seen.append((x @ x).dtype))
        thread.start()
        thread.join()
        assert seen == [mo.float32]
    with pytest.raises(ZeroDivisionError), mo.autocast("cpu"):
        raise ZeroDivisionError
    assert (x @ x).dtype is mo.float32

    @mo.autocast("cpu")
    def product(a):
        return a @ a

    assert product(x).dtype is mo.bfloat16 and not mo.is_autocast_enabled("cpu")
    mo.set_autocast_enabled("cpu", True)
    mo.set_autocast_dtype("cpu", mo.float16)
    try:
        assert (x @ x).dtype is mo.float16
    finally:
        mo.set_autocast_enabled("cpu", False)
        mo.set_autocast_dtype("cpu", mo.bfloat16)
    for bad in ({"dtype": mo.float32}, {"device_type": "cuda"}):
        with pytest.warns(UserWarning, match="^autocast:"):
            region = mo.autocast(**{"device_type": "cpu", **bad})
        with region:
            assert (x @ x).dtype is mo.float32
    with pytest.raises(RuntimeError, match="^autocast: device_type is 'tpu'"):
        mo.autocast("tpu")


def test_a_parameter_is_cast_once_in_a_region():
    w = mo.randn(3, 3, requires_grad=True)
    x = mo.randn(2, 3)
    with mo.autocast("cpu"):
        with mo.no_grad():
            mo.nn.functional.linear(x, w)
        a, b = mo.nn.functional.linear(x, w), mo.nn.functional.linear(x, w)
        assert a.grad_fn.edges[1] is b.grad_fn.edges[1]
        (a + b).float().sum().backward()
        with mo.no_grad():
            w.mul_(2)
        c = mo.nn.functional.linear(x, w)
        assert np.allclose(c.float().detach().numpy(), 2 * a.float().detach().numpy(), atol=1e-2)
    assert not state.cache
    assert np.allclose(w.grad.numpy(), 2 * np.tile(x.bfloat16().float().numpy().sum(0), (3, 1)), atol=0.05)
    with mo.autocast("cpu", cache_enabled=False):
        a, b = mo.nn.functional.linear(x, w), mo.nn.functional.linear(x, w)
        assert a.grad_fn.edges[1] is not b.grad_fn.edges[1] and not state.cache


def test_functions_of_ones_own():
    seen = []

    class Double(mo.autograd.Function):
        @staticmethod
        @amp.custom_fwd(device_type="cpu", cast_inputs=mo.float32)
        def forward(ctx, x):
            seen.append((x.dtype, mo.is_autocast_enabled("cpu")))
            return x * 2

        @staticmethod
        @amp.custom_bwd(device_type="cpu")
        def backward(ctx, g):
            seen.append(mo.is_autocast_enabled("cpu"))
            return g * 2

    x = mo.ones(2, requires_grad=True)
    with mo.autocast("cpu"):
        y = Double.apply(x)
        y.sum().backward()
    assert seen == [(mo.float32, False), False] and x.grad.tolist() == [2, 2]


def test_scaler_follows_pytorchs():
    torch = pytest.importorskip("torch")
    traces = []
    for lib in (mo, torch):
        scaler = lib.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
        w = lib.tensor([1.0, 2.0], requires_grad=True)
        optimizer = lib.optim.SGD([w], 0.1)
        trace = []
        for factor in (1.0, 2.0, float("inf"), 1.0, float("nan"), 3.0, 1.0):
            optimizer.zero_grad()
            scaler.scale((w * w).sum() * factor).backward()
            if factor == 2.0:
                scaler.unscale_(optimizer)
                lib.nn.utils.clip_grad_norm_([w], 0.5)
                with pytest.raises(RuntimeError):
                    scaler.unscale_(optimizer)
            scaler.step(optimizer)
            scaler.update()
            trace.append((scaler.get_scale(), w.tolist()))
        saved = scaler.state_dict()
        other = lib.amp.GradScaler("cpu")
        other.load_state_dict(saved)
        assert other.state_dict() == saved
        traces.append((trace, saved))
        with pytest.raises(RuntimeError, match="empty|disabled"):
            other.load_state_dict({})
        off = lib.amp.GradScaler("cpu", enabled=False)
        assert off.scale(w) is w and off.get_scale() == 1.0 and off.state_dict() == {}
    assert traces[0][1] == traces[1][1]
    for (a, x), (b, y) in zip(traces[0][0], traces[1][0], strict=True):
        assert a == b and np.allclose(x, y)


def test_lenet_learns_the_digits_in_bfloat16():
    """An epoch in bfloat16 is nearly as good as one in float32."""
    from markone.models import LeNet5

    digits = Digits(train=True, size=28)
    images = mo.stack([digits[i][0] for i in range(1280)])
    labels = mo.tensor([int(digits[i][1]) for i in range(1280)])
    accuracy = []
    for enabled in (False, True):
        mo.manual_seed(0)
        net = LeNet5()
        optimizer = mo.optim.Adam(net.parameters(), 2e-3)
        for _ in range(2):
            for at in range(0, 1024, 32):
                optimizer.zero_grad()
                with mo.autocast("cpu", enabled=enabled):
                    scores = net(images[at : at + 32])
                    loss = mo.nn.functional.cross_entropy(scores, labels[at : at + 32])
                assert scores.dtype is (mo.bfloat16 if enabled else mo.float32) and loss.dtype is mo.float32
                loss.backward()
                optimizer.step()
        with mo.no_grad():
            hits = net(images[1024:1280]).argmax(1) == labels[1024:1280]
        accuracy.append(hits.float().mean().item())
    assert accuracy[0] > 0.75 and abs(accuracy[0] - accuracy[1]) < 0.06
