"""The benchmark of whole networks without timing anything: small ones, of which every form of a peer makes the same step."""

import os
import sys
from pathlib import Path

import pytest

import bpnet as bp

ROOT = Path(__file__).parents[2]
if not (ROOT / "benchmarks").is_dir():
    pytest.skip("the benchmarks are not available", allow_module_level=True)
sys.path.insert(0, str(ROOT))

from benchmarks import __main__, models  # noqa: E402
from benchmarks.convolutions import convolutions_of  # noqa: E402
from benchmarks.crew import Crew  # noqa: E402
from benchmarks.measure import OtherWeights  # noqa: E402
from benchmarks.models import CASES, make_weights  # noqa: E402
from benchmarks.workers import Company  # noqa: E402
from peer_forms import COMPILED  # noqa: E402

PROCESSORS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
SMALL = [CASES[0]._replace(batch=4, samples=8), CASES[1]._replace(side=32, classes=5, batch=4, samples=4)]


def crew_of(company, *names):
    return Crew(company, 1, PROCESSORS[:1], {name: models.PEERS[name] for name in names})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.network)
def test_operations_are_those_of_the_layers(case):
    net = bp.models.lenet5() if case.network == "LeNet5" else bp.models.resnet18()
    products = sum(c.operations for c in convolutions_of(case.network, net))
    linear = {name: a for name, a in net.state_dict().items() if "fc" in name and name.endswith("weight")}
    assert case.operations == products + sum(3 * 2 * array.size for array in linear.values())


def test_weights_are_drawn_by_name():
    shapes = {"a.weight": (2, 3), "bn.weight": (4,), "b.bias": (4,)}
    one, other = make_weights(shapes), make_weights(dict(reversed(shapes.items())))
    assert all((one[name] == other[name]).all() for name in shapes)
    assert abs(one["bn.weight"] - 1).max() < 0.5 and abs(one["b.bias"]).max() < 0.5


@pytest.mark.parametrize("way", ["eager", pytest.param("compiled", marks=COMPILED)])
@pytest.mark.parametrize(
    "case", [SMALL[0], pytest.param(SMALL[1], marks=pytest.mark.slow)], ids=lambda c: c.network
)
def test_every_form_makes_our_step(case, way):
    with Company() as company:
        crew = crew_of(company, "bpnet", "PyTorch")
        if "PyTorch" not in crew.workers:
            pytest.skip("PyTorch is not installed")
        forms = [form for form in crew.forms("PyTorch", case._asdict()) if way in form]
        assert len(forms) == 2
        for form in forms:
            ours = crew.forms("bpnet", case._asdict())[0]
            models.check(case, crew, {"bpnet": ours, "PyTorch": form})
            crew.workers["PyTorch"].ask("make", case=case._asdict(), form=form)
            assert crew.workers["PyTorch"].ask("run", seconds=0)["samples"] == case.samples


def test_a_model_of_an_instruction_is_not_measured(monkeypatch, capsys):
    monkeypatch.setenv("BPNET_BACKEND", "amx_model")
    with Company() as company:
        assert list(crew_of(company, "bpnet", "bpnet bf16").workers) == ["bpnet"]
    assert "amx_model computes: this processor has no instruction" in capsys.readouterr().out


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.network)
def test_ours_runs(case):
    with Company() as company:
        crew = crew_of(company, "bpnet")
        form = crew.forms("bpnet", case._asdict())[0]
        assert form == ("fit" if case.network == "LeNet5" else "step")
        crew.workers["bpnet"].ask("make", case=case._asdict(), form=form)
        assert crew.workers["bpnet"].ask("run", seconds=0)["samples"] == case.samples


def test_another_step_is_refused(monkeypatch):
    with Company() as company:
        crew = crew_of(company, "bpnet")
        crew.workers["other"] = crew.workers["bpnet"]
        models.check(SMALL[0], crew, {"bpnet": "fit", "other": "fit"})
        monkeypatch.setattr(models, "difference", lambda ours, theirs: 0.5)
        with pytest.raises(OtherWeights, match=r"a step of other \(fit\) differs by 5.0e-01"):
            models.check(SMALL[0], crew, {"bpnet": "fit", "other": "fit"})


def test_the_suites_exclude_each_other(capsys):
    with pytest.raises(SystemExit):
        __main__.parse(["--models", "--convolutions"])
    assert "not allowed with" in capsys.readouterr().err
    assert __main__.suite_of(__main__.parse(["--models"])) is models
    assert __main__.suite_of(__main__.parse([])) is None
