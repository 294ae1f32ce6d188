"""Which C++ file may include which, and what a kernel may not use."""

import re
from pathlib import Path

import pytest

CSRC = Path(__file__).parents[2] / "csrc"
FILES = sorted(p for p in CSRC.rglob("*") if p.suffix in (".h", ".cpp", ".cu", ".cuh", ".def"))

C_HEADERS = {"stdint.h", "stddef.h", "string.h", "math.h", "float.h", "limits.h"}
INTRINSICS = {"immintrin.h", "arm_neon.h"}
# Folder -> patterns of the project's headers that its files may include; {family} is a kernel's own folder.
PROJECT = {
    "core": [r"core/.*", r"contract/(run|dtype|device)\.h"],
    "contract": [r"contract/.*", r"kernels/common/\w+\.def"],
    "kernels/common": [r"contract/.*", r"kernels/common/.*"],
    "kernels/ref": [r"contract/.*", r"kernels/common/.*", r"kernels/ref/.*"],
    "kernels/cpu": [
        r"contract/.*",
        r"kernels/common/.*",
        r"kernels/cpu/vec\w*\.h",
        r"kernels/cpu/gemm/.*\.h",
        r"{family}/.*",
    ],
    "kernels/cpu_bf16": [r"contract/.*", r"kernels/cpu/vec\w*\.h", r"kernels/cpu/gemm/.*\.h"],
    "kernels/cuda": [r"contract/.*", r"kernels/common/.*", r"kernels/cuda/device/.*\.cuh", r"{family}/.*"],
    "ops": [r"ops/.*", r"contract/.*", r"core/.*", r"kernels/common/\w+\.def"],
    "bind": [r"bind/.*", r"ops/.*", r"contract/.*", r"core/.*", r"kernels/common/\w+\.def"],
}
# Beside these, core, ops and bind take the standard library.
SYSTEM = {
    "contract": {"cstdint"},
    "kernels/common": C_HEADERS | INTRINSICS,
    "kernels/ref": C_HEADERS,
    "kernels/cpu": C_HEADERS | INTRINSICS,
    "kernels/cpu_bf16": C_HEADERS | INTRINSICS,
    "kernels/cuda": C_HEADERS | {"cuda_bf16.h", "cuda_fp16.h", "cuda_runtime.h", "mma.h"},
}


def room_of(path: str) -> str:
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] == "kernels" else parts[0]


def includes(text: str) -> list[tuple[str, str]]:
    """('<' or '"', name) of each #include."""
    return re.findall(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', text, re.M)


def wrong_includes(path: str, text: str) -> list[str]:
    """The includes that the file at `path` (from csrc) may not have, each with the reason."""
    room = room_of(path)
    if room not in PROJECT:
        return [f"{path}: there is no room '{room}'"]
    folder = path.rsplit("/", 1)[0]
    family = re.escape(folder) if folder != room else "no family"
    wrong = []
    for bracket, name in includes(text):
        if bracket == '"':
            patterns = [p.replace("{family}", family) for p in PROJECT[room]]
            if not any(re.fullmatch(p, name) for p in patterns):
                wrong.append(f'{path} includes "{name}"; {room} may include {", ".join(patterns)}')
            elif not (CSRC / name).exists():
                wrong.append(f'{path} includes "{name}", which is written from csrc and is not there')
        elif room in SYSTEM and name not in SYSTEM[room]:
            wrong.append(f"{path} includes <{name}>; {room} may include {', '.join(sorted(SYSTEM[room]))}")
        elif room != "bind" and re.match(r"pybind11|Python\.h|numpy", name):
            wrong.append(f"{path} includes <{name}>: only bind knows Python")
    return wrong


def without_comments(text: str) -> str:
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    return re.sub(r'//[^\n]*|"(?:\\.|[^"\\\n])*"', " ", text)


# What a kernel file may not say. Threads and scratch come through Run.
FORBIDDEN = {
    r"\bstd::": "a function template shared by two ISA builds can be an illegal instruction",
    r"\b(?:malloc|calloc|realloc|free|alloca)\s*\(": "allocates; take run->scratch",
    r"\bnew\b": "allocates; take run->scratch",
    r"\bthrow\b|\btry\b|\bcatch\b": "uses exceptions; report values with run->report",
    r"\bthread_local\b|\bstatic\s+(?!inline|constexpr|const\b)[^;()]*[={;]": "keeps a global",
}  # fmt: skip


def forbidden_words(path: str, text: str) -> list[str]:
    clean = without_comments(text)
    return [f"{path}: '{m.group()}' {why}" for p, why in FORBIDDEN.items() for m in re.finditer(p, clean)]


@pytest.mark.parametrize("room", sorted(PROJECT))
def test_includes_keep_to_their_rooms(room):
    wrong = []
    for path in FILES:
        name = path.relative_to(CSRC).as_posix()
        if room_of(name) == room:
            wrong += wrong_includes(name, path.read_text(encoding="utf-8"))
    assert not wrong, "\n".join(wrong)


def test_every_cpp_file_is_in_a_room():
    strangers = [p for p in FILES if room_of(p.relative_to(CSRC).as_posix()) not in PROJECT]
    assert not strangers
    assert FILES


def test_kernels_neither_allocate_nor_throw_nor_use_std():
    wrong = []
    for path in FILES:
        name = path.relative_to(CSRC).as_posix()
        if name.startswith("kernels/") and path.suffix != ".def" and not name.startswith("kernels/cuda/host"):
            wrong += forbidden_words(name, path.read_text(encoding="utf-8"))
    assert not wrong, "\n".join(wrong)


def test_contract_headers_define_no_function():
    wrong = []
    for path in (CSRC / "contract").glob("*.h"):
        clean = without_comments(path.read_text(encoding="utf-8"))
        wrong += [
            f"{path.name}: {m.group()}" for m in re.finditer(r"\binline\b(?!\s+constexpr)|\breturn\b", clean)
        ]
    assert not wrong, "one inline function in two ISA builds is one function: " + ", ".join(wrong)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("core/a.h", '#include "ops/plan.h"'),
        ("core/a.h", '#include "contract/gemm.h"'),
        ("contract/a.h", "#include <vector>"),
        ("kernels/cpu/pool/a.cpp", '#include "kernels/cpu/conv/b.h"'),
        ("kernels/cpu/pool/a.cpp", '#include "core/array.h"'),
        ("kernels/cpu/pool/a.cpp", "#include <algorithm>"),
        ("kernels/ref/a.cpp", '#include "kernels/cpu/vec.h"'),
        ("ops/a.cpp", '#include "kernels/cpu/vec.h"'),
        ("ops/a.cpp", "#include <pybind11/pybind11.h>"),
        ("bind/a.cpp", '#include "kernels/common/philox.h"'),
        ("bind/a.cpp", '#include "core/is_not_there.h"'),
        ("lib/a.cpp", ""),
    ],
)
def test_a_wrong_include_is_found(path, text):
    assert wrong_includes(path, text + "\n")


@pytest.mark.parametrize(
    "text",
    [
        "std::max(a, b)",
        "float* p = (float*)malloc(4);",
        "auto p = new T;",
        "throw 1;",
        "thread_local int x;",
        "static int count = 0;",
    ],
)
def test_a_forbidden_word_is_found(text):
    assert forbidden_words("kernels/cpu/a.cpp", text)
    assert not forbidden_words("kernels/cpu/a.cpp", "// " + text)
