"""An image is a function (row C1).

A grey image is a function f(x, y) of two whole numbers with values 0 … 255. So what can be done with
functions can be done with images: add a number (brightness), turn the axis round (mirror), sample more
coarsely, round the values. The histogram counts how often each value occurs:

    h(v) = number of pixels with f(x, y) = v

It forgets where the pixels are. Replacing each value by the share of pixels that are as dark or darker, its
cumulative distribution, makes any histogram as flat as its bins allow.
"""

from __future__ import annotations

import numpy as np

from markone import viz
from markone.lessons.page import Page, sample_picture
from markone.vision import (
    brightness,
    cumulative,
    equalize,
    histogram,
    match_histogram,
    mirror,
    quantize,
    resample,
    shuffle_pixels,
)


def lesson(page: Page) -> None:
    """The function changed, its histogram equalised and specified, its pixels shuffled."""
    image, other = sample_picture(page), sample_picture(page, "black swan")
    page.picture(
        "function",
        viz.images(
            {
                "f(x, y)": image,
                "f(x, y) + 60": brightness(image, 60),
                "f(−x, y)": mirror(image),
                "4 grey levels": quantize(image, 4),
                "2 grey levels": quantize(image, 2),
                "sampled 32 × 32": resample(image, (32, 32)),
                "sampled 12 × 12": resample(image, (12, 12)),
                "pixels shuffled": shuffle_pixels(image, page.seed),
            },
            title="One function, changed",
            limits=(0, 255),
        ),
    )
    page.picture("surface", viz.surface(image, "The same image as a surface"))

    page.title("The histogram forgets the places")
    shuffled = shuffle_pixels(image, page.seed)
    same = np.array_equal(histogram(image).numpy(), histogram(shuffled).numpy())
    page.check("shuffled pixels have the same histogram", same)
    page.check(
        "mirroring keeps it too", np.array_equal(histogram(mirror(image)).numpy(), histogram(image).numpy())
    )

    page.title("Equalised and specified")
    flat = equalize(image)
    straight = (np.arange(256) + 1) / 256
    largest = float(histogram(image).numpy().max()) / image.numel()
    before = float(np.abs(cumulative(image).numpy() - straight).max())
    after = float(np.abs(cumulative(flat).numpy() - straight).max())
    page.table(
        ("", "furthest from the diagonal"),
        [("as it is", f"{before:.4f}"), ("equalised", f"{after:.4f}"), ("the largest bin", f"{largest:.4f}")],
    )
    page.check("the equalised histogram is flat to within one bin", after <= largest + 1 / 256)
    like = match_histogram(image, other)
    distance = float(np.abs(cumulative(like).numpy() - cumulative(other).numpy()).max())
    page.check(
        "a specified histogram is the other image's to within its bins",
        distance <= largest + float(histogram(other).numpy().max()) / other.numel(),
    )
    page.picture(
        "histograms",
        viz.histogram_pairs(
            {
                name: (picture, histogram(picture, 64))
                for name, picture in {
                    "as it is": image,
                    "equalised": flat,
                    "shuffled": shuffled,
                    "the other": other,
                    "specified by the other": like,
                }.items()
            },
            "Images and their histograms",
        ),
    )
    page.next(
        "Equalise an image twice: what changes the second time, and why?",
        "Two images with one histogram: which operator tells them apart? (Lesson linear_filters.)",
    )
