"""Padding in each mode, unfold and fold, shuffles; and the layers of convolution and padding against
PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import markone as mo
import surface
from markone import nn

NUMPY_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def pad_reference(x: np.ndarray, sides: Any, mode: str = "constant", value: float = 0.0) -> np.ndarray:
    """np.pad after cutting what negative numbers take away."""
    around = [(0, 0)] * x.ndim
    for i in range(len(sides) // 2):
        d = x.ndim - 1 - i
        before, after = sides[2 * i], sides[2 * i + 1]
        x = x.take(range(max(-before, 0), x.shape[d] - max(-after, 0)), axis=d)
        around[d] = max(before, 0), max(after, 0)
    extra = {"constant_values": value} if mode == "constant" else {}
    return x if x.ndim == 0 else np.pad(x, around, NUMPY_MODES[mode], **extra)


def pad_case(label: str, shape: Any, sides: Any, *rest: Any, **kwargs: Any) -> surface.Op:
    return surface.Op(
        "nn.functional.pad",
        lambda lib, x: lib.nn.functional.pad(x, sides, *rest),
        lambda x: pad_reference(x, sides, *rest),
        [surface.normal(*shape)],
        label,
        **kwargs,
    )


def windows_reference(
    x: np.ndarray, kernel: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> np.ndarray:
    """Each window picked out by itself."""
    kernel, dilation, padding, stride = (
        (v, v) if isinstance(v, int) else v for v in (kernel, dilation, padding, stride)
    )
    single = x.ndim == 3
    x = x[None] if single else x
    x = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding)))
    size = [(n - d * (k - 1) - 1) // s + 1 for n, k, d, s in zip(x.shape[2:], kernel, dilation, stride)]
    out = np.zeros((len(x), x.shape[1] * kernel[0] * kernel[1], size[0] * size[1]))
    for i in range(size[0]):
        for j in range(size[1]):
            top, left = i * stride[0], j * stride[1]
            rows = slice(top, top + dilation[0] * (kernel[0] - 1) + 1, dilation[0])
            cols = slice(left, left + dilation[1] * (kernel[1] - 1) + 1, dilation[1])
            out[:, :, i * size[1] + j] = x[:, :, rows, cols].reshape(len(x), -1)
    return out[0] if single else out


def fold_reference(columns: np.ndarray, size: Any, kernel: Any, *rest: Any) -> np.ndarray:
    """By the matrix of unfold on one channel."""
    taps = kernel * kernel if isinstance(kernel, int) else kernel[0] * kernel[1]
    count = size[0] * size[1]
    basis = windows_reference(np.eye(count).reshape(count, 1, *size), kernel, *rest)
    lead = columns.shape[:-2]
    planes = columns.reshape(*lead, columns.shape[-2] // taps, taps, columns.shape[-1])
    return np.einsum("...kl,xkl->...x", planes, basis).reshape(*planes.shape[:-2], *size)


def shuffled(x: np.ndarray, r: int) -> np.ndarray:
    """Pixel by pixel."""
    *lead, c, h, w = x.shape
    out = np.zeros((*lead, c // r**2, h * r, w * r))
    for i in range(r):
        for j in range(r):
            out[..., i::r, j::r] = x[..., i * r + j :: r * r, :, :]
    return out


def unshuffled(x: np.ndarray, r: int) -> np.ndarray:
    parts = [x[..., i::r, j::r] for i in range(r) for j in range(r)]
    stacked = np.stack(parts, -3)
    return stacked.reshape(*x.shape[:-3], x.shape[-3] * r * r, x.shape[-2] // r, x.shape[-1] // r)


def dealt(x: np.ndarray, groups: int) -> np.ndarray:
    per = x.shape[1] // groups
    return x[:, [g * per + i for i in range(per) for g in range(groups)]]


def unfold_case(label: str, shape: Any, *args: Any) -> surface.Op:
    return surface.Op(
        "nn.functional.unfold",
        lambda lib, x: lib.nn.functional.unfold(x, *args),
        lambda x: windows_reference(x, *args),
        [surface.normal(*shape)],
        label,
    )


def fold_case(label: str, shape: Any, *args: Any) -> surface.Op:
    return surface.Op(
        "nn.functional.fold",
        lambda lib, x: lib.nn.functional.fold(x, *args),
        lambda x: fold_reference(x, *args),
        [surface.normal(*shape)],
        label,
    )


def shuffle_case(name: str, reference: Any, label: str, shape: Any, factor: int) -> surface.Op:
    return surface.Op(
        name,
        lambda lib, x: getattr(lib.nn.functional, name)(x, factor),
        lambda x: reference(x, factor),
        [surface.normal(*shape)],
        label,
    )


OPS = [
    pad_case("", (2, 3), (1, 2)),
    pad_case("constant value", (2, 3, 2), (1, 0, 2, 1), "constant", 1.5),
    pad_case("constant negative", (3, 4), (-1, 2, 1, -2)),
    pad_case("constant empty", (0, 2), (1, 1)),
    pad_case("constant 0-d", (), ()),
    *(
        pad_case(f"{mode} {axes}d{label}", shape[: axes + 1 + batch], sides[: 2 * axes], mode)
        for mode in ("reflect", "replicate", "circular")
        for axes, shape, sides, label, batch in (
            (1, (2, 2, 4), (2, 1), "", 1),
            (1, (2, 4), (0, 3), " alone", 0),
            (2, (1, 2, 3, 4), (2, 1, 1, 2), "", 1),
            (2, (2, 3, 3), (1, 0, 2, 0), " alone", 0),
            (3, (1, 1, 3, 2, 3), (1, 2, 1, 0, 2, 1), "", 1),
            (3, (1, 3, 2, 3), (1, 1, 0, 1, 0, 2), " alone", 0),
        )
    ),
    pad_case("reflect negative", (1, 2, 5), (-1, 2), "reflect"),
    pad_case("replicate negative", (1, 2, 5), (2, -2), "replicate"),
    pad_case("circular negative", (1, 1, 4, 5), (-1, 2, 1, 1), "circular"),
    pad_case("replicate no batch", (0, 2, 3), (1, 1), "replicate"),
    unfold_case("", (2, 2, 4, 3), 2),
    unfold_case("stride padding dilation", (1, 2, 5, 6), (2, 3), (2, 1), (1, 2), (2, 1)),
    unfold_case("one image", (2, 3, 3), (1, 2)),
    fold_case("", (2, 8, 6), (4, 3), 2),
    fold_case("stride padding dilation", (1, 12, 12), (5, 6), (2, 3), (2, 1), (1, 2), (2, 2)),
    fold_case("one image", (4, 6), (3, 3), (1, 2)),
    *(
        shuffle_case(name, reference, label, shape, factor)
        for name, reference, cases in (
            (
                "pixel_shuffle",
                shuffled,
                (("", (2, 8, 2, 3), 2), ("lone", (9, 1, 2), 3), ("one", (1, 4, 1, 1), 2)),
            ),
            ("pixel_unshuffle", unshuffled, (("", (2, 2, 4, 6), 2), ("lone", (1, 3, 6), 3))),
            ("channel_shuffle", dealt, (("", (2, 6, 2, 2), 3), ("1d", (1, 4, 3), 2))),
        )
        for label, shape, factor in cases
    ),
]
test_all = surface.make_tests(OPS)


BAD: list[tuple[Any, str]] = [
    (lambda: nn.functional.pad(mo.ones(1, 3), (1.5, 1)), "pad: pad is"),
    (lambda: nn.functional.pad(mo.ones(1, 3), (2**62, 2**62)), "pad: pad is"),
    (lambda: nn.functional.pad(mo.ones(1, 3), (1, 1, 1)), "pad: got 3 numbers"),
    (lambda: nn.functional.pad(mo.ones(1, 3), (-2, -2)), "pad: "),
    (lambda: nn.functional.pad(mo.ones(1, 3), (3, 0), "reflect"), "pad: mode 'reflect' can add at most 2"),
    (lambda: nn.functional.pad(mo.ones(1, 3), (4, 0), "circular"), "pad: mode 'circular' can add at most 3"),
    (lambda: nn.functional.pad(mo.ones(1, 0), (1, 0), "replicate"), "pad: "),
    (lambda: nn.functional.pad(mo.ones(1, 3), (1, 1), "mirror"), "pad: mode is 'mirror'"),
    (lambda: nn.functional.pad(mo.ones(1, 1, 1, 1, 3), (1, 1), "reflect"), "pad: mode 'reflect' pads"),
    (lambda: nn.functional.unfold(mo.ones(2, 3), 2), "unfold: wants"),
    (lambda: nn.functional.unfold(mo.ones(1, 3, 3), 4), "unfold: kernel height 4"),
    (lambda: nn.functional.unfold(mo.ones(1, 3, 3), 2, 1, 0, 0), "unfold: stride must be at least 1"),
    (lambda: nn.functional.unfold(mo.ones(1, 3, 3, dtype=mo.int64), 2), "unfold: .*int64"),
    (lambda: nn.functional.fold(mo.ones(1, 5, 4), (3, 3), 2), "fold: the columns have 5"),
    (lambda: nn.functional.fold(mo.ones(1, 4, 5), (3, 3), 2), "fold: images of .* 4 windows"),
    (lambda: mo.pixel_shuffle(mo.ones(1, 3, 2, 2), 2), "pixel_shuffle: "),
    (lambda: mo.pixel_unshuffle(mo.ones(1, 3, 3, 2), 2), "pixel_unshuffle: "),
    (lambda: mo.pixel_shuffle(mo.ones(1, 3, 2, 2), 0), "pixel_shuffle: upscale_factor must be"),
    (lambda: mo.channel_shuffle(mo.ones(1, 3, 2), 2), "channel_shuffle: "),
    (lambda: nn.Conv1d(3, 4, 2, groups=2), "Conv1d: groups"),
    (lambda: nn.Conv3d(2, 4, (1, 2)), "Conv3d: kernel_size"),
    (lambda: nn.Conv2d(2, 4, 3, stride=2, padding="same"), "Conv2d: padding='same'"),
    (lambda: nn.Conv2d(2, 4, 3, padding_mode="mirror"), "Conv2d: padding_mode"),
    (lambda: nn.ConvTranspose2d(2, 4, 3, padding_mode="reflect"), "ConvTranspose2d: padding_mode"),
    (lambda: nn.ConvTranspose2d(2, 4, 3, padding="same"), "ConvTranspose2d: padding"),
    (lambda: nn.ConvTranspose1d(1, 1, 2, 2)(mo.ones(1, 1, 3), [9]), "ConvTranspose1d: output_size"),
    (lambda: nn.ReflectionPad2d((1, 2, 3)), "ReflectionPad2d: padding"),
    (lambda: nn.LocallyConnected2d(1, 1, 2, 3), "LocallyConnected2d: kernel_size"),
    (lambda: nn.LazyConv2d(4, 3)(mo.ones(3)), "LazyConv2d: wants input"),
    (lambda: nn.LazyConv2d(4, 3, groups=2)(mo.ones(3, 8, 8)), "LazyConv2d: groups"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[m for _, m in BAD])
def test_bad_arguments_are_named(call: Any, message: str) -> None:
    with pytest.raises((RuntimeError, ValueError, TypeError, NotImplementedError), match=message):
        call()


# name, arguments, named arguments, input
LAYERS: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = [
    ("Conv1d", (3, 4, 3), {"padding": 1}, (2, 3, 7)),
    (
        "Conv1d",
        (3, 6, 2, 2),
        {"groups": 3, "bias": False, "padding": 2, "padding_mode": "circular"},
        (2, 3, 7),
    ),
    ("Conv2d", (3, 4, (2, 3)), {"padding": "same", "padding_mode": "reflect"}, (2, 3, 6, 5)),
    ("Conv2d", (2, 4, 3, 2, 1), {"dilation": 2, "padding_mode": "replicate"}, (2, 6, 7)),
    ("Conv2d", (2, 2, 3), {"padding": "valid", "padding_mode": "circular"}, (1, 2, 5, 5)),
    ("Conv3d", (2, 3, 2), {"stride": (1, 2, 1), "padding": (1, 0, 1)}, (1, 2, 3, 4, 4)),
    ("Conv3d", (1, 2, 3), {"padding": 1, "padding_mode": "reflect"}, (1, 1, 3, 3, 3)),
    ("ConvTranspose1d", (2, 3, 4), {"stride": 2, "padding": 1, "output_padding": 1}, (2, 2, 5)),
    ("ConvTranspose2d", (4, 6, (2, 3)), {"stride": 2, "groups": 2, "dilation": (1, 2)}, (1, 4, 3, 4)),
    ("ConvTranspose2d", (2, 3, 3), {"bias": False}, (2, 3, 4)),
    ("ConvTranspose3d", (2, 3, 2), {"stride": 2}, (1, 2, 2, 2, 3)),
    ("ConstantPad1d", ((1, 2), 3.5), {}, (2, 1, 3)),
    ("ConstantPad2d", (1, -0.5), {}, (2, 1, 3, 3)),
    ("ConstantPad3d", ((1, 0, 2, 1, 0, -1), 1.0), {}, (1, 1, 3, 3, 3)),
    ("ZeroPad1d", (2,), {}, (2, 1, 3)),
    ("ZeroPad2d", ((1, -1, 2, 0),), {}, (2, 1, 3, 3)),
    ("ZeroPad3d", (1,), {}, (1, 1, 3, 3, 3)),
    *(
        (f"{kind}Pad{axes}d", (sides[: 2 * axes],), {}, (1, 2, 3, 4, 5)[: axes + 2])
        for kind in ("Reflection", "Replication", "Circular")
        for axes, sides in ((1, (1, 2)), (2, (1, 2, 2, 0)), (3, (1, 2, 2, 0, 1, 1)))
    ),
    ("Unfold", ((2, 3),), {"padding": 1, "stride": 2}, (2, 2, 5, 6)),
    ("Fold", ((4, 5), (2, 2)), {"dilation": 2}, (2, 12, 6)),
    ("PixelShuffle", (2,), {}, (2, 8, 2, 3)),
    ("PixelUnshuffle", (2,), {}, (2, 2, 4, 6)),
    ("ChannelShuffle", (3,), {}, (2, 6, 2)),
    ("LazyConv1d", (4, 3), {"padding": 1}, (2, 3, 7)),
    ("LazyConv2d", (4, 3), {"groups": 2, "bias": False}, (2, 4, 5, 5)),
    ("LazyConv3d", (2, 2), {}, (1, 3, 3, 3, 3)),
    ("LazyConvTranspose1d", (3, 2), {"stride": 2}, (2, 2, 3)),
    ("LazyConvTranspose2d", (4, 3), {"groups": 2}, (1, 2, 3, 3)),
    ("LazyConvTranspose3d", (2, 2), {}, (2, 2, 2, 2)),
]


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "shape"), LAYERS, ids=lambda v: v if isinstance(v, str) else ""
)
@pytest.mark.filterwarnings("ignore:Using padding='same'", "ignore:Lazy modules")
def test_a_layer_against_torch(name: str, args: Any, kwargs: Any, shape: Any) -> None:
    """The same text, state, values and gradients."""
    torch = pytest.importorskip("torch")
    ours = getattr(nn, name)(*args, **kwargs).double()
    theirs = getattr(torch.nn, name)(*args, **kwargs).double()
    x = np.random.default_rng(1).standard_normal(shape)
    if name.startswith("Lazy"):
        assert repr(ours) == repr(theirs)
        theirs(torch.tensor(x))
        fresh = getattr(nn, name)(*args, **kwargs).double()
        fresh(mo.tensor(x))
        assert type(fresh) is getattr(nn, name.removeprefix("Lazy"))
        assert {k: tuple(v.shape) for k, v in fresh.state_dict().items()} == {
            k: tuple(v.shape) for k, v in theirs.state_dict().items()
        }
    ours.load_state_dict(theirs.state_dict())
    a = mo.tensor(x, requires_grad=True)
    b = torch.tensor(x, requires_grad=True)
    y, z = ours(a), theirs(b)
    assert repr(ours) == repr(theirs)
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), 1e-11, 1e-12)
    (y * y).sum().backward()
    (z * z).sum().backward()
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), 1e-10, 1e-10)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), 1e-10, 1e-10)


def test_output_size_of_transposed_convolutions() -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = nn.ConvTranspose2d(2, 3, 3, 3, 1), torch.nn.ConvTranspose2d(2, 3, 3, 3, 1)
    ours.load_state_dict(theirs.state_dict())
    x = np.random.default_rng(0).standard_normal((1, 2, 4, 4)).astype(np.float32)
    for size in ((10, 12), (1, 3, 11, 10)):
        y, z = ours(mo.tensor(x), size), theirs(torch.tensor(x), size)
        np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), 1e-5, 1e-5)


def test_the_start_of_the_weights_is_torchs() -> None:
    """Uniform in ±1/√fan_in, where fan_in counts the weight's own second dimension."""
    for layer, fan_in in (
        (nn.Conv1d(8, 64, 5), 8 * 5),
        (nn.Conv3d(4, 32, 3), 4 * 27),
        (nn.ConvTranspose2d(64, 8, 3), 8 * 9),
        (nn.LocallyConnected2d(3, 8, 6, 3), 3 * 9),
    ):
        for p in layer.parameters():
            assert 0.8 < p.abs().max().item() * fan_in**0.5 <= 1


