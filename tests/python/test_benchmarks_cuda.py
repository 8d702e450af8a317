"""``python -m benchmarks --device cuda`` as far as no GPU is needed: PyTorch's forms on its CPU device end with bpnet's
weights, CUDA graphs with a function in the graph's place; bpnet's on the processor's build of the CUDA library, where
BPNET_CUDA_LIBRARY names it; what is refused without a GPU."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
if not (ROOT / "benchmarks").is_dir():
    pytest.skip("the benchmarks are not available", allow_module_level=True)
sys.path.insert(0, str(ROOT))

import bpnet as bp  # noqa: E402
import cuda_on_cpu  # noqa: E402
from benchmarks import __main__, cuda, report  # noqa: E402
from benchmarks.alexnet import AlexNet, check_step, make_weights  # noqa: E402
from benchmarks.cases import Case, make_data, online  # noqa: E402
from benchmarks.cases import make_weights as make_perceptron  # noqa: E402
from benchmarks.crew import Crew  # noqa: E402
from benchmarks.cuda_cases import CASES, bytes_of_sample, outputs, parameters  # noqa: E402
from benchmarks.measure import Row, check_same_weights, checked_part, difference  # noqa: E402
from benchmarks.report import BANDWIDTH, MATRIX_RATE  # noqa: E402
from benchmarks.workers import Company  # noqa: E402
from cuda_on_cpu import ON_LINUX, passes  # noqa: E402
from peer_forms import COMPILED  # noqa: E402

PROCESSORS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
CASE = Case("batch", (3, 4, 2), 2, 8)
TINY = [
    Case("batch", (5, 8, 6, 3), 4, 200),
    Case("batch", (5, 8, 6, 3), 4, 200, precision="tf32"),
    online((6, 5, 3), 200, 0.01),
]
OURS = "benchmarks.peers.ours"
ON_GPU = "benchmarks.peers.ours_cuda:cuda"
GPU = "cuda:0" in bp.devices()
on_a_gpu = pytest.mark.skipif(
    not GPU, reason="neither a GPU is here nor, by BPNET_CUDA_LIBRARY, an emulated one"
)
built = cuda_on_cpu.built  # the fixture

# Its rates are set by the tests, not measured.
PEER = """
from benchmarks.peers import Runner

class Peer:
    def __init__(self, name):
        self.name = name

    def forms(self, case):
        return ["one"]

    def make(self, case, data, weights, threads, form):
        return Runner(lambda: 1, None if self.name == "card" else lambda: weights)

    def device_name(self):
        return "a card"

def peer(name):
    return Peer(name)
