"""Norm layers whose inputs and parameters are bfloat16 or float16: forward and backward near float32's, with
PyTorch's types."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import markone as mo

LAYERS = {
    "BatchNorm1d": (lambda nn: nn.BatchNorm1d(6), (5, 6)),
    "BatchNorm1d sequence": (lambda nn: nn.BatchNorm1d(6), (5, 6, 4)),
    "BatchNorm2d": (lambda nn: nn.BatchNorm2d(3), (4, 3, 5, 5)),
    "BatchNorm3d": (lambda nn: nn.BatchNorm3d(2), (2, 2, 3, 3, 3)),
    "BatchNorm2d plain": (
        lambda nn: nn.BatchNorm2d(3, affine=False, track_running_stats=False),
        (4, 3, 5, 5),
    ),
    "LayerNorm": (lambda nn: nn.LayerNorm(8), (5, 8)),
    "LayerNorm of two": (lambda nn: nn.LayerNorm((4, 8)), (3, 4, 8)),
    "GroupNorm": (lambda nn: nn.GroupNorm(2, 6), (3, 6, 4)),
    "InstanceNorm1d": (lambda nn: nn.InstanceNorm1d(3, affine=True), (2, 3, 9)),
    "InstanceNorm2d": (lambda nn: nn.InstanceNorm2d(3), (2, 3, 4, 4)),
    "RMSNorm": (lambda nn: nn.RMSNorm(8), (5, 8)),
    "LocalResponseNorm": (lambda nn: nn.LocalResponseNorm(3), (2, 5, 4, 4)),
}
UNIT = {"bfloat16": 2**-8, "float16": 2**-11}


def run(lib: Any, make: Any, x: np.ndarray, g: np.ndarray, dtype: str, state: Any) -> dict[str, Any]:
    layer = make(lib.nn)
    layer.load_state_dict({k: lib.tensor(v) for k, v in state.items()})
    kind = getattr(lib, dtype)
    layer = layer.to(kind)
    inputs = lib.tensor(x).to(kind).requires_grad_()
    out = layer(inputs)
    out.backward(lib.tensor(g).to(kind))
    found = {"out": out, "input": inputs.grad, **{f"d{k}": p.grad for k, p in layer.named_parameters()}}
    found |= {k: b for k, b in layer.named_buffers() if b.is_floating_point()}
    layer.eval()
    found["eval"] = layer(inputs.detach())
    return found


@pytest.mark.parametrize("dtype", UNIT)
@pytest.mark.parametrize("name", LAYERS)
def test_layers_in_half_types(name, dtype):
    make, shape = LAYERS[name]
    random = np.random.default_rng(len(name))
    # Numbers that every type has exactly, so that only the arithmetic differs.
    x, g = (np.rint(random.normal(size=shape) * 32).astype(np.float32) / 32 for _ in range(2))
    state = {k: v.numpy() for k, v in make(mo.nn).state_dict().items()}
    for k in state:
        if k in ("weight", "bias"):
            state[k] = np.rint(random.uniform(0.5, 1.5, state[k].shape) * 32).astype(np.float32) / 32
    half, full = run(mo, make, x, g, dtype, state), run(mo, make, x, g, "float32", state)
    assert half.keys() == full.keys()
    for key, value in half.items():
        assert str(value.dtype) == f"markone.{dtype}", key
        got, wanted = value.detach().float().numpy(), full[key].detach().numpy()
        # Rounded once at the end; evaluation uses running statistics that were rounded before.
        assert np.abs(got - wanted).max() <= 4 * UNIT[dtype] * max(np.abs(wanted).max(), 1.0), key
    if name == "LocalResponseNorm":
        return  # PyTorch has it for no half type on the CPU
    torch = pytest.importorskip("torch")
    theirs = run(torch, make, x, g, dtype, state)
    for key, value in theirs.items():
        a, b = half[key].detach().float().numpy(), value.detach().float().numpy()
        assert str(value.dtype) == f"torch.{dtype}"
        assert a.shape == b.shape and np.allclose(a, b, atol=12 * UNIT[dtype] * max(np.abs(b).max(), 1.0)), (
            key
        )