def test_locally_connected_layers() -> None:
    """With the same weights everywhere they are convolutions."""
    for layer, conv in (
        (nn.LocallyConnected1d(2, 3, 7, 3, 2, 1), nn.Conv1d(2, 3, 3, 2, 1)),
        (nn.LocallyConnected2d(2, 3, (5, 6), 2, dilation=2), nn.Conv2d(2, 3, 2, dilation=2)),
    ):
        with mo.no_grad():
            layer.weight.copy_(conv.weight.expand(layer.weight.shape))
            layer.bias.copy_(conv.bias.reshape(-1, *[1] * len(layer.output_size)).expand(layer.bias.shape))
        x = mo.randn(2, 2, *layer.input_size)
        np.testing.assert_allclose(layer(x).detach().numpy(), conv(x).detach().numpy(), 1e-4, 1e-5)
    assert repr(layer) == (
        "LocallyConnected2d(2, 3, input_size=(5, 6), kernel_size=(2, 2), stride=(1, 1), padding=(0, 0), "
        "dilation=(2, 2), bias=True)"
    )


def test_an_empty_batch_is_shuffled() -> None:
    """PyTorch refuses it."""
    assert mo.pixel_shuffle(mo.ones(0, 4, 2, 2), 2).shape == (0, 1, 4, 4)
    assert mo.pixel_unshuffle(mo.ones(0, 1, 4, 4), 2).shape == (0, 4, 2, 2)
