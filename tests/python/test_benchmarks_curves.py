"""What compares the curves: paired statistics, tables of long runs, and the picture of them."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bpnet as bp

ROOT = Path(__file__).parents[2]
if not (ROOT / "benchmarks").is_dir():
    pytest.skip("the benchmarks are not here", allow_module_level=True)
sys.path.insert(0, str(ROOT))

from benchmarks import precisions  # noqa: E402
from benchmarks.imagenette.__main__ import curves  # noqa: E402


def test_the_mean_difference_has_student_s_interval():
    # Differences 1, 2, 3: mean 2, deviation 1; t of 2 degrees of freedom is 4.303, its quantile 0.8 is 1.061.
    found = precisions.compare([10.0, 20.0, 30.0], [11.0, 22.0, 33.0])
    assert found.mean == pytest.approx(2)
    assert found.half == pytest.approx(4.303 / 3**0.5)
    assert found.detectable == pytest.approx((4.303 + 1.061) / 3**0.5)


def test_the_quantiles_are_student_s():
    stats = pytest.importorskip("scipy.stats")
    for freedom, (t975, t80) in enumerate(zip(precisions.T975, precisions.T80, strict=True), 1):
        assert t975 == pytest.approx(stats.t.ppf(0.975, freedom), abs=5e-4)
        assert t80 == pytest.approx(stats.t.ppf(0.8, freedom), abs=5e-4)


def test_each_seed_is_trained_in_both_precisions(capsys):
    accuracies = {("full", 0): 90.0, ("bfloat16", 0): 89.0, ("full", 1): 80.0, ("bfloat16", 1): 81.0}
    result = precisions.tell("net", lambda seed, precision: accuracies[precision, seed], 2)
    assert result.mean == 0
    assert "net, 2 seeds: full 85.00 %, bfloat16 85.00 %; difference +0.00 ± 12.71" in capsys.readouterr().out


def test_a_perceptron_learns_and_the_seed_decides():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 5), np.float32)
    data = precisions.Data("made", x, (x[:, 0] > 0).astype(np.int64), x, (x[:, 0] > 0).astype(np.int64))
    train = precisions.perceptron(data, (8,), epochs=20)
    assert train(0, "full") > 90
    assert train(0, "full") == train(0, "full")


def test_the_tables_that_are_there_are_read(tmp_path):
    table = "epoch,loss,top1,images_per_s\n1,2.0,0.25,9469\n2,1.5,0.5,4734.5\n"
    (tmp_path / "bpnet_float32.csv").write_text(table)
    found = curves(tmp_path)
    assert list(found) == ["bpnet, float32"]
    curve = found["bpnet, float32"]
    assert curve.epochs == [1, 2] and curve.top1 == [25.0, 50.0]
    assert curve.hours == pytest.approx([1 / 3600, 3 / 3600])


def test_the_committed_tables_are_read():
    found = curves(ROOT / "benchmarks" / "imagenette")
    assert found["PyTorch, bfloat16, other processors"].top1[-1] == pytest.approx(71.75)
    assert max(found["bpnet, bfloat16"].top1) == pytest.approx(75.87, abs=0.01)


@pytest.mark.slow
def test_a_run_on_photographs_goes_on_with_its_table(tmp_path):
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / part / name).mkdir(parents=True)
            for index in range(2):
                pixels = rng.integers(0, 255, (256, 256, 3), np.uint8)
                image.fromarray(pixels).save(tmp_path / part / name / f"{index}.png")

    def run(epochs):
        script = ROOT / "examples" / "imagenette.py"
        paths = [str(tmp_path / part) for part in ("train", "test", "run")]
        path = os.pathsep.join(
            filter(None, [str(Path(bp.__file__).parents[1]), os.environ.get("PYTHONPATH")])
        )
        command = [sys.executable, str(script), *paths, "--batch-size", "2", "--epochs", str(epochs)]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": path}, capture_output=True)
        with (tmp_path / "run.csv").open() as file:
            return list(csv.DictReader(file))

    first = run(1)
    second = run(2)
    assert [row["epoch"] for row in second] == ["1", "2"]
    assert second[0] == first[0]
    assert float(second[1]["images_per_s"]) > 0
