"""What makes the benchmark's ratios honest, without timing anything: peers take turns in order and one at a time,
their weights agree, each is taken in its fastest form, and no fraction of a peak is above 1."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
if not (ROOT / "benchmarks").is_dir():
    pytest.skip("the benchmarks are not available", allow_module_level=True)
sys.path.insert(0, str(ROOT))

from benchmarks import alexnet, layers, libraries, native, report  # noqa: E402
from benchmarks.cases import CASES, Case, make_weights  # noqa: E402
from benchmarks.crew import Crew  # noqa: E402
from benchmarks.measure import (  # noqa: E402
    AboveThePeak,
    OtherWeights,
    Row,
    check_same_weights,
    difference,
    fractions_of_peak,
    interleaved_rates,
    measure,
    weights_after,
)
from benchmarks.peers import FILES  # noqa: E402
from benchmarks.workers import CAN_STOP, Company, MissingPeer, PeerError, Worker  # noqa: E402
from peer_forms import REASON, allowed  # noqa: E402

PROCESSORS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
CASE = Case("batch", (3, 4, 2), 2, 8)

# Writes when its runs begin and end, while a thread of it never rests; "bad" ends with other weights.
PEER = """
import os, threading
import numpy as np
from benchmarks.peers import Runner

def log(text):
    with open(os.environ["PEER_LOG"], "a") as file:
        file.write(text + "\\n")

class Peer:
    def __init__(self, name):
        self.name = name

    def spin(self):
        while True:
            pass

    def forms(self, case):
        return [] if self.name == "absent" else ["one", "two"]

    def make(self, case, data, weights, threads, form):
        if form == "broken":
            raise ValueError("it does not work")
        threading.Thread(target=self.spin, daemon=True).start()
        def run():
            log(self.name + " begins")
            log(self.name + " ends")
            return 7
        def state():
            return [(w + (self.name == "bad"), b) for w, b in weights]
        return Runner(run, state)

def peer(name):
    return Peer(name)
