"""Writes python/markone/tensor.pyi: the Tensor class of tensor.py with the methods of the operations' table.

``python tests/guards/tensor_stub.py`` after the table changed; test_tensor_stub.py fails while the file
differs.
"""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

from markone import ops

PACKAGE = Path(__file__).parents[2] / "python" / "markone"
FILE = PACKAGE / "tensor.pyi"

HEAD = """\
# Made by tests/guards/tensor_stub.py from tensor.py and the table in ops. Do not edit.
import builtins
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from . import _C
from .autograd.graph import HookHandle

"""
# A method may be called as a built-in type is, so types are written in full.
BUILTIN = re.compile(r"(?<![\w.])(int|float|bool|str|tuple|list|dict|object|complex|property)\b")
PLAIN = {"Pair": "tuple[int, int]", "ValuesIndices": "Any", "Number": "float"}


def _type(text: Any) -> str:
    if text is inspect.Parameter.empty:
        return "Any"
    words = str(text)
    for name, meaning in PLAIN.items():
        words = re.sub(rf"\b{name}\b", meaning, words)
    return BUILTIN.sub(r"builtins.\1", words)


def _method(name: str, function: Any) -> str:
    """One line for a function whose first parameter is the tensor."""
    signature = inspect.signature(function)
    parameters, starred = ["self"], False
    for i, p in enumerate(signature.parameters.values()):
        if i == 0:
            continue
        prefix = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        starred |= p.kind == p.VAR_POSITIONAL
        if p.kind == p.KEYWORD_ONLY and not starred:
            parameters.append("*")
            starred = True
        default = "" if p.default is p.empty else " = ..."
        parameters.append(f"{prefix}{p.name}: {_type(p.annotation)}{default}")
    returned = {"__iter__": "Iterator[Tensor]"}.get(name) or _type(signature.return_annotation)
    return f"    def {name}({', '.join(parameters)}) -> {returned}: ...\n"


def _own(node: ast.FunctionDef) -> str:
    """The signature of a function or method as tensor.py has it."""
    arguments = node.args
    for part in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]:
        if part.annotation is not None:
            part.annotation = ast.parse(_type(ast.unparse(part.annotation)), mode="eval").body
    arguments.defaults = [ast.Constant(...) for _ in arguments.defaults]
    arguments.kw_defaults = [d and ast.Constant(...) for d in arguments.kw_defaults]
    decorators = "".join(f"    @{ast.unparse(d)}\n" for d in node.decorator_list)
    returned = _type(ast.unparse(node.returns)) if node.returns else "Any"
    return f"{decorators}    def {node.name}({ast.unparse(arguments)}) -> {returned}: ...\n"


def _class(node: ast.ClassDef, extra: dict[str, Any]) -> str:
    bases = f"({', '.join(ast.unparse(b) for b in node.bases)})" if node.bases else ""
    out = f"class {node.name}{bases}:\n"
    for item in node.body:
        if isinstance(item, ast.AnnAssign):
            out += f"    {ast.unparse(item.target)}: {_type(ast.unparse(item.annotation))}\n"
        elif isinstance(item, ast.FunctionDef) and item.name not in extra:
            out += _own(item)
        elif isinstance(item, ast.Assign) and ast.unparse(item.targets[0]) == "nelement":
            out += "    def nelement(self) -> builtins.int: ...\n"
    for name in sorted(extra):
        value = extra[name]
        if isinstance(value, property):
            out += f"    @property\n    def {name}(self) -> Tensor: ...\n"
        else:
            out += _method(name, value)
    return out + "\n"


def generate() -> str:
    """The text of the stub."""
    tree = ast.parse((PACKAGE / "tensor.py").read_text(encoding="utf-8"))
    out = HEAD
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            out += _class(node, ops.method_table() if node.name == "Tensor" else {})
        elif isinstance(node, ast.FunctionDef):
            out += "\n".join(line[4:] for line in _own(node).splitlines()) + "\n"
    return out


if __name__ == "__main__":
    FILE.write_text(generate(), encoding="utf-8")
