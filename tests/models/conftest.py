"""What the tests of models share."""

import pytest

from markone.nn import init


@pytest.fixture
def undrawn(monkeypatch):
    """Networks are built without drawing their weights: for tests that only count."""
    for name in ("uniform_", "normal_", "kaiming_uniform_", "kaiming_normal_"):
        monkeypatch.setattr(init, name, lambda tensor, *args, **kwargs: tensor)
