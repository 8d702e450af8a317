"""The peers of one run, each in its process, and the form in which each is fastest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.peers import FILES
from benchmarks.workers import Company, MissingPeer, PeerError, Worker

TRIAL_SECONDS = 0.15


class Crew:
    """The peers that are installed, bpnet first; those that are not are named once and left out.

    Args:
        modules: of the peers, by name.
        environment: what a peer's process has in its environment besides ours.
    """

    def __init__(
        self,
        company: Company,
        threads: int,
        processors: Sequence[int],
        modules: Mapping[str, str] | None = None,
        environment: Mapping[str, dict[str, str]] | None = None,
    ) -> None:
        self.threads = threads
        self.workers: dict[str, Worker] = {}
        self._company = company
        modules = modules or {name: f"benchmarks.peers.{file}" for name, file in FILES.items()}
        for name, module in modules.items():
            try:
                more = (environment or {}).get(name)
                self.workers[name] = Worker(company, name, module, threads, processors, more)
            except MissingPeer as error:
                print(f"left out: {name} ({error})")

    def forms(self, name: str, case: dict[str, Any]) -> list[str]:
        """In which the peer can run the case; none where it, or a part of it, is missing or has ended."""
        try:
            return self.workers[name].ask("forms", case=case)["forms"]
        except (MissingPeer, PeerError) as error:
            print(f"left out: {name} ({error})")
            self.workers.pop(name).end()
            return []

    def best_forms(self, case: Any) -> dict[str, str]:
        """The fastest form of every peer that can run the case, by short trials of all of them."""
        fields = case._asdict()
        fastest = self._company.fastest
        best = {}
        for name in list(self.workers):
            key = f"{name}; {case.name}; threads: {self.threads}"
            if key not in fastest:
                forms = self.forms(name, fields)
                if not forms:
                    continue
                rates = {form: self._trial(name, fields, form) for form in forms} if forms[1:] else {}
                self._company.remember(key, max(forms, key=lambda form: rates.get(form, 0.0)))
            best[name] = fastest[key]
        return best

    def _trial(self, name: str, case: dict[str, Any], form: str) -> float:
        worker = self.workers[name]
        try:
            worker.ask("make", case=case, form=form)
            worker.ask("run", seconds=0)  # compiles, allocates, fills caches
        except PeerError as error:  # no compiler is here, say
            print(f"left out: {name} ({form}): {str(error).splitlines()[0]}")
            return 0.0
        return max(worker.rate(TRIAL_SECONDS) for _ in range(2))

    def ready(self, case: Any, forms: Mapping[str, str]) -> dict[str, Worker]:
        """The workers of these peers, with the case made and run once."""
        for name, form in forms.items():
            self.workers[name].ask("make", case=case._asdict(), form=form)
            self.workers[name].ask("run", seconds=0)
        return {name: self.workers[name] for name in forms}
