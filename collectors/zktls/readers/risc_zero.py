"""The log of a RISC Zero host: cycles, segments and execution time; the proving time by hand.

With RISC0_INFO set, the executor logs how many segments a session has and its cycles: total
(each segment padded to a power of two), user, paging, reserved. Older versions log "total
cycles: N". None of them says how long proving took or what was proven. A log of the developer
mode, in which proofs are fake, is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated

from collectors.zktls import quantities
from collectors.zktls.quantities import Quantity
from collectors.zktls.readers import proofs
from collectors.zktls.readers.proofs import Proved
from sitegen.collect import Reader, Reading, Recorder, Refused, described
from sitegen.errors import SitegenError
from sitegen.model import Comparability, ToolIdentity

_DEV_MODE = re.compile(
    r"proving in dev mode|dev[ _-]mode is (?:on|enabled)|"
    r"\bRISC0_DEV_MODE[\"']?\s*[=:]\s*[\"']?(?:1|true|yes|on)\b",
    re.IGNORECASE,
)
_COUNT = r"([0-9][0-9,_]{0,30})"
_CYCLES = re.compile(rf"(?:^|\s){_COUNT} (total|user|paging|reserved) cycles\b")
_OLD_CYCLES = re.compile(rf"\b(total|user|paging|reserved) cycles:\s*{_COUNT}\s*$")
_EXECUTION = re.compile(r"\bexecution time:\s*(\S{1,40})\s*$")
_SEGMENTS = re.compile(rf"\bnumber of segments:\s*{_COUNT}\s*$")
_SIGNS = re.compile(
    r"risc0_zkvm::host|RISC0_INFO|number of segments: [0-9]|[0-9] total cycles\b|R0VM\b"
)


class Asks(proofs.Asks, frozen=True):
    """What a log does not say."""

    statement: proofs.Statement = ""
    prove_time: Annotated[str, described("the proving time, as in 1m32.7s")] = ""


@dataclass(slots=True)
class _Session:
    """One execution: its counts by name, and how long it took."""

    counts: dict[str, int] = field(default_factory=dict)
    execute: Quantity | None = None


def knows(data: bytes) -> bool:
    """Say whether it holds lines that only RISC Zero logs."""
    head = proofs.head_of(data)
    return bool(_SIGNS.search(head)) and bool(re.search(r"total cycles|in dev mode", head))


def read(data: bytes, asks: Asks) -> tuple[Reading, ...]:
    """Return the one run in a log; several sessions of the same cycles are its repetitions.

    Raises Refused for fake proofs.
    """
    text = proofs.text_of(data)
    if match := _DEV_MODE.search(text):
        raise Refused(
            "its proofs are fake (RISC0_DEV_MODE)",
            where=proofs.line_of(match),
            fix="prove again without that variable",
        )
    sessions = _sessions(text)
    if not sessions:
        raise SitegenError("no session is logged in it", fix="set RUST_LOG=info RISC0_INFO=1")
    counts = sessions[0].counts
    if any(session.counts != counts for session in sessions):
        raise SitegenError(
            "it logs different programs or inputs", fix="import the lines of each on their own"
        )
    mode = proofs.answer(asks, "proof_mode")
    with proofs.at("--set prove_time"):
        prove = quantities.duration(asks.prove_time)
        if prove and len(sessions) > 1:
            raise SitegenError(
                f"the log holds {len(sessions)} sessions, and one proving time is given",
                fix="import the lines of one session",
            )
    recorder = Recorder(
        tool=ToolIdentity("risc0", asks.prover_version),
        natives={
            "zktls.cycles": "user cycles, total cycles",
            "zktls.execute_time": "execution time",
        },
        started_at=proofs.begun(text),
    )
    for name, count in (
        ("segments", counts.get("segments")),
        ("paging_cycles", counts.get("paging")),
        ("reserved_cycles", counts.get("reserved")),
    ):
        recorder.parameter(name, count, Comparability.IGNORED)
    if prove:
        recorder.note("The proving time was given by hand: the log does not hold it.")
    for repetition, session in enumerate(sessions):
        Proved(
            proofs.answer(asks, "statement"),
            "risc0",
            mode,
            asks.size,
            asks.threads,
            execute=session.execute,
            prove=prove,
            cycles={kind: counts.get(kind) for kind in ("user", "total")},
        ).write(recorder, repetition)
    return (recorder.reading(),)


def _sessions(text: str) -> list[_Session]:
    """Return the sessions of a log.

    A count that is there already begins the next session. What has no execution time of its
    own and the counts of an earlier one is that one again: some versions log it twice.
    """
    logged = [_Session()]
    for number, line in enumerate(proofs.lines_of(text), 1):
        with proofs.at(f"line {number}"):
            name, value = _fact(line.rstrip())
            session = logged[-1]
            timed = isinstance(value, Quantity)
            if name in session.counts or (timed and (session.execute or session.counts)):
                session = _Session()
                logged.append(session)
            if isinstance(value, Quantity):
                session.execute = value
            elif value is not None:
                session.counts[name] = value
                if session.counts.get("user", 0) > session.counts.get("total", value):
                    raise SitegenError("more user cycles than in total")
    sessions: list[_Session] = []
    for session in logged:
        again = any(session.counts == each.counts for each in sessions)
        if session.counts and (session.execute or not again):
            sessions.append(session)
    return sessions


def _fact(line: str) -> tuple[str, int | Quantity | None]:
    """Return the name and value of what a line says, or nothing of both."""
    if match := _EXECUTION.search(line):
        return "execution", quantities.rust_duration(match[1])
    if match := _SEGMENTS.search(line):
        return "segments", quantities.count(match[1])
    if match := _CYCLES.search(line):
        return match[2], quantities.count(match[1])
    if match := _OLD_CYCLES.search(line):
        return match[1], quantities.count(match[2])
    return "", None


READER = Reader("risc0", "RISC Zero log", knows, read, Asks)
