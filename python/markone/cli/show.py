"""`markone show`: pictures of what a trained network sees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markone.cli.errors import UsageError
from markone.cli.train import Config, load_data, read_config

# No more maps and layers than a page has room for.
_MAPS, _LAYERS = 8, 6


@dataclass(frozen=True)
class Options:
    """The command line; None is what was not given."""

    run: Path
    image: Path | None
    index: int
    out: Path | None


def run(options: Options) -> None:
    """Writes the pictures into the run's folder, or `out`."""
    from markone import models, viz

    config = read_config(options.run)
    image, classes, title = _image(config, options)
    net = _network(config, options.run, len(classes))
    batch = image.unsqueeze(0)
    folder = options.out or options.run / "pictures"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {folder} for pictures: {error.strerror}") from error
    print(f"{config.system} on {title}:")
    for name, figure in _pictures(models, viz, net, batch, classes):
        path = folder / f"{name}.png"
        viz.save(figure, path)
        print(f"→ {path}")


def _network(config: Config, folder: Path, num_classes: int) -> Any:
    from markone import models

    weights = next(
        (folder / name for name in ("best.safetensors", "last.safetensors") if (folder / name).exists()), None
    )
    if weights is None:
        raise UsageError(f"{folder} has no weights yet (best.safetensors or last.safetensors)")
    return models.get(config.system)(num_classes, **config.recipe.options, weights=weights).eval()


def _image(config: Config, options: Options) -> tuple[Any, list[str], str]:
    from markone.cli.splits import picture

    splits = load_data(config)
    if options.image is not None:
        try:
            return picture(options.image, config.data, config.recipe.view), splits.classes, str(options.image)
        except (FileNotFoundError, IsADirectoryError, ValueError) as error:
            raise UsageError(f"--image: {error}") from error
    if not 0 <= options.index < len(splits.test):
        raise UsageError(f"got --index {options.index}, wants 0 to {len(splits.test) - 1}")
    image, label = splits.test[options.index]
    return image, splits.classes, f"test image {options.index} ({splits.classes[int(label)]})"


def _pictures(models: Any, viz: Any, net: Any, batch: Any, classes: list[str]) -> Iterator[tuple[str, Any]]:
    """Name and figure, one after the other."""
    from markone import nn, no_grad
    from markone.models.neocognitron import SLayer
    from markone.vision.retrieval import top_k

    with no_grad():
        best = top_k(net(batch), min(5, len(classes)))[0]
    print("  ".join(f"{classes[label]} {chance:.1%}" for label, chance in best))
    first = next(module for module in net.modules() if isinstance(module, (nn.Conv2d, SLayer)))
    kernels = (first.a[: first.learnt] if isinstance(first, SLayer) else first.weight.detach())[:64]
    colour = kernels.shape[1] == 3
    yield (
        "filters",
        viz.images(
            kernels if colour else kernels[:, 0],
            title="The first convolution's kernels",
            symmetric=not colour,
        ),
    )
    answers = {
        name: answer
        for name, answer in models.activations(net, batch).items()
        if answer.ndim == 4 and min(answer.shape[2:]) > 1
    }
    rectified = [name for name in answers if isinstance(net.get_submodule(name.split("#")[0]), nn.ReLU)]
    chosen = [name for name in rectified or answers if "#" not in name]
    step = -(-len(chosen) // _LAYERS)
    layers = chosen[::step]
    count = min([_MAPS, *(answers[name].shape[1] for name in layers)])
    cells = {f"{name} {k}": answers[name][0, k] for name in layers for k in range(count)}
    yield (
        "maps",
        viz.images(cells, title="The image's way through the layers", columns=count, side=1.45),
    )
    if rectified:
        back = {name: models.deconvolve(net, batch, name) for name in layers}
        planes = [batch[0], *(found.images[0] for found in back.values())]
        names = ["image", *(f"{name}, map {found.channels[0]}" for name, found in back.items())]
        yield (
            "reconstruction",
            viz.images(planes, names, "What excites each layer's strongest unit", columns=4, side=1.8),
        )
    label = best[0][0]
    side = batch.shape[-1]
    seen = models.occlusion_map(net, batch[0], label, size=max(1, side // 4), stride=max(1, side // 28))
    yield (
        "occlusion",
        viz.images(
            [batch[0].expand(3, -1, -1), seen.probability],
            ["image", f"p({classes[label]}), covered there"],
            "Dark: what the class depends on",
            colours="magma",
            side=2.4,
        ),
    )
