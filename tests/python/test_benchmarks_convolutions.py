"""The benchmark of convolutions without timing anything: its cases are those of the models, and every form of a peer
computes what bpnet's kernels do."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bpnet as bp

ROOT = Path(__file__).parents[2]
if not (ROOT / "benchmarks").is_dir():
    pytest.skip("the benchmarks are not available", allow_module_level=True)
sys.path.insert(0, str(ROOT))

from benchmarks import convolutions  # noqa: E402
from benchmarks.convolutions import Convolution, convolutions_of, distinct, make_arrays, summary  # noqa: E402
from benchmarks.crew import Crew  # noqa: E402
from benchmarks.measure import OtherWeights, Row, difference  # noqa: E402
from benchmarks.peers import convolution_ours  # noqa: E402
from benchmarks.workers import Company, MissingPeer, PeerError  # noqa: E402
from peer_forms import COMPILED  # noqa: E402

PROCESSORS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
CASES = [
    Convolution(("a",), 3, 9, 4, 3, 2, 1, 1, True, True, 2),
    Convolution(("a",), 4, 8, 6, 3, 1, 1, 2, True, False, 3),
    Convolution(("b",), 4, 7, 4, 5, 1, 2, 4, False, False, 1),
    Convolution(("b",), 4, 6, 8, 1, 2, 0, 1, False, False, 2),
]


def test_the_cases_are_the_network_s_with_their_maps():
    found = convolutions_of("LeNet5", convolutions.models()["LeNet5"]())
    assert found == [
        Convolution(("LeNet5",), 1, 28, 6, 5, 1, 2, 1, True, True),
        Convolution(("LeNet5",), 6, 14, 16, 5, 1, 0, 1, True, False),
    ]
    block = convolutions_of("MobileNet 5×5", convolutions.models()["MobileNet 5×5"]())
    assert [(c.kernel, c.depthwise, c.first) for c in block] == [
        (1, False, False),
        (5, True, False),
        (1, False, False),
    ]


def test_a_residual_layer_s_shortcut_sees_what_its_body_sees():
    body = [bp.Conv2d(6, 3, stride=2, padding=1), bp.ReLU(), bp.Conv2d(6, 3, padding=1)]
    net = bp.Network(
        (2, 12, 12), [bp.MaxPool2d(2), bp.Residual(body, [bp.Conv2d(6, 1, stride=2)]), bp.Conv2d(5, 2)]
    )
    found = [(c.channels, c.side, c.out, c.kernel, c.first) for c in convolutions_of("net", net)]
    assert found == [(2, 6, 6, 3, True), (6, 3, 6, 3, False), (2, 6, 6, 1, False), (6, 3, 5, 2, False)]


def test_a_convolution_of_two_models_is_one_case():
    case = CASES[1]
    found = distinct(iter([case, case._replace(models=("b",)), case, CASES[0]]))
    assert found == [case._replace(models=("a", "b")), CASES[0]]


def test_operations_are_those_of_the_products():
    # 384 × 13² outputs of 256 · 3² products, three times; of the first layer twice.
    case = Convolution(("a",), 256, 13, 384, 3, 1, 1, 1, True, False)
    assert case.operations == 3 * 2 * 384 * 13**2 * 256 * 9
    assert case._replace(first=True).operations == 2 * 2 * 384 * 13**2 * 256 * 9


def test_means_are_of_all_and_of_each_model(monkeypatch):
    few = [case._replace(batch=1) for case in CASES]
    monkeypatch.setattr(convolutions, "listed", lambda: few)
    ratios = [4.0, 1.0, 2.0, 2.0]
    rows = [Row(case.name, 1, "PyTorch", ratio, 0, 9) for case, ratio in zip(few, ratios)]
    rows += [Row(few[0].name, 1, "peak", 0.5, 0.5, 0.5), Row("another", 1, "PyTorch", 9.0, 9.0, 9.0)]
    found = {row.case: (row.median, row.least, row.most) for row in summary(rows)}
    assert found == {
        "mean, a": (pytest.approx(2), 1.0, 4.0),
        "mean, b": (pytest.approx(2), 2.0, 2.0),
        "mean, all": (pytest.approx(2), 1.0, 4.0),
        "mean, depthwise": (pytest.approx(2), 2.0, 2.0),
    }


def crew_of(company, *names):
    modules = {name: convolutions.PEERS[name] for name in names}
    return Crew(company, 1, PROCESSORS[:1], modules, convolutions.ENVIRONMENT)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.shape)
def test_every_form_of_ours_computes_the_same(case):
    forms = convolution_ours.forms(case)
    found = [convolution_ours.make(case, 1, form).results() for form in forms]
    wanted = (
        {"y", "grad_weight"} | ({"grad_bias"} if case.bias else set()) | (set() if case.first else {"grad_x"})
    )
    for results in found:
        assert set(results) == wanted
        assert (
            difference(
                [results[name] for name in sorted(wanted)], [found[-1][name] for name in sorted(wanted)]
            )
            < 1e-6
        )
    arrays = make_arrays(case)
    assert np.allclose(
        found[-1].get("grad_bias", 0), arrays["grad_y"].sum(axis=(0, 2, 3)) if case.bias else 0, atol=1e-4
    )


@pytest.mark.parametrize("way", ["eager", pytest.param("compiled", marks=COMPILED)])
def test_every_form_of_pytorch_s_computes_the_same(way):
    with Company() as company:
        crew = crew_of(company, "bpnet", "PyTorch")
        if "PyTorch" not in crew.workers:
            pytest.skip("PyTorch is not installed")
        for case in CASES:
            forms = [form for form in crew.forms("PyTorch", case._asdict()) if way in form]
            assert len(forms) == 2
            for form in forms:
                convolutions.check(case, crew, {"bpnet": convolution_ours.NETWORK, "PyTorch": form})


def test_a_model_of_an_instruction_is_not_measured():
    code = "from benchmarks.convolutions import precisions; print(precisions())"
    said = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "BPNET_BACKEND": "avx512_bf16_model"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert said[0].startswith("left out: bfloat16 (avx512_bf16_model computes: ") and said[1] == "['full']"


def test_other_results_are_refused(monkeypatch):
    with Company() as company:
        crew = crew_of(company, "bpnet")
        monkeypatch.setitem(crew.workers, "other", crew.workers["bpnet"])
        monkeypatch.setattr(convolutions, "difference", lambda ours, theirs: 1e-3)
        forms = {"bpnet": convolution_ours.NETWORK, "other": convolution_ours.NETWORK}
        with pytest.raises(
            OtherWeights, match=r"the results of other \(network of one layer\) differ by 1.0e-03"
        ):
            convolutions.check(CASES[0], crew, forms)
        rounded = CASES[0]._replace(precision="bfloat16")
        try:
            convolutions.check(rounded, crew, forms)
        except (MissingPeer, PeerError) as error:
            assert "precision" in str(error)
