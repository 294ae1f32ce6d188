"""`markone train`: a run from its options to its last line."""

from __future__ import annotations

import json
import math
import os
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from markone import _C
from markone.cli.errors import UsageError
from markone.cli.recipes import DATA, SYSTEMS, Recipe, System
from markone.cli.splits import AUGMENTATIONS, USUAL, Splits, load
from markone.cli.steps import STEPS
from markone.train import checkpoint
from markone.train.trainer import Interrupted


@dataclass(frozen=True)
class Options:
    """The command line; None is what was not given."""

    system: str | None
    data: str | None
    epochs: int | None
    seed: int | None
    out: Path | None
    resume: Path | None
    batch_size: int | None
    lr: float | None
    device: str | None
    threads: int | None
    save_seconds: float = 30.0
    images: Path | None = None
    augment: str | None = None


@dataclass(frozen=True)
class Config:
    """What a run is, kept as config.json in its folder: all that its result depends on."""

    system: str
    data: str
    epochs: int
    batch_size: int
    lr: float
    seed: int
    device: str
    data_folder: str | None
    version: str
    isa: str
    images: str | None = None
    augment: str | None = None

    @property
    def learner(self) -> System:
        """The row of the table of systems."""
        return SYSTEMS[self.system]

    @property
    def recipe(self) -> Recipe:
        """The system's recipe for the data."""
        return self.learner.recipes[self.data]


def run(options: Options) -> None:
    """Trains (or goes on), tests, and prints the result as the last line."""
    if options.threads is not None:
        try:
            _C.set_num_threads(options.threads)
        except (ValueError, TypeError):  # a type error where it does not fit into an int
            raise UsageError(f"got --threads {options.threads}, wants 1 to 256") from None
    if not options.save_seconds > 0:
        raise UsageError(f"got --save-seconds {options.save_seconds:g}, wants a number above 0")
    config = _resumed_config(options) if options.resume is not None else _new_config(options)
    splits = load_data(config)
    folder = options.resume if options.resume is not None else new_folder(options.out, config)
    trainer, loaders = _build(config, splits, folder, options.save_seconds)
    last = folder / "last.safetensors"
    if options.resume is not None and last.exists():
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                trainer.load(last)
        except checkpoint.CheckpointError as error:
            raise UsageError(str(error)) from error
        for warning in caught:
            print(f"markone train: warning: {warning.message}", file=sys.stderr)
    _print_heading(config, splits, trainer, folder)
    try:
        trainer.fit(loaders["train"], loaders["validation"], config.epochs)
    except Interrupted as stop:
        raise Interrupted(
            f"{stop}; resume with: markone train --resume {folder}", stop.exit_code - 128
        ) from None
    try:
        _test(config, splits, trainer, loaders["test"], folder)
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted after the training, which is saved; test it with: markone train --resume {folder}"
        ) from None


# -- Options


def _new_config(options: Options) -> Config:
    from markone.models import unknown_name

    if options.system is None:
        raise UsageError(f"wants a system to train ({', '.join(SYSTEMS)}) or --resume DIR")
    if options.system not in SYSTEMS:
        raise UsageError(unknown_name("system", options.system, SYSTEMS))
    recipes = SYSTEMS[options.system].recipes
    data = next(iter(recipes)) if options.data is None else options.data
    if data not in DATA:
        raise UsageError(unknown_name("data set", data, DATA))
    if options.images is not None and data != "imagenet-folder":
        raise UsageError(f"--images goes with --data imagenet-folder, not with {data}")
    if data not in recipes:
        raise UsageError(f"there is no recipe for {options.system} on {data}, only on {', '.join(recipes)}")
    if options.augment is not None and options.augment not in AUGMENTATIONS:
        raise UsageError(unknown_name("augmentation", options.augment, AUGMENTATIONS))
    recipe = recipes[data]
    device = "cpu" if options.device is None else options.device
    if device not in ("cpu", "cuda"):
        raise UsageError(f"got --device {device}, wants cpu or cuda")
    if device == "cuda" and not _C.build_info()["cuda"]:
        raise UsageError("got --device cuda, but this markone was built without CUDA; wants --device cpu")
    config = Config(
        system=options.system,
        data=data,
        epochs=recipe.epochs if options.epochs is None else options.epochs,
        batch_size=recipe.batch_size if options.batch_size is None else options.batch_size,
        lr=recipe.lr if options.lr is None else options.lr,
        seed=0 if options.seed is None else options.seed,
        device=device,
        data_folder=os.path.abspath(folder) if (folder := os.environ.get("MARKONE_DATA")) else None,
        version=_C.__version__,
        isa=_C.isa(),
        images=None if options.images is None else str(options.images.absolute()),
        augment=options.augment or USUAL[data],
    )
    if options.lr is not None and not config.learner.gradients:
        raise UsageError(f"got --lr {options.lr:g}, but {options.system} learns without gradients")
    for name, wrong in _out_of_range(config):
        raise UsageError(f"got --{name.replace('_', '-')} {wrong}")
    return config


