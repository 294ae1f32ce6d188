"""Optimisers against PyTorch's, step by step; groups, state dicts, what a recorded step reads."""

import numpy as np
import pytest

import markone as mo
from markone import _C, nn, optim

torch = pytest.importorskip("torch")
SHAPES = ((3, 4), (5,), (), (2, 3, 2), (130,))


def pairs(seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    starts = [rng.standard_normal(s).astype(dtype) for s in SHAPES]
    return [nn.Parameter(mo.tensor(w)) for w in starts], [torch.nn.Parameter(torch.tensor(w)) for w in starts]


def give_gradients(ours, theirs, rng, skip=()):
    for i, (p, q) in enumerate(zip(ours, theirs)):
        if i in skip:
            p.grad = q.grad = None
            continue
        g = rng.standard_normal(tuple(p.shape)).astype(q.detach().numpy().dtype)
        p.grad, q.grad = mo.tensor(g), torch.tensor(g)


OPTIONS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.5, "maximize": True}),
    ("Adam", {"lr": 0.01}),
    ("Adam", {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.01, "amsgrad": True}),
    ("Adam", {"lr": 0.01, "maximize": True, "amsgrad": True, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.01}),
    ("AdamW", {"lr": 0.01, "weight_decay": 0.3, "amsgrad": True}),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "options"), OPTIONS, ids=[f"{n}-{i}" for i, (n, _) in enumerate(OPTIONS)])
def test_twenty_steps_as_pytorch(name, options, dtype):
    ours, theirs = pairs(dtype=dtype)
    a = getattr(optim, name)(ours, **options)
    b = getattr(torch.optim, name)(theirs, **options, foreach=False)
    rng = np.random.default_rng(1)
    for step in range(20):
        # In between, some parameters have no gradient: their own step counts stand still.
        give_gradients(ours, theirs, rng, skip=(1, 3) if step in (4, 5) else ())
        if step == 10:
            a.param_groups[0]["lr"] = b.param_groups[0]["lr"] = options["lr"] / 3
        a.step()
        b.step()
    tight = {"rtol": 2e-6, "atol": 2e-6} if dtype == np.float32 else {"rtol": 1e-13, "atol": 1e-13}
    for p, q in zip(ours, theirs):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), **tight)
    for p, q in zip(ours, theirs):
        for key, value in b.state[q].items():
            if value is not None:
                np.testing.assert_allclose(a.state[p][key].numpy(), value.numpy(), **tight, err_msg=key)


def test_one_native_call_a_group():
    ours, theirs = pairs()
    opt = optim.Adam([{"params": ours[:2]}, {"params": ours[2:], "lr": 0.5}])
    give_gradients(ours, theirs, np.random.default_rng(0))
    opt.step()
    before = _C.native_calls()
    opt.step()
    assert _C.native_calls() - before == 2


def test_groups():
    ours, theirs = pairs()
    a = optim.SGD([{"params": ours[:2], "lr": 0.5}, {"params": ours[2]}], lr=0.1, momentum=0.9)
    b = torch.optim.SGD([{"params": theirs[:2], "lr": 0.5}, {"params": theirs[2]}], lr=0.1, momentum=0.9)
    a.add_param_group({"params": ours[3:], "momentum": 0})
    b.add_param_group({"params": theirs[3:], "momentum": 0})
    rng = np.random.default_rng(1)
    for _ in range(3):
        give_gradients(ours, theirs, rng)
        a.step()
        b.step()
    for p, q in zip(ours, theirs):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-6, atol=1e-6)
    with pytest.raises(ValueError, match="more than once"):
        a.add_param_group({"params": ours[0]})


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_state_dict_continues_bit_for_bit(name):
    options = {"momentum": 0.9, "dampening": 0.1} if name == "SGD" else {"amsgrad": True}

    def run(save_at):
        ours, theirs = pairs()
        opt = getattr(optim, name)(ours, lr=0.05, **options)
        rng = np.random.default_rng(2)
        for step in range(8):
            if step == save_at:
                state = opt.state_dict()
                state = {
                    "state": {
                        str(k): {n: t.numpy().copy() for n, t in v.items()} for k, v in state["state"].items()
                    },
                    "param_groups": state["param_groups"],
                }
                ours = [nn.Parameter(p.detach().clone()) for p in ours]
                opt = getattr(optim, name)(ours, lr=9.0, **options)
                opt.load_state_dict(state)
            give_gradients(ours, theirs, rng, skip=(2,) if step == 1 else ())
            opt.step()
        return [p.detach().numpy().tobytes() for p in ours], opt

    straight, _ = run(None)
    for at in (0, 3):
        resumed, opt = run(at)
        assert resumed == straight
        assert opt.param_groups[0]["lr"] == 0.05