"""


@pytest.fixture
def company():
    with Company() as company:
        yield company


@pytest.fixture
def crew(company, tmp_path, monkeypatch):
    (tmp_path / "quick_peer.py").write_text(PEER)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    peers = {"bpnet": "quick_peer:net", "PyTorch, eager": "quick_peer:net"}
    return cuda.open_crew(company, PROCESSORS, {**peers, **dict.fromkeys(cuda.CARD, "quick_peer:card")})


def tell_rates(crew, rates):
    for name, worker in crew.workers.items():
        worker.rate = lambda seconds, name=name: rates[name]


def test_ratios_and_fractions_of_what_the_card_reaches(crew, capsys):
    assert cuda.name_of_card(crew) == "a card"
    matrix, bandwidth = 4 * CASE.operations * 1e9, 8 * bytes_of_sample(CASE) * 1e9
    tell_rates(crew, {"bpnet": 1e9, "PyTorch, eager": 5e8, MATRIX_RATE: matrix, BANDWIDTH: bandwidth})
    rows = cuda.measure(CASE, crew, 2)
    assert [(row.peer, row.median, row.form) for row in rows] == [
        ("PyTorch, eager", 2.0, "one"),
        (MATRIX_RATE, 0.25, f"{matrix / 1e12:.3g} TFLOP/s"),
        (BANDWIDTH, 0.125, f"{bandwidth / 1e12:.3g} TB/s"),
    ]
    assert "batch 3-4-2 B=2, samples a second: bpnet 1e+09, PyTorch, eager 5e+08" in capsys.readouterr().out


def test_a_fraction_of_the_card_above_1_is_refused(crew, capsys):
    tell_rates(crew, {"bpnet": 1e9, "PyTorch, eager": 5e8, MATRIX_RATE: 1e30, BANDWIDTH: 1.0})
    assert [row.peer for row in cuda.measure(CASE, crew, 1)] == ["PyTorch, eager", MATRIX_RATE]
    assert "B a second are above the peak of 1; it stays in the card's caches" in capsys.readouterr().out


def test_the_table_names_both_fractions():
    rows = [Row("case", 2, "PyTorch", 2, 1, 3), Row("case", 2, MATRIX_RATE, 0.5, 0.4, 0.6, "9 TFLOP/s")]
    rows.append(Row("case", 2, BANDWIDTH, 0.25, 0.2, 0.3, "3 TB/s"))
    fractions = "matrix rate 0.5 [0.4, 0.6], 9 TFLOP/s; bandwidth 0.25 [0.2, 0.3], 3 TB/s"
    assert report.table(rows)[2:] == [f"| case | 2 | PyTorch **2** [1, 3] |  | {fractions} |"]
    assert report.line(rows[1]) == "| case | 2 | of the card's matrix rate (9 TFLOP/s) | 0.5 | 0.4 to 0.6 |"
    assert ", a card; " in report.circumstances(["--device", "cuda"], "a card")


def test_without_a_gpu_nothing_is_measured(monkeypatch, tmp_path):
    path = tmp_path / "rows.json"
    monkeypatch.setattr(
        cuda, "modules", lambda device: dict.fromkeys(("bpnet", *cuda.CARD), "no_such_module")
    )
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--device", "cuda", "--json", str(path)])
    with pytest.raises(
        SystemExit, match="do not both see a GPU, nothing is measured; left out: bpnet, matrix rate"
    ):
        __main__.main()
    assert not path.exists()


@pytest.mark.parametrize("more", [["--alexnet"], ["--kernels"], ["--threads", "1"], ["--adult", "a.csv"]])
def test_options_of_the_processor_are_refused_beside_a_gpu(more, capsys):
    with pytest.raises(SystemExit) as refused:
        __main__.parse(["--device", "cuda", *more])
    assert refused.value.code == 2
    assert f"all processors, {more[0]} says otherwise" in capsys.readouterr().err


def test_threads_are_one_where_nothing_is_said():
    assert __main__.parse([]).threads == "1"
    assert __main__.parse(["--device", "cuda", "--only", "AlexNet"]).only == ["AlexNet"]


def test_every_case_has_a_name_of_its_own():
    assert len({case.name for case in CASES}) == len(CASES)


def test_bytes_are_counted():
    # 3·4 + 4 + 4·2 + 2 parameters, and as much momentum, read and written for two samples; 3 inputs; 4 + 2 outputs.
    assert bytes_of_sample(CASE) == 4 * (3 + 2 * 6 + 4 * 26 / 2)
    assert bytes_of_sample(online((3, 4, 2), 8, 0.1)) == 4 * (3 + 2 * 6 + 2 * 26)
    paper = AlexNet(True, 128, False)
    assert parameters(paper) == sum(w.size + b.size for w, b in make_weights())
    plain = AlexNet(False, 128, False)
    convolved = 96 * 55**2 + 256 * 27**2 + (384 + 384 + 256) * 13**2
    pooled = 96 * 27**2 + 256 * 13**2 + 256 * 6**2
    assert outputs(plain) == convolved + pooled + 4096 + 4096 + 1000
    assert outputs(paper) == outputs(plain) + 96 * 55**2 + 256 * 27**2


@on_a_gpu
def test_on_a_gpu_we_end_with_the_weights_of_the_processor(company):
    crew = Crew(company, 1, PROCESSORS[:1], {"bpnet": OURS, "on a GPU": ON_GPU})
    assert set(crew.workers) == {"bpnet", "on a GPU"}
    for case in TINY:
        if case.precision == "full":
            check_same_weights(case, crew, {"bpnet": "fit", "on a GPU": "fit"})
        else:
            crew.ready(case, {"on a GPU": "fit"})


@pytest.mark.slow
@on_a_gpu
def test_on_a_gpu_alexnet_takes_the_step_of_the_processor(company):
    modules = {"bpnet": "benchmarks.peers.alexnet_ours", "on a GPU": ON_GPU}
    crew = Crew(company, 1, PROCESSORS[:1], modules)
    check_step(AlexNet(True, 4, False), crew, {"bpnet": "step", "on a GPU": "fit"})


@pytest.mark.slow
@ON_LINUX
@pytest.mark.skipif(GPU, reason="a GPU is here")
def test_the_same_on_an_emulated_gpu(built):
    assert passes(built, "--slow", "-k", "test_on_a_gpu", __file__) == 2


def test_a_device_that_bpnet_has_not_is_a_missing_peer():
    from benchmarks.peers import ours_cuda

    with pytest.raises(ImportError, match="cuda"):
        ours_cuda.peer("cuda:99")


def pytorch_crew(company, way):
    crew = Crew(company, 1, PROCESSORS[:1], {"bpnet": OURS, way: f"benchmarks.peers.pytorch_cuda:{way},cpu"})
    if way not in crew.workers:
        pytest.skip("PyTorch is not installed")
    return crew


@pytest.mark.parametrize("way", ["eager", pytest.param("compiled", marks=COMPILED)])
def test_pytorch_ends_with_our_weights(company, way):
    crew = pytorch_crew(company, way)
    for case in TINY:
        forms = crew.workers[way].ask("forms", case=case._asdict())["forms"]
        assert forms
        for form in forms:
            plain = case._replace(precision="full")
            check_same_weights(plain, crew, {"bpnet": "fit", way: form})


@pytest.mark.slow
@pytest.mark.parametrize("way", ["eager", pytest.param("compiled", marks=COMPILED)])
def test_pytorch_s_alexnet_ends_with_our_weights(company, way):
    modules = {"bpnet": "benchmarks.peers.alexnet_ours", way: f"benchmarks.peers.pytorch_cuda:{way},cpu"}
    crew = Crew(company, 1, PROCESSORS[:1], modules)
    if way not in crew.workers:
        pytest.skip("PyTorch is not installed")
    case = AlexNet(True, 4, False)
    for form in crew.workers[way].ask("forms", case=case._asdict())["forms"]:
        check_step(case, crew, {"bpnet": "step", way: form})


@pytest.fixture
def pytorch(monkeypatch):
    """The peers, with a function instead of a CUDA graph: it trains three times, as what is captured does."""
    torch = pytest.importorskip("torch")
    from benchmarks.peers import pytorch_cuda, pytorch_training

    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)  # which a peer sets, as the next two
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", torch.backends.cudnn.allow_tf32)
    before = torch.get_float32_matmul_precision()

    def captured(work):
        for _ in range(3):
            work()
        return work

    monkeypatch.setattr(pytorch_training, "captured", captured)
    yield pytorch_cuda
    torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("case", [TINY[0], TINY[2]], ids=["batch", "online"])
@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=COMPILED)])
def test_a_graph_ends_with_the_weights_of_eager_steps(pytorch, case, compiled):
    few = checked_part(case)
    data, weights = make_data(few), make_perceptron(few)
    ends = {}
    for way in ("eager", "CUDA graph"):
        peer = pytorch.peer(f"{way},cpu")
        for form in peer.forms(case):
            if way == "CUDA graph" and compiled != ("compiled" in form):
                continue
            runner = peer.make(few, data, weights, 1, form)
            assert runner.run() == few.samples
            ends[way, form] = [array for pair in runner.weights() for array in pair]
    first = ends.pop(("eager", "modules, fused optimizer"))
    assert len(ends) == 2 + (2 if compiled else 6)
    assert difference(first, [array for pair in weights for array in pair]) > 1e-4
    for form, end in ends.items():
        assert difference(first, end) < 1e-5, form


@pytest.mark.slow
def test_a_graph_of_alexnet_ends_with_the_weights_of_eager_steps(pytorch):
    case = AlexNet(True, 1, False, dropout=0.0, steps=2)
    ends = []
    for way in ("eager", "CUDA graph"):
        peer = pytorch.peer(f"{way},cpu")
        runner = peer.make(case, 1, peer.forms(case)[0])
        assert runner.run() == 2
        ends.append([array for pair in runner.weights() for array in pair])
    assert difference(*ends) < 1e-5


def test_tf32_is_as_the_case_says(pytorch):
    import torch

    for precision in ("tf32", "full"):
        case = CASE._replace(precision=precision)
        pytorch.peer("eager,cpu").make(
            case, make_data(case), make_perceptron(case), 1, "modules, fused optimizer"
        )
        assert torch.backends.cuda.matmul.allow_tf32 == (precision == "tf32")
        assert torch.backends.cudnn.allow_tf32 == (precision == "tf32")


@pytest.mark.usefixtures("pytorch")
def test_what_the_card_reaches_is_told_in_operations_and_bytes():
    from benchmarks.peers import card

    products = card.peer("products,cpu").make(CASE, None, None, 1, "full")
    assert products.run() == card.ROUNDS * 2 * card.SIDE["cpu"] ** 3
    copies = card.peer("copies,cpu").make(CASE, None, None, 1, "full")
    assert copies.run() == card.ROUNDS * 2 * 4 * card.NUMBERS["cpu"]


def test_a_gpu_that_pytorch_does_not_see_is_a_missing_peer():
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("a GPU is here")
    from benchmarks.peers import pytorch_device

    with pytest.raises(ImportError, match="sees no GPU"):
        pytorch_device.open_device("cuda")
