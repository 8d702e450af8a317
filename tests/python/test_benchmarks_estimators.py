"""The benchmark of estimators: every case has its maker, and the peers run the small ones."""

from __future__ import annotations

import pytest

pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn 1.6 is not installed")
pytest.importorskip("benchmarks", reason="the checkout's root is not on the path")

from benchmarks.estimators import FITS, RIVER, RIVER_OF_TABLES, STREAM, TABLES, pairs, title
from benchmarks.peers.estimators import MAKERS, Peer


@pytest.fixture(autouse=True)
def threads_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("threadpoolctl.threadpool_limits", lambda limit: None)


SMALL = [case._replace(batch=3) for case in FITS if case.kind in ("predict", "predict_proba", "partial_fit")]


def test_every_case_has_a_maker_and_a_name_of_its_own() -> None:
    assert {case.kind for case, _ in pairs()} == set(MAKERS)
    names = [(title(case), peer) for case, peer in pairs()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", ["bpnet", "scikit-learn"])
@pytest.mark.parametrize("case", SMALL, ids=title)
def test_the_peers_run(name: str, case) -> None:
    peer = Peer(name)
    made = peer.make(peer.read_case(case._asdict()), 1, peer.forms(case)[0])
    assert made.run() is None


@pytest.mark.parametrize(
    "case, name",
    [(STREAM, name) for name in ("bpnet", *RIVER)] + [(TABLES, name) for name in ("bpnet", *RIVER_OF_TABLES)],
)
def test_the_streams_run(name: str, case) -> None:
    pytest.importorskip("river", reason="river is not installed")
    if name == "deep-river":
        pytest.importorskip("deep_river", reason="deep-river is not installed")
    peer = Peer(name)
    assert peer.make(case._replace(batch=5), 1, peer.forms(case)[0]).run() is None
