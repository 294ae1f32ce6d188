"""Writes python/markone/_C.pyi from the native module's own signatures.

``python tests/guards/stubs.py`` after a binding changed; test_stubs.py fails while the file differs.
"""

from __future__ import annotations

import keyword
import re
import types
from pathlib import Path
from typing import Any

from markone import _C

FILE = Path(__file__).parents[2] / "python" / "markone" / "_C.pyi"

HEAD = """\
# Made by tests/guards/stubs.py from the native module. Do not edit.
import builtins
import collections.abc
import typing

import numpy

_DType: typing.TypeAlias = dtype
_Int: typing.TypeAlias = typing.SupportsIndex
_Float: typing.TypeAlias = typing.SupportsFloat | typing.SupportsIndex
_Dims: typing.TypeAlias = collections.abc.Sequence[typing.SupportsIndex] | typing.SupportsIndex
_Operand: typing.TypeAlias = Array | float

"""

# pybind11's words, the stub's words.
ARGUMENT = [
    (r"typing\.SupportsInt \| typing\.SupportsIndex", "_Int"),
    (r"typing\.SupportsFloat \| typing\.SupportsIndex", "_Float"),
    (r"collections\.abc\.Sequence\[int\]", "_Dims"),
    (r"\bArray \| float\b", "_Operand"),
]
BOTH = [
    (r"collections\.abc\.Sequence\[int\]", "builtins.tuple[builtins.int, ...]"),
    (r"markone\._C\.", ""),
    (r"(?<![\w.])dtype\b", "_DType"),
    (r"\bnumpy\.ndarray\b(?!\[)", "numpy.typing.NDArray[typing.Any]"),
    (r"\bnumpy\.ndarray\[[^\]]*\]", "numpy.typing.NDArray[typing.Any]"),
    (r"(?:types\.CapsuleType|(?<![\w.])(?:capsule|object|handle))\b", "typing.Any"),
    (r"(?<![\w.])dict\b(?!\[)", "dict[typing.Any, typing.Any]"),
    (r"(?<![\w.])list\b(?!\[)", "list[typing.Any]"),
    (r"(?<![\w.])tuple\b(?!\[)", "tuple[typing.Any, ...]"),
    (r"(?<![\w.])(int|float|bool|str|bytes|dict|list|tuple|set)\b", r"builtins.\1"),
]


def _type(text: str, argument: bool) -> str:
    for pattern, word in (ARGUMENT if argument else []) + BOTH:
        text = re.sub(pattern, word, text)
    # An argument may also be taken from a subclass of a list of arrays: lists stand for sequences there.
    if argument:
        text = text.replace("builtins.list[", "collections.abc.Sequence[")
    if "::" in text:
        raise TypeError(f"a C++ type shows through: '{text}'; register or convert it in the binding")
    return text


def split(text: str) -> list[str]:
    """The parts between commas that are in no bracket or string."""
    parts, depth, start, quote = [], 0, 0, ""
    for i, c in enumerate(text):
        if quote:
            quote = "" if c == quote else quote
        elif c in "'\"":
            quote = c
        elif c in "([{<":
            depth += 1
        elif c in ")]}":
            depth -= 1
        elif c == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    return [p for p in [*parts, text[start:].strip()] if p]


def signatures(function: Any) -> list[str]:
    """pybind11's signature lines, "name(a: T) -> R", one an overload."""
    lines = (function.__doc__ or "").splitlines()
    if any(line == "Overloaded function." for line in lines):
        return [re.sub(r"^\d+\. ", "", line) for line in lines if re.match(r"^\d+\. \w+\(", line)]
    return lines[:1]


def parameters(signature: str) -> tuple[list[tuple[str, str, str]], str]:
    """((name, type, default), ...) and the type of the result."""
    match = re.fullmatch(r"\w*\((.*)\)(?: -> (.*))?", signature.strip())
    if not match:
        raise ValueError(f"no signature: '{signature}'")
    found = []
    for part in split(match.group(1)):
        name, _, rest = part.partition(": ")
        kind, _, default = rest.partition(" = ")
        found.append((name, kind, default))
    return found, match.group(2) or "None"


