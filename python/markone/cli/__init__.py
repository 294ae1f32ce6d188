"""The `markone` command. Each subcommand's work is imported when it is asked for, so that help stays quick."""

from markone.cli.main import main

__all__ = ["main"]