def _resumed_config(options: Options) -> Config:
    folder = options.resume
    assert folder is not None
    if options.out is not None:
        raise UsageError(
            f"--out {options.out} and --resume {folder} exclude each other: a run stays in its folder"
        )
    config = read_config(folder, "--resume ")
    for name in ("system", "data", "epochs", "batch_size", "lr", "seed", "device", "images", "augment"):
        given, kept = getattr(options, name), getattr(config, name)
        given = str(given.absolute()) if isinstance(given, Path) else given
        if given is not None and given != kept:
            shown = name if name == "system" else f"--{name.replace('_', '-')}"
            raise UsageError(
                f"--resume {folder}: that run has {shown} {kept}, got {given}; a run keeps its options"
            )
    return config


def read_config(folder: Path, option: str = "") -> Config:
    """The config.json of a run's folder; UsageError (`option` before the folder) if none is whole."""
    path = folder / "config.json"
    try:
        return _checked(json.loads(path.read_text()))
    except OSError as error:
        raise UsageError(
            f"{option}{folder}: no run is there: cannot read {path}: {error.strerror}"
        ) from error
    except ValueError as error:
        raise UsageError(f"{option}{folder}: {path} is damaged: {error}") from error


_WANTED = {"str": "a text", "int": "a whole number", "float": "a number"}


def _checked(kept: Any) -> Config:
    """The Config of a config.json; ValueError names the key that is wrong."""
    if not isinstance(kept, dict):
        raise ValueError(f"it holds a {type(kept).__name__}, wants an object")
    kinds: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float)}
    for field in fields(Config):
        name = field.name
        if name not in kept:
            if field.default is MISSING:
                raise ValueError(f"the key '{name}' is missing")
            continue
        word, _, none = str(field.type).partition(" | ")
        if none and kept[name] is None:
            continue
        if isinstance(kept[name], bool) or not isinstance(kept[name], kinds[word]):
            raise ValueError(f"'{name}' is {json.dumps(kept[name])}, wants {_WANTED[word]}")
    for name in kept:
        if name not in {field.name for field in fields(Config)}:
            raise ValueError(f"the key '{name}' is unknown")
    config = Config(**kept)
    for name, known in (("system", SYSTEMS), ("data", DATA), ("augment", {None, *AUGMENTATIONS})):
        if getattr(config, name) not in known:
            raise ValueError(f"'{name}' is '{getattr(config, name)}', which this version does not know")
    if config.data not in SYSTEMS[config.system].recipes:
        raise ValueError(f"'data' is '{config.data}', there is no recipe for {config.system} on it")
    for name, wrong in _out_of_range(config):
        raise ValueError(f"'{name}' is {wrong}")
    return config


def _out_of_range(config: Config) -> Iterator[tuple[str, str]]:
    """Each number of a Config that cannot be meant, and what was wanted."""
    for name, least in (("epochs", config.learner.least_epochs), ("batch_size", 1)):
        if getattr(config, name) < least:
            yield name, f"{getattr(config, name)}, wants {least} or more"
    if not (math.isfinite(config.lr) and config.lr > 0):
        yield "lr", f"{config.lr:g}, wants a number above 0"
    if not 0 <= config.seed < 2**63:
        yield "seed", f"{config.seed}, wants 0 to 2^63 - 1"


# -- Folders and data


def load_data(config: Config) -> Splits:
    """The data of a run, from where it had them."""
    if config.data_folder and not os.environ.get("MARKONE_DATA"):
        os.environ["MARKONE_DATA"] = config.data_folder
    try:
        images = None if config.images is None else Path(config.images)
        return load(config.data, config.recipe.view, images, config.augment)
    except (FileNotFoundError, NotADirectoryError, PermissionError, ImportError) as error:
        raise UsageError(f"no data: {error}") from error


