"""Losses, and the information they measure (row B8).

A loss says how bad an output is. The surprise of an event of probability p is −ln p (Shannon 1948): 0 if it
was certain. Its mean over the truth p, for one who believes q, is the cross-entropy, and what that costs
more than knowing the truth is the Kullback-Leibler divergence:

    H(p) = −Σ p ln p,   H(p, q) = −Σ p ln q,   KL(p‖q) = H(p, q) − H(p) ≥ 0

So cross-entropy with the right class is the surprise at it (the slide leaves the minus sign out). Squared
error is that of a Gaussian. It counts pixels, not looks: shift, noise and blur may cost the same.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import markone as mo
from markone import optim, viz
from markone.datasets import Digits
from markone.lessons.page import Page
from markone.nn import functional as F
from markone.nn import information


def lesson(page: Page) -> None:
    """Values of all losses; information; pictures as wrong as one another; why squared error blurs."""
    values(page)
    informations(page)
    equally_wrong(page)
    blur(page)
    page.next(
        "Label smoothing moves the targets towards 1/C: which output is best? (`F.cross_entropy` has it.)",
        "Add an outlier to a line's points: fit it by squared error, L1 and Huber.",
        "KL(p‖q) and KL(q‖p) differ: fit one Gaussian to two hills by each.",
    )


def values(page: Page) -> None:
    """Each loss against its formula."""
    page.title("Each loss by its formula")
    y, t = np.array([0.5, -1.0, 3.0]), np.array([1.0, -1.0, 0.0])
    e, z, one = y - t, np.array([2.0, -1.0, 0.3]), np.array([1.0, 0.0, 1.0])
    a, b, scores, bits = (mo.tensor(v, dtype=mo.float64) for v in (y, t, z, one))
    p = 1 / (1 + np.exp(-z))
    binary = -(one * np.log(p) + (1 - one) * np.log(1 - p)).mean()
    soft = np.exp(z) / np.exp(z).sum()
    sign = 2 * one - 1
    huber = np.where(abs(e) <= 1, e**2 / 2, abs(e) - 0.5).mean()
    right = mo.tensor(0)
    page.compare(
        [
            ("½ squared error", 0.5 * ((a - b) ** 2).sum(), (e**2).sum() / 2, "½ Σ (y − t)²"),
            ("mean squared error", F.mse_loss(a, b), (e**2).mean()),
            ("L1", F.l1_loss(a, b), abs(e).mean(), "mean |y − t|"),
            ("Huber, δ = 1", F.huber_loss(a, b), huber, "a parabola with straight arms"),
            ("smooth L1, β = 1", F.smooth_l1_loss(a, b), huber, "the same at 1"),
            ("binary cross-entropy", F.binary_cross_entropy(F.sigmoid(scores), bits), binary, "minus!"),
            (
                "the same, of net inputs",
                F.binary_cross_entropy_with_logits(scores, bits),
                binary,
                "safe for large z",
            ),
            ("cross-entropy", F.cross_entropy(scores, right), -np.log(soft[0]), "−ln softmax(z)[class]"),
            ("NLL of log-softmax", F.nll_loss(F.log_softmax(scores, 0), right), -np.log(soft[0]), "the same"),
            (
                "hinge",
                F.relu(1 - mo.tensor(sign) * scores).mean(),
                np.maximum(0, 1 - sign * z).mean(),
                "±1 targets",
            ),
        ],
        digits=6,
        against="formula",
    )
    across = np.linspace(-3, 3, 241)
    x, zero, m = mo.tensor(across), mo.zeros(241, dtype=mo.float64), mo.ones(241, dtype=mo.float64)
    regression = {
        "½ squared": 0.5 * across**2,
        "L1": F.l1_loss(x, zero, reduction="none").numpy(),
        "Huber": F.huber_loss(x, zero, reduction="none").numpy(),
    }
    classes = {
        "wrong or right": 1.0 * (across < 0),
        "hinge": F.relu(1 - x).numpy(),
        "cross-entropy": F.binary_cross_entropy_with_logits(x, m, reduction="none").numpy(),
    }
    sides = {"by the error y − t": regression, "by the net input of the right class": classes}
    for name, curves in sides.items():
        page.picture(
            "regression" if "error" in name else "classes",
            viz.lines(
                {n: (across, v) for n, v in curves.items()},
                name.removeprefix("by the "),
                "loss",
                f"Losses {name}",
            ),
        )


def informations(page: Page) -> None:
    """Surprise, entropy, divergence."""
    page.title("Information")
    p, q = (mo.tensor(v, dtype=mo.float64) for v in ([0.5, 0.25, 0.25], [0.25, 0.25, 0.5]))
    both = information.entropy(p) + information.kl_divergence(p, q)
    x = np.linspace(-12, 12, 24001)

    def density(mean: float, std: float) -> np.ndarray:
        return np.exp(-(((x - mean) / std) ** 2) / 2) / (std * np.sqrt(2 * np.pi))

    f, g = density(1, 0.5), density(0, 1)
    integral = float((f * np.log(f.clip(1e-300) / g)).sum() * (x[1] - x[0]))
    hundredth = mo.tensor(0.01, dtype=mo.float64)
    page.compare(
        [
            ("surprise at p = 1", information.self_information(mo.tensor(1.0)), 0.0),
            ("surprise at p = 1/100, nats", information.self_information(hundredth), 4.605),
            (
                "surprise at p = 1/100, bits",
                round(information.self_information(hundredth, base=2).item(), 2),
                6.64,
            ),
        ]
    )
    page.compare(
        [
            ("entropy of a coin, bits", information.entropy(mo.tensor([0.5, 0.5]), base=2), 1.0),
            ("H(½, ¼, ¼), bits", information.entropy(p, base=2), 1.5),
            ("H(p, q) − H(p) − KL(p‖q)", information.cross_entropy(p, q) - both, 0.0),
            (
                "KL of N(1, ½²) from N(0, 1)",
                information.kl_gaussian(1.0, 0.5),
                integral,
                "against the integral",
            ),
        ],
        against="formula",
    )


def blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    """The image under a Gaussian, round its edges."""
    wave = [2 * np.pi * np.fft.fftfreq(n) for n in image.shape]
    gauss = np.exp(-(sigma**2) / 2 * (wave[0][:, None] ** 2 + wave[1][None] ** 2))
    return np.fft.ifft2(np.fft.fft2(image) * gauss).real


def moved(image: np.ndarray, pixels: float) -> np.ndarray:
    """The image moved to the right, between pixels by their mean."""
    whole = int(pixels)
    near = np.roll(image, whole, 1)
    return near + (pixels - whole) * (np.roll(image, whole + 1, 1) - near)


def tuned(corrupt: Callable[[float], np.ndarray], image: np.ndarray, distance: float) -> np.ndarray:
    """The corruption of the amount at which ‖corrupted − image‖ is this distance (by bisection)."""
    low, high = 0.0, 8.0
    for _ in range(50):
        middle = (low + high) / 2
        below = np.linalg.norm(corrupt(middle) - image) < distance
        low, high = (middle, high) if below else (low, middle)
    return corrupt(low)


def equally_wrong(page: Page) -> None:
    """Four corruptions at the same squared error."""
    page.title("As wrong as one another")
    image = Digits(size=32)[3][0].numpy()[0].astype(np.float64)
    blocks = image.reshape(8, 4, 8, 4).mean((1, 3)).repeat(4, 0).repeat(4, 1)
    distance = float(np.linalg.norm(blocks - image))
    noise = np.random.default_rng(page.seed).standard_normal(image.shape)
    made = {
        "the picture": image,
        "shifted": tuned(lambda a: moved(image, a), image, distance),
        "noise": tuned(lambda a: image + a * noise, image, distance),
        "blurred": tuned(lambda a: blurred(image, a), image, distance),
        "pixelated": blocks,
    }
    far = {name: float(np.linalg.norm(m - image)) for name, m in made.items()}
    page.compare(
        [(name, far[name], distance, "distance from the picture") for name in list(made)[1:]],
        against="wanted",
    )
    titles = [f"{name}: {far[name]:.2f}" for name in made]
    page.picture(
        "equal", viz.images(list(made.values()), titles, "The same L2 distance", columns=5, side=2.0)
    )


def blur(page: Page) -> None:
    """The best answer to a question with many answers, by squared error and by L1."""
    page.title("Why squared error blurs")
    image = Digits(size=32)[3][0].numpy()[0].astype(np.float64)
    answers = np.stack([moved(image, s) for s in range(7)])
    found = {}
    for name, loss in (("squared error", F.mse_loss), ("L1", F.l1_loss)):
        guess = mo.full((32, 32), 0.5, dtype=mo.float64, requires_grad=True)
        step = optim.Adam([guess], lr=0.05)
        decay = optim.lr_scheduler.ExponentialLR(step, 0.985)
        for _ in range(400):
            value = loss(guess.expand(7, 32, 32), mo.tensor(answers))
            step.zero_grad()
            value.backward()
            step.step()
            decay.step()
        found[name] = guess.detach().numpy()
    page.text("The picture may be moved by 0 to 6 pixels, nobody says by how much. Gradient descent finds:")
    off = {
        "squared error: the mean": abs(found["squared error"] - answers.mean(0)).max(),
        "L1: the median": abs(found["L1"] - np.median(answers, 0)).max(),
    }
    for name, value in off.items():
        page.check(f"{name}, to {value:.0e}", value < 0.02)
    shown = [answers[0], answers[6], found["squared error"], found["L1"]]
    names = ["one answer", "another", "least squared error", "least L1"]
    page.picture("blur", viz.images(shown, names, "One guess for all answers", columns=4, side=2.0))
