"""The Phoronix Test Suite: any of its tests, as its result files keep them. Read, not run."""

from __future__ import annotations

from collectors.phoronix.composite import READER

__all__ = ["BENCHMARK", "READERS"]

BENCHMARK = "phoronix"
READERS = (READER,)
