"""Every public operation has cases for each of its checks, and docs/coverage.md says so."""

from guards import coverage


def test_every_operation_has_its_row():
    rows = coverage.rows(coverage.all_ops())
    assert not [name for name in coverage.wanted() if name not in rows], "these have no case"
    assert not [row for row in rows.values() if "no case" in row]
    # Made by `python tests/guards/coverage.py`.
    assert coverage.FILE.read_text(encoding="utf-8") == coverage.HEAD + "".join(rows.values())
