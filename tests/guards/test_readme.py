"""The README's example runs as it is printed there, and the paths that it names exist."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)


def test_the_example_runs_and_prints_what_it_says(tmp_path):
    (example,) = blocks("python")
    expected = re.findall(r"print\(.*\)  # (.*)", example)
    assert expected
    assert len(example.splitlines()) <= 25
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    printed = [line.replace("-0.0", "0.0") for line in done.stdout.splitlines()]
    assert printed == expected


def test_the_map_names_folders_that_exist():
    (tree,) = [b for b in re.findall(r"^```\n(.*?)^```$", README, re.M | re.S) if "csrc/" in b]
    top, missing = Path(), []
    for line in tree.splitlines():
        indent = len(line) - len(line.lstrip())
        words = [w for w in line.strip().split("  ")[0].split() if re.fullmatch(r"[\w./]+", w)]
        if indent == 0:
            top = Path(words[0])
        missing += [
            str(f)
            for w in words
            if not (f := (top / w if indent else Path(w))).exists() and not (ROOT / f).exists()
        ]
    assert not missing


def test_links_between_documents_lead_somewhere():
    broken = []
    for document in [ROOT / "README.md", ROOT / "csrc" / "README.md", *(ROOT / "docs").rglob("*.md")]:
        prose = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.S)
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", prose):
            if "://" not in target and not (document.parent / target).exists():
                broken.append(f"{document.relative_to(ROOT)}: {target}")
    assert not broken