def _definition(name: str, signature: str, indent: str, overloaded: bool) -> str:
    found, result = parameters(signature)
    arguments, unnamed = [], False
    for i, (parameter, kind, default) in enumerate(found):
        if parameter in ("/", "*", "*args", "**kwargs"):
            arguments.append(parameter + (": typing.Any" if parameter.endswith("args") else ""))
            continue
        if keyword.iskeyword(parameter):
            raise ValueError(f"{name}: a parameter is called '{parameter}', which no caller can write")
        if indent and i == 0:
            arguments.append("self")
            continue
        was_unnamed, unnamed = unnamed, re.fullmatch(r"arg\d+", parameter) is not None
        if was_unnamed and not unnamed:
            arguments.append("/")
        none = " | None" if default == "None" and "None" not in kind else ""
        arguments.append(f"{parameter}: {_type(kind, True)}{none}" + (" = ..." if default else ""))
    if unnamed:
        arguments.append("/")
    head = f"{indent}@typing.overload\n" if overloaded else ""
    return f"{head}{indent}def {name}({', '.join(arguments)}) -> {_type(result, False)}: ...\n"


def _class(cls: type) -> str:
    if issubclass(cls, Exception):
        return f"class {cls.__name__}({', '.join(f'builtins.{b.__name__}' for b in cls.__bases__)}): ...\n\n"
    out, members = f"@typing.final\nclass {cls.__name__}:\n", ""
    for name in sorted(vars(cls)):
        value = vars(cls)[name]
        if isinstance(value, property | types.GetSetDescriptorType) and name != "__dict__":
            reader = getattr(value, "fget", value)
            getter = (getattr(reader, "__doc__", "") or "").strip().splitlines()[0]
            result = _type(parameters(getter)[1], False)
            members += f"    @property\n    def {name}(self) -> {result}: ...\n"
            if getattr(value, "fset", None) is not None:
                members += f"    @{name}.setter\n    def {name}(self, value: typing.Any, /) -> None: ...\n"
        elif callable(value) and re.match(r"\w+\(", value.__doc__ or "") and name not in _INHERITED:
            lines = signatures(value)
            members += "".join(_definition(name, line, "    ", len(lines) > 1) for line in lines)
    return out + (members or "    ...\n") + "\n"


_INHERITED = {f"__{word}__" for word in "eq ne hash str repr reduce new getstate setstate".split()}


def generate() -> str:
    """The text of the stub file."""
    classes, functions, values = "", "", ""
    for name in sorted(vars(_C)):
        value = getattr(_C, name)
        if name.startswith("__") and name != "__version__":
            continue
        if isinstance(value, type):
            classes += _class(value)
        elif callable(value):
            lines = signatures(value)
            functions += "".join(_definition(name, line, "", len(lines) > 1) for line in lines)
        elif isinstance(value, _C.dtype):
            values += f"{name}: _DType\n"
        elif isinstance(value, (dict, list, tuple)):
            values += f"{name}: builtins.{type(value).__name__}[{_elements(value)}]\n"
        else:
            kind = type(value)
            own = kind.__module__.startswith("markone")
            values += f"{name}: {kind.__name__ if own else 'builtins.' + kind.__name__}\n"
    text = HEAD + classes + functions + "\n" + values
    if "numpy." not in text[len(HEAD) :]:
        return text.replace("\nimport numpy\n", "")
    return text.replace("import numpy\n", "import numpy.typing\n")


def _elements(value: Any) -> str:
    return "builtins.str, typing.Any" if isinstance(value, dict) else "typing.Any"


if __name__ == "__main__":
    FILE.write_text(generate(), encoding="utf-8")
