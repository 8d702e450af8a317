"""Which forms of the benchmarks' peers are allowed: those that pass through a compiler of the peer's take minutes."""

from __future__ import annotations

import os

import pytest

WITH_COMPILERS = "BPNET_COMPILED_PEERS" in os.environ
REASON = "a peer's compiler takes minutes: BPNET_COMPILED_PEERS=1"
COMPILED = [pytest.mark.slow, pytest.mark.skipif(not WITH_COMPILERS, reason=REASON)]


def allowed(forms: list[str]) -> list[str]:
    """The forms without those that are compiled, unless these are asked for."""
    return [form for form in forms if WITH_COMPILERS or "compiled" not in form]
