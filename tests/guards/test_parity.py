"""Every public name of PyTorch is here with its signature or left out by name and reason
(tests/parity.toml)."""

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
