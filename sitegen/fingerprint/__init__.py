"""What machine is this: facts with where each was read, the TEE verdict, and its activity.

Every reader takes a root directory and a way to ask programs, so that a recorded machine can
stand in for this one. A fact that the machine does not show is None, never a guess.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from sitegen.fingerprint import devices, gpu, machine, platform, tee
from sitegen.fingerprint.activity import Activity as Activity
from sitegen.fingerprint.activity import activity as activity
from sitegen.fingerprint.activity import boot_hash as boot_hash
from sitegen.fingerprint.activity import conditions as conditions
from sitegen.fingerprint.facts import FACTS
from sitegen.fingerprint.places import Command, asked_at_once
from sitegen.fingerprint.places import Machine as Machine
from sitegen.fingerprint.signals import Seen, signals
from sitegen.fingerprint.tee import contradiction as contradiction
from sitegen.fingerprint.tee import doubted as doubted
from sitegen.model import Fact, Fingerprint

if TYPE_CHECKING:
    from sitegen.redact import Redactor

_MOST_TEXT = 500


def read(
    workdir: Path, redactor: Redactor, *, root: Path = Path("/"), command: Command | None = None
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

    order = list(FACTS)
    found = _facts(here, verdict.kind, seen, workdir)
    facts = tuple(
        structs.replace(fact, value=None if fact.value is None else clean(fact.value))
        for fact in sorted(found, key=lambda fact: order.index(fact.name))
    )
    told = tuple(structs.replace(one, saw=clean(one.saw)) for one in verdict.signals)
    reasons = tuple(map(clean, verdict.reasons))
    return Fingerprint(facts, structs.replace(verdict, reasons=reasons, signals=told))


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
