"""`markone bench`: cases that can be made, a row a case, peers that alternate, errors that help."""

import json

import numpy as np
import pytest

from markone import _C
from markone.bench import case as cases
from markone.bench import compare, report
from markone.bench.build import build
from markone.bench.machine import Limit, Machine
from markone.bench.work import Work, work_of
from markone.cli import main

SETTINGS = compare.Settings(rounds=2, seconds=0.001, warm=0.0, peers=())


class NoMachine(Machine):
    """Peaks that need no measuring."""

    def flops(self, dtype="float32"):
        return 1e11

    def stream(self, read, written, in_place=False):
        return 1e10


def test_files_hold_cases_of_known_passes():
    for group in cases.GROUPS:
        found = cases.group_cases(group)
        assert found and all(c.group == group for c in found)
        assert len({c.key for c in found}) == len(found)
        assert all(c.args.get("network", "vgg16") in cases.network_names() for c in found)
    for name in cases.network_names():
        assert cases.network_cases(name)


def test_vgg16_has_its_shapes():
    found = {c.name: c for c in cases.network_cases("vgg16", batch=2) if c.which == "forward"}
    assert found["vgg16_conv3_2"].inputs[0].shape == (2, 256, 56, 56)
    assert found["vgg16_fc6"].weights[0].shape == (4096, 25088)


def test_torch_compile_is_timed_where_it_is_named():
    step = next(c for c in cases.group_cases("step") if c.name == "elman_4_4_1_t20")
    assert "torch_compile" in compare.PEERS and "torch_compile" not in compare.Settings().peers
    assert compare.peer_takes("torch_compile", step)
    assert not compare.peer_takes("torch_compile", cases.group_cases("matmul")[0])
    build("markone", step)[0]()


# One cheap case of each group, by name.
TINY = {
    "matmul": "square64", "conv": "lenet_c1_b1", "pool": "lenet_s2", "norm": "layer_512",
    "elementwise": "exp_64K", "reduce": "prod_64K", "index": "getitem", "loss": "ctc",
    "optimizer": "adam_lenet5", "overhead": "add", "step": "xor_2_8_1_b4", "inference": "lenet5_b1",
}  # fmt: skip


@pytest.mark.parametrize("group", TINY)
def test_a_case_of_each_group_runs(group):
    for case in cases.group_cases(group):
        if case.name == TINY[group]:
            run, output = build("markone", case)
            run()
            work = work_of(case, () if output is None else tuple(output.shape))
            assert work.flops >= 0 and work.read + work.written >= 0


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
def test_recurrent_cases(kind):
    (case,) = cases.own_case("lstm", [(3, 2, 4)], [], {"hidden": 5}, kind, ["step"])
    run, output = build("markone", case)
    assert len(run()) == 5 and output.shape == (3, 2, 5)  # the gradients of x and of four parameters
    gates = {"lstm": 4, "gru": 3, "rnn": 1}[kind]
    assert work_of(case, (3, 2, 5)).flops == 3 * 2 * 3 * 2 * gates * 5 * (4 + 5)


def test_passes_give_the_gradients_that_they_are_named_for():
    shapes = {"forward": [(2, 4, 8, 8)], "input_grad": [(2, 3, 8, 8)], "weight_grad": [(4, 3, 3, 3)]}
    shapes["backward"] = shapes["step"] = shapes["input_grad"] + shapes["weight_grad"]
    for which, wanted in shapes.items():
        (case,) = cases.own_case("conv", [(2, 3, 8, 8)], [(4, 3, 3, 3)], {"padding": 1}, None, [which])
        run, _ = build("markone", case)
        result = run()
        assert [tuple(t.shape) for t in ([result] if which == "forward" else result)] == wanted


def test_work_of_a_convolution():
    (case,) = cases.own_case("conv", [(2, 3, 8, 8)], [(4, 3, 3, 3)], {"padding": 1}, None, ["forward"])
    assert work_of(case, (2, 4, 8, 8)) == Work(2 * 2 * 4 * 64 * 27, 4 * (2 * 3 * 64 + 4 * 27), 4 * 2 * 4 * 64)


