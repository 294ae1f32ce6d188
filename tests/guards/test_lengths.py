"""No file grows past what one sitting can read."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
LONGEST = 500
MADE = {
    "python/markone/_C.pyi",
    "python/markone/tensor.pyi",
    "python/markone/__init__.pyi",
    "python/markone/ops/__init__.pyi",
}  # by tests/guards/stubs.py and tensor_stub.py


def test_no_file_is_longer_than_500_lines():
    suffixes = {".py", ".pyi", ".h", ".cpp", ".cu", ".cuh", ".def"}
    files = [
        p for top in ("csrc", "python", "tests") for p in (ROOT / top).rglob("*") if p.suffix in suffixes
    ]
    lengths = {p.relative_to(ROOT).as_posix(): len(p.read_text(encoding="utf-8").splitlines()) for p in files}
    assert len(lengths) > 50
    long = {name: n for name, n in lengths.items() if n > LONGEST and name not in MADE}
    assert not long, f"split by theme: {long}"
