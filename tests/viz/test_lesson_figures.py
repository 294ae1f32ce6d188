"""The pictures that the lessons share."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

import markone as mo
from markone import nn, viz


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_network_has_every_unit_and_weight():
    net = nn.Sequential(nn.Linear(3, 2), nn.Sigmoid(), nn.Linear(2, 1))
    worked = mo.explain((net(mo.ones(1, 3)) ** 2).sum(), quiet=True)
    figure = viz.network(worked, "title")
    shown = texts(figure)
    assert {str(n) for n in range(1, 7)} <= set(shown)
    for name in ("w14", "w25", "w56"):
        value = f"{worked.weight(name).value:.3f}".replace("-", "−")
        assert any(text.startswith(f"{name} {value}\n") for text in shown)
    links = figure.axes[0].lines
    assert len(links) == 8
    # No two labels stand on each other.
    places = np.array(
        [text.get_position() for text in figure.axes[0].texts if text.get_text().startswith("w")]
    )
    apart = np.abs(places[:, None] - places[None]) / [0.4, 0.2]
    assert (apart.max(-1) + 9 * np.eye(len(places)) > 1).all()


def test_network_wants_units():
    x = mo.ones(3, requires_grad=True)
    with pytest.raises(ValueError, match="network: got 0 units"):
        viz.network(mo.explain(x.sum(), quiet=True))


def test_images():
    figure = viz.images(np.zeros((3, 4, 4)), ["a", "b", "c"], columns=2)
    assert [axes.get_title() for axes in figure.axes] == ["a", "b", "c", ""]
    signed = viz.images(mo.tensor([[[-1.0, 2.0]]]), symmetric=True).axes[0].images[0]
    assert signed.get_clim() == (-2.0, 2.0)
    with pytest.raises(ValueError, match="images: got 0 pictures"):
        viz.images([])
    with pytest.raises(ValueError, match="images: got 1 pictures and 2 titles"):
        viz.images(np.zeros((1, 2, 2)), ["a", "b"])


def test_panels():
    figure = viz.panels(
        {"one": {"f": [1, 2], "g": ([0, 2], [3, 4])}, "two": {"f": [0, 1]}}, "z", dots={"two": ([0], [1])}
    )
    one, two = figure.axes
    assert [line.get_label() for line in one.lines] == ["f", "g"]
    assert list(one.lines[1].get_xdata()) == [0, 2]
    assert two.get_title(loc="left") == "two" and len(two.collections) == 1
    with pytest.raises(ValueError, match="panels: got no picture"):
        viz.panels({})
