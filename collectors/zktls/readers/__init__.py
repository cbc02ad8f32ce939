"""Readers of what provers and their benchmarks print, by the kind of output."""

from __future__ import annotations

from collectors.zktls.readers import interactive, logs, mode_table, recorded, zkevm, zkvm_perf

READERS = (
    *(recorded.READER, zkvm_perf.READER, logs.RISC0, logs.SP1, mode_table.READER),
    *(zkevm.READER, interactive.TLSNOTARY, interactive.PRIMUS),
)
