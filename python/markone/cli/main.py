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
        augment: Annotated[str | None, _TEXT, _shown("NAME")] = None,
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
            augment: What is done to training images, each time anew: none, affine, elastic, crop-flip or
                window-flip (default: the data set's; `markone list` explains them).
        """
        from markone.cli.train import Options, run

        run(
            Options(
                system, data, epochs, seed, out, resume, batch_size, lr, device, threads, save_seconds,
                images, augment,
            )
        )  # fmt: skip

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
            side = input_size[0] if input_size else view.side
            input_size = (1, view.channels, side, side)
        if min(input_size) < 1:
            raise UsageError(f"got size {' '.join(map(str, input_size))}, wants 1 or more each")
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

    def show(
        run: Annotated[Path, tyro.conf.Positional, _PATH, _shown("RUN")],
        *,
        image: Annotated[Path | None, _PATH, _shown("FILE")] = None,
        index: Annotated[int, _INT, _shown("N")] = 0,
        out: Annotated[Path | None, _PATH, _shown("DIR")] = None,
    ) -> None:
        """Draw what a trained network sees in an image: its kernels, feature maps, what excites its strongest
        units (Zeiler and Fergus), and where covering the image costs most.

        Args:
            run: The folder of a run of `markone train`.
            image: A picture to look at (default: one of the test images).
            index: Which of the test images (default: 0).
            out: Where the pictures go (default: RUN/pictures).
        """
        from markone.cli.show import Options
        from markone.cli.show import run as draw

        draw(Options(run, image, index, out))

    def info() -> None:
        """Show version, instruction set, threads, devices and build."""
        from markone.cli.info import run

        run()

    def bench(
        names: Annotated[tuple[str, ...], tyro.conf.Positional, _shown("GROUP|NETWORK ...")] = (),
        *,
        shape: Annotated[tuple[str, ...], _shown("NxCxHxW ...")] = (),
        weight: Annotated[tuple[str, ...], _shown("OxCxKxK ...")] = (),
        fn: Annotated[str | None, _TEXT, _shown("NAME")] = None,
        arg: Annotated[tuple[str, ...], _shown("NAME=VALUE ...")] = (),
        padding: Annotated[int | None, _INT, _shown("N")] = None,
        stride: Annotated[int | None, _INT, _shown("N")] = None,
        dilation: Annotated[int | None, _INT, _shown("N")] = None,
        groups: Annotated[int | None, _INT, _shown("N")] = None,
        kernel: Annotated[int | None, _INT, _shown("N")] = None,
        hidden: Annotated[int | None, _INT, _shown("N")] = None,
        passes: Annotated[tuple[str, ...], _shown("NAME ...")] = (),
        filter: Annotated[str | None, _TEXT, _shown("TEXT")] = None,
        batch: Annotated[int | None, _INT, _shown("N")] = None,
        threads: Annotated[int, _INT, _shown("N")] = 1,
        isa: Annotated[str | None, _TEXT, _shown("NAME")] = None,
        limit_peers: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
        device: Annotated[str, _TEXT, _shown("cpu|cuda")] = "cpu",
        peers: Annotated[tuple[str, ...] | None, _shown("NAME ...")] = None,
        impl: Annotated[str | None, _TEXT, _shown("A,B|all")] = None,
        rounds: Annotated[int | None, _INT, _shown("N")] = None,
        clock: Annotated[str, _TEXT, _shown("wall|cpu")] = "wall",
        quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
        json: Annotated[Path | None, _PATH, _shown("FILE")] = None,
        plot: Annotated[Path | None, _PATH, _shown("FILE")] = None,
        compare: Annotated[Path | None, _PATH, _shown("FILE")] = None,
        again: Annotated[Path | None, _PATH, _shown("FILE")] = None,
        list: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    ) -> None:
        """Time markone beside the libraries that are installed, alternately, and print rates and ratios.

        Groups: matmul conv pool lstm gru norm elementwise reduce index loss optimizer overhead step inference
        load startup. Networks, whose layers are cases: vgg16 googlenet alexnet lenet5 unet resnet18 mobilenet
        charlstm autoencoder. A group and a network together: those layers of the network.

        Args:
            names: What to time (default: every group but load).
            shape: Your own shape of the group's operation, the inputs one after the other.
            weight: The shapes of its weights.
            fn: Another operation of that group, such as nn.functional.avg_pool2d.
            arg: More of the operation's arguments.
            padding: Of a convolution or pool.
            stride: Of a convolution or pool.
            dilation: Of a convolution.
            groups: Of a convolution.
            kernel: The size of a pool's window.
            hidden: The units of an lstm or gru.
            passes: forward, graph, input_grad, weight_grad, backward, step; only these.
            filter: Only cases whose name has this text.
            batch: Of a network's layers.
            threads: Of every library (default: 1).
            isa: The instruction set that markone uses; peers keep theirs.
            limit_peers: Keep them to it too (avx2; all but onnxruntime, which cannot be).
            device: Where to compute (default: cpu).
            peers: torch onnxruntime jax numpy, or none (default: all that are installed).
            impl: Race these implementations of the operation, or all, against the one that is chosen.
            rounds: How often each takes its turn (default: 15).
            clock: cpu counts the process's processor time instead of the wall's: on a busy machine, with one
                thread (default: wall).
            quick: Few and short turns.
            json: Write all times to this file.
            plot: Write a roofline picture to this PNG file.
            compare: A file of --json; shows what has become slower since.
            again: A file of --json; only its cases with a ratio below 0.97, to measure them better.
            list: Show the cases and run none.
        """
        from markone.cli.bench import Options, run

        run(
            Options(
                names, shape, weight, fn, arg, padding, stride, dilation, groups, kernel, hidden, passes,
                filter, batch, threads, isa, limit_peers, device, peers, impl, rounds, clock, quick,
                json, plot, compare, again, list,
            )
        )  # fmt: skip

    given = list(sys.argv[1:] if arguments is None else arguments)
    commands: dict[str, Callable[..., None]] = {
        "train": train,
        "list": list_,
        "lesson": lesson,
        "show": show,
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
