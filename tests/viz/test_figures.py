"""Pictures: drawn without a display, with the right numbers in them."""

import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from markone import viz

HISTORY = [
    {
        "epoch": 1,
        "step": 5,
        "train_loss": 2.0,
        "train_accuracy": 0.4,
        "val_loss": 1.5,
        "val_accuracy": 0.5,
        "lr": 0.1,
    },
    {
        "epoch": 2,
        "step": 10,
        "train_loss": 0.5,
        "train_accuracy": 0.8,
        "val_loss": 0.6,
        "val_accuracy": 0.75,
        "lr": 0.1,
    },
]


def test_learning_curve(tmp_path):
    figure = viz.learning_curve(HISTORY, "a title")
    loss, accuracy = figure.axes
    assert [line.get_label() for line in loss.lines] == ["training", "validation"]
    assert list(loss.lines[0].get_ydata()) == [2.0, 0.5]
    assert list(accuracy.lines[1].get_ydata()) == [50.0, 75.0]
    viz.save(figure, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes()[:4] == b"\x89PNG"


def test_learning_curve_of_one_figure_without_validation():
    figure = viz.learning_curve([{"epoch": 1, "train_loss": 0.0}])
    assert len(figure.axes) == 1 and len(figure.axes[0].lines) == 1


def test_learning_curve_of_a_figure_of_its_own():
    figure = viz.learning_curve([{"epoch": i, "train_loss": 0.5, "bleu": 3.0 * i} for i in (1, 2)])
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["loss", "bleu"]
    assert list(figure.axes[1].lines[0].get_ydata()) == [3.0, 6.0]


@pytest.mark.parametrize("history", [[], [{"epoch": 1, "lr": 0.1}]])
def test_learning_curve_wants_figures(history):
    with pytest.raises(ValueError, match="epochs without figures"):
        viz.learning_curve(history)


def test_confusion_table(tmp_path):
    table = np.array([[8, 2, 0], [0, 9, 1], [0, 0, 0]])
    figure = viz.confusion_table(table, ["a", "b", "c"], "a title")
    axes = figure.axes[0]
    assert sorted(text.get_text() for text in axes.texts) == ["1", "2", "8", "9"]
    assert "17 of 20 right (85.00 %), 3 mistakes" in axes.get_title(loc="left")
    viz.save(figure, tmp_path / "table.png")
    assert (tmp_path / "table.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("table", "classes", "text"),
    [
        (np.zeros((2, 3)), None, r"got shape \[2, 3\], wants square counts"),
        (np.array([[-1]]), None, "wants square counts"),
        (np.eye(2), ["a"], "got 1 class names for 2 classes"),
    ],
)
def test_confusion_table_names_what_is_wrong(table, classes, text):
    with pytest.raises(ValueError, match=text):
        viz.confusion_table(table, classes)


def test_importing_viz_loads_no_matplotlib_and_drawing_no_pyplot():
    code = (
        "import sys; from markone import viz; assert 'matplotlib' not in sys.modules; "
        "viz.confusion_table([[1]]); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_animation_is_saved_as_a_gif(tmp_path) -> None:
    figure = viz.figure.new_figure(2, 2)
    axes = figure.subplots()
    animation = viz.decision.Animation(figure, 3, lambda i: axes.set_title(str(i)))
    viz.save(animation, tmp_path / "frames.gif")
    with pytest.importorskip("PIL.Image").open(tmp_path / "frames.gif") as image:
        assert image.format == "GIF" and image.n_frames == 3
    with pytest.raises(ValueError, match="written as .gif"):
        viz.save(animation, tmp_path / "frames.png")