@pytest.mark.parametrize(
    ("name", "options"), [("SGD", {"momentum": 0.9}), ("Adam", {}), ("AdamW", {"amsgrad": True})]
)
def test_layout_is_pytorchs(name, options):
    ours, theirs = pairs()
    a, b = (
        getattr(optim, name)(ours, lr=0.05, **options),
        getattr(torch.optim, name)(theirs, lr=0.05, **options),
    )
    rng = np.random.default_rng(2)
    for _ in range(3):
        give_gradients(ours, theirs, rng)
        a.step()
        b.step()
    mine, their = a.state_dict(), b.state_dict()
    assert list(mine["state"]) == list(their["state"]) and mine["param_groups"][0]["params"] == [
        0,
        1,
        2,
        3,
        4,
    ]
    assert set(their["state"][0]) <= set(mine["state"][0])
    assert tuple(mine["state"][0]["step"].shape) == () and int(mine["state"][0]["step"].item()) == 3
    # Theirs loads into ours, and both go on alike.
    fresh = [nn.Parameter(mo.tensor(q.detach().numpy())) for q in theirs]
    c = getattr(optim, name)(fresh, lr=1.0, **options)
    c.load_state_dict(their)
    give_gradients(fresh, theirs, rng)
    c.step()
    b.step()
    for p, q in zip(fresh, theirs):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=2e-6, atol=2e-6)


def test_learning_rate_writes_through_every_way():
    opt = optim.SGD([nn.Parameter(mo.ones(1))], lr=0.1)
    group = opt.param_groups[0]
    assert _C.to_numpy(group.lr_array).tolist() == [0.1]
    group["lr"] = 0.2
    assert _C.to_numpy(group.lr_array).tolist() == [0.2]
    group.update(lr=0.3)
    assert _C.to_numpy(group.lr_array).tolist() == [0.3]
    group["lr"] = mo.tensor(0.5)
    assert group["lr"] == 0.5 and _C.to_numpy(group.lr_array).tolist() == [0.5]


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_a_recorded_step_follows_learning_rate_and_count(name):
    options = {"momentum": 0.9, "dampening": 0.5} if name == "SGD" else {}

    def run(recorded):
        p = nn.Parameter(mo.tensor([1.0, 2.0, 3.0]))
        opt = getattr(optim, name)([p], lr=0.1, **options)
        p.grad = mo.tensor([0.5, -0.25, 1.0])
        program = _C.Program()
        for i in range(4):
            opt.param_groups[0]["lr"] = 0.1 / (i + 1)
            if not recorded:
                opt.step()
            elif i == 0:
                _C.begin_recording(program)
                opt.step()
                _C.end_recording()
                assert len(program) == 1
            else:
                program.replay()
        return p.detach().numpy().tobytes(), int(opt.state[p]["step"].item())

    assert run(True) == run(False) and run(True)[1] == 4


def test_state_exists_before_the_first_step():
    p, frozen = nn.Parameter(mo.ones(3)), nn.Parameter(mo.ones(3), requires_grad=False)
    opt = optim.Adam([p, frozen])
    assert sorted(opt.state[p]) == ["exp_avg", "exp_avg_sq", "step"] and frozen not in opt.state
    frozen.requires_grad_()
    frozen.grad = mo.ones(3)
    opt.step()
    assert int(opt.state[frozen]["step"].item()) == 1 and int(opt.state[p]["step"].item()) == 0


def test_closure_zero_grad_and_hooks():
    p = nn.Parameter(mo.tensor([2.0]))
    opt = optim.SGD([p], lr=0.25)
    calls = []
    opt.register_step_pre_hook(lambda *a: calls.append("pre"))
    handle = opt.register_step_post_hook(lambda *a: calls.append("post"))

    def closure():
        opt.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with mo.no_grad():
        assert opt.step(closure).item() == 4
    assert p.tolist() == [1.0] and calls == ["pre", "post"]
    handle.remove()
    opt.zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0]
    opt.zero_grad()
    assert p.grad is None
    opt.step()
    assert p.tolist() == [1.0] and calls == ["pre", "post", "pre"]


def test_a_step_bumps_the_version():
    p = nn.Parameter(mo.ones(2))
    opt = optim.SGD([p], lr=0.1)
    y = (p * p).sum()
    p.grad = mo.ones(2)
    opt.step()
    with pytest.raises(RuntimeError):
        y.backward()


BAD = [
    (lambda p: optim.SGD([], lr=0.1), "empty"),
    (lambda p: optim.SGD(p, lr=0.1), "iterable"),
    (lambda p: optim.SGD([1.0], lr=0.1), "float"),
    (lambda p: optim.SGD([p * 2], lr=0.1), "leaf"),
    (lambda p: optim.SGD([p], lr=-1), "lr"),
    (lambda p: optim.SGD([p], lr=1, nesterov=True), "nesterov"),
    (lambda p: optim.Adam([p], betas=(0.9, 1.0)), r"betas\[1\]"),
    (lambda p: optim.Adam([p], eps=float("nan")), "eps"),
    (lambda p: optim.SGD([p, p]), "more than once"),
    (lambda p: optim.SGD([p]).load_state_dict({"state": {}}), "param_groups"),
    (lambda p: optim.SGD([p]).load_state_dict({"state": {}, "param_groups": []}), "0 parameter groups"),
    (
        lambda p: optim.Adam([p]).load_state_dict(
            {"state": {0: {"step": 1, "exp_avg": np.zeros(7)}}, "param_groups": [{"params": [0]}]}
        ),
        r"'exp_avg' of parameter 0 has shape \[7\]",
    ),
]


@pytest.mark.parametrize(("make", "match"), BAD, ids=[m for _, m in BAD])
def test_bad_arguments_are_named(make, match):
    with pytest.raises((ValueError, TypeError, KeyError), match=match):
        make(nn.Parameter(mo.ones(2)))


def test_text():
    text = repr(optim.SGD([nn.Parameter(mo.ones(2))], lr=0.1))
    assert text.startswith("SGD (\nParameter Group 0\n") and "    lr: 0.1" in text
