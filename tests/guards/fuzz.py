"""Calls every function of the native module, or of the public Python layer, with right and wrong arguments.

``python fuzz.py native|python SEED COUNT LOG``: the call under way stands in LOG before it is made, so a
crash, a hang or an out-of-memory kill leaves it there. Ends with status 1 after a call that raised something
that is not a clear Python exception or that wrote outside a buffer.
"""

from __future__ import annotations

import gc
import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import markone
from markone import _C

sys.path.insert(0, str(Path(__file__).parent))
stubs = importlib.import_module("stubs")
Fuzzer = importlib.import_module("fuzz_values").Fuzzer

EXPECTED = (
    TypeError,
    ValueError,
    IndexError,
    RuntimeError,
    NotImplementedError,
    MemoryError,
    OverflowError,
    BufferError,
    AttributeError,
    KeyError,
    ZeroDivisionError,
    StopIteration,
)
# The words of a C++ library or of an assertion: nobody checked the argument.
UNCLEAR = re.compile(r"std::|vector::|basic_string|unknown exception|bad_alloc|[Aa]ssert|\.cpp|\.h:\d")
# These change the process rather than compute, or take memory that Python promised to be right.
LEFT_OUT = {
    "set_num_threads",
    "set_isa",
    "set_guarded",
    "set_tensor_layout",
    "set_node_layout",
    "set_tracer",
    "modes",
    "force_implementation",
    "begin_recording",
    "end_recording",
    "set_num_interop_threads",
    "empty_cache",
}


def native_targets() -> list[tuple[str, Callable[..., Any], str]]:
    """(name, function, signature) of each function and each method of Array."""
    found = []
    for owner, prefix in ((_C, ""), (_C.Array, "Array.")):
        for name, value in sorted(vars(owner).items()):
            if (
                name.startswith("_")
                or name in LEFT_OUT
                or isinstance(value, (type, property))
                or not callable(value)
            ):
                continue
            for line in stubs.signatures(value):
                found.append((prefix + name, getattr(owner, name), line))
    return found


def python_targets() -> list[tuple[str, Callable[..., Any], inspect.Signature]]:
    """The public functions of markone, nn.functional and the Tensor."""
    found = []
    for owner, prefix in (
        (markone, "mo."),
        (importlib.import_module("markone.nn.functional"), "F."),
        (markone.Tensor, "Tensor."),
    ):
        for name in sorted(dir(owner)):
            value = getattr(owner, name, None)
            if name.startswith("_") or name in LEFT_OUT or inspect.isclass(value) or inspect.ismodule(value):
                continue
            if not callable(value) or name in (
                "explain",
                "save",
                "load",
                "compile",
                "profile",
                "register_hook",
            ):
                continue
            try:
                found.append((prefix + name, value, inspect.signature(value)))
            except (TypeError, ValueError):
                continue
    return found


def calls(fuzzer: Any, level: str) -> Callable[[], tuple[str, Callable[[], Any]]]:
    """A function that makes the next call: its text and how to make it."""
    targets: list[Any] = native_targets() if level == "native" else python_targets()
    assert len(targets) > 30, "there is hardly anything to call"

    def following() -> tuple[str, Callable[[], Any]]:
        r = fuzzer.rng
        fuzzer.base = tuple(r.choice([1, 2, 3, 4, 6]) for _ in range(r.choice([1, 2, 2, 3, 4, 4])))
        name, function, signature = r.choice(targets)
        if level == "native":
            found, _ = stubs.parameters(signature)
            found = [(n, kind, default) for n, kind, default in found if kind]
            values = [fuzzer.typed(kind, n) for n, kind, _ in found]
            right = fuzzer.recipe(name)
            if right is not None and len(right) == len(values) and r.random() < 0.85:
                # One wrong argument among right ones reaches further into the operation.
                wrong = r.randrange(len(values)) if r.random() < 0.8 else -1
                values = [values[i] if i == wrong else right[i] for i in range(len(values))]
        else:
            values = [
                fuzzer.guessed(p)
                for p in signature.parameters.values()
                if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL)
            ]
            if name.startswith("Tensor."):
                values[0:1] = [fuzzer.array()]
        text = f"{name}({', '.join(v[1] for v in values)})"
        return text, lambda: function(*[v[0] for v in values])

    return following


def use(result: Any) -> None:
    """Reads what came back, so that a wrong window shows."""
    for x in result if isinstance(result, (tuple, list)) else (result,):
        native = getattr(x, "_array", x)
        if isinstance(native, _C.Array) and native.numel <= 1 << 16:
            _C.contiguous(native)
            if native.device.type == "cpu":
                np.asarray(_C.to_numpy(_C.cast(native, _C.float64))).sum()
        if (
            getattr(x, "requires_grad", False)
            and x.numel()
            and x.numel() <= 1 << 12
            and x.grad_fn is not None
        ):
            x.sum().backward()


def main(level: str, seed: int, count: int, log: str) -> int:
    if sys.platform == "linux":
        import resource

        used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * os.sysconf(
            "SC_PAGE_SIZE"
        )
        resource.setrlimit(resource.RLIMIT_AS, (used + (3 << 29), resource.getrlimit(resource.RLIMIT_AS)[1]))
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)

    def note(text: str) -> None:
        raw = text.encode("utf-8", "replace")
        os.pwrite(handle, raw, 0)
        os.ftruncate(handle, len(raw))

    _C.set_guarded(True)
    np.seterr(all="ignore")
    fuzzer = Fuzzer(seed, level)
    following = calls(fuzzer, level)
    raised = done = 0
    failures = []
    for i in range(count):
        text, call = following()
        note(f"call {i} of seed {seed}: {text}")
        try:
            result = call()
            use(result)
            done += 1
            del result
        except Exception as error:
            raised += 1
            message = str(error)
            if not isinstance(error, EXPECTED) or not message.strip() or UNCLEAR.search(message):
                failures.append(f"{text} raised {type(error).__name__}: {message[:300]}")
            del error
        del call
        if i % 50 == 49:
            gc.collect()
        if _C.damaged_guards():
            failures.append(f"{text} or the call before it wrote outside a buffer")
            break
    note("")
    print(f"{done} calls gave a result, {raised} raised")
    for failure in failures[:20]:
        print(failure)
    if not done or not raised:
        print("either everything worked or nothing did: the arguments are not what they should be")
        return 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
