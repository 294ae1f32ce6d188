"""Every optimiser against PyTorch's: options, groups, gradients that come and go, saved and loaded states."""

import copy

import numpy as np
import pytest

import markone as mo
from markone import _C, nn, optim
from markone.train import checkpoint

torch = pytest.importorskip("torch")

SHAPES = ((3, 4), (5,), (), (2, 3, 2), (130,), (4, 3))
MATRICES = ((3, 4), (6, 2), (5, 5))
CASES = [
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.8, "nesterov": True, "maximize": True}),
    ("Adam", {"amsgrad": True, "weight_decay": 0.1}),
    ("AdamW", {"betas": (0.5, 0.7)}),
    ("RMSprop", {}),
    ("RMSprop", {"alpha": 0.7, "eps": 1e-3, "weight_decay": 0.1, "momentum": 0.6}),
    ("RMSprop", {"centered": True, "maximize": True, "lr": 0.003, "eps": 1e-2}),
    ("RMSprop", {"centered": True, "momentum": 0.9, "alpha": 0.9, "eps": 1e-2}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.2, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5}),
    ("Adagrad", {"eps": 1e-2, "maximize": True}),
    ("Adadelta", {"eps": 1e-3}),
    ("Adadelta", {"lr": 0.5, "rho": 0.7, "eps": 1e-2, "weight_decay": 0.1, "maximize": True}),
    ("Adamax", {}),
    ("Adamax", {"lr": 0.05, "betas": (0.7, 0.9), "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("NAdam", {}),
    ("NAdam", {"lr": 0.02, "betas": (0.7, 0.9), "eps": 1e-3, "weight_decay": 0.1, "momentum_decay": 0.1}),
    ("NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("RAdam", {}),
    ("RAdam", {"lr": 0.02, "betas": (0.7, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("RAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("ASGD", {}),
    ("ASGD", {"lr": 0.1, "lambd": 0.1, "alpha": 0.5, "t0": 5, "weight_decay": 0.1, "maximize": True}),
    ("Rprop", {}),
    ("Rprop", {"lr": 0.1, "etas": (0.3, 1.7), "step_sizes": (0.02, 0.3), "maximize": True}),
    ("Adafactor", {}),
    ("Adafactor", {"lr": 0.3, "beta2_decay": -0.5, "eps": (1e-4, 0.1), "d": 1.5, "weight_decay": 0.1}),
    ("Adafactor", {"maximize": True}),
    ("Muon", {}),
    ("Muon", {"momentum": 0.5, "nesterov": False, "adjust_lr_fn": "match_rms_adamw", "ns_steps": 3}),
]
each_case = pytest.mark.parametrize(
    ("name", "options"), CASES, ids=[f"{name}-{i}" for i, (name, _) in enumerate(CASES)]
)
# One of each.
NAMES = sorted({name for name, _ in CASES})
SOME = dict(CASES)


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    # PyTorch keeps its 0-d states in the default type.
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, request.param))
    yield np.dtype(request.param)
    torch.set_default_dtype(before)


class Both:
    """Parameters and an optimiser of each library; `steps` gives both the same gradients."""

    def __init__(self, name, options, dtype, seed=0, groups=False):
        self.name, self.dtype = name, dtype
        self.rng = np.random.default_rng(seed)
        starts = [self.rng.standard_normal(s).astype(dtype) for s in (MATRICES if name == "Muon" else SHAPES)]
        self.ours = [nn.Parameter(mo.tensor(w)) for w in starts]
        self.theirs = [torch.nn.Parameter(torch.tensor(w)) for w in starts]
        if not groups:  # one parameter lies transposed in memory
            self.ours[-1] = nn.Parameter(mo.tensor(starts[-1].T.copy()).t())
            assert not self.ours[-1].is_contiguous()
        a, b = ({"params": g} for g in (self.ours[:2], self.theirs[:2]))
        more = {"lr": options.get("lr", 0.01) / 2, "weight_decay": 0.2}
        if "weight_decay" not in optim.__dict__[name]([self.ours[0]]).defaults:
            more.pop("weight_decay")
        rest = [{"params": p[2:], **more} for p in (self.ours, self.theirs)]
        self.mine = getattr(optim, name)([a, rest[0]] if groups else self.ours, **options)
        kind = getattr(torch.optim, name)
        self.their = kind([b, rest[1]] if groups else self.theirs, **options)

    def steps(self, count, skip=()):
        for _ in range(count):
            for i, (p, q) in enumerate(zip(self.ours, self.theirs)):
                g = self.rng.standard_normal(tuple(p.shape)).astype(self.dtype)
                p.grad, q.grad = (None, None) if i in skip else (mo.tensor(g), torch.tensor(g))
            self.mine.step()
            self.their.step()

    def check(self):
        tight = 2e-6 if self.dtype == np.float32 else 1e-10
        if self.name == "Muon":  # orthogonalised in bfloat16
            tight = 5e-3
        for p, q in zip(self.ours, self.theirs):
            np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=tight, atol=tight)
            for key, value in self.their.state[q].items():
                if value is not None:
                    got = self.mine.state[p][key].numpy()
                    assert got.shape == tuple(value.shape), key
                    np.testing.assert_allclose(got, value.numpy(), rtol=tight, atol=tight, err_msg=key)


@each_case
def test_as_pytorch(name, options, dtype):
    both = Both(name, options, dtype)
    both.steps(4)
    both.steps(2, skip=(0, 2))  # their counts stand still
    for o in (both.mine, both.their):
        o.param_groups[0]["lr"] = o.param_groups[0]["lr"] / 3
    both.steps(15)
    both.check()


@pytest.mark.parametrize("name", NAMES)
def test_groups_and_pytorchs_state(name, dtype):
    both = Both(name, SOME[name], dtype, groups=True)
    both.steps(4)
    both.steps(1, skip=(1,))
    both.check()
    saved, theirs = copy.deepcopy(both.mine.state_dict()), both.their.state_dict()
    for state in (saved, theirs):
        fresh = Both(name, SOME[name] | {"lr": 7.0}, dtype, groups=True)
        for p, q in zip(fresh.ours, both.theirs):
            p.data.copy_(mo.tensor(q.detach().numpy()))
        fresh.mine.load_state_dict(state)
        assert fresh.mine.param_groups[0]["lr"] == both.mine.param_groups[0]["lr"]
        fresh.theirs, fresh.their = copy.deepcopy((both.theirs, both.their))
        fresh.steps(5)
        fresh.check()


@pytest.mark.parametrize("name", NAMES)
def test_continues_bit_for_bit_through_a_file(name, tmp_path):
    def run(save_at):
        both = Both(name, SOME[name], np.dtype("float32"))
        for step in range(6):
            if step == save_at:
                checkpoint.save(both.mine.state_dict(), tmp_path / "state")
                state = checkpoint.load(tmp_path / "state")
                both.ours = [nn.Parameter(p.detach().clone()) for p in both.ours]
                both.mine = getattr(optim, name)(both.ours, lr=9.0)
                both.mine.load_state_dict(state)
            both.steps(1, skip=(2,) if step == 1 else ())
        return [p.detach().numpy().tobytes() for p in both.ours]

    straight = run(None)
    assert run(0) == straight and run(3) == straight


@pytest.mark.parametrize("name", [n for n in NAMES if n != "Muon"])
def test_a_recorded_step_follows_rate_and_count(name):
    def run(recorded):
        p = nn.Parameter(mo.tensor([[1.0, 2.0, 3.0]]))
        opt = getattr(optim, name)([p], **SOME[name])
        p.grad = mo.tensor([[0.5, -0.25, 1.0]])
        program = _C.Program()
        results = []
        for i in range(9):
            opt.param_groups[0]["lr"] = 0.1 / (i + 1)
            if not recorded or i == 0:
                opt.step()
            elif i == 1:
                _C.begin_recording(program)
                opt.step()
                _C.end_recording()
            else:
                program.replay()
            results.append(p.detach().numpy().tobytes())
        return results, {k: v.numpy().tobytes() for k, v in opt.state[p].items()}

    plain, recorded = run(False), run(True)
    assert plain == recorded and len(set(plain[0])) == 9


def test_one_native_call_a_step():
    for name in NAMES:
        if name in ("Adafactor", "Muon"):
            continue
        both = Both(name, SOME[name], np.dtype("float32"), groups=True)
        both.steps(1)
        before = _C.native_calls()
        both.mine.step()
        assert _C.native_calls() - before == 2, name


@pytest.mark.parametrize("options", [{"dampening": 0.5}, {"dampening": 0.2, "weight_decay": 0.1}])
def test_momentum_switched_on_later(options, dtype):
    both = Both("SGD", {"lr": 0.1, **options}, dtype)
    both.steps(2)
    for momentum in (0.9, 0.0, 0.5):
        for o in (both.mine, both.their):
            o.param_groups[0]["momentum"] = momentum
        both.steps(1, skip=(1,))
        both.steps(2)
        both.check()


def test_loaded_groups_count_apart():
    """Equal counts in two groups are two counts."""
    both = Both("Adam", {}, np.dtype("float32"), groups=True)
    both.steps(3)
    both.mine.load_state_dict(copy.deepcopy(both.mine.state_dict()))
    both.steps(2)
    both.check()
    assert {int(s["step"].item()) for s in both.mine.state.values()} == {5}


@pytest.mark.parametrize("name", NAMES)
def test_defaults_are_pytorchs(name):
    shape = (2, 2)
    mine = getattr(optim, name)([nn.Parameter(mo.ones(shape))]).defaults
    their = getattr(torch.optim, name)([torch.nn.Parameter(torch.ones(shape))]).defaults
    assert all(their[key] == value for key, value in mine.items())
    assert set(their) - set(mine) <= {"foreach", "fused", "capturable", "differentiable"}


@pytest.mark.parametrize("name", [n for n in NAMES if n != "Muon"])
def test_an_empty_parameter_and_half_types(name):
    empty = nn.Parameter(mo.zeros(0, 3))
    half = nn.Parameter(mo.ones(7).to(mo.bfloat16))
    opt = getattr(optim, name)([empty, half], lr=10.0 if name == "Adadelta" else 0.1)
    for p in (empty, half):
        p.grad = mo.ones(p.shape).to(p.dtype)
    for _ in range(3):
        opt.step()
    assert half.dtype is mo.bfloat16 and (half < 1).all().item()


BAD = [
    (lambda p: optim.RMSprop([p], alpha=-1), "RMSprop: alpha"),
    (lambda p: optim.Adagrad([p], lr_decay=-1), "Adagrad: lr_decay"),
    (lambda p: optim.Adadelta([p], rho=1.5), "Adadelta: rho"),
    (lambda p: optim.Adamax([p], betas=(1.0, 0.9)), r"Adamax: betas\[0\]"),
    (lambda p: optim.NAdam([p], momentum_decay=-1), "NAdam: momentum_decay"),
    (lambda p: optim.RAdam([p], eps=-1), "RAdam: eps"),
    (lambda p: optim.ASGD([p], weight_decay=-1), "ASGD: weight_decay"),
    (lambda p: optim.Rprop([p], etas=(1.5, 2)), "Rprop: etas"),
    (lambda p: optim.Adafactor([p], d=0.5), "Adafactor: d"),
    (lambda p: optim.Adafactor([p], beta2_decay=1), "Adafactor: beta2_decay"),
    (lambda p: optim.Muon([p]), r"Muon: wants matrices only, got a parameter of shape \[2\]"),
    (lambda p: optim.Muon([p.reshape(1, 2).detach()], adjust_lr_fn="x"), "Muon: adjust_lr_fn"),
    (lambda p: optim.LBFGS([p], line_search_fn="x"), "LBFGS: line_search_fn"),
    (lambda p: optim.LBFGS([{"params": [p]}, {"params": [mo.ones(1)]}]), "LBFGS: has one parameter group"),
    (lambda p: optim.LBFGS([p]).step(), "LBFGS.step: wants a closure"),
]


@pytest.mark.parametrize(("make", "match"), BAD, ids=[m for _, m in BAD])
def test_bad_arguments_are_named(make, match):
    with pytest.raises((ValueError, TypeError), match=match):
        make(nn.Parameter(mo.ones(2)))


# ---- LBFGS ----


def valley(p, q):
    return (3 * (q - p * p) ** 2 + (1 - p) ** 2 + 0.1 * q**4).sum()


LBFGS = [
    {"lr": 0.3},
    {"line_search_fn": "strong_wolfe", "max_iter": 6},
    {"lr": 0.3, "max_iter": 7, "history_size": 3, "tolerance_change": 1e-3},
    {"max_iter": 30, "max_eval": 9, "line_search_fn": "strong_wolfe", "history_size": 2, "lr": 3},
]


class Descent:
    def __init__(self, lib, layers, optimisers, dtype, options):
        starts = [np.array([[-1.2, 0.4]], dtype), np.array([1.0, -0.3], dtype)]
        self.params = [layers.Parameter(lib.tensor(w)) for w in starts]
        self.opt = optimisers.LBFGS(self.params, **options)

    def step(self):
        def closure():
            self.opt.zero_grad()
            loss = valley(*self.params)
            loss.backward()
            return loss

        return float(self.opt.step(closure).item())


@pytest.mark.parametrize("options", LBFGS, ids=range(len(LBFGS)))
def test_lbfgs_as_pytorch(options, dtype, tmp_path):
    mine = Descent(mo, nn, optim, dtype, options)
    their = Descent(torch, torch.nn, torch.optim, dtype, options)
    tight = {"rtol": 1e-9, "atol": 1e-9} if dtype == np.float64 else {"rtol": 2e-3, "atol": 2e-3}
    for i in range(4):
        if i == 1:  # saved and loaded
            checkpoint.save(mine.opt.state_dict(), tmp_path / "state")
            mine.params = [nn.Parameter(p.detach().clone()) for p in mine.params]
            mine.opt = optim.LBFGS(mine.params, lr=9)
            mine.opt.load_state_dict(checkpoint.load(tmp_path / "state"))
        if i == 2:
            mine.opt.load_state_dict(their.opt.state_dict())
        np.testing.assert_allclose(mine.step(), their.step(), **tight)
        for p, q in zip(mine.params, their.params):
            np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), **tight)
        a, b = mine.opt.state[mine.params[0]], their.opt.state[their.params[0]]
        if dtype == np.float64:
            assert (a["n_iter"], a["func_evals"]) == (b["n_iter"], b["func_evals"])
            assert len(a["old_dirs"]) == len(b["old_dirs"]) <= options.get("history_size", 100)
    assert b["n_iter"] > 6


def test_lbfgs_where_nothing_is_left_to_do():
    p = nn.Parameter(mo.zeros(3))
    opt = optim.LBFGS([p, nn.Parameter(mo.ones(2))])

    def closure():
        opt.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    assert opt.step(closure).item() == 0 and p.tolist() == [0, 0, 0]
