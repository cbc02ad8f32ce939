"""The log of an SP1 host: cycles, and how long each stage of a proof took.

With RUST_LOG=info, SP1 logs when a stage ends: ``prove_core: close time.busy=7.46s
time.idle=155ms``. A stage lasts for both times together. The stages of a groth16 proof are
prove_core, compress, shrink, wrap_bn254 and wrap_groth16_bn254; which of them there are says the
mode. ``clk = N`` is a mark on the way and ``└╴N cycles`` a part: neither is the cycles of the
program. ``khz`` in the summary line has been printed in Hz and in kHz: speeds are recomputed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from collectors.zktls import durations
from collectors.zktls.readers import series
from collectors.zktls.readers.series import Proved, Quantity
from sitegen.collect import Reader, Reading, Refused
from sitegen.errors import SitegenError
from sitegen.model import Measurement, ToolIdentity

#: The stages in their order, with the mode of a proof that ends there.
_STAGES: Mapping[str, str] = {
    "execute": "",
    "prove_core": "core",
    "compress": "compressed",
    "shrink": "",
    "wrap_bn254": "",
    "wrap_groth16_bn254": "groth16",
    "wrap_plonk_bn254": "plonk",
    "verify": "",
}
_ORDER = {stage: place for place, stage in enumerate(_STAGES)}
_NOT_PROVING = ("execute", "verify")
_CLOSE = re.compile(r"\sINFO\s+(\S.*?): close time\.busy=(\S+) time\.idle=(\S+)")
_CYCLES = re.compile(
    r"(?:\bsummary: cycles=|\btotal_cycles=|\bSimulation complete, cycles: |"
    r"^Number of cycles: |^cycles: )([0-9]{1,3}(?:,[0-9]{3}){1,6}|[0-9]{1,20})(?![0-9])"
)
_SUMMARY = re.compile(r"\bsummary: cycles=.*?\be2e=([0-9][0-9.]{0,20})s?,.*?\bproofSize=([0-9]+)\b")
_MOCK = re.compile(
    r"SP1_PROVER[\"']?\s*[=:]\s*[\"']?mock\b|\bmock (?:prover|proof)\b", re.IGNORECASE
)
_DATED = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?Z\s", re.MULTILINE | re.ASCII)
_SIGNS = re.compile(
    r"\bprove_core\b.*(?:: close time\.busy=|summary: cycles=)|"
    r"\bexecute: (?:clk = [0-9]|close time\.busy=)"
)
_MOST_LINE = 2000


@dataclass(slots=True)
class _Proof:
    """What the log says of one proof."""

    stages: dict[str, Quantity] = field(default_factory=dict)
    cycles: int | None = None
    summary: Quantity | None = None
    proof_size: int | None = None

    @property
    def proving(self) -> dict[str, Quantity]:
        """Return the stages that make the proof."""
        return {name: time for name, time in self.stages.items() if name not in _NOT_PROVING}

    @property
    def mode(self) -> str:
        """Return the mode of the proof, or nothing where it was not made.

        Raises SitegenError when the log ends within it.
        """
        if not self.proving:
            return "core" if self.summary else ""
        last = max(self.proving, key=lambda name: _ORDER[name])
        if not _STAGES[last]:
            raise SitegenError(f"it ends after {last}: no proof was finished")
        return _STAGES[last]

    @property
    def prove(self) -> Quantity | None:
        """Return the time of all stages that make the proof."""
        if not self.proving:
            return self.summary
        return Quantity(float(sum(Fraction(repr(time.value)) for time in self.proving.values())))


def knows(data: bytes) -> bool:
    """Say whether it holds lines that only SP1 logs."""
    return bool(_SIGNS.search(series.head_of(data)))


def read(data: bytes, settings: Mapping[str, str]) -> tuple[Reading, ...]:
    """Return the one run in a log; several proofs of the same cycles are its repetitions.

    Raises Refused for mock proofs.
    """
    text = series.text_of(data)
    if match := _MOCK.search(text):
        raise Refused(
            "its proofs are fake (mock prover)",
            where=f"line {text.count(chr(10), 0, match.start()) + 1}",
            fix="prove again with SP1_PROVER=cpu or cuda",
        )
    proofs = _proofs(text)
    made = [proof for proof in proofs if proof.mode] or proofs
    modes = {proof.mode for proof in made}
    counted = {proof.cycles for proof in made} - {None}
    if len(modes) > 1 or len(counted) > 1:
        raise SitegenError(
            "it logs proofs of different modes or programs",
            fix="import the lines of each on their own",
        )
    mode = series.answer(settings, "proof_mode", modes.pop() if modes else "")
    rows: list[Measurement] = []
    for repetition, proof in enumerate(made):
        rows += Proved(
            series.answer(settings, "statement"),
            "sp1",
            mode,
            series.SCOPES.get(mode, "total"),
            series.whole_answer(settings, "size"),
            series.whole_answer(settings, "threads"),
            execute=proof.stages.get("execute"),
            prove=proof.prove,
            verify=proof.stages.get("verify"),
            proof_size=proof.proof_size if mode == "core" else None,
            user_cycles=proof.cycles,
        ).rows(repetition)
    if not rows:
        raise SitegenError("it logs no stage and no cycles", fix="set RUST_LOG=info")
    dated = _DATED.search(text)
    return (
        Reading(
            tuple(rows),
            tool=ToolIdentity("sp1", series.optional(settings, "prover_version")),
            natives=(
                ("zktls.prove_time", "time.busy + time.idle of " + " + ".join(_of(mode))),
                ("zktls.execute_time", "time.busy + time.idle of execute"),
                ("zktls.verify_time", "time.busy + time.idle of verify"),
                ("zktls.cycles user", "cycles"),
                ("zktls.proof_size", "proofSize"),
            ),
            started_at=f"{dated[1]}Z" if dated else "",
        ),
    )


def _of(mode: str) -> list[str]:
    """Return the stages that a proof of this mode consists of."""
    ends = {end: stage for stage, end in _STAGES.items() if end}
    last = _ORDER[ends.get(mode, "prove_core")]
    others = {"wrap_groth16_bn254"} if mode == "plonk" else set()
    return [
        stage
        for stage, place in _ORDER.items()
        if place <= last and stage not in {*_NOT_PROVING, *others}
    ]


def _proofs(text: str) -> list[_Proof]:
    """Return the proofs in a log. A stage that is not later than the last begins the next."""
    found = [_Proof()]
    last = -1
    for number, line in enumerate(series.lines_of(text), 1):
        try:
            stage, time = _stage(line[:_MOST_LINE])
            if stage and _ORDER[stage] <= last:
                found.append(_Proof())
            if stage and time:
                last = _ORDER[stage]
                found[-1].stages[stage] = time
            _counts(line[:_MOST_LINE], found[-1])
        except SitegenError as error:
            raise series.placed(error, f"line {number}") from None
    return found


def _stage(line: str) -> tuple[str, Quantity | None]:
    """Return the stage that ends in this line, and how long it took."""
    match = _CLOSE.search(line)
    if match is None:
        return "", None
    # `prove_core:shard` is a part of prove_core, and `prove_core:execute` is no execution.
    *outer, name = [part.partition("{")[0].strip() for part in match[1].split(":")]
    if name not in _STAGES or any(part in _STAGES for part in outer):
        return "", None
    parts = [series.rust_duration(part) for part in (match[2], match[3])]
    total = sum(Fraction(repr(part.value)) for part in parts if part)
    return name, Quantity(float(total)) if total else None


def _counts(line: str, proof: _Proof) -> None:
    if match := _CYCLES.search(line):
        cycles = durations.count(match[1])
        if cycles and proof.cycles not in (None, cycles):
            raise SitegenError("another number of cycles for the same proof")
        proof.cycles = cycles or proof.cycles
    if match := _SUMMARY.search(line):
        proof.summary = series.duration(match[1], "s")
        proof.proof_size = durations.count(match[2])


READER = Reader(
    "sp1",
    "SP1 log",
    knows,
    read,
    series.asks("statement", "size", "proof_mode", "prover_version", "threads"),
)
