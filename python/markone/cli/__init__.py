"""The `markone` command. A subcommand's work is imported when it is asked for: help stays quick."""

from markone.cli.main import main

__all__ = ["main"]
