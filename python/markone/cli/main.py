"""Subcommands, their options, and how errors leave the process."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from markone.cli.errors import UsageError

__all__ = ["main"]


def _word(kind: type, wanted: str = "") -> Any:
    """One word of the command line, read by `kind`; the name None has no meaning here."""

    def read(words: list[str]) -> Any:
        try:
            return kind(words[0])
        except ValueError:
            raise ValueError(f"got '{words[0]}', wants {wanted}") from None

    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="",
        instance_from_str=read,
        is_instance=lambda value: value is None or isinstance(value, kind),
        str_from_instance=lambda value: [str(value)],
    )


def _shown(metavar: str) -> Any:
    """How help shows an option: its text says what the default means."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint="")


_INT, _FLOAT = _word(int, "a whole number"), _word(float, "a number")
_TEXT, _PATH = _word(str), _word(Path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code: 0, 1 (failed at work), 2 (could not begin), 130 (Ctrl-C).

    With MARKONE_DEBUG=1 in the environment errors show their traceback.
    """

    def train(
        system: Annotated[str | None, tyro.conf.Positional, _TEXT, _shown("SYSTEM")] = None,
        *,
        data: Annotated[str | None, _TEXT, _shown("NAME")] = None,
        epochs: Annotated[int | None, _INT, _shown("N")] = None,
        seed: Annotated[int | None, _INT, _shown("N")] = None,
        out: Annotated[Path | None, _PATH, _shown("DIR")] = None,
        resume: Annotated[Path | None, _PATH, _shown("DIR")] = None,
        batch_size: Annotated[int | None, _INT, _shown("N")] = None,
        lr: Annotated[float | None, _FLOAT, _shown("RATE")] = None,
        device: Annotated[str | None, _TEXT, _shown("cpu|cuda")] = None,
        threads: Annotated[int | None, _INT, _shown("N")] = None,
        save_seconds: Annotated[float, _FLOAT, _shown("SECONDS")] = 30.0,
        images: Annotated[Path | None, _PATH, _shown("DIR")] = None,
    ) -> None:
        """Train a system on a data set, then test it.

        The run folder gets config.json, metrics.csv, last.safetensors, best.safetensors, learning_curve.png
        and confusion.png. What is not given comes from the system's recipe (see `markone list`).

        Args:
            system: What to train; `markone list` shows them.
            data: The data set (default: the system's first).
            epochs: How many times to go over the training data.
            seed: Of the weights, the order and the augmentation (default: 0).
            out: The run folder (default: runs/SYSTEM-DATA-TIME).
            resume: Go on with the run in this folder, which knows all other options.
            batch_size: Examples a step.
            lr: The learning rate at the start.
            device: Where to compute (default: cpu).
            threads: Of the kernels (default: the cores that this process may use); changes no result.
            save_seconds: How often to save within an epoch (default: 30); each epoch is saved anyway.
            images: The pictures of --data imagenet-folder: DIR/train/CLASS/* and DIR/val/CLASS/*, or
                DIR/CLASS/* (a tenth each is then held out to validate and to test).
        """
        from markone.cli.train import Options, run

        run(
            Options(
                system, data, epochs, seed, out, resume, batch_size, lr, device, threads, save_seconds, images
            )
        )

    def list_() -> None:
        """Show the systems that can be trained, and the data sets."""
        from markone.cli.listing import run

        run()

    def summary(
        model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")],
        input_size: Annotated[tuple[int, ...], tyro.conf.Positional, tyro.conf.arg(metavar="SIZE")] = (),
    ) -> None:
        """Show a model's layers: output shapes, parameters, multiply-adds, memory.

        Args:
            model: A published network (see `markone.models.names()`).
            input_size: The input's shape with the batch, such as 1 3 224 224, or its side, such as 224
                (default: the published one).
        """
        from markone import models
        from markone.cli.recipes import SYSTEMS
        from markone.train import summary as count

        try:
            build = models.get(model)
        except ValueError as error:
            raise UsageError(str(error)) from error
        if len(input_size) < 2:
            view = SYSTEMS[model].published
            side = input_size[0] if input_size else view.size
            input_size = (1, view.channels, side, side)
        print(count(build(), input_size))

    def lesson(
        name: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")] = None,
        *,
        short: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
        out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None,
        seed: Annotated[int, tyro.conf.arg(metavar="N")] = 0,
    ) -> None:
        """List the lessons of the course, or run one.

        Args:
            name: The lesson; without it they are listed.
            short: Train less, for a first look.
            out: Where its pictures go (default: lessons/NAME).
            seed: Of all that is drawn.
        """
        from markone.cli.lesson import run

        run(name, short, out, seed)

    def info() -> None:
        """Show version, instruction set, threads, devices and build."""
        from markone.cli.info import run

        run()

    def bench(
        group: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="GROUP")],
        *,
        case: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")] = (),
        threads: Annotated[int, _INT, _shown("N")] = 1,
        rounds: Annotated[int, _INT, _shown("N")] = 15,
    ) -> None:
        """Time markone beside the peers that are installed, alternately, and print the ratios.

        Args:
            group: What to time: startup (import) or step (training steps).
            case: Only these cases of the group.
            threads: Of every library (default: 1).
            rounds: How often each takes its turn (default: 15).
        """
        from markone.cli.bench import run

        run(group, case, threads, rounds)

    given = list(sys.argv[1:] if arguments is None else arguments)
    commands: dict[str, Callable[..., None]] = {
        "train": train,
        "list": list_,
        "lesson": lesson,
        "summary": summary,
        "info": info,
        "bench": bench,
    }
    name = f"markone {given[0]}" if given and given[0] in commands else "markone"
    try:
        tyro.extras.subcommand_cli_from_dict(
            commands,
            prog="markone",
            description="Deep learning with hand-written kernels.",
            args=given or ["--help"],
        )
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else int(leave.code is not None)
    except UsageError as error:
        return _report(name, error, 2)
    except KeyboardInterrupt as error:
        return _report(
            name, error if str(error) else KeyboardInterrupt("interrupted"), getattr(error, "exit_code", 130)
        )
    except BrokenPipeError:
        # Whoever read our output has gone; nothing more may be written, not even when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        return _report(name, error, 1)
    return 0


def _report(name: str, error: BaseException, code: int) -> int:
    if os.environ.get("MARKONE_DEBUG") == "1":
        raise error
    text = " ".join(str(error).split()) or type(error).__name__
    # A message of ours says what came and what was wanted; a foreign one needs at least its kind.
    if isinstance(error, (KeyError, AttributeError, NameError, AssertionError)):
        text = f"{type(error).__name__}: {text} (MARKONE_DEBUG=1 shows where)"
    sys.stdout.flush()
    print(f"{name}: {text}", file=sys.stderr, flush=True)
    return code
