"""The logs of SP1 and RISC Zero hosts: cycles, and how long what it took them for.

With RUST_LOG=info, SP1 logs when a stage ends, ``prove_core: close time.busy=7.46s
time.idle=155ms``: it lasts for both times together. Which stages there are says the mode. ``clk =
N`` is a mark on the way and ``└╴N cycles`` a part: neither is the cycles of the program. In the
summary line a number without a unit has been ms and s, and ``khz`` Hz and kHz: speeds are
recomputed, and what fits neither is doubted.

What was only executed lends a proof nothing, where anything between the two says that it was
another process or had another input.

With RISC0_INFO set, RISC Zero's executor logs segments and cycles: total (each segment padded to
a power of two), user, paging, reserved. It does not say how long proving took or what was proven.

A log of a mode in which proofs are fake is refused.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Annotated

from msgspec import Struct

from collectors.zktls import quantities
from collectors.zktls.quantities import Quantity
from collectors.zktls.readers import proofs
from sitegen.collect import Reader, Reading, Recorder, Refused, described
from sitegen.collect.text import plain
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Doubt, ToolIdentity

#: SP1's stages in their order, and the modes of the proofs that end with them.
_STAGES = (
    *("execute", "prove_core", "compress", "shrink", "wrap_bn254"),
    *("wrap_groth16_bn254", "wrap_plonk_bn254", "verify"),
)
_MODES: Mapping[str, str] = {
    "prove_core": "core",
    "compress": "compressed",
    "wrap_groth16_bn254": "groth16",
    "wrap_plonk_bn254": "plonk",
}
_CLOSE = re.compile(r": close time\.busy=(\S+) time\.idle=(\S+)")
_SPANS = re.compile(r"\sINFO\s+(\S.*)")
_SP1_CYCLES = re.compile(
    r"(?:\bsummary: cycles=|\btotal_cycles=|\bSimulation complete, cycles: |"
    r"^Number of cycles: |^cycles: )([0-9]{1,3}(?:,[0-9]{3}){1,6}|[0-9]{1,20})(?![0-9])"
)
_SUMMARY = re.compile(r"\bsummary: (cycles=.*)")
_FIELD = re.compile(r"(\w{1,20})=(.{0,40}?)(?=,\s*\w{1,20}=|\s*$)")
_SP1_FAKE = re.compile(
    r"SP1_PROVER[\"']?\s*[=:]\s*[\"']?mock\b|\bmock (?:prover|proof)\b", re.IGNORECASE
)
_SP1 = re.compile(
    r"(?m)^(?>.*?\bprove_core\b).*(?:: close time\.busy=|summary: cycles=)|"
    r"\bexecute: (?:clk = [0-9]|close time\.busy=)"
)
_DATED = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?Z\s", re.MULTILINE | re.ASCII)
#: A program begins, which may have another input: as cargo says it, or as somebody typed it.
_RUNNING = re.compile(
    r"\s*(?:```|Running `|Finished `|(?:\S{0,80}[$%#>]|\++) +(?:\w+=\S+ +)*(?:time +|sudo +)?"
    r"(?:cargo|prove|sp1\S*|\S*target/\S+|\./\S+)(?: |$))"
)
#: An input, as example programs print theirs.
_ECHO = re.compile(r"(\w{1,20}): ([0-9]{1,20})\s*$")
_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?Z\s")
#: Longer between an execution and a proof, and they are of two processes.
_PAUSE_S, _ORDER_S = 60.0, 2.0
_SAME, _HALF = 0.02, 0.005

_RISC0_FAKE = re.compile(
    r"proving in dev mode|dev[ _-]mode is (?:on|enabled)|"
    r"\bRISC0_DEV_MODE[\"']?\s*[=:]\s*[\"']?(?:1|true|yes|on)\b",
    re.IGNORECASE,
)
_EXECUTION = re.compile(r"\bexecution time:\s*(\S{1,40})\s*$")
_COUNT, _NAME = r"(?P<count>[0-9][0-9,_]{0,30})", r"(?P<name>total|user|paging|reserved)"
_COUNTS = (
    re.compile(rf"\bnumber of (?P<name>segments):\s*{_COUNT}\s*$"),
    re.compile(rf"(?:^|\s){_COUNT} {_NAME} cycles\b"),
    re.compile(rf"\b{_NAME} cycles:\s*{_COUNT}\s*$"),
)
_RISC0 = re.compile(
    r"risc0_zkvm::host|RISC0_INFO|number of segments: [0-9]|[0-9] total cycles\b|R0VM\b"
)


class Asks(proofs.Asks, frozen=True):
    """What a log of SP1 does not say."""

    statement: Annotated[str, described("what is proven, as in rsa-2048-verify")] = ""


class Risc0Asks(Asks, frozen=True):
    """What a log of RISC Zero does not say."""

    prove_time: Annotated[str, described("the proving time, as in 1m32.7s")] = ""


class _Part(Struct):
    """What a log says of one proof or execution: how long its stages took, and its counts."""

    times: dict[str, Quantity] = {}
    counts: dict[str, int] = {}
    inputs: dict[str, str] = {}
    ended: datetime | None = None  # its last line
    proves: bool = False  # it has begun to
    summary: dict[str, str] = {}
    doubts: list[str] = []

    @property
    def proving(self) -> dict[str, Quantity]:
        """Return the stages that make a proof, in their order."""
        return {name: self.times[name] for name in _STAGES[1:-1] if name in self.times}

    @property
    def mode(self) -> str:
        """Return the mode of a proof, or nothing where it was not made.

        Raises SitegenError when the log ends within it.
        """
        if not self.proving:
            return "core" if "e2e" in self.times else ""
        last = [*self.proving][-1]
        if last not in _MODES:
            raise SitegenError(f"it ends after {last}: no proof was finished")
        return _MODES[last]


def knows_risc0(data: bytes) -> bool:
    """Say whether it holds lines that only RISC Zero logs."""
    head = proofs.head_of(data)
    return bool(_RISC0.search(head)) and bool(re.search(r"total cycles|in dev mode", head))


def read_sp1(data: bytes, asks: Asks) -> tuple[Reading, ...]:
    """Return the one run in a log; several proofs of the same cycles are its repetitions.

    Raises Refused for mock proofs.
    """
    text, logged = _logged(data, _take_sp1, _SP1_FAKE, "SP1_PROVER=cpu or cuda")
    for proof in logged:
        _summarise(proof)
    said = [part for part in logged if part.times or part.counts] or logged
    proven = [proof for proof in said if proof.mode] or said
    executed = len(said) > len(proven)
    note = "What was only executed is left out: it may have had another input." if executed else ""
    _check_same(proof.mode for proof in proven)
    _check_same(proof.counts["user"] for proof in proven if "user" in proof.counts)
    times, stages = "time.busy + time.idle of ", " + ".join(proven[0].proving)
    natives = {
        "zktls.prove_time": f"{times}{stages}" if stages else "e2e",
        "zktls.execute_time": f"{times}execute",
        "zktls.verify_time": f"{times}verify",
        "zktls.cycles": "cycles",
        "zktls.proof_size": "proofSize",
    }
    return _readings("sp1", asks, text, proven, natives, mode=proven[0].mode, note=note)


def read_risc0(data: bytes, asks: Risc0Asks) -> tuple[Reading, ...]:
    """Return the one run in a log; several sessions of the same cycles are its repetitions.

    Raises Refused for fake proofs.
    """
    text, parts = _logged(data, _take_risc0, _RISC0_FAKE, "RISC0_DEV_MODE unset")
    sessions: list[_Part] = []
    for session in parts:
        # Some versions log the counts twice, the second time without an execution.
        again = any(session.counts == earlier.counts for earlier in sessions)
        if session.counts and (session.times or not again):
            sessions.append(session)
    if not sessions:
        raise SitegenError("no session is logged in it", fix="set RUST_LOG=info RISC0_INFO=1")
    _check_same(tuple(sorted(session.counts.items())) for session in sessions)
    with proofs.at("--set prove_time"):
        prove = quantities.duration(asks.prove_time)
        if prove and len(sessions) > 1:
            message = f"the log holds {len(sessions)} sessions, and one proving time is given"
            raise SitegenError(message, fix="import the lines of one session")
    natives = {"zktls.cycles": "user cycles, total cycles", "zktls.execute_time": "execution time"}
    return _readings("risc0", asks, text, sessions, natives, prove=prove)


def _readings(  # noqa: PLR0913 - what a log says, and what it does not
    prover: str,
    asks: Asks,
    text: str,
    parts: list[_Part],
    natives: Mapping[str, str],
    *,
    mode: str = "",
    note: str = "",
    prove: Quantity | None = None,
) -> tuple[Reading, ...]:
    """Write what each part says of a proof as a repetition of it."""
    tool = ToolIdentity(prover, asks.prover_version)
    begun = _DATED.search(text)
    recorder = Recorder(tool=tool, natives=natives, started_at=f"{begun[1]}Z" if begun else "")
    for name in ("segments", "paging", "reserved"):
        key = name if name == "segments" else f"{name}_cycles"
        recorder.parameter(key, parts[0].counts.get(name), Comparability.IGNORED)
    if prove:
        recorder.note("The proving time was given by hand: the log does not hold it.")
    if note:
        recorder.note(note)
    mode = proofs.answer(asks, "proof_mode", mode)
    statement = proofs.answer(asks, "statement")
    about = proofs.about(asks, mode, statement=statement, prover=prover)
    for repetition, part in enumerate(parts):
        times = {
            "execute_time": part.times.get("execute"),
            "prove_time": prove or quantities.total(part.proving.values()) or part.times.get("e2e"),
            "verify_time": part.times.get("verify"),
        }
        size = part.counts.get("size") if mode == "core" else None
        cycles = {kind: part.counts.get(kind) for kind in ("user", "total")}
        series = recorder.series(statement, about, repetition=repetition)
        proofs.write(series, times, size, cycles)
        for sentence in part.doubts:
            recorder.doubt(Doubt.INCONSISTENT, sentence, statement)
        printed = part.summary.get("proofSize", "")
        if size and not printed.isdecimal():
            recorder.doubt(Doubt.ROUNDED, f"the proof size is printed as {printed}", statement)
    return (recorder.reading(),)


def _text_of(data: bytes) -> str:
    """Return a log without what another logger put before its lines.

    Where no line has the stamp of tracing then, that stamp was taken for another logger's.
    """
    text = plain(data)
    return text if _DATED.search(text) else proofs.text_of(data)


def _logged(
    data: bytes, take: Callable[[str, list[_Part]], None], fake: re.Pattern[str], fix: str
) -> tuple[str, list[_Part]]:
    """Return the text of a log and its parts; raises Refused where it says that it is of fakes."""
    text, parts = _text_of(data), [_Part()]
    if match := fake.search(text):
        line = f"line {text.count(chr(10), 0, match.start()) + 1}"
        message = f"its proofs are fake ({match[0][:40]})"
        raise Refused(message, where=line, fix=f"prove again with {fix}")
    for number, line in enumerate(proofs.lines_of(text), 1):
        with proofs.at(f"line {number}"):
            take(line, parts)
    return text, parts


def _check_same(values: Iterable[object]) -> None:
    if len(set(values)) > 1:
        message = "it logs proofs of different modes, programs or inputs"
        raise SitegenError(message, fix="import the lines of each on their own")


def _take_sp1(line: str, parts: list[_Part]) -> None:
    """Add what a line says to the last proof, or to the next, which an earlier stage begins."""
    stage, time = _stage(line)
    moment, summary = _moment(line), _SUMMARY.search(line)
    cycles = _SP1_CYCLES.search(line)
    echo = None if cycles else _ECHO.match(line)
    last = max(map(_STAGES.index, parts[-1].times), default=-1)
    begins = _RUNNING.match(line) or (stage and _STAGES.index(stage) <= last)
    again = summary and parts[-1].summary
    if begins or again or _is_elsewhere(parts[-1], moment, echo):
        parts.append(_Part())
    part = parts[-1]
    part.ended, part.proves = moment or part.ended, part.proves or "prove_core" in line
    if echo:
        part.inputs[echo[1]] = echo[2]
    if time:
        part.times[stage] = time
    count = quantities.count(cycles[1]) if cycles else None
    if count and part.counts.setdefault("user", count) != count:
        raise SitegenError("another number of cycles for the same proof")
    if summary:
        part.summary = {name: value.strip() for name, value in _FIELD.findall(summary[1])}


def _moment(line: str) -> datetime | None:
    if match := _STAMP.match(line):
        with contextlib.suppress(ValueError):  # a log may hold anything
            return datetime.fromisoformat(match[1])
    return None


def _is_elsewhere(part: _Part, moment: datetime | None, echo: re.Match[str] | None) -> bool:
    """Say whether a line cannot be of the process that executed ``part``, or of its input."""
    if not (part.times or part.counts):
        return False
    if echo and part.inputs.get(echo[1], echo[2]) != echo[2]:
        return True
    if not moment or not part.ended:
        return False
    passed_s = (moment - part.ended).total_seconds()
    # Threads write a little out of order.
    return passed_s < -_ORDER_S or (passed_s > _PAUSE_S and not part.proves)


def _summarise(part: _Part) -> None:
    """Read the summary of a proof in its units, and hold them to each other and to its stage."""
    said = part.summary
    if size := quantities.size(said.get("proofSize", "")):
        part.counts["size"] = int(size.value)
    stage = part.times.get("prove_core")
    if said.get("e2e"):
        bare = re.fullmatch(r"[0-9]+(\.[0-9]+)?", said["e2e"])
        # SP1 printed whole milliseconds, and later seconds with their decimals.
        units = ("ms", "s") if bare and not bare[1] else ("s", "ms")
        reads = [quantities.duration(said["e2e"], unit) for unit in units]
        fits = [each for each in reads if each and stage and _is_near(each.value, stage.value, 1)]
        taken = next(iter([*fits, *reads]), None)
        part.times |= {"e2e": taken} if taken else {}
        if taken and stage and not fits:
            sentence = f"the summary's time is {said['e2e']}, and the stage's {stage.value:g} s"
            part.doubts.append(sentence)
    speed = quantities.frequency(said.get("khz", said.get("mhz", "")))
    spent, cycles = part.times.get("e2e"), part.counts.get("user")
    if speed and spent and cycles:
        factors = (1,) if speed[1] else (1, 1000) if "khz" in said else (1, 10**6)
        stated, again = float(speed[0]), cycles / spent.value
        if not any(_is_near(stated * each, again, _SAME, _HALF * each) for each in factors):
            text = said.get("khz", said.get("mhz"))
            sentence = f"the speed is {text}, and {cycles} cycles in {spent.value:g} s are "
            part.doubts.append(f"{sentence}{again:g} Hz")


def _is_near(value: float, other: float, share: float, rounded: float = 0.0) -> bool:
    return abs(value - other) <= max(share * min(value, other), rounded)


def _stage(line: str) -> tuple[str, Quantity | None]:
    match = _CLOSE.search(line)
    spans = match and _SPANS.search(line, 0, match.start())
    if not match or not spans:
        return "", None
    # `prove_core:shard` is a part of prove_core, and `prove_core:execute` is no execution.
    *outer, name = [part.partition("{")[0].strip() for part in spans[1].split(":")]
    if name not in _STAGES or any(part in _STAGES for part in outer):
        return "", None
    parts = [quantities.duration(match[1]), quantities.duration(match[2])]
    return name, quantities.total(part for part in parts if part)


def _take_risc0(line: str, parts: list[_Part]) -> None:
    """Add what a line says to the last session, or to the next, which a name again begins."""
    part = parts[-1]
    if match := _EXECUTION.search(line):
        if part.times or part.counts:
            parts.append(part := _Part())
        duration = quantities.duration(match[1])
        part.times |= {"execute": duration} if duration else {}
        return
    match = next(filter(None, (pattern.search(line) for pattern in _COUNTS)), None)
    if match and match["name"] in part.counts:
        parts.append(part := _Part())
    if match and (count := quantities.count(match["count"])):
        part.counts[match["name"]] = count
        if part.counts.get("user", 0) > part.counts.get("total", count):
            raise SitegenError("more user cycles than in total")


SP1 = Reader("sp1", "SP1 log", lambda data: bool(_SP1.search(proofs.head_of(data))), read_sp1, Asks)
RISC0 = Reader("risc0", "RISC Zero log", knows_risc0, read_risc0, Risc0Asks)
