"""The arithmetic of convolution (row C3).

A layer slides K kernels of F × F × D over a volume W × H × D, with stride S and padding P:

    out = ⌊(W − F + 2P) / S⌋ + 1,   depth K,   weights K (F² D + 1)

Convolution is a fully connected layer with most weights zero and the others shared: written out as a matrix
it gives the same output and the same gradient. Each output sees a part of the input, its receptive field,
which grows layer by layer.
"""

from __future__ import annotations

import numpy as np

import markone as mo
from markone import nn, viz
from markone.lessons.page import Page
from markone.nn import functional as F


def output_size(width: int, kernel: int, padding: int = 0, stride: int = 1) -> int:
    """⌊(W − F + 2P) / S⌋ + 1."""
    return (width - kernel + 2 * padding) // stride + 1


def as_matrix(kernel: mo.Tensor, height: int, width: int) -> mo.Tensor:
    """The matrix [out, in] of a convolution [rows, columns] over an image of height × width."""
    rows, columns = kernel.shape
    places = mo.arange(height * width).reshape(height, width)
    lines = []
    for i in range(height - rows + 1):
        for j in range(width - columns + 1):
            seen = places[i : i + rows, j : j + columns].reshape(-1)
            lines.append(mo.zeros(height * width, dtype=kernel.dtype).index_add(0, seen, kernel.reshape(-1)))
    return mo.stack(lines)


def receptive_field(layers: list[tuple[int, int]]) -> list[int]:
    """The width of input that one output sees after each layer, for (kernel, stride) layers."""
    seen, jump, out = 1, 1, []
    for kernel, stride in layers:
        seen += (kernel - 1) * jump
        jump *= stride
        out.append(seen)
    return out


