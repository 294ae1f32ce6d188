"""Module: registration, state dicts, hooks, modes, text."""

import copy
import threading

import numpy as np
import pytest

import markone as mo
from markone import nn
from markone._context import module_path, parameters_version


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten())
        self.classifier = nn.Linear(8, 3)
        self.register_buffer("scale", mo.ones(1))
        self.register_buffer("scratch", mo.zeros(2), persistent=False)

    def forward(self, x):
        return self.classifier(self.features(x)) * self.scale


KEYS = ["scale", "features.0.weight", "features.0.bias", "classifier.weight", "classifier.bias"]


def test_names_and_order():
    net = Net()
    assert list(net.state_dict()) == KEYS
    assert [n for n, _ in net.named_parameters()] == KEYS[1:]
    assert [n for n, _ in net.named_buffers()] == ["scale", "scratch"]
    assert [n for n, _ in net.named_modules()] == [
        "",
        "features",
        "features.0",
        "features.1",
        "features.2",
        "classifier",
    ]
    assert [n for n, _ in net.named_children()] == ["features", "classifier"]
    assert net.get_submodule("features.0") is net.features[0]
    assert net.get_parameter("classifier.bias") is net.classifier.bias
    with pytest.raises(AttributeError, match="nothing"):
        net.get_submodule("features.nothing")


def test_shared_parameters_come_once():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    assert len(list(net.parameters())) == 3
    assert len(net.state_dict()) == 4


def test_assignment_registers_and_replaces():
    net = nn.Module()
    net.w = nn.Parameter(mo.ones(2))
    assert "w" in net._parameters and "w" not in net.__dict__
    with pytest.raises(TypeError, match="cannot assign a Tensor"):
        net.w = mo.ones(2)
    net.w = None
    assert net.w is None and list(net.parameters()) == []
    net.w = nn.Linear(1, 1)
    assert list(net._modules) == ["w"] and "w" not in net._parameters
    del net.w
    with pytest.raises(AttributeError, match="no attribute 'w'"):
        net.w
    net.plain = 3
    net.plain = nn.Parameter(mo.ones(1))
    assert "plain" not in net.__dict__ and isinstance(net.plain, nn.Parameter)
    net.b = nn.Buffer(mo.zeros(1), persistent=False)
    assert list(net.state_dict()) == ["plain"] and len(list(net.buffers())) == 1


def test_assignment_before_init_is_named():
    class Forgetful(nn.Module):
        def __init__(self):
            self.fc = nn.Linear(1, 1)

    with pytest.raises(AttributeError, match="super"):
        Forgetful()


@pytest.mark.parametrize("name", ["", "a.b"])
def test_bad_names(name):
    with pytest.raises(KeyError):
        nn.Module().register_parameter(name, None)


def test_state_dict_round_trip():
    a, b = Net(), Net()
    saved = {k: v.numpy().copy() for k, v in a.state_dict().items()}
    result = b.load_state_dict(saved)
    assert result.missing_keys == [] and result.unexpected_keys == []
    for k, v in b.state_dict().items():
        assert np.array_equal(v.numpy(), saved[k])
    x = mo.ones(2, 1, 4, 4)
    assert np.array_equal(a(x).detach().numpy(), b(x).detach().numpy())


def test_load_names_the_first_difference_and_changes_nothing():
    net = Net()
    before = {k: v.numpy().copy() for k, v in net.state_dict().items()}
    state = {k: v + 1 for k, v in before.items()}
    state["classifier.weight"] = np.zeros((4, 8), dtype=np.float32)
    state["extra"] = np.zeros(1, dtype=np.float32)
    del state["features.0.bias"]
    with pytest.raises(RuntimeError, match=r"first difference: 'features.0.bias' .* missing") as error:
        net.load_state_dict(state)
    assert "'classifier.weight' has shape [4, 8]" in str(error.value) and "'extra'" in str(error.value)
    for k, v in net.state_dict().items():
        assert np.array_equal(v.numpy(), before[k])
    state["classifier.weight"] = before["classifier.weight"] + 1
    left = net.load_state_dict(state, strict=False)
    assert left.missing_keys == ["features.0.bias"] and left.unexpected_keys == ["extra"]
    assert np.array_equal(net.classifier.weight.detach().numpy(), before["classifier.weight"] + 1)


