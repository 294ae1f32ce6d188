"""The Tensor's stub says what the table of methods says, and every method is there."""

import inspect
from pathlib import Path

import markone as mo
from markone import ops

HERE = Path(__file__).parent


def test_stub_is_up_to_date():
    import importlib.util

    spec = importlib.util.spec_from_file_location("tensor_stub", HERE / "tensor_stub.py")
    stub = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stub)
    for file, made in stub.stubs().items():
        assert file.read_text(encoding="utf-8") == made, "run python tests/guards/tensor_stub.py"


def test_every_entry_is_installed_and_explained():
    for name, value in ops.method_table().items():
        assert getattr(mo.Tensor, name) is not None
        if not name.startswith("__"):
            text = value.fget.__doc__ if isinstance(value, property) else value.__doc__
            assert text, f"{name} has no docstring"
    for name, value in ops.FUNCTIONS.items():
        assert getattr(mo, name) is value, name
        assert inspect.getdoc(value), f"{name} has no docstring"
