"""The log of a RISC Zero host: cycles, segments and execution time; the proving time by hand.

With RISC0_INFO set, the executor logs how many segments a session has and its cycles: total
(each segment padded to a power of two), user, paging, reserved. Older versions log "total
cycles: N". None of them says how long proving took or what was proven. A log of the developer
mode, in which proofs are fake, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from collectors.zktls import durations
from collectors.zktls.readers import series
from collectors.zktls.readers.series import Proved, Quantity
from sitegen.collect import Reader, Reading, Refused
from sitegen.errors import SitegenError
from sitegen.model import Measurement, Parameter, ToolIdentity

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
_DATED = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?Z\s", re.MULTILINE | re.ASCII)
_SIGNS = re.compile(
    r"risc0_zkvm::host|RISC0_INFO|number of segments: [0-9]|[0-9] total cycles\b|R0VM\b"
)
_MOST_LINE = 2000


def knows(data: bytes) -> bool:
    """Say whether it holds lines that only RISC Zero logs."""
    head = series.head_of(data)
    return bool(_SIGNS.search(head)) and bool(re.search(r"total cycles|in dev mode", head))


def read(data: bytes, settings: Mapping[str, str]) -> tuple[Reading, ...]:
    """Return the one run in a log; several sessions of the same cycles are its repetitions.

    Raises Refused for fake proofs.
    """
    text = series.text_of(data)
    if match := _DEV_MODE.search(text):
        raise Refused(
            "its proofs are fake (RISC0_DEV_MODE)",
            where=f"line {text.count(chr(10), 0, match.start()) + 1}",
            fix="prove again without that variable",
        )
    sessions = _sessions(text)
    if not sessions:
        raise SitegenError("no session is logged in it", fix="set RUST_LOG=info RISC0_INFO=1")
    counted = {tuple(sorted(session.items())) for session, _ in sessions}
    if len(counted) > 1:
        raise SitegenError(
            f"it logs {len(counted)} different programs or inputs",
            fix="import the lines of each on their own",
        )
    mode = series.answer(settings, "proof_mode")
    prove = _prove(settings, len(sessions))
    cycles = sessions[0][0]
    rows: list[Measurement] = []
    for repetition, (_, execute) in enumerate(sessions):
        rows += Proved(
            series.answer(settings, "statement"),
            "risc0",
            mode,
            series.SCOPES.get(mode, "total"),
            size=series.whole_answer(settings, "size"),
            threads=series.whole_answer(settings, "threads"),
            execute=execute,
            prove=prove,
            user_cycles=cycles.get("user"),
            total_cycles=cycles.get("total"),
        ).rows(repetition)
    dated = _DATED.search(text)
    by_hand = ("The proving time was given by hand: the log does not hold it.",)
    return (
        Reading(
            tuple(rows),
            tool=ToolIdentity("risc0", series.optional(settings, "prover_version")),
            parameters=tuple(
                Parameter(name if name == "segments" else f"{name}_cycles", str(cycles[name]))
                for name in ("segments", "paging", "reserved")
                if name in cycles
            ),
            natives=(
                ("zktls.cycles user", "user cycles"),
                ("zktls.cycles total", "total cycles"),
                ("zktls.execute_time", "execution time"),
            ),
            started_at=f"{dated[1]}Z" if dated else "",
            notes=by_hand if prove else (),
        ),
    )


def _prove(settings: Mapping[str, str], sessions: int) -> Quantity | None:
    said = settings.get("prove_time", "")
    if not said:
        return None
    if sessions > 1:
        raise SitegenError(
            f"the log holds {sessions} sessions, and one proving time is given",
            where="--set prove_time",
            fix="import the lines of one session",
        )
    try:
        return series.duration(said)
    except SitegenError as error:
        raise SitegenError(error.what, where="--set prove_time", fix=error.fix) from None


def _sessions(text: str) -> list[tuple[dict[str, int], Quantity | None]]:
    """Return the counts of each session and its execution time.

    A count that is there already begins the next session. What has no execution time of its
    own and the counts of an earlier one is that one again: some versions log it twice.
    """
    found: list[tuple[dict[str, int], Quantity | None]] = [({}, None)]
    for number, line in enumerate(series.lines_of(text), 1):
        try:
            name, value = _fact(line[:_MOST_LINE].rstrip())
        except SitegenError as error:
            raise series.placed(error, f"line {number}") from None
        counts, execute = found[-1]
        if name in counts or (isinstance(value, Quantity) and (execute or counts)):
            counts, execute = {}, None
            found.append((counts, execute))
        if isinstance(value, Quantity):
            found[-1] = (counts, value)
        elif value is not None:
            counts[name] = value
            if counts.get("user", 0) > counts.get("total", value):
                raise SitegenError("more user cycles than in total", where=f"line {number}")
    sessions: list[tuple[dict[str, int], Quantity | None]] = []
    for counts, execute in found:
        if counts and (execute or all(counts != each for each, _ in sessions)):
            sessions.append((counts, execute))
    return sessions


def _fact(line: str) -> tuple[str, int | Quantity | None]:
    """Return the name and value of what a line says, or two times nothing."""
    if match := _EXECUTION.search(line):
        return "execution", series.rust_duration(match[1])
    if match := _SEGMENTS.search(line):
        return "segments", durations.count(match[1])
    if match := _CYCLES.search(line):
        return match[2], durations.count(match[1])
    if match := _OLD_CYCLES.search(line):
        return match[1], durations.count(match[2])
    return "", None


READER = Reader(
    "risc0",
    "RISC Zero log",
    knows,
    read,
    series.asks("statement", "size", "proof_mode", "prover_version", "threads", "prove_time"),
)
