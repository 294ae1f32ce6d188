"""Every published network can be trained on every data set from the command line."""

import numpy as np
import pytest

import markone as mo
from markone import models
from markone.cli.main import main
from markone.cli.recipes import SYSTEMS
from markone.cli.splits import DATA, View, load
from markone.nn import init


def test_every_network_has_its_recipes():
    assert set(SYSTEMS) == set(models.names())
    for name, system in SYSTEMS.items():
        assert list(system.recipes) == list(DATA), name


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_network_fits_the_images_of_its_recipes(name, monkeypatch):
    for drawn in ("uniform_", "normal_", "kaiming_uniform_", "kaiming_normal_"):
        monkeypatch.setattr(init, drawn, lambda tensor, *args, **kwargs: init.zeros_(tensor))
    small = SYSTEMS[name].recipes["digits"]
    sizes = {
        (r.view.channels, r.view.side) for d, r in SYSTEMS[name].recipes.items() if d != "imagenet-folder"
    }
    assert sizes == {(small.view.channels, small.view.side)}
    model = models.get(name)(10, **small.options).eval()
    x = mo.zeros(1, small.view.channels, small.view.side, small.view.side)
    assert tuple(model(x).shape) == (1, 10)


def test_digits_in_colour_at_another_size():
    splits = load("digits", View(3, 32))
    image, label = splits.validation[0]
    assert tuple(image.shape) == (3, 32, 32) and 0 <= label < 10
    assert np.array_equal(image[0].numpy(), image[2].numpy())
    ink = load("digits", View(1, 28, ink=(-0.1, 1.175), border=4)).test[0][0].numpy()
    assert ink.shape == (1, 36, 36) and ink.min() == pytest.approx(-0.1) and 0.9 < ink.max() <= 1.175 + 1e-6
    assert np.allclose(ink[0, :4], -0.1)


def picture(path, colour):
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([*path.stem.encode(), *colour])
    pixels = rng.integers(0, 80, (40, 44, 3)) + np.array(colour)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


COLOURS = {"blue": (0, 0, 160), "green": (0, 160, 0), "red": (160, 0, 0)}


@pytest.fixture
def pictures(tmp_path):
    pytest.importorskip("PIL")
    for name, colour in COLOURS.items():
        for i in range(8):
            picture(tmp_path / "pictures" / name / f"{i}.png", colour)
    return tmp_path / "pictures"


def train(capsys, *arguments):
    code = main(["train", *map(str, arguments)])
    return code, *capsys.readouterr()


def test_a_folder_of_pictures(pictures, tmp_path, capsys):
    arguments = ("--data", "imagenet-folder", "--images", pictures, "--out", tmp_path / "run")
    code, out, err = train(capsys, "resnet20", *arguments, "--epochs", 6, "--batch-size", 6, "--lr", 0.01)
    assert code == 0, err
    assert "20 images to train, 2 to validate, 2 to test" in out
    assert "test accuracy: 100.00 %" in out
    weights = models.resnet20(3, weights=tmp_path / "run" / "last.safetensors")
    assert weights.fc.out_features == 3
    code, _, err = train(capsys, "--resume", tmp_path / "run", "--images", tmp_path)
    assert code == 2 and "that run has --images" in err


def test_folders_that_are_wrong(pictures, tmp_path, capsys):
    arguments = ("resnet20", "--data", "imagenet-folder", "--out", tmp_path / "run")
    (pictures / "empty").mkdir()
    code, _, err = train(capsys, *arguments, "--images", pictures)
    assert code == 2 and "empty has no pictures" in err
    (pictures / "empty" / "text.jpg").write_text("no picture")
    code, _, err = train(capsys, *arguments, "--images", pictures, "--epochs", 1)
    assert code == 2 and "text.jpg is not a picture" in err and "epoch" not in err and "Traceback" not in err
    code, _, err = train(capsys, *arguments, "--images", tmp_path / "nowhere")
    assert code == 2 and "nowhere" in err
    code, _, err = train(capsys, "resnet20", "--images", pictures)
    assert code == 2 and "--images goes with --data imagenet-folder, not with digits" in err


def test_train_and_validation_folders(tmp_path, capsys):
    pytest.importorskip("PIL")
    for part in ("train", "val"):
        for i in range(4):
            picture(tmp_path / part / "red" / f"{i}.png", COLOURS["red"])
    picture(tmp_path / "train" / "blue" / "0.png", COLOURS["blue"])
    with pytest.raises(Exception, match="class 'blue' is not in both train and val"):
        load("imagenet-folder", View(3, 32), tmp_path)
    picture(tmp_path / "val" / "blue" / "0.png", COLOURS["blue"])
    splits = load("imagenet-folder", View(3, 32), tmp_path)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (4, 1, 5)
    assert tuple(splits.test[0][0].shape) == (3, 32, 32)


