"""Every symbol that a kernel object defines is in the namespace of its instruction set: a function that two
ISA builds share would be one of them, chosen by the linker, and an illegal instruction on some machine."""

import os
import platform
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

CSRC = Path(__file__).parents[2] / "csrc"
FLAGS = {"baseline": [], "ref": []}
if platform.machine() in ("x86_64", "AMD64"):
    FLAGS["avx2"] = ["-mavx2", "-mfma", "-mf16c"]
    FLAGS["avx512"] = [*FLAGS["avx2"], "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"]
elif platform.machine() in ("aarch64", "arm64"):
    FLAGS["neon"] = []

compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")
needs_compiler = pytest.mark.skipif(
    not compiler or not shutil.which("nm") or os.name == "nt", reason="needs a C++ compiler and nm"
)


def compile_and_list(source: Path, isa: str, level: str, folder: Path) -> list[str]:
    """The demangled names of the external and weak symbols that the object of `source` defines."""
    target = folder / f"{isa}_{source.stem}_{level}.o"
    launcher = [shutil.which("ccache")] if shutil.which("ccache") else []
    command = [
        *launcher, compiler, "-std=c++20", level, "-ffp-contract=off", "-fno-math-errno",
        "-fno-trapping-math",
        "-fno-exceptions", "-fno-rtti", "-fvisibility=hidden", "-w", f"-I{CSRC}", f"-DMARKONE_ISA={isa}",
        f"-DMARKONE_ISA_{isa}=1", *FLAGS[isa], "-c", str(source), "-o", str(target),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, text=True)
    listing = subprocess.run(
        ["nm", "--defined-only", "--extern-only", "-C", str(target)],
        check=True,
        capture_output=True,
        text=True,
    )
    return [
        line.split(maxsplit=2)[2] for line in listing.stdout.splitlines() if len(line.split(maxsplit=2)) == 3
    ]


def strangers(names: list[str], isa: str) -> list[str]:
    return [n for n in names if not re.match(rf"(?:\w+ for )?markone::{isa}::", n)]


def sources(isa: str) -> list[Path]:
    return sorted((CSRC / "kernels" / ("ref" if isa == "ref" else "cpu")).rglob("*.cpp"))


@needs_compiler
@pytest.mark.slow  # compiles every kernel file once more for each instruction set; .ci/run does it
@pytest.mark.parametrize("level", ["-O0", "-O2"])
@pytest.mark.parametrize("isa", sorted(FLAGS))
def test_symbols_stay_in_the_namespace_of_their_isa(isa, level, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        listed = pool.map(lambda s: (s, compile_and_list(s, isa, level, tmp_path)), sources(isa))
        wrong = {str(s.relative_to(CSRC)): strangers(names, isa) for s, names in listed}
    assert wrong, "there are no kernel files"
    assert not {s: n for s, n in wrong.items() if n}


@needs_compiler
def test_symbols_of_the_smallest_family_at_o0(tmp_path):
    """The same on one family in the default run: at -O0 nothing is inlined, so a shared function shows."""
    isa = sorted(FLAGS)[0] if len(FLAGS) == 2 else ("avx2" if "avx2" in FLAGS else "neon")
    source = min((CSRC / "kernels" / "cpu").rglob("*/*.cpp"), key=lambda p: p.stat().st_size)
    names = compile_and_list(source, isa, "-O0", tmp_path)
    assert names
    assert not strangers(names, isa)


@needs_compiler
def test_a_shared_function_is_found(tmp_path):
    source = tmp_path / "shared.cpp"
    source.write_text(
        "template <class T> T twice(T x) { return x + x; }\n"
        "namespace markone::MARKONE_ISA { float f(float x) { return twice(x); } }\n",
        encoding="utf-8",
    )
    assert strangers(compile_and_list(source, "baseline", "-O0", tmp_path), "baseline") == [
        "float twice<float>(float)"
    ]
