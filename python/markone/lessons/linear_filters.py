"""Linear filters (row C2).

A linear filter replaces each pixel by a weighted sum of its neighbours; the weights are the kernel:

    correlation   (I ⊗ K)(i, j) = Σ I(i + a, j + b) K(a, b)
    convolution   (I ∗ K)(i, j) = Σ I(i − a, j − b) K(a, b)

The two differ by a turn of the kernel by 180°: a single 1 right of the middle moves the image to the left
under correlation, which networks use, and to the right under true convolution.
"""

from __future__ import annotations

import numpy as np

import markone as mo
from markone import vision, viz
from markone.lessons.page import Page, sample_picture

COURSE = """0 10 20 30 30 30 20 10
0 20 40 60 60 60 40 20
0 30 60 90 90 90 60 30
0 30 50 80 80 90 60 30
0 30 50 80 80 90 60 30
0 20 30 50 50 60 40 20
10 20 30 30 30 30 20 10
10 10 10 0 0 0 0 0"""


def lesson(page: Page) -> None:
    """The mean by hand; kernels on a photograph; Gaussians; edges; hybrid images; borders."""
    square = np.zeros((10, 10), dtype=np.float32)
    square[2:7, 3:8], square[5, 4], square[8, 2] = 90, 0, 90
    mean = vision.mean_filter(square, border="valid").numpy()
    wanted = [[int(v) for v in row.split()] for row in COURSE.splitlines()]
    page.compare(
        [(f"mean, row {i}", mean[i], wanted[i], "kernel is 1/9 of ones" if i == 0 else "") for i in range(8)],
        digits=0,
    )

    image = sample_picture(page).float()
    right = mo.tensor([[0.0, 0, 0], [0, 0, 1], [0, 0, 0]])
    left_moved, right_moved = vision.correlate(image, right), vision.convolve(image, right)
    page.check("[0 0 1] moves left under correlation", bool((left_moved[:, :-1] == image[:, 1:]).all()))
    page.check("and right under true convolution", bool((right_moved[:, 1:] == image[:, :-1]).all()))
    gradient = vision.sobel(image)
    steep = vision.magnitude(gradient)
    page.picture(
        "kernels",
        viz.images(
            {
                "identity": vision.correlate(image, [[0, 0, 0], [0, 1, 0], [0, 0, 0]]),
                "mean 9 × 9": vision.mean_filter(image, 9),
                "sharpened: 2δ − mean": mo.clamp(vision.sharpen(image), 0, 255),
                "unsharp mask, σ = 3": mo.clamp(vision.unsharp_mask(image, 3, 1.5), 0, 255),
                "edges: 1 … −8 … 1": mo.clamp(vision.edges(image), -120, 120),
                "Sobel s_x": mo.clamp(gradient[0], -40, 40),
                "Sobel s_y": mo.clamp(gradient[1], -40, 40),
                "magnitude": mo.clamp(steep, 0, 50),
                "threshold: magnitude > 15": (steep > 15).float(),
                "direction": mo.where(steep > 8, vision.direction(gradient), 0.0),
            },
            "What small kernels can do",
            columns=5,
        ),
    )

    page.title("Gaussians")
    sigmas = (1, 5, 10, 30)
    blurred = {f"σ = {s}": vision.gaussian_filter(image, s, "replicate") for s in sigmas}
    page.picture("gaussians", viz.images(blurred, title="Blurred by a Gaussian", limits=(0, 255)))
    dot = mo.zeros(101, 101, dtype=mo.float64)
    dot[50, 50] = 1.0
    rows = []
    for sigma in (3, 5):
        twice = vision.gaussian_filter(vision.gaussian_filter(dot, sigma), sigma)
        once = vision.gaussian_filter(dot, sigma * 2**0.5)
        rows.append((f"{sigma}", f"{float((twice - once).abs().max() / once.max()):.1e}"))
    page.table(("σ", "twice by σ against once by √2 σ"), rows)
    page.check(
        "twice by σ is once by √2 σ (to the cut-off tails)", all(float(error) < 1e-3 for _, error in rows)
    )
    taken = image - vision.gaussian_filter(image, 4)
    page.picture(
        "taken_away",
        viz.images(
            {
                "image": image,
                "blurred": image - taken,
                "what blurring takes away": mo.clamp(taken, -60, 60),
                "image + 1.5 × that": mo.clamp(image + 1.5 * taken, 0, 255),
            },
            title="Unsharp masking",
        ),
    )

    page.title("Two images in one")
    far = sample_picture(page, "black swan").float()
    both = vision.hybrid(image, far, 3, 7)
    small = vision.resample(vision.gaussian_filter(both, 4), (48, 48))
    page.picture(
        "hybrid",
        viz.images(
            {"near": image, "far": far, "both": mo.clamp(both, 0, 255), "both, from a distance": small},
            title="A hybrid image: step back, or screw up your eyes",
            side=2.8,
        ),
    )

    page.title("At the border")
    corner = image[16:112, 120:216]
    page.picture(
        "borders",
        viz.images(
            {
                mode: vision.mean_filter(corner, 31, mode)
                for mode in ("reflect", "symmetric", "replicate", "circular", "constant")
            },
            title="The same 31 × 31 mean with each border",
            columns=5,
            limits=(0, 255),
        ),
    )
    page.next(
        "Make a kernel that finds lines that go down from left to right.",
        "Which kernels of this page does a turn leave alone? For those correlation is convolution.",
    )
