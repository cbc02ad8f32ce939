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

from collectors.zktls import quantities
from collectors.zktls.quantities import Quantity
from collectors.zktls.readers import proofs
from collectors.zktls.readers.proofs import Proved
from sitegen.collect import Reader, Reading, Recorder, Refused
from sitegen.errors import SitegenError
from sitegen.model import ToolIdentity

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
_SIGNS = re.compile(
    r"\bprove_core\b.*(?:: close time\.busy=|summary: cycles=)|"
    r"\bexecute: (?:clk = [0-9]|close time\.busy=)"
)
#: Cargo begins another program, which may have another input.
_RUNNING = re.compile(r"^\s*Running `")


class Asks(proofs.Asks, frozen=True):
    """What a log does not say."""

    statement: proofs.Statement = ""


@dataclass(slots=True)
class _Proof:
    """What the log says of one proof."""

    stages: dict[str, Quantity] = field(default_factory=dict)
    cycles: int | None = None
    summary: Quantity | None = None
    size: int | None = None

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
        return quantities.total(self.proving.values()) if self.proving else self.summary


def knows(data: bytes) -> bool:
    """Say whether it holds lines that only SP1 logs."""
    return bool(_SIGNS.search(proofs.head_of(data)))


def read(data: bytes, asks: Asks) -> tuple[Reading, ...]:
    """Return the one run in a log; several proofs of the same cycles are its repetitions.

    Raises Refused for mock proofs.
    """
    text = proofs.text_of(data)
    if match := _MOCK.search(text):
        raise Refused(
            "its proofs are fake (mock prover)",
            where=proofs.line_of(match),
            fix="prove again with SP1_PROVER=cpu or cuda",
        )
    logged = _proofs(text)
    made = [proof for proof in logged if proof.mode] or logged
    modes = {proof.mode for proof in made}
    if len(modes) > 1 or len({proof.cycles for proof in made} - {None}) > 1:
        raise SitegenError(
            "it logs proofs of different modes or programs",
            fix="import the lines of each on their own",
        )
    mode = proofs.answer(asks, "proof_mode", modes.pop())
    times, stages = "time.busy + time.idle of ", " + ".join(made[0].proving)
    recorder = Recorder(
        tool=ToolIdentity("sp1", asks.prover_version),
        natives={
            "zktls.prove_time": f"{times}{stages}" if stages else "e2e",
            "zktls.execute_time": f"{times}execute",
            "zktls.verify_time": f"{times}verify",
            "zktls.cycles": "cycles",
            "zktls.proof_size": "proofSize",
        },
        started_at=proofs.begun(text),
    )
    for repetition, proof in enumerate(made):
        Proved(
            proofs.answer(asks, "statement"),
            "sp1",
            mode,
            asks.size,
            asks.threads,
            execute=proof.stages.get("execute"),
            prove=proof.prove,
            verify=proof.stages.get("verify"),
            proof_size=proof.size if mode == "core" else None,
            cycles={"user": proof.cycles},
        ).write(recorder, repetition)
    return (recorder.reading(),)


def _proofs(text: str) -> list[_Proof]:
    """Return the proofs in a log. A stage that is not later than the last begins the next."""
    logged = [_Proof()]
    for number, line in enumerate(proofs.lines_of(text), 1):
        with proofs.at(f"line {number}"):
            stage, time = _stage(line)
            last = max((_ORDER[name] for name in logged[-1].stages), default=-1)
            if _RUNNING.match(line) or (stage and _ORDER[stage] <= last):
                logged.append(_Proof())
            if time:
                logged[-1].stages[stage] = time
            _count(line, logged[-1])
    return logged


def _stage(line: str) -> tuple[str, Quantity | None]:
    """Return the stage that ends in this line, and how long it took."""
    match = _CLOSE.search(line)
    if match is None:
        return "", None
    # `prove_core:shard` is a part of prove_core, and `prove_core:execute` is no execution.
    *outer, name = [part.partition("{")[0].strip() for part in match[1].split(":")]
    if name not in _STAGES or any(part in _STAGES for part in outer):
        return "", None
    parts = [quantities.rust_duration(match[2]), quantities.rust_duration(match[3])]
    return name, quantities.total(part for part in parts if part) if any(parts) else None


def _count(line: str, proof: _Proof) -> None:
    """Keep what a line says of the cycles and the size of a proof."""
    if match := _CYCLES.search(line):
        cycles = quantities.count(match[1])
        if cycles and proof.cycles not in (None, cycles):
            raise SitegenError("another number of cycles for the same proof")
        proof.cycles = cycles or proof.cycles
    if match := _SUMMARY.search(line):
        proof.summary = quantities.duration(match[1], "s")
        proof.size = quantities.count(match[2])


READER = Reader("sp1", "SP1 log", knows, read, Asks)
