"""Backpropagation, worked by hand (row B2).

Three inputs, two hidden units, one output, all with σ. Forward: zⱼ = Σ wᵢⱼ aᵢ + bⱼ, aⱼ = σ(zⱼ). The error
of a unit is what the loss would lose if its net input grew, with σ′ = a (1 − a):

    output:  δ₆ = a₆ (1 − a₆) (t − a₆)
    hidden:  δⱼ = aⱼ (1 − aⱼ) Σ wⱼₖ δₖ        each unit is blamed by the weight of its links
    update:  wᵢⱼ ← wᵢⱼ + η δⱼ aᵢ,   bⱼ ← bⱼ + η δⱼ

`mo.explain(loss)` prints these numbers for any small network.
"""

from __future__ import annotations

import markone as mo
from markone import nn, viz
from markone.lessons.page import Page

# The slide's network: its weights before the step, and its numbers.
WEIGHTS = [[[0.2, 0.4, -0.5], [-0.3, 0.1, 0.2]], [-0.4, 0.2], [[-0.3, -0.2]], [0.1]]
UNITS = {4: (-0.7, 0.332, -0.0087), 5: (0.1, 0.525, -0.0065), 6: (-0.1045, 0.474, 0.1312)}
AFTER = {
    "w46": -0.261,
    "w56": -0.138,
    "w14": 0.192,
    "w24": 0.4,
    "w34": -0.508,
    "w15": -0.306,
    "w25": 0.1,
    "w35": 0.194,
    "b4": -0.408,
    "b5": 0.194,
    "b6": 0.218,
}
SLIPS = {
    "w46": "the slide's 0.268 is a slip, and once it is called w45",
    "b5": "0.2 before; 0.1 in the first table",
}


def lesson(page: Page) -> None:
    """The example step by step, beside the slide's numbers, and the optimiser's step."""
    net = nn.Sequential(nn.Linear(3, 2), nn.Sigmoid(), nn.Linear(2, 1), nn.Sigmoid()).double()
    for parameter, value in zip(net.parameters(), WEIGHTS):
        parameter.data.copy_(mo.tensor(value))
    x, target, rate = mo.tensor([[1.0, 0.0, 1.0]], dtype=mo.float64), 1.0, 0.9
    loss = 0.5 * ((net(x) - target) ** 2).sum()
    worked = mo.explain(loss, lr=rate, names=net, quiet=True)
    for line in worked.text().splitlines():
        page.print(line)
    before = viz.network(worked, "Before the step: weights, gradients ∂, outputs and errors δ")

    page.title("Beside the slide")
    slips = {4: "0.331 is a slip", 5: "", 6: "e^(−0.014) in it should be e^0.1045"}
    page.compare([(f"z{n}", float(worked.unit(n).z[0]), z) for n, (z, _, _) in UNITS.items()], digits=4)
    page.compare([(f"a{n}", float(worked.unit(n).a[0]), a, slips[n]) for n, (_, a, _) in UNITS.items()])
    page.compare([(f"E{n}", float(worked.unit(n).delta[0]), e) for n, (_, _, e) in UNITS.items()], digits=4)

    page.title("After one step of the optimiser")
    loss.backward()
    mo.optim.SGD(net.parameters(), lr=rate).step()
    page.compare(
        [(name, worked.weight(name).now(), value, SLIPS.get(name, "")) for name, value in AFTER.items()]
    )
    again = 0.5 * ((net(x) - target) ** 2).sum()
    page.text(f"The loss was {loss.item():.4f} and is {again.item():.4f}.")
    page.check("the step made the loss smaller", again.item() < loss.item())

    page.picture("network", before)
    page.next(
        "w24 and w25 do not move: why? (Look at the second input.)",
        "Go on until the output is 0.9: how many steps? Then take η = 9.",
        "`worked.save('worked.svg')` writes the diagram as a vector picture, `.html` the whole page.",
    )
