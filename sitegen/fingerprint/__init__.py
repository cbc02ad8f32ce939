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
from sitegen.fingerprint.facts import FACTS
from sitegen.fingerprint.places import Command, Machine, asked_at_once
from sitegen.fingerprint.signals import Seen, signals
from sitegen.fingerprint.tee import claim_contradicted, contradiction, doubted
from sitegen.model import Fact, Fingerprint, Signal, TeeVerdict

if TYPE_CHECKING:
    from sitegen.redact import Redactor

__all__ = [
    "Activity", "Machine", "activity", "boot_hash", "claim_contradicted", "conditions",
    "contradiction", "doubted", "read",
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
    seen = tuple(signals(here))
    verdict = tee.verdict(here, seen)

    def clean(text: str) -> str:
        return redactor.text(text)[:_MOST_TEXT]

    found = {fact.name: fact for fact in _facts(here, verdict.kind, seen, workdir)}
    facts = tuple(
        Fact(fact.name, None if fact.value is None else clean(fact.value), fact.source)
        for fact in (found[name] for name in FACTS if name in found)
    )
    told = tuple(Signal(one.source, clean(one.saw), one.means) for one in verdict.signals)
    reasons = tuple(map(clean, verdict.reasons))
    return Fingerprint(facts, TeeVerdict(verdict.kind, reasons, verdict.confidence, told))


def _facts(here: Machine, kind: str, seen: tuple[Seen, ...], workdir: Path) -> Iterator[Fact]:
    for known in FACTS.values():
        if known.file:
            yield Fact(known.name, here.text(known.file) or None, known.file)
    yield from platform.facts(here, enclave=kind in tee.ENCLAVES)
    yield from tee.facts(here, kind, seen)
    yield from devices.disk(here, workdir)
    for part in (machine.processor, machine.memory, machine.kernel, machine.limits):
        yield from part(here)
    yield from devices.network(here)
    yield from gpu.facts(here)


def _ask(root: Path, workdir: Path) -> Command:
    """Return a command that asked the programs at once: one after another they take too long."""
    card = devices.default_card(Machine(root))
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
