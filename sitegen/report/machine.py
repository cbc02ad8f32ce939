"""The machine as a page tells it: facts in words and groups, and what each TEE signal means."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from sitegen.config import TEE_WORDS
from sitegen.fingerprint.facts import FACTS, GROUPS, title, words
from sitegen.model import Fact, Signal, TeeVerdict


class Shown(NamedTuple):
    """A fact in words, with where it was read."""

    title: str
    value: str
    source: str


class FactGroup(NamedTuple):
    """Facts that belong together; ``gist`` is the first of them, ``hidden`` what did not show."""

    title: str
    gist: str
    shown: tuple[Shown, ...]
    hidden: tuple[str, ...]


class TeeSummary(NamedTuple):
    """Which TEE the signals show, how sure, why, and each signal with what it means."""

    kind: str
    sure: str
    reasons: tuple[str, ...]
    signals: tuple[Shown, ...]


_OTHER = "Other"
_PLACES = {name: place for place, name in enumerate(FACTS)}
_MAKERS = {
    "tdx": "Intel", "sev": "AMD", "sev-es": "AMD", "sev-snp": "AMD", "csv": "Hygon", "sgx": "Intel",
    "nitro": "AWS", "cca": "Arm", "secure-execution": "IBM",
}  # fmt: skip
#: What a signal saw where there was nothing to see.
UNSEEN = ("absent", "unreadable", "not asked")


@lru_cache(maxsize=256)
def groups(facts: tuple[Fact, ...]) -> tuple[FactGroup, ...]:
    """Return all facts by group, in the order of the groups; none is left out."""
    by_group: dict[str, list[Fact]] = {name: [] for name in (*GROUPS, _OTHER)}
    for fact in facts:
        entry = FACTS.get(fact.name)
        by_group[entry.group if entry else _OTHER].append(fact)
    return tuple(_group(name, members) for name, members in by_group.items() if members)


def verdict(tee: TeeVerdict) -> TeeSummary:
    """Return the verdict in words; what speaks stands before what showed nothing."""
    signals = sorted(tee.signals, key=lambda one: (not one.means, one.saw in UNSEEN))
    return TeeSummary(
        tee.kind,
        f"{tee.confidence} confidence" if tee.confidence else "",
        tee.reasons,
        tuple(Shown(one.source, one.saw, _meaning(one)) for one in signals),
    )


def _group(name: str, members: Sequence[Fact]) -> FactGroup:
    ordered = sorted(members, key=lambda fact: _PLACES.get(fact.name, len(_PLACES)))
    values = [(fact, fact.value) for fact in ordered if fact.value is not None]
    shown = tuple(Shown(title(f.name), words(f.name, value), f.source) for f, value in values)
    hidden = tuple(title(fact.name) for fact in ordered if fact.value is None)
    gist = "not visible here"
    if shown:
        entry = FACTS.get(values[0][0].name)
        gist = (entry.gist if entry else "{}").format(shown[0].value)
    return FactGroup(name, gist, shown, hidden)


def _meaning(signal: Signal) -> str:
    if signal.means == "none":
        return "speaks against being inside a TEE"
    if signal.means:
        name = TEE_WORDS.get(signal.means, signal.means)
        return f"speaks for {_MAKERS.get(signal.means, '')} {name}".replace("  ", " ")
    return "" if signal.saw in UNSEEN else "says nothing by itself"
