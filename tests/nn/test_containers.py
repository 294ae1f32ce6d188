"""Containers and the rest of Module's methods: hooks of state, extra state, replacing parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import markone as mo
from markone import nn


def test_sequential_joins_and_repeats() -> None:
    a = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    assert len(a * 2) == 4 and len(2 * a) == 4 and (a * 2)[2] is a[0] and len(a) == 2
    a += nn.Sequential(nn.ReLU())
    assert len(a) == 3 and type(a[2]).__name__ == "ReLU"
    a *= 2
    assert len(a) == 6
    last = a.pop(5)
    assert isinstance(last, nn.ReLU) and len(a) == 5
    for bad in (0, -1):
        with pytest.raises(ValueError, match="Sequential"):
            a * bad
    with pytest.raises(TypeError, match="Sequential"):
        a * 1.5  # type: ignore[operator]
    m = nn.ModuleList([nn.Tanh()])
    m += [nn.ReLU(), nn.Tanh()]
    assert [type(x).__name__ for x in m] == ["Tanh", "ReLU", "Tanh"]


def test_parameter_list_keeps_what_is_none() -> None:
    p = nn.ParameterList([mo.ones(2), "text"])
    p += [mo.zeros(3)]
    assert [type(v).__name__ for v in p] == ["Parameter", "str", "Parameter"] and len(p) == 3
    assert list(p.state_dict()) == ["0", "2"]
    p[1] = mo.ones(1)
    assert p[-2].requires_grad and len(list(p.parameters())) == 3
    assert "(1): Parameter containing" in repr(p)
    with pytest.raises(IndexError, match="ParameterList"):
        p[3]
    with pytest.raises(TypeError, match="extend"):
        p.extend(mo.ones(2))


def test_parameter_dict_is_a_dict() -> None:
    d = nn.ParameterDict({"a": mo.ones(1), "b": mo.zeros(2)})
    other = nn.ParameterDict([("b", mo.ones(3)), ("c", mo.ones(4))])
    both = d | other
    assert list(both) == ["a", "b", "c"] and both["b"].shape == (3,) and d["b"].shape == (2,)
    d |= other
    assert list(d.keys()) == ["a", "b", "c"] and list(reversed(d)) == ["c", "b", "a"]
    assert d["c"] is other["c"] and d.get("x") is None and d.get("x", 3) == 3
    assert d.setdefault("e", mo.ones(1)).requires_grad and d.popitem()[0] == "e"
    assert d.pop("a").shape == (1,) and "a" not in d and len(d) == 2
    assert dict(d.copy().items())["b"] is d["b"] and list(d.fromkeys(["x", "y"], 1).values()) == [1, 1]
    assert list(d.state_dict()) == ["b", "c"]
    d.clear()
    assert len(d) == 0 and not list(d.parameters())
    with pytest.raises(KeyError):
        d["b"]
    with pytest.raises(KeyError, match="attribute"):
        d["keys"] = mo.ones(1)
    with pytest.raises(KeyError, match="empty"):
        d.popitem()


class Counter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(mo.ones(2))
        self.seen = 0

    def get_extra_state(self) -> Any:
        return {"seen": self.seen}

    def set_extra_state(self, state: Any) -> None:
        self.seen = state["seen"]


def test_extra_state() -> None:
    a, b = nn.Sequential(Counter()), nn.Sequential(Counter())
    a[0].seen = 5  # type: ignore[assignment]
    state = a.state_dict()
    assert list(state) == ["0.weight", "0._extra_state"]
    b.load_state_dict(state)
    assert b[0].seen == 5
    del state["0._extra_state"]
    with pytest.raises(RuntimeError, match="_extra_state"):
        b.load_state_dict(state)
    assert b.load_state_dict(state, strict=False).missing_keys == ["0._extra_state"]
    with pytest.raises(RuntimeError, match="_extra_state"):
        nn.Linear(1, 1).load_state_dict({**nn.Linear(1, 1).state_dict(), "_extra_state": 1})


def test_state_hooks() -> None:
    net, calls = nn.Sequential(nn.Linear(2, 2)), []
    net[0].register_state_dict_pre_hook(lambda module, prefix, keep: calls.append(prefix))
    renamed = net[0].register_state_dict_post_hook(
        lambda module, state, prefix, meta: state.update({prefix + "w": state.pop(prefix + "weight")})
    )
    state = net.state_dict()
    assert sorted(state) == ["0.bias", "0.w"] and calls == ["0."]
    renamed.remove()
    assert sorted(net.state_dict()) == ["0.bias", "0.weight"]

    def back(module: Any, state: Any, prefix: str, *rest: Any) -> None:
        state[prefix + "weight"] = state.pop(prefix + "w")

    handle = net[0].register_load_state_dict_pre_hook(back)
    net.load_state_dict(state)
    assert "0.w" in state  # a copy was changed
    handle.remove()
    with pytest.raises(RuntimeError, match=r"0\.weight"):
        net.load_state_dict(state)

    def pardon(module: Any, keys: Any) -> None:
        keys.missing_keys.clear()
        keys.unexpected_keys.clear()

    forgive = net.register_load_state_dict_post_hook(pardon)
    net.load_state_dict(state)
    forgive.remove()
    net.register_load_state_dict_post_hook(lambda module, keys: None)
    with pytest.raises(RuntimeError, match=r"0\.weight"):
        net.load_state_dict(state)


def test_always_called_hooks() -> None:
    class Fails(nn.Module):
        def forward(self, x: Any) -> Any:
            raise ValueError("no")

    net, calls = Fails(), []
    net.register_forward_hook(lambda m, args, out: calls.append(("plain", out)))
    net.register_forward_hook(lambda m, args, out: calls.append(("always", out)), always_call=True)
    with pytest.raises(ValueError, match="no"):
        net(1)
    assert calls == [("always", None)]


def test_parts_and_placement() -> None:
    net = nn.Sequential(nn.Sequential(nn.Linear(2, 2)), nn.Tanh())
    net.set_submodule("0.0", nn.Linear(2, 3))
    assert net[0][0].out_features == 3  # type: ignore[index]
    with pytest.raises(AttributeError, match="set_submodule"):
        net.set_submodule("0.5", nn.Tanh(), strict=True)
    with pytest.raises(ValueError, match="set_submodule"):
        net.set_submodule("", nn.Tanh())
    assert net.type(mo.float64)[0][0].weight.dtype == mo.float64  # type: ignore[index]
    assert net.to_empty(device="cpu").get_parameter("0.0.weight").shape == (3, 2)
    shared = nn.Tanh()
    assert len(list(nn.Sequential(shared, shared).modules(remove_duplicate=False))) == 3


def test_functional_call() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight  # type: ignore[assignment]
    given = {"0.weight": mo.eye(2).requires_grad_(), "0.bias": mo.zeros(2), "1.bias": mo.ones(2)}
    own = net[0].weight
    call = nn.utils.stateless.functional_call
    out = call(net, given, mo.tensor([[2.0, 3.0]]), strict=True)
    assert out.tolist() == [[3, 4]]
    out.sum().backward()
    np.testing.assert_allclose(given["0.weight"].grad.numpy(), [[4, 6], [4, 6]])
    assert net[0].weight is own and net[1].weight is own and own.grad is None
    with pytest.raises(RuntimeError, match="functional_call"):
        call(net, {"2.weight": mo.ones(1)}, mo.ones(1, 2))
    with pytest.raises(RuntimeError, match="functional_call"):
        call(net, {"0.weight": mo.eye(2)}, mo.ones(1, 2), strict=True)
