"""The stub file says what the native module has, no more and no less."""

import difflib
import importlib.util
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("stubs", Path(__file__).with_name("stubs.py"))
stubs = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(stubs)


def test_the_stub_file_matches_the_native_module():
    """Regenerate it with `python tests/guards/stubs.py`."""
    written = stubs.FILE.read_text(encoding="utf-8") if stubs.FILE.exists() else ""
    difference = list(
        difflib.unified_diff(written.splitlines(), stubs.generate().splitlines(), lineterm="", n=0)
    )
    assert not difference, "python tests/guards/stubs.py writes it anew:\n" + "\n".join(difference[:40])


def test_a_signature_with_defaults_and_brackets_is_read_whole():
    line = "f(a: tuple[int, int] = (1, 2), b: str = 'x, y', *, c: list[float]) -> None"
    found, result = stubs.parameters(line)
    assert found == [
        ("a", "tuple[int, int]", "(1, 2)"),
        ("b", "str", "'x, y'"),
        ("*", "", ""),
        ("c", "list[float]", ""),
    ]
    assert result == "None"


def test_a_cpp_type_in_a_signature_is_refused():
    class Function:
        __doc__ = "f(a: std::vector<int>) -> None\n"

    with pytest.raises(TypeError, match="shows through"):
        stubs._definition("f", stubs.signatures(Function)[0], "", False)
