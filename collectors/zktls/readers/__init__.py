"""Readers of what provers and their benchmarks print, by the kind of output."""

from __future__ import annotations

from collectors.zktls import contract, controls
from collectors.zktls.readers import interactive, logs, modes, openvm, proofs, zkvm
from sitegen.collect import Reader, Reading, Recorder, Settings


def _knows(data: bytes) -> bool:
    line = proofs.head_of(data).lstrip().partition("\n")[0]
    return '"record"' in line and '"prover"' in line and '"proof_system"' in line


def _read(data: bytes, _asks: Settings) -> tuple[Reading, ...]:
    """Return one run a session; as live, nothing is read without all controls refused."""
    readings = []
    for session in contract.read_all(data):
        controls.require(session)
        recorder = Recorder(tool=contract.tool(session))
        contract.record(recorder, session, proofs.label)
        readings.append(recorder.reading())
    return tuple(readings)


CONTRACT = Reader("zktls-contract", "prover's contract (JSON lines)", _knows, _read)
READERS = (
    *(CONTRACT, zkvm.PERF, modes.MODES, logs.RISC0, logs.SP1),
    *(zkvm.CASES, openvm.OPENVM, interactive.TLSNOTARY, interactive.PRIMUS),
)