def test_the_machine_is_measured():
    machine = Machine(1, tries=2)
    assert machine.flops() > 1e8 and machine.stream(1 << 16, 1 << 16) > 1e7
    limit = machine.limit(1e6, 1e3, 1e3)
    assert limit is not None and limit.by == "arithmetic" and limit.seconds == 1e6 / machine.flops()
    assert machine.limit(0, 0, 0) is None


@pytest.mark.parametrize("isa", _C.available_isas())
def test_the_machines_kernels_compute_what_they_say(isa):
    before = _C.isa()
    _C.set_isa(isa)
    try:
        x = np.linspace(-1, 1, 1001)
        for dtype in (np.float32, np.float64):
            y = np.array(_C.to_numpy(_C.fma_chain(_C.from_numpy(x.astype(dtype)), 3)))
            np.testing.assert_allclose(y, x / 8 + 1.75, rtol=1e-6)
        rng = np.random.default_rng(0)
        reads = [rng.standard_normal(40001).astype(np.float32) for _ in range(3)]
        for past in (False, True):
            writes = [np.zeros(40001, np.float32) for _ in range(2)]
            _C.memory_stream([_C.from_numpy(r) for r in reads], [_C.from_numpy(w) for w in writes], past)
            for j, written in enumerate(writes):
                np.testing.assert_allclose(written, sum(reads) + j, rtol=1e-4, atol=1e-5)
        sums = np.array(_C.to_numpy(_C.memory_stream([_C.from_numpy(r) for r in reads], [])))
        blocks = [sum(reads)[i : i + 16384].sum(dtype=np.float64) for i in range(0, 40001, 16384)]
        np.testing.assert_allclose(sums, blocks, rtol=1e-3, atol=1e-2)
    finally:
        _C.set_isa(before)


def test_bad_streams_are_refused():
    x, y = (_C.from_numpy(np.zeros(n, np.float32)) for n in (4, 5))
    with pytest.raises(ValueError, match="memory_stream"):
        _C.memory_stream([x], [y])
    with pytest.raises(ValueError, match="memory_stream"):
        _C.memory_stream([x] * 5, [])
    with pytest.raises(ValueError, match="memory_stream"):
        _C.memory_stream([], [])


@pytest.fixture(scope="module")
def result():
    """One case and a variant of it, each in its own process."""
    (case,) = cases.own_case("conv", [(1, 2, 6, 6)], [(3, 2, 3, 3)], {}, None, ["forward"])
    case = cases.Case(**{**vars(case), "against": {"reference": {"impl": "conv:reference"}}})
    with compare.Workers(SETTINGS) as workers:
        return compare.compare(case, workers, NoMachine(1))


def test_contestants_take_turns(result):
    assert {label: len(times) for label, times in result.seconds.items()} == {"markone": 2, "reference": 2}
    assert result.ratio("markone") == 1.0 and result.limit is not None and not result.skipped
    row = report.Table(["reference"]).row(result)
    assert row.startswith("own ") and "1x2x6x6 3x2x3x3" in row
    assert "over reference: geometric mean" in report.summary_lines([result])[0]


def test_json_comes_back_and_shows_what_is_slower(result, tmp_path):
    path = tmp_path / "old.json"
    report.write_json(path, [result], {"machine": {"processor": "x"}})
    assert json.loads(path.read_text())["machine"] == {"processor": "x"}
    old = report.read_json(path)
    assert report.median_of(old["conv/own"]) == pytest.approx(result.median(), rel=1e-3)
    slower = compare.Result(result.case, result.work, Limit(1.0, "memory"), {"markone": [9.0, 9.0, 9.0]})
    old["conv/own"]["seconds"]["markone"] = [3.0, 3.0, 3.0]
    assert report.regressions([slower], old) == ["conv/own: 3.00 times the old time"]
    old["conv/own"]["seconds"]["markone"] = [9.0, 9.0, 9.0]
    assert report.regressions([slower], old) == []
    assert report.Table([], old).row(slower).endswith("1.00")


