"""How much a long sweep covers: a part, or with BPNET_WHOLE_SWEEPS=1 everything."""

from __future__ import annotations

import os

import pytest

WHOLE = "BPNET_WHOLE_SWEEPS" in os.environ
only_whole = pytest.mark.skipif(not WHOLE, reason="the whole sweep takes minutes: BPNET_WHOLE_SWEEPS=1")
