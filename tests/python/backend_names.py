"""The backends of this build, by what tests need of them."""

from __future__ import annotations

import bpnet as bp

# Plain loops: the oracle, and in a build with BPNET_GUARDED the same loops on memory that is closed to the host.
PLAIN = [name for name in bp.backends() if name in ("reference", "guarded")]
FAST = [name for name in bp.backends() if name not in PLAIN]
OTHERS = [name for name in bp.backends() if name != "reference"]  # what is compared with the oracle
GPU = [name for name in bp.backends() if name.startswith("cuda")]