def test_a_refused_case_says_why():
    (case,) = cases.own_case("conv", [(1, 2, 6, 6)], [(3, 5, 3, 3)], {}, None, ["forward"])
    with (
        compare.Workers(SETTINGS) as workers,
        pytest.raises(cases.CaseError, match="conv2d: input has 2 channels"),
    ):
        compare.compare(case, workers, NoMachine(1))


def test_the_command(capsys, tmp_path):
    arguments = [
        "bench",
        "matmul",
        "--shape",
        "8x8",
        "8x8",
        "--quick",
        "--rounds",
        "2",
        "--peers",
        "none",
        "--clock",
        "cpu",
    ]
    assert main([*arguments, "--json", str(tmp_path / "a.json"), "--plot", str(tmp_path / "a.png")]) == 0
    out = capsys.readouterr().out
    assert "measured peaks" in out and "own " in out
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "matmul/own" in report.read_json(tmp_path / "a.json")
    assert main(["bench", "vgg16", "--list", "--filter", "fc8"]) == 0
    assert "matmul/vgg16_fc8 weight_grad" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stop"], "'stop' is not a group of benchmarks or network; did you mean step?"),
        (["step", "--filter", "no such"], "no case is left"),
        (["step", "--rounds", "0"], "got --rounds 0, wants 1 or more"),
        (["step", "--threads", "0"], "got --threads 0, wants 1 or more"),
        (["step", "--clock", "sun"], "got --clock sun, wants wall or cpu"),
        (["step", "--clock", "cpu", "--threads", "2"], "got --clock cpu with more than one thread"),
        (["step", "--isa", "mmx"], "got --isa mmx, this machine has ref"),
        (["step", "--device", "cuda"], "got --device cuda, but this markone was built without CUDA"),
        (["step", "--peers", "tensorflow"], "'tensorflow' is not a peer"),
        (["step", "--passes", "sideways"], "'sideways' is not a pass"),
        (["conv", "--shape", "8xtwo"], "got shape 8xtwo, wants whole numbers"),
        (["--shape", "8x8"], "--shape wants one group before it"),
        (["step", "--shape", "8x8"], "group step takes no --shape"),
        (["conv", "--shape", "8x8", "--arg", "padding"], "got --arg padding, wants NAME=VALUE"),
        (["matmul", "--compare", "/no/such/file"], "cannot be read as results"),
        (["matmul", "--again", "/no/such/file"], "cannot be read as results"),
        (["matmul", "--limit-peers"], "--limit-peers wants --isa avx2"),
        (["conv", "--filter", "lenet_c1_b1", "--impl", "magic"], "got --impl magic, which none of"),
    ],
)  # fmt: skip
def test_bad_arguments(arguments, message, capsys):
    assert main(["bench", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_again_takes_what_was_behind(tmp_path, capsys):
    ratios = {"64": {"torch": 0.5}, "128": {"torch": 1.2}, "256": {"torch": 1.2, "jax": 0.9}, "512": {}}
    rows = [{"case": f"matmul/square{size}", "ratio": ratio} for size, ratio in ratios.items()]
    path = tmp_path / "old.json"
    path.write_text(json.dumps({"format": report.FORMAT, "results": rows}))
    assert main(["bench", "--list", "--again", str(path)]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "matmul/square64", "matmul/square256",
    ]  # fmt: skip


def test_peers_are_kept_to_an_instruction_set(monkeypatch):
    seen = []
    monkeypatch.setattr(compare.subprocess, "Popen", lambda *_, env, **__: seen.append(env))
    for limited in (False, True):
        compare.Peer("torch", compare.Settings(isa="avx2", limit_peers=limited))
    assert [env.get("ATEN_CPU_CAPABILITY") for env in seen] == [None, "avx2"]
    assert all(env["MARKONE_ISA"] == "avx2" for env in seen)


def test_an_unknown_file_is_no_result_of_ours(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("[1, 2]")
    with pytest.raises(ValueError, match="holds no results"):
        report.read_json(path)
