"""`markone bench`: a row a case, peers alternating, errors that say what there is."""

import importlib

import pytest

from markone.bench import compare
from markone.cli import main


def test_every_group_has_cases_with_markone_in_them():
    for group in compare.GROUPS:
        cases = importlib.import_module(f"markone.bench.{group}").CASES
        assert cases and all("markone" in peers for peers in cases.values())
        assert {peer for peers in cases.values() for peer in peers} <= set(compare.PEER_MODULES)


def test_a_case_is_timed_in_its_own_process(monkeypatch, capsys):
    monkeypatch.setattr(
        compare, "PEER_MODULES", {"markone": "markone"} | dict.fromkeys(("torch", "numpy"), "no_such")
    )
    result = compare.compare("step", "lenet5_b1", rounds=2, seconds=0.01)
    assert list(result.seconds) == ["markone"] and len(result.seconds["markone"]) == 2
    assert result.ratio("markone") == 1.0
    compare.print_table("step", [result], 1)
    assert capsys.readouterr().out.splitlines()[1].startswith("lenet5_b1 ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stop"], "'stop' is not a group of benchmarks; did you mean step?"),
        (["step", "--case", "lenet"], "'lenet' is not a case"),
        (["step", "--rounds", "0"], "got --rounds 0, wants 1 or more"),
    ],
)
def test_bad_arguments(arguments, message, capsys):
    assert main(["bench", *arguments]) == 2
    assert message in capsys.readouterr().err
