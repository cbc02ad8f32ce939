"""The recorded output of a prover that speaks the contract: JSON lines in a file.

What holds for a live run holds here: without all negative controls refused, nothing is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from collectors.zktls import contract
from collectors.zktls.readers import series
from sitegen.collect import Reader, Reading
from sitegen.model import Measurement, Sample, ToolIdentity


def knows(data: bytes) -> bool:
    """Say whether the first line is a prover's record of the contract."""
    line = series.head_of(data).lstrip().partition("\n")[0]
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("record") == "prover" and "proof_system" in found


def read(data: bytes, _settings: Mapping[str, str]) -> tuple[Reading, ...]:
    """Return one run a session; raises Refused for one whose numbers mean nothing."""
    return tuple(_found(session) for session in contract.read_all(data))


def _found(session: contract.Session) -> Reading:
    contract.require_controls(session)
    rows: list[Measurement] = []
    samples: list[Sample] = []
    for part in contract.by_statement(session):
        workload = series.label(part.statements[0])
        rows += contract.measurements(part, workload)
        samples += contract.samples(part, workload)
    return Reading(
        tuple(rows),
        samples=tuple(samples),
        tool=ToolIdentity(session.prover.prover, session.prover.prover_version),
        parameters=contract.parameters(session),
    )


READER = Reader("zktls-contract", "prover's contract (JSON lines)", knows, read, {})