def new_folder(out: Path | None, config: Config) -> Path:
    """Makes the run folder, by default one of its own under runs/, and writes config.json into it."""
    if out is None:
        stem = Path("runs") / f"{config.system}-{config.data}-{time.strftime('%Y%m%d-%H%M%S')}"
        out, count = stem, 1
        while out.exists():
            count += 1
            out = stem.with_name(f"{stem.name}-{count}")
    held = [name for name in ("config.json", "last.safetensors") if (out / name).exists()]
    if held:
        raise UsageError(
            f"{out} holds a run already ({held[0]}); go on with --resume {out}, or choose another --out"
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
        checkpoint.write_atomically(
            out / "config.json", json.dumps(asdict(config), indent=2).encode() + b"\n"
        )
    except OSError as error:
        raise UsageError(f"cannot make the run folder {out}: {error.strerror or error}") from error
    except checkpoint.CheckpointError as error:
        raise UsageError(f"cannot write to the run folder {out}: {error.__cause__ or error}") from error
    return out


# -- The run


def _build(config: Config, splits: Splits, folder: Path, save_seconds: float) -> tuple[Any, dict[str, Any]]:
    import markone as mo
    from markone import models, train
    from markone.data import DataLoader
    from markone.nn import functional as F
    from markone.optim import Adam
    from markone.optim.lr_scheduler import CosineAnnealingLR

    mo.manual_seed(config.seed)
    system, recipe = config.learner, config.recipe
    model = models.get(config.system)(len(splits.classes), **recipe.options)
    optimizers = {"optimizer": Adam(model.parameters(), lr=config.lr)} if system.gradients else {}
    step, eval_step = STEPS[system.step]
    callbacks: list[train.Callback] = [
        train.Progress(),
        train.CSVLogger(folder / "metrics.csv"),
        train.Checkpoint(folder, monitor="val_accuracy", every_seconds=save_seconds),
    ]
    if _pictures():
        callbacks.append(
            train.LearningCurve(folder / "learning_curve.png", f"{config.system} on {config.data}")
        )
    trainer = train.Trainer(
        model,
        loss=getattr(models, system.loss, None) or getattr(F, system.loss),
        step=step,
        eval_step=eval_step,
        optimizers=optimizers,
        metrics=[train.Accuracy()],
        scheduler={name: CosineAnnealingLR(each, config.epochs) for name, each in optimizers.items()},
        callbacks=callbacks,
        compile=system.gradients,
    )
    # Batch normalisation has nothing to go by in a last batch of one image.
    single = len(splits.train) > config.batch_size and len(splits.train) % config.batch_size == 1
    loaders: dict[str, Any] = {
        "train": DataLoader(splits.train, config.batch_size, shuffle=True, num_workers=1, drop_last=single),
        "validation": DataLoader(splits.validation, 256),
        "test": DataLoader(splits.test, 256),
    }
    return trainer, loaders


def _test(config: Config, splits: Splits, trainer: Any, loader: Any, folder: Path) -> None:
    from markone import train

    table = train.ConfusionMatrix(len(splits.classes))
    figures = trainer.evaluate(loader, [table])
    saver = next(c for c in trainer.callbacks if isinstance(c, train.Checkpoint))
    images = int(table.table.sum())
    print(f"\n{images} test images, the weights after epoch {trainer.epoch} (last.safetensors):\n")
    print(table.text(splits.classes))
    best = f"epoch {saver.best_epoch}, {100 * (saver.best or 0.0):.2f} %"
    print(f"\nbest on validation: {best} (best.safetensors; not tested)")
    if _pictures():
        from markone import viz

        title = f"{config.system} on {config.data}, test images"
        viz.save(viz.confusion_table(table.table, splits.classes, title), folder / "confusion.png")
    else:
        print("no pictures: matplotlib is not installed (pip install 'markone[viz]')")
    if "loss" in figures:
        print(f"test loss: {figures['loss']:.4f}")
    print(f"run folder: {folder}")
    print(f"test accuracy: {100 * table.compute():.2f} %", flush=True)


def _print_heading(config: Config, splits: Splits, trainer: Any, folder: Path) -> None:
    weights = sum(p.numel() for p in trainer.model.parameters())
    counts = [f"{len(part):,}" for part in (splits.train, splits.validation, splits.test)]
    print(f"{config.system} on {config.data}: {weights:,} parameters", end="; ")
    print(f"{counts[0]} images to train, {counts[1]} to validate, {counts[2]} to test")
    rate = f"lr {config.lr:g}, " if config.learner.gradients else ""
    print(
        f"{config.epochs} epochs, batch {config.batch_size}, {rate}seed {config.seed}, "
        f"augmentation {config.augment or USUAL[config.data]}, "
        f"{config.device} ({_C.isa()}, threads: {_C.num_threads()}); run folder: {folder}"
    )
    if trainer.step:
        print(f"going on after step {trainer.step} ({trainer.epoch} epochs and {trainer.position} steps)")
    print(flush=True)


def _pictures() -> bool:
    from importlib.util import find_spec

    return find_spec("matplotlib") is not None