def test_load_keeps_the_parameter_objects_unless_assigned():
    net = nn.Linear(2, 2)
    weight, version = net.weight, parameters_version()
    net.load_state_dict({"weight": mo.ones(2, 2), "bias": mo.ones(2)})
    assert net.weight is weight and parameters_version() == version
    net.load_state_dict({"weight": mo.zeros(2, 2), "bias": mo.ones(2)}, assign=True)
    assert net.weight is not weight and isinstance(net.weight, nn.Parameter) and net.weight.requires_grad
    assert parameters_version() > version


def test_torch_state_dict_loads():
    torch = pytest.importorskip("torch")
    theirs, ours = torch.nn.Conv2d(3, 4, (2, 3)), nn.Conv2d(3, 4, (2, 3))
    ours.load_state_dict(theirs.state_dict())
    assert np.array_equal(ours.weight.detach().numpy(), theirs.weight.detach().numpy())


def test_to_moves_in_place_and_bumps_the_counter():
    net = Net()
    weight, version = net.classifier.weight, parameters_version()
    net.double()
    assert net.classifier.weight is weight and weight.dtype is mo.float64 and net.scale.dtype is mo.float64
    assert parameters_version() > version
    net.to(mo.float32).half().bfloat16().float()
    assert weight.dtype is mo.float32
    with pytest.raises(TypeError, match="floating"):
        net.to(mo.int64)
    assert net(mo.ones(1, 1, 4, 4)).dtype is mo.float32


def test_to_takes_gradients_along():
    net = nn.Linear(2, 1)
    net(mo.ones(1, 2)).sum().backward()
    net.double()
    assert net.weight.grad.dtype is mo.float64
    assert net.weight.grad.tolist() == [[1.0, 1.0]]


