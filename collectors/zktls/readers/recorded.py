"""The recorded output of a prover that speaks the contract: JSON lines in a file.

What holds for a live run holds here: without all negative controls refused, nothing is read.
"""

from __future__ import annotations

from collectors.zktls import contract
from collectors.zktls.readers import proofs
from sitegen.collect import Reader, Reading, Recorder, Settings
from sitegen.model import ToolIdentity


def knows(data: bytes) -> bool:
    """Say whether the first line is a prover's record of the contract."""
    line = proofs.head_of(data).lstrip().partition("\n")[0]
    return '"record"' in line and '"prover"' in line and '"proof_system"' in line


def read(data: bytes, _asks: Settings) -> tuple[Reading, ...]:
    """Return one run a session; raises Refused for one whose numbers mean nothing."""
    return tuple(_reading(session) for session in contract.read_all(data))


def _reading(session: contract.Session) -> Reading:
    contract.require_controls(session)
    recorder = Recorder(tool=ToolIdentity(session.prover.prover, session.prover.prover_version))
    contract.settings(recorder, session)
    contract.record(recorder, session, proofs.label)
    return recorder.reading()


READER = Reader("zktls-contract", "prover's contract (JSON lines)", knows, read)
