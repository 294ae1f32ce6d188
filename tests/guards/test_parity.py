"""Every public name of PyTorch is here with its signature or left out by name and reason
(tests/parity.toml)."""

import inspect
from types import ModuleType

import pytest

import markone as mo
from guards import parity
from markone._left_out import LEFT_OUT

SPACES = list(parity.SPACES)


@pytest.mark.parametrize("space", SPACES)
def test_a_name_left_out_says_so(space):
    where = parity.space(mo, space)
    where = mo.zeros(1) if space == "Tensor" else where
    for name, reason in LEFT_OUT[space].items():
        with pytest.raises(AttributeError) as caught:
            getattr(where, name)
        assert name in str(caught.value) and reason in str(caught.value)
    with pytest.raises(AttributeError, match="has no attribute 'no_such_name'"):
        where.no_such_name


@pytest.mark.parametrize("space", SPACES)
def test_every_name_is_in_a_list(space):
    pytest.importorskip("torch", "2.13")
    _, _, absent = parity.lists()[space]
    assert not absent


def test_the_file_is_the_list():
    pytest.importorskip("torch", "2.13")
    assert parity.FILE.read_text(encoding="utf-8") == parity.written(parity.lists())


@pytest.mark.parametrize("space", SPACES)
def test_signatures(space):
    pytest.importorskip("torch", "2.13")
    differ = {}
    for name in parity.lists()[space][0]:
        ours = getattr(parity.space(mo, space), name)
        theirs = parity.torch_signatures(space, name)
        if theirs is None or not callable(ours) or isinstance(ours, ModuleType):
            continue
        try:
            mine = inspect.signature(ours.__init__ if inspect.isclass(ours) else ours)
        except (TypeError, ValueError):
            continue
        reason = parity.difference(theirs, mine)
        if reason and f"{space}.{name}" not in parity.AS_DOCUMENTED:
            differ[name] = reason
    assert not differ, "\n".join(f"{space}.{name}: {reason}" for name, reason in differ.items())


@pytest.mark.parametrize("space", ["nn", "nn.functional"])
def test_losses_take_what_pytorch_takes_in_its_places(space):
    pytest.importorskip("torch", "2.13")
    losses = 0
    for name in parity.lists()[space][0]:
        if "loss" not in name.lower() and "entropy" not in name:
            continue
        (theirs,) = parity.torch_signatures(space, name)
        ours = getattr(parity.space(mo, space), name)
        mine = inspect.signature(ours.__init__ if inspect.isclass(ours) else ours)
        plain = [[(p.name, p.kind, p.default) for p in s.parameters.values()] for s in (mine, theirs)]
        assert plain[0] == plain[1], f"{space}.{name}"
        losses += 1
    assert losses > 20
