"""Writes the stubs of what the table of operations fills: Tensor (tensor.pyi), ops, and the package itself.

``python tests/guards/tensor_stub.py`` after the table changed; test_tensor_stub.py fails while one differs.
"""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import markone
from markone import ops

PACKAGE = Path(__file__).parents[2] / "python" / "markone"

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


def _method(name: str, function: Any, bound: bool = True) -> str:
    """One line for a function; if bound, for the method whose first parameter is the tensor."""
    signature = inspect.signature(function)
    parameters, starred = ["self"] if bound else [], False
    for i, p in enumerate(signature.parameters.values()):
        if i == 0 and bound:
            continue
        prefix = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        starred |= p.kind == p.VAR_POSITIONAL
        if p.kind == p.KEYWORD_ONLY and not starred:
            parameters.append("*")
            starred = True
        default = "" if p.default is p.empty else " = ..."
        parameters.append(f"{prefix}{p.name}: {_type(p.annotation)}{default}")
    if not bound and getattr(function, "_writes", False):
        last = len(parameters) - (prefix == "**")
        parameters[last:last] = ["out: Any = ..."] if starred else ["*", "out: Any = ..."]
    returned = {"__iter__": "Iterator[Tensor]"}.get(name) or _type(signature.return_annotation)
    indent = "    " if bound else ""
    return f"{indent}def {name}({', '.join(parameters)}) -> {returned}: ...\n"


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


def generate_package() -> str:
    """The text of the package's stub: what __init__.py imports, loads later, and takes from the table."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    out = "# Made by tests/guards/tensor_stub.py from __init__.py and the table in ops. Do not edit.\n"
    out += "import builtins\nfrom collections.abc import Sequence\nfrom typing import Any\n\n"
    known: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module != "__future__":
            for alias in node.names:
                name = alias.asname or alias.name
                known.add(name)
                if not name.startswith("_") or name in ("_C", "__version__"):
                    out += f"from {'.' * node.level}{node.module or ''} import {alias.name} as {name}\n"
    for module in sorted(markone._LAZY_MODULES):
        out += f"from . import {module} as {module}\n"
    for name, module in sorted(markone._LAZY_NAMES.items()):
        out += f"from .{module} import {name} as {name}\n"
    for node in tree.body:  # set_num_threads = _C.set_num_threads
        if isinstance(node, ast.Assign) and not ast.unparse(node.targets[0]).startswith(("_", "globals")):
            out += ast.unparse(node) + "\n"
            known.add(ast.unparse(node.targets[0]))
    return out + "".join(
        f"from .ops import {name} as {name}\n" for name in sorted(ops.FUNCTIONS) if name not in known
    )


def generate_operations() -> str:
    """The text of the stub of ops: the table's functions."""
    out = "# Made by tests/guards/tensor_stub.py from the table in ops. Do not edit.\n"
    out += "import builtins\nfrom collections.abc import Sequence\nfrom typing import Any\n\n"
    out += "from ..tensor import Tensor\n\nFUNCTIONS: dict[str, Any]\nMETHODS: tuple[str, ...]\n\n"
    out += "def method_table() -> dict[str, Any]: ...\n"
    return out + "".join(_method(name, ops.FUNCTIONS[name], bound=False) for name in sorted(ops.FUNCTIONS))


def stubs() -> dict[Path, str]:
    """Each file that is made here, with its text."""
    return {
        PACKAGE / "tensor.pyi": generate(),
        PACKAGE / "__init__.pyi": generate_package(),
        PACKAGE / "ops" / "__init__.pyi": generate_operations(),
    }


if __name__ == "__main__":
    for path, text in stubs().items():
        path.write_text(text, encoding="utf-8")
