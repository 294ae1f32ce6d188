"""Where the `markone` script begins: apart from the package, so that a Ctrl-C while that is imported is a
quiet end too."""

from __future__ import annotations

__all__ = ["main"]


def main() -> int:
    """Runs `markone.cli.main`; 130 after a Ctrl-C."""
    try:
        from markone.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        import sys

        print("markone: interrupted", file=sys.stderr)
        return 130