def test_train_eval_requires_grad_zero_grad_apply():
    net = Net()
    assert all(not m.training for m in net.eval().modules())
    assert all(m.training for m in net.train().modules())
    net(mo.ones(1, 1, 4, 4)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert float(net.classifier.bias.grad.sum()) == 0
    net.zero_grad()
    assert net.classifier.bias.grad is None
    assert not any(p.requires_grad for p in net.requires_grad_(False).parameters())
    seen = []
    net.apply(lambda m: seen.append(type(m).__name__))
    assert seen == ["Conv2d", "ReLU", "Flatten", "Sequential", "Linear", "Net"]


def test_forward_hooks():
    net = nn.Linear(1, 1, bias=False)
    net.load_state_dict({"weight": mo.tensor([[2.0]])})
    pre = net.register_forward_pre_hook(lambda m, args: args[0] + 1)
    post = net.register_forward_hook(lambda m, args, out: out * 10)
    assert net(mo.tensor([1.0])).item() == 40
    pre.remove()
    assert net(mo.tensor([1.0])).item() == 20
    post.remove()
    assert net(mo.tensor([1.0])).item() == 2
    order = []
    net.register_forward_hook(lambda *a: order.append("second"))
    net.register_forward_hook(lambda *a: order.append("first"), prepend=True)
    net.register_forward_pre_hook(lambda m, a, k: (a, {}), with_kwargs=True)
    net(mo.tensor([1.0]), unknown=1)
    assert order == ["first", "second"]


def test_full_backward_hooks():
    net = nn.Linear(2, 1, bias=False)
    net.load_state_dict({"weight": mo.tensor([[2.0, 3.0]])})
    seen = []
    net.register_full_backward_hook(lambda m, gi, go: seen.append((gi[0].tolist(), go[0].tolist())))
    x = mo.tensor([[1.0, 1.0]], requires_grad=True)
    net(x).backward(mo.tensor([[5.0]]))
    assert seen == [([[10.0, 15.0]], [[5.0]])]
    assert x.grad.tolist() == [[10.0, 15.0]] and net.weight.grad.tolist() == [[5.0, 5.0]]


def test_full_backward_hooks_replace_and_see_missing_inputs():
    net = nn.Linear(1, 1, bias=False)
    net.load_state_dict({"weight": mo.tensor([[2.0]])})
    net.register_full_backward_pre_hook(lambda m, go: (go[0] * 3,))
    handle = net.register_full_backward_hook(lambda m, gi, go: (gi[0] * 100,))
    x = mo.tensor([[1.0]], requires_grad=True)
    net(x).backward(mo.tensor([[1.0]]))
    assert x.grad.tolist() == [[600.0]] and net.weight.grad.tolist() == [[3.0]]
    handle.remove()
    seen = []
    net.register_full_backward_hook(lambda m, gi, go: seen.append(gi))
    net(mo.tensor([[1.0]])).backward(mo.tensor([[1.0]]))
    assert seen == [(None,)]


def test_text_is_pytorchs():
    torch = pytest.importorskip("torch")

    def make(n):
        return n.Sequential(
            n.Conv2d(1, 6, 5, padding=2, bias=False),
            n.ReLU(inplace=True),
            n.MaxPool2d(2),
            n.Sequential(n.Flatten(), n.Linear(4, 3)),
            n.Dropout(0.2),
            n.ModuleList([n.Tanh(), n.AvgPool2d(2, stride=1)]),
            n.ModuleList([n.Tanh(), n.BatchNorm2d(3, bias=False), n.BatchNorm2d(3, bias=False)]),
            n.ModuleList([n.Sequential(n.LayerNorm(2), n.GroupNorm(1, 3))] * 3 + [n.Tanh()]),
            n.ModuleList([]),
        )

    assert repr(make(nn)) == repr(make(torch.nn))
    assert repr(nn.Softmax(1)) == "Softmax(dim=1)"


def test_where_am_i():
    seen = {}

    class Spy(nn.Module):
        def forward(self, x):
            seen[threading.current_thread().name] = module_path()
            return x

    net = nn.Sequential(nn.Identity(), nn.Sequential(Spy()))
    net(mo.ones(1))
    assert seen[threading.current_thread().name] == "Sequential.1.0 (Spy)"
    assert module_path() == ""
    thread = threading.Thread(target=lambda: net[1](mo.ones(1)), name="other")
    thread.start()
    thread.join()
    assert seen["other"] == "Sequential.0 (Spy)"


def test_errors_say_which_layer():
    net = Net()
    with pytest.raises((ValueError, RuntimeError)) as error:
        net(mo.ones(2, 1, 9, 9))
    assert module_path() == ""
    if hasattr(error.value, "add_note"):
        assert error.value.__notes__ == ["in Net.classifier (Linear)"]


def test_deepcopy_is_independent():
    a = Net()
    b = copy.deepcopy(a)
    with mo.no_grad():
        b.classifier.weight.zero_()
    assert float(a.classifier.weight.detach().abs().sum()) > 0
    assert list(b.state_dict()) == KEYS and isinstance(b.classifier.weight, nn.Parameter)


def test_containers():
    s = nn.Sequential({"a": nn.Linear(2, 3), "b": nn.Tanh()})
    assert list(s.state_dict()) == ["a.weight", "a.bias"] and s[-1] is s.b and len(s[:1]) == 1
    s.append(nn.ReLU())
    assert len(s) == 3
    m = nn.ModuleList(nn.Linear(1, 1) for _ in range(3))
    m.insert(1, nn.Tanh())
    del m[0]
    assert [type(x).__name__ for x in m] == ["Tanh", "Linear", "Linear"]
    assert list(m._modules) == ["0", "1", "2"] and isinstance(m[1:], nn.ModuleList)
    with pytest.raises(IndexError):
        m[3]
    d = nn.ModuleDict({"x": nn.Tanh()})
    d["y"] = nn.Linear(1, 1)
    assert "y" in d and list(d.keys()) == ["x", "y"] and len(d) == 2
    d.pop("x")
    assert list(d) == ["y"]
    p = nn.ParameterList([mo.ones(1), mo.zeros(2)])
    p.append(mo.ones(3))
    assert len(list(p.parameters())) == 3 and list(p.state_dict()) == ["0", "1", "2"]
    q = nn.ParameterDict({"w": mo.ones(1)})
    assert list(q.state_dict()) == ["w"] and q["w"].requires_grad
