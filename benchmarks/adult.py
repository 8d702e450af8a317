"""From a CSV to a model that has been tested: the Adult data set (Kohavi 1996; 48,842 rows of 6 numbers and 8
categories, of which three have missing values), beside pandas and scikit-learn's pipeline.

All of a process is timed, imports included. Both train the same network by the same rule for as many epochs, on the
same 32,561 rows, and are measured on the other 16,281.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import Row, row
from benchmarks.workers import bound_to

TRAINING_ROWS = 32_561
TARGET = "income"
EPOCHS, BATCH, WIDTHS = 10, 128, (64, 64)

OURS = """
import json, time
start = time.perf_counter()
import bpnet as bp
model = bp.train_model({train!r}, {target!r}, missing="category", unknown="ignore", layers={widths},
                       activation="relu", lr=1e-3, batch_size={batch}, epochs={epochs}, validation=0, verbose=0)
trained = time.perf_counter() - start
accuracy = model.evaluate({test!r})["accuracy"]
print(json.dumps(dict(seconds=time.perf_counter() - start, trained=trained, accuracy=accuracy)))
"""

SKLEARN = """
import json, time, warnings
start = time.perf_counter()
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
import numpy as np
warnings.simplefilter("ignore")
def read(path):
    frame = pd.read_csv(path, keep_default_na=False)
    target = frame.pop({target!r})
    numbers = frame.select_dtypes("number").columns
    return frame.astype(dict.fromkeys(numbers, {dtype!r})), target, list(numbers)
X, y, numbers = read({train!r})
categories = [name for name in X.columns if name not in numbers]
encode = make_column_transformer(
    (StandardScaler(), numbers),
    (OneHotEncoder(handle_unknown="ignore", sparse_output={sparse}, dtype={dtype!r}), categories))
net = MLPClassifier({widths}, activation="relu", solver="adam", alpha=0, batch_size={batch}, max_iter={epochs},
                    tol=0, n_iter_no_change={epochs} + 1, random_state=0)
model = make_pipeline(encode, net).fit(X, y)
trained = time.perf_counter() - start
X, y, _ = read({test!r})
accuracy = float((model.predict(X) == y).mean())
print(json.dumps(dict(seconds=time.perf_counter() - start, trained=trained, accuracy=accuracy)))
"""

PEER = "pandas, scikit-learn"
FORMS = {
    f"{'sparse' if sparse else 'dense'} {dtype}": {"sparse": sparse, "dtype": dtype}
    for sparse in (False, True)
    for dtype in ("float32", "float64")
}


def parts(path: str, folder: Path) -> dict[str, str]:
    """The files of the training and the test rows."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    header, rows = lines[0], lines[1:]
    if header.split(",")[-1] != TARGET or len(rows) != 48_842:
        raise ValueError(
            f"adult: {path} has {len(rows)} rows, 48,842 below a header that ends in {TARGET!r} are needed"
        )
    found = {}
    for name, some in (("train", rows[:TRAINING_ROWS]), ("test", rows[TRAINING_ROWS:])):
        found[name] = str(folder / f"{name}.csv")
        Path(found[name]).write_text("\n".join([header, *some]) + "\n", encoding="utf-8")
    return found


def run(code: str, threads: int, processors: Sequence[int]) -> dict[str, float]:
    """One process from its start to its answer."""
    names = ("BPNET_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = os.environ | dict.fromkeys(names, str(threads))
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        preexec_fn=bound_to(processors),
    )
    if done.returncode:
        raise ValueError(f"adult: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout)


def _peers(files: dict[str, str], threads: int) -> Iterator[tuple[str, tuple[str, int]]]:
    """Every form of the peer, on all threads and on one, which suits small products better."""
    for form, options in FORMS.items():
        for count in sorted({1, threads}):
            yield f"{form}, {count} threads", (SKLEARN.format(**_shared(files), **options), count)


def _shared(files: dict[str, str]) -> dict[str, Any]:
    return {**files, "target": TARGET, "widths": WIDTHS, "batch": BATCH, "epochs": EPOCHS}


def adult(path: str, processors: Sequence[int], repeats: int) -> list[Row]:
    """Ratios of seconds; the accuracies are printed. Each form runs once, the fastest takes turns with bpnet."""
    threads = len(processors)
    with tempfile.TemporaryDirectory() as folder:
        files = parts(path, Path(folder))
        ours = (OURS.format(**_shared(files)), threads)
        peers = dict(_peers(files, threads))
        first = {name: run(*code, processors) for name, code in {"bpnet": ours, **peers}.items()}
        best = min(peers, key=lambda name: first[name]["seconds"])
        tested, trained = [], []
        for _ in range(repeats):
            mine, theirs = (run(*code, processors) for code in (ours, peers[best]))
            tested.append(theirs["seconds"] / mine["seconds"])
            trained.append(theirs["trained"] / mine["trained"])
    for name in ("bpnet", best):
        seconds, accuracy = first[name]["seconds"], 100 * first[name]["accuracy"]
        print(f"adult: {name}: {seconds:.2f} s, accuracy {accuracy:.2f} % of the test rows")
    return [
        row("Adult, CSV to tested model", threads, PEER, tested, best),
        row("Adult, CSV to trained model", threads, PEER, trained, best),
    ]