"""


@pytest.fixture
def company():
    with Company() as company:
        yield company


@pytest.fixture
def log(tmp_path, monkeypatch):
    (tmp_path / "logging_peer.py").write_text(PEER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PEER_LOG", str(tmp_path / "log"))
    return tmp_path / "log"


def crew_of(company, *names):
    return Crew(company, 1, PROCESSORS[:1], {name: f"logging_peer:{name}" for name in names})


def made(crew):
    return crew.ready(CASE, {name: "one" for name in crew.workers})


def once(worker):
    """Without RUN_SECONDS: one run a turn, so that the log is known beforehand."""
    rate = worker.rate
    worker.rate = lambda seconds: rate(0)


def test_peers_alternate_in_the_order_promised(company, log):
    workers = made(crew_of(company, "a", "b", "c"))
    for worker in workers.values():
        once(worker)
    log.write_text("")
    rates, _ = interleaved_rates(workers, 3)
    turns = [f"{name} {what}" for name in "abc" for what in ("begins", "ends")]
    assert log.read_text().split("\n")[:-1] == turns * 3
    assert {name: len(rate) for name, rate in rates.items()} == {"a": 3, "b": 3, "c": 3}


def test_the_peak_is_measured_before_and_after_the_turn_of_the_first(company, log):
    workers = made(crew_of(company, "a", "b"))
    for worker in workers.values():
        once(worker)
    log.write_text("")

    def peak():
        with log.open("a") as file:
            file.write("peak\n")
        return 5.0

    _, peaks = interleaved_rates(workers, 2, peak)
    repeat = ["peak", "a begins", "a ends", "peak", "b begins", "b ends"]
    assert log.read_text().split("\n")[:-1] == repeat * 2
    assert peaks == [5.0] * 4


@pytest.mark.skipif(not Path("/proc/self/stat").exists() or not CAN_STOP, reason="needs Linux's /proc")
def test_all_threads_of_a_peer_are_stopped_while_another_is_awake(company, log):
    workers = made(crew_of(company, "a", "b", "c"))

    def states(worker):
        stats = Path(f"/proc/{worker.pid}/task").glob("*/stat")
        return {stat.read_text().rpartition(")")[2].split()[0] for stat in stats}

    for name, worker in workers.items():
        worker.ask("run", seconds=0)
        assert company.awake == ""
        assert {other: states(workers[other]) for other in workers} == {other: {"T"} for other in workers}, (
            name
        )


def test_two_peers_are_never_awake(company, log):
    workers = made(crew_of(company, "a", "b"))
    company.awake = "a"
    with pytest.raises(RuntimeError, match="b: a is at work"):
        workers["b"].ask("run", seconds=0)


def test_a_worker_is_bound_and_reports_what_goes_wrong(company, log):
    crew = crew_of(company, "a")
    worker = crew.workers["a"]
    if hasattr(os, "sched_getaffinity"):
        assert os.sched_getaffinity(worker.pid) == set(PROCESSORS[:1])
    with pytest.raises(PeerError, match="a: ValueError: it does not work"):
        worker.ask("make", case=CASE._asdict(), form="broken")
    with pytest.raises(MissingPeer, match="no_such_module"):
        Worker(company, "nobody", "no_such_module", 1, PROCESSORS[:1])


def test_a_worker_that_dies_is_reported(company, log):
    worker = crew_of(company, "a").workers["a"]
    os.kill(worker.pid, 9)
    with pytest.raises(PeerError, match="a: it ended, with code -9"):
        worker.ask("run", seconds=0)


def test_a_worker_that_ends_between_two_looks_is_reported(company, log, monkeypatch):
    """It is alive when rest() looks and gone when rest() stops it."""
    worker = crew_of(company, "a").workers["a"]
    process = worker._process._process
    process.kill()
    process.wait()
    with monkeypatch.context() as alive:
        alive.setattr(process, "poll", lambda: None)
        alive.setattr(process, "send_signal", lambda number: None)
        worker._process.rest()
    assert company.awake == ""


def test_other_weights_are_refused(company, log):
    crew = crew_of(company, "bpnet", "good")
    check_same_weights(CASE, crew, {"bpnet": "one", "good": "two"})
    crew = crew_of(company, "bpnet", "bad")
    with pytest.raises(OtherWeights, match=r"batch 3-4-2 B=2: the weights of bad \(one\) differ"):
        check_same_weights(CASE, crew, {"bpnet": "one", "bad": "one"})


def test_weights_of_other_shapes_differ():
    assert difference([np.ones(3)], [np.ones(4)]) == float("inf")
    assert difference([np.ones(3)], [np.array([1, 1, 2.0])]) == 0.5


def test_the_fastest_form_is_taken(company, log, monkeypatch):
    crew = crew_of(company, "bpnet", "a", "absent")
    rates = {"bpnet": {"one": 3, "two": 1}, "a": {"one": 2, "two": 4}}
    monkeypatch.setattr(crew, "_trial", lambda name, case, form: rates[name][form])
    assert crew.best_forms(CASE) == {"bpnet": "one", "a": "two"}
    assert {row.peer: row.form for row in measure(CASE, crew, 1, lambda: 1e30)} == {"a": "two", "peak": ""}


def test_the_fastest_forms_are_kept_in_a_file(log, tmp_path, monkeypatch):
    rates, tried = {"one": 2, "two": 4}, []
    for _ in range(2):  # the second run tries none
        with Company(str(tmp_path / "forms.json")) as company:
            crew = crew_of(company, "a")
            monkeypatch.setattr(crew, "_trial", lambda name, case, form: tried.append(form) or rates[form])
            assert crew.best_forms(CASE) == {"a": "two"}
    assert tried == ["one", "two"]


def test_a_form_that_fails_is_left_out(company, log, capsys, monkeypatch):
    crew = crew_of(company, "a")
    monkeypatch.setattr(crew, "forms", lambda name, case: ["broken", "one"])
    assert crew.best_forms(CASE) == {"a": "one"}
    assert "left out: a (broken): a: ValueError: it does not work" in capsys.readouterr().out


def test_a_fraction_above_1_is_refused(company, log, capsys):
    assert fractions_of_peak("x", [1.0, 3.0], [4.0, 2.0]) == [0.25, 0.75]
    with pytest.raises(AboveThePeak, match="x: 5 operations a second are above the peak of 4"):
        fractions_of_peak("x", [1.0, 5.0], [4.0, 2.0])
    rows = measure(CASE, crew_of(company, "bpnet", "a"), 1, lambda: 1e-9)
    assert [row.peer for row in rows] == ["a"]
    assert "refused: batch 3-4-2 B=2" in capsys.readouterr().out


def test_a_kernel_above_the_peak_is_refused(monkeypatch, capsys):
    lines = [["slow", "GB/s", "1", "0.5", "0.4", "0.6"], ["fast", "GB/s", "1", "0.9", "0.8", "1.001"]]
    monkeypatch.setattr(native, "run", lambda *_: lines)
    assert native.kernels(1, 3) == [Row("kernel: slow", 1, "peak", 0.5, 0.4, 0.6, "1 GB/s")]
    assert "refused: fast reaches 1.001" in capsys.readouterr().out


def test_the_table_names_the_strongest_peer_first():
    rows = [
        Row("case", 1, "weak", 9, 8, 10),
        Row("case", 1, "strong", 0.5, 0.4, 0.6, "form"),
        Row("case", 1, "peak", 0.25, 0.2, 0.3),
    ]
    line = "| case | 1 | strong (form) **0.5** [0.4, 0.6] | weak **9** [8, 10] | 0.25 [0.2, 0.3] |"
    assert report.table(rows)[2:] == [line]


def test_the_command_is_told_without_the_files_that_it_writes():
    line = report.circumstances(
        ["--threads", "1", "--json", "rows.json", "--only", "online 2", "--markdown", "x"]
    )
    assert line.startswith("`python -m benchmarks --threads 1 --only 'online 2'`, ")


def forms_here(worker, case):
    try:
        return worker.ask("forms", case=case._asdict())["forms"]
    except MissingPeer as error:
        pytest.skip(str(error))


PEERS = [name for name in FILES if name != "bpnet"]
FORMS = [
    pytest.param(slice(0, 1), id="first"),
    pytest.param(slice(1, None), id="others", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("which", FORMS)
@pytest.mark.parametrize("name", PEERS)
def test_every_form_of_a_peer_ends_with_our_weights(company, name, which):
    modules = {who: f"benchmarks.peers.{FILES[who]}" for who in ("bpnet", name)}
    crew = Crew(company, 1, PROCESSORS[:1], modules)
    if name not in crew.workers:
        pytest.skip(f"{name} is not installed")
    compared = 0
    for case in CASES:
        if case.predict or case.dropout:
            continue
        for form in allowed(forms_here(crew.workers[name], case)[which]):
            check_same_weights(case, crew, {"bpnet": "fit", name: form})
            compared += 1
    if not compared:
        pytest.skip(f"{name} has no such form here; {REASON}")


@pytest.mark.slow
@pytest.mark.parametrize("predict", [False, True], ids=["training", "inference"])
@pytest.mark.parametrize("name", sorted({*alexnet.TRAINING, *alexnet.INFERENCE} - {"bpnet"}))
def test_every_form_of_alexnet_agrees(company, name, predict):
    modules = alexnet.INFERENCE if predict else alexnet.TRAINING
    if name not in modules or "bf16" in name:
        pytest.skip("not measured" if name not in modules else "bf16 agrees to two digits only")
    crew = Crew(company, 1, PROCESSORS[:1], {who: modules[who] for who in ("bpnet", name)})
    if name not in crew.workers:
        pytest.skip(f"{name} is not installed")
    check = alexnet.check_outputs if predict else alexnet.check_step
    for norm in (True, False):
        case = alexnet.AlexNet(norm, 4, predict)
        for form in allowed(forms_here(crew.workers[name], case)):
            check(case, crew, {"bpnet": "predict" if predict else "step", name: form})
            crew.workers[name].ask("run", seconds=0)  # in memory that is still there


def test_alexnet_has_the_operations_of_its_layers():
    assert sum(w.size + b.size for w, b in alexnet.make_weights()) == 60_965_224
    # 1.45 GFLOP forward: 0.72 G multiply-adds, as counted in the literature.
    assert alexnet.AlexNet(True, 1, True).operations == 2 * 724_406_816


def test_libraries_say_how_they_are_built(monkeypatch, tmp_path):
    monkeypatch.setattr(libraries, "BUILD", tmp_path)
    with pytest.raises(ImportError, match="benchmarks.libraries --fann FOLDER builds it"):
        libraries.forms_of("fann")


def test_the_weights_that_are_compared_come_from_the_run(company, tmp_path):
    crew = Crew(company, 1, PROCESSORS[:1], {"bpnet": "benchmarks.peers.ours"})
    first = [array for pair in make_weights(CASE) for array in pair]
    still = weights_after(crew, "bpnet", CASE._replace(lr=1e-30), "fit", tmp_path / "w.npz")
    moved = weights_after(crew, "bpnet", CASE, "fit", tmp_path / "w.npz")
    assert difference(still, first) == 0
    assert difference(moved, first) > 0


def test_threading_layers_are_compared_and_busy_processes_end(company, monkeypatch):
    started = []
    popen = layers.subprocess.Popen
    monkeypatch.setattr(layers, "RUN_SECONDS", 0.0)
    monkeypatch.setattr(
        layers, "ENVIRONMENTS", {name: {"BPNET_THREADING": name} for name in ("auto", "pool")}
    )
    monkeypatch.setattr(
        layers.subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1]
    )
    monkeypatch.setitem(layers.ENVIRONMENTS, "openmp", {"BPNET_THREADING": "auto"})  # in every build
    rows = layers.compare(CASE, 2, company, PROCESSORS, repeats=1)
    assert [row.peer for row in rows] == ["the better of pool and openmp", "pool", "openmp"]
    assert {row.case for row in rows} == {"threads, beside two busy processes, batch 3-4-2 B=2"}
    assert rows[0].form.endswith("at its end") and rows[0].median > 0
    busy = [process for process in started if "while True: pass" in process.args]
    assert len(busy) == 2 and all(process.returncode is not None for process in busy)