def lesson(page: Page) -> None:
    """One dimension, conventions, the six sums, sizes, the matrix, parameter counts, receptive fields."""
    page.title("One dimension: where is the aeroplane? (Numbers supplied here.)")
    # The weights of the last measurements, the newest first, and their weighted mean.
    x = mo.tensor([[[1.00, 1.10, 1.20, 1.40, 1.70, 1.80, 1.90]]], dtype=mo.float64)
    w = mo.tensor([[[0.1, 0.1, 0.2, 0.2, 0.4]]], dtype=mo.float64)
    smooth = F.conv1d(x, w)[0, 0]
    by_hand = [sum(float(x[0, 0, i + a]) * float(w[0, 0, a]) for a in range(5)) for i in range(3)]
    page.compare([("weighted means", smooth, by_hand, "s_t = Σ x_{t−a} w_{−a}")], against="by hand")

    page.title("The 3 × 4 input and the 2 × 2 kernel")
    letters = "abcdefghijkA"
    values = mo.arange(1.0, 13.0).reshape(1, 1, 3, 4)
    kernel = mo.tensor([[[[10.0, 20.0], [30.0, 40.0]]]])
    sums = F.conv2d(values, kernel)[0, 0]
    for i in range(2):
        for j in range(3):
            at = [4 * i + j, 4 * i + j + 1, 4 * i + j + 4, 4 * i + j + 5]
            page.print(
                "  ".join(f"{letters[p]}{k}" for p, k in zip(at, "wxyz")) + f"  =  {float(sums[i, j]):g}"
            )
    page.check("six sums", sums.shape == (2, 3) and float(sums[0, 0]) == 1 * 10 + 2 * 20 + 5 * 30 + 6 * 40)

    page.title("Three conventions of the index")
    image = mo.arange(1.0, 17.0).reshape(4, 4)
    K = kernel[0, 0]
    succeeding = F.conv2d(image.reshape(1, 1, 4, 4), kernel)[0, 0]
    preceding = F.conv2d(image.reshape(1, 1, 4, 4), kernel.flip((2, 3)))[0, 0]
    loops = {name: np.zeros((3, 3)) for name in ("succeeding", "preceding")}
    for i in range(3):
        for j in range(3):
            for a in range(2):
                for b in range(2):
                    loops["succeeding"][i, j] += float(image[i + a, j + b]) * float(K[a, b])
                    loops["preceding"][i, j] += float(image[i + 1 - a, j + 1 - b]) * float(K[a, b])
    page.compare(
        [
            ("succeeding, I(i+a, j+b): correlation", succeeding, loops["succeeding"]),
            ("preceding, I(i−a, j−b): true convolution", preceding, loops["preceding"]),
        ],
        digits=0,
        against="by hand",
    )
    from markone import vision

    odd = mo.randn(3, 3, generator=mo.Generator().manual_seed(page.seed))
    centred = vision.convolve(image, odd, "constant")
    page.check("centred: the middle of the kernel on the pixel, the size stays", centred.shape == image.shape)

    page.title("Sizes")
    table = []
    for width, size, padding, stride in (
        (7, 3, 0, 1),
        (7, 3, 0, 2),
        (7, 3, 1, 1),
        (32, 5, 2, 1),
        (227, 11, 0, 4),
    ):
        layer = nn.Conv2d(1, 1, size, stride, padding)
        out = layer(mo.zeros(1, 1, width, width)).shape[-1]
        table.append(
            (f"W {width}, F {size}, P {padding}, S {stride}", out, output_size(width, size, padding, stride))
        )
    page.compare(table, against="formula")
    volume = nn.Conv2d(3, 10, 5)(mo.zeros(1, 3, 32, 32)).shape[1:]
    page.compare(
        [("ten 5 × 5 kernels on 32 × 32 × 3", list(volume), [10, 28, 28], "K kernels: depth K")],
        against="formula",
    )
    one = nn.Conv2d(64, 16, 1)(mo.zeros(1, 64, 8, 8)).shape[1:]
    page.compare([("1 × 1, 64 → 16", list(one), [16, 8, 8])], against="formula")
    deep = nn.Conv3d(1, 4, 3)(mo.zeros(1, 1, 8, 10, 12)).shape[1:]
    page.compare([("3-D, 3 × 3 × 3 on 8 × 10 × 12", list(deep), [4, 6, 8, 10])], against="formula")
    same = [
        nn.Conv2d(1, 1, 3, padding=1, padding_mode=m)(mo.zeros(1, 1, 6, 6)).shape[-1]
        for m in ("zeros", "reflect", "replicate", "circular")
    ]
    page.compare([("padding modes keep the size", same, [6, 6, 6, 6])], against="formula")

    page.title("A convolution is a sparse matrix")
    kernel = mo.randn(
        3, 3, dtype=mo.float64, generator=mo.Generator().manual_seed(page.seed)
    ).requires_grad_()
    picture = mo.randn(6, 7, dtype=mo.float64, generator=mo.Generator().manual_seed(page.seed + 1))
    picture.requires_grad_()
    matrix = as_matrix(kernel, 6, 7)
    dense = matrix.matmul(picture.reshape(-1)).reshape(4, 5)
    slid = F.conv2d(picture.reshape(1, 1, 6, 7), kernel.reshape(1, 1, 3, 3))[0, 0]
    weights = mo.arange(20.0, dtype=mo.float64).reshape(4, 5)
    by_matrix = mo.autograd.grad((dense * weights).sum(), [kernel, picture])
    by_sliding = mo.autograd.grad((slid * weights).sum(), [kernel, picture])
    page.check("same output", bool(mo.allclose(dense, slid)))
    page.check(
        "same gradients",
        all(a is not None and b is not None and mo.allclose(a, b) for a, b in zip(by_matrix, by_sliding)),
    )
    zeros = float((matrix == 0).double().mean())
    page.text(
        f"The matrix is {list(matrix.shape)}, {zeros:.0%} of it zeros, the rest 9 numbers again and again."
    )
    page.picture(
        "matrix",
        viz.images(
            {"3 × 3 on 6 × 7": matrix},
            title="A convolution as a matrix",
            colours="RdBu",
            limits=(-2.5, 2.5),
            side=5,
        ),
    )

    page.title("Parameters: 32 × 32 × 3 to 28 × 28 × 10")
    local = nn.LocallyConnected2d(3, 10, (32, 32), 5)
    counts = [
        ("convolution", sum(p.numel() for p in nn.Conv2d(3, 10, 5).parameters()), 10 * (5 * 5 * 3 + 1)),
        ("full connection", 3072 * 7840 + 7840, (32 * 32 * 3 + 1) * 28 * 28 * 10),
    ]
    own = sum(p.numel() for p in local.parameters())
    counts.insert(1, ("locally connected", own, 28 * 28 * 10 * (5 * 5 * 3 + 1)))
    page.compare(counts, against="formula")

    page.title("Receptive fields")
    stacks = {
        "3 × 3, five times": [(3, 1)] * 5,
        "5 × 5, five times": [(5, 1)] * 5,
        "3 × 3 with 2 × 2 pooling": [(3, 1), (2, 2)] * 3,
    }
    for name, stack in stacks.items():
        page.print(f"{name:<26} {receptive_field(stack)}")
    page.compare(
        [
            ("two 3 × 3 see as much as one 5 × 5", receptive_field([(3, 1)] * 2)[-1], 5),
            ("three as one 7 × 7", receptive_field([(3, 1)] * 3)[-1], 7),
            (
                "measured by the gradient",
                _measured([(3, 1), (2, 2), (3, 1)]),
                receptive_field([(3, 1), (2, 2), (3, 1)])[-1],
            ),
        ],
        against="formula",
    )
    page.picture(
        "receptive_fields",
        viz.lines(
            {name: (range(1, len(stack) + 1), receptive_field(stack)) for name, stack in stacks.items()},
            x="layer",
            y="pixels of the input",
            title="What one output sees",
            points=True,
        ),
    )
    page.next(
        "Which padding keeps the size for a 5 × 5 kernel? For a dilated 3 × 3?",
        "Draw the matrix of a convolution with stride 2: which rows are gone?",
    )


def _measured(layers: list[tuple[int, int]]) -> int:
    """How many inputs move the middle output: the places where its gradient is not zero."""
    x = mo.zeros(1, 1, 41, requires_grad=True)
    out = x
    for kernel, stride in layers:
        out = F.conv1d(out, mo.ones(1, 1, kernel), stride=stride)
    out[0, 0, out.shape[-1] // 2].backward()
    assert x.grad is not None
    return int((x.grad != 0).sum())
