"""How a command fails: one line on standard error, and an exit code."""

from __future__ import annotations


class UsageError(Exception):
    """The command cannot begin: a wrong name, option or folder. Exit code 2."""