def test_the_neocognitron_learns_without_gradients(tmp_path, capsys):
    run = tmp_path / "run"
    code, out, err = train(capsys, "neocognitron", "--out", run)
    assert code == 0 and "not compiled" not in err and "lr " not in out, err
    rows = [line.split() for line in out.splitlines() if line.strip()[:1] in ("1", "2", "3", "4")][1:5]
    assert float(rows[2][2]) > 100 and float(rows[3][3]) > 0.75, rows
    assert float(out.rsplit("test accuracy:", 1)[1].split()[0]) > 75
    code, _, err = train(capsys, "neocognitron", "--lr", 0.1)
    assert code == 2 and "neocognitron learns without gradients" in err
    code, _, err = train(capsys, "neocognitron", "--epochs", 3)
    assert code == 2 and "got --epochs 3, wants 4 or more" in err
    pytest.importorskip("matplotlib")
    assert main(["show", str(run)]) == 0
    assert {path.stem for path in (run / "pictures").iterdir()} >= {"filters", "maps", "occlusion"}


@pytest.mark.parametrize("name", ["neocognitron", "lenet5_1998"])
def test_pictures_for_a_network_of_digits(name, pictures, tmp_path, capsys):
    arguments = ("--data", "imagenet-folder", "--images", pictures, "--out", tmp_path / "run")
    code, out, err = train(capsys, name, *arguments, "--epochs", 4)
    assert code == 0 and "test accuracy" in out, err
    weights = tmp_path / "run" / "last.safetensors"
    assert models.get(name)(3, weights=weights)(mo.zeros(2, 1, 28, 28)).shape == (2, 3)


def test_auxiliary_heads_are_trained_and_resumed(tmp_path, capsys):
    pytest.importorskip("PIL")
    for name, colour in list(COLOURS.items())[:2]:
        for i in range(4):
            picture(tmp_path / "pictures" / name / f"{i}.png", colour)
    # The published size takes long: the recipe of small images, on pictures.
    recipe = SYSTEMS["googlenet"].recipes["imagenet-folder"]
    SYSTEMS["googlenet"].recipes["imagenet-folder"] = SYSTEMS["googlenet"].recipes["cifar10"]
    try:
        arguments = (
            "--data",
            "imagenet-folder",
            "--images",
            tmp_path / "pictures",
            "--out",
            tmp_path / "run",
        )
        code, out, err = train(capsys, "googlenet", *arguments, "--epochs", 1, "--batch-size", 3)
    finally:
        SYSTEMS["googlenet"].recipes["imagenet-folder"] = recipe
    assert code == 0, err
    assert "test accuracy" in out


def test_a_summary_takes_a_side(capsys):
    assert main(["summary", "resnet20", "0"]) == 2
    assert "got size 1 3 0 0, wants 1 or more each" in capsys.readouterr().err
    assert main(["summary", "resnet20", "32"]) == 0
    assert "parameters: 269,722" in capsys.readouterr().out
    assert main(["summary", "lenet5"]) == 0
    assert "multiply-adds: 416,520" in capsys.readouterr().out
    assert main(["summary", "neocognitron"]) == 0  # which reads values while it runs
    assert "parameters: 0" in capsys.readouterr().out


def test_an_augmentation_is_chosen_kept_and_named(tmp_path, capsys):
    arguments = ("lenet5", "--out", tmp_path / "run", "--epochs", 1)
    code, out, err = train(capsys, *arguments, "--augment", "elastic")
    assert code == 0 and "augmentation elastic" in out, err
    code, _, err = train(capsys, "--resume", tmp_path / "run", "--augment", "none")
    assert code == 2 and "that run has --augment elastic, got none" in err
    code, _, err = train(capsys, "lenet5", "--augment", "elastik")
    assert code == 2 and "'elastik' is not an augmentation; did you mean elastic?" in err
    plain, bent = (load("digits", View(1, 28), augment=name).train for name in ("none", "elastic"))
    assert plain[0][1] == bent[0][1] and not np.array_equal(plain[0][0].numpy(), bent[0][0].numpy())


def test_what_a_run_sees_is_drawn(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    run = tmp_path / "run"
    assert train(capsys, "lenet5", "--out", run, "--epochs", 1)[0] == 0
    assert main(["show", str(run), "--index", "3"]) == 0
    shown = {path.stem for path in (run / "pictures").iterdir()}
    assert shown == {"filters", "maps", "occlusion", "reconstruction"}
    assert "lenet5 on test image 3" in capsys.readouterr().out
    picture(tmp_path / "mine.png", COLOURS["red"])
    out = tmp_path / "mine"
    assert main(["show", str(run), "--image", str(tmp_path / "mine.png"), "--out", str(out)]) == 0
    assert len(list(out.iterdir())) == 4
    (tmp_path / "text.png").write_text("no picture")
    for arguments, text in (
        (["--image", tmp_path / "text.png"], "text.png: cannot be read as a picture"),
        (["--image", tmp_path / "none.png"], "none.png"),
        (["--index", 360], "got --index 360, wants 0 to 359"),
        (["--out", tmp_path / "text.png"], "cannot make the folder"),
    ):
        assert main(["show", str(run), *map(str, arguments)]) == 2
        assert text in capsys.readouterr().err
    assert main(["show", str(tmp_path / "nowhere")]) == 2
    assert "no run is there" in capsys.readouterr().err
