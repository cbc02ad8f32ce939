"""What machine is this: facts with where each was read, the TEE verdict, and its activity.

Every reader takes a root directory and a way to ask programs, so that a recorded machine can
stand in for this one. A fact that the machine does not show is None, never a guess.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sitegen.fingerprint import devices, gpu, machine, platform, tee
from sitegen.fingerprint.activity import Activity, activity, boot_hash, conditions
from sitegen.fingerprint.places import Command, Log, Machine, asked_at_once, kernel_log, read_text
from sitegen.fingerprint.signals import Seen, signals
from sitegen.fingerprint.tee import claim_contradicted, contradiction, doubted
from sitegen.model import Fact, Fingerprint, Signal, TeeVerdict

if TYPE_CHECKING:
    from sitegen.redact import Redactor

__all__ = [
    "Activity", "activity", "boot_hash", "claim_contradicted", "conditions", "contradiction",
    "doubted", "read", "read_text", "tee_verdict",
]  # fmt: skip

_MOST_TEXT = 500


def read(
    workdir: Path,
    redactor: Redactor,
    *,
    root: Path = Path("/"),
    command: Command | None = None,
) -> Fingerprint:
    """Return the fingerprint of the machine, redacted.

    ``workdir`` lies on the disk whose path is described. ``command`` runs a program and
    returns its output, or None; tests give recorded answers.
    """
    here = Machine(root, command or _ask(root, workdir))
    log = kernel_log(here)
    seen = tuple(signals(here, log))
    verdict = tee.verdict(here, log, seen)

    def clean(text: str) -> str:
        return redactor.text(text)[:_MOST_TEXT]

    facts = tuple(
        Fact(fact.name, None if fact.value is None else clean(fact.value), fact.source)
        for fact in _facts(here, log, verdict, seen, workdir)
    )
    told = tuple(Signal(one.source, clean(one.saw), one.means) for one in verdict.signals)
    reasons = tuple(map(clean, verdict.reasons))
    return Fingerprint(facts, TeeVerdict(verdict.kind, reasons, verdict.confidence, told))


def tee_verdict(root: Path, command: Command | None = None) -> TeeVerdict:
    """Return which TEE the machine's own signals show, with every signal that was looked at."""
    here = Machine(root, command or (lambda _: None))
    log = kernel_log(here)
    return tee.verdict(here, log, tuple(signals(here, log)))


def _facts(
    here: Machine, log: Log | None, verdict: TeeVerdict, seen: tuple[Seen, ...], workdir: Path
) -> Iterator[Fact]:
    yield from platform.facts(here, log, enclave=verdict.kind in tee.ENCLAVES)
    yield from tee.facts(here, log, verdict, seen)
    yield from machine.processor(here)
    yield from machine.memory(here, log)
    yield from machine.kernel(here)
    yield from machine.clock(here)
    yield from machine.limits(here)
    yield from devices.disk(here, workdir)
    yield from devices.network(here)
    yield from gpu.facts(here)


def _ask(root: Path, workdir: Path) -> Command:
    """Return a command that asked the programs at once: one after another they take too long."""
    card = devices.default_card(Machine(root, lambda _: None))
    return asked_at_once(
        [
            ("lscpu",),
            ("dmesg",),
            *(("systemd-detect-virt", what) for what in ("--vm", "--container", "--cvm")),
            devices.findmnt(workdir),
            ("timedatectl", "show", "--property=NTPSynchronized"),
            ("cpuid", "-1", "-r"),
            *([("ethtool", "-k", card)] if card else []),
            gpu.FULL,
            gpu.STATE,
        ]
    )
