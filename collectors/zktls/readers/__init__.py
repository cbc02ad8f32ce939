"""Readers of what provers and their benchmarks print, one module a form."""

from __future__ import annotations

from collectors.zktls.readers import (
    interactive,
    mode_table,
    recorded,
    risc_zero,
    sp1,
    zkevm,
    zkvm_perf,
)

READERS = (
    recorded.READER,
    zkvm_perf.READER,
    risc_zero.READER,
    sp1.READER,
    mode_table.READER,
    zkevm.READER,
    interactive.TLSNOTARY,
    interactive.PRIMUS,
)
