"""What two sides differ in, and whether that forbids to compare them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sitegen.analysis import caveats
from sitegen.analysis.series import Cell, Series
from sitegen.model import DOUBT, Comparability, Provenance, Run

_SAME_PROOF = 0.01
_SIZE = "zktls.proof_size"
#: Parameters of a time or a speed, which the size of a proof does not have.
_NOT_OF_THE_PROOF = frozenset({"time_scope", "cycle_kind", "hash", "cached"})
#: Facts of a machine that tell most about a number, first. Others follow as they were recorded.
TELLING = (
    "tee", "platform", "virtualisation", "paravisor", "cpu", "gpu", "gpus",
    "gpu_confidential_compute", "container", "cpu_quota", "memory_limit", "cpus", "sockets",
    "cores_per_socket", "threads_per_core", "smt", "numa_nodes", "memory", "huge_pages",
    "huge_pages_defrag", "reserved_huge_pages", "swiotlb", "kernel", "kernel_options",
    "vulnerable_to", "mitigations", "microcode", "cpu_flags", "cpu_flags_digest", "clock_source",
    "governor", "energy_preference", "no_turbo", "boost", "isolated_cpus", "cpu_affinity",
    "disk", "disk_bus", "disk_driver", "disk_mapper", "disk_scheduler", "disk_write_cache",
    "file_system", "mount_options", "gpu_driver", "network_driver", "network_offloads", "mtu",
    "hypervisor", "instance_type",
)  # fmt: skip
#: Parameters that forbid a comparison, those that call for a caveat, then, after the facts, others.
_RANKS = (
    Comparability.MUST_MATCH,
    Comparability.CAVEAT,
    Comparability.IDENTITY,
    Comparability.IGNORED,
)
_FACTS_STAND = 2


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that two sides differ in; ``what`` is a parameter's class, or ``machine``."""

    name: str
    what: str
    side: str
    baseline: str


def differences(side: Sequence[Run], baseline: Sequence[Run]) -> tuple[Difference, ...]:
    """Return all parameters and facts of the machine that differ, the telling ones first.

    A parameter that one side does not have differs; a fact that one side did not record does
    not. Nothing differs from a side that has no runs.
    """
    if not side or not baseline:
        return ()
    ranks = _ranks((*side, *baseline))
    settings = sorted(
        (
            Difference(name, ranks[name], ours or "absent", theirs or "absent")
            for name, ours, theirs in _unequal(_settings(side), _settings(baseline))
        ),
        key=lambda one: (_RANKS.index(ranks[one.name]), one.name),
    )
    order = {name: place for place, name in enumerate(TELLING)}
    facts = [
        Difference(name, "machine", ours, theirs)
        for name, ours, theirs in _unequal(_facts(side), _facts(baseline))
        if ours and theirs
    ]
    facts.sort(key=lambda fact: order.get(fact.name, len(order)))
    first = sum(_RANKS.index(ranks[one.name]) < _FACTS_STAND for one in settings)
    return (*settings[:first], *facts, *settings[first:])


def proof_of(series: Series) -> Series:
    """Return the series of the proof's size, for a series of the same proof's times or speeds."""
    proof = tuple(pair for pair in series.params if pair[0] not in _NOT_OF_THE_PROOF)
    return series._replace(metric=_SIZE, statistic="value", params=proof)


def why_not(
    series: Series,
    cell: Cell,
    base: Cell,
    cells: Mapping[tuple[Series, str], Cell],
    sides: Sequence[Run],
) -> str:
    """Return why two cells must not be compared, or nothing; ``sides`` are a run of each."""
    # The size itself is what tells two proofs apart: it may be compared.
    proven = series.benchmark == "zktls" and series.metric != _SIZE
    if proven and (reason := _other_proof(cell, base, cells)):
        return reason
    params = dict(series.params)
    over = next((told for side in sides if (told := caveats.over_quota(params, side))), "")
    return over or _unlike(*sides)


def _unlike(side: Run, base: Run) -> str:
    """Return why two runs were not taken in the same way, or nothing."""
    quick = [run.preset == "quick" for run in (side, base)]
    if any(quick):
        return "quick runs are never compared" if all(quick) else "a quick run against a full one"
    if (side.provenance == Provenance.CITED) != (base.provenance == Provenance.CITED):
        return "a printed figure against one of our own"
    files = [
        {p.value for p in run.parameters if p.name in ("file sha256", "files sha256")}
        for run in (side, base)
    ]
    if files[0] & files[1]:
        return "both sides were read from one file"
    ours, theirs = (
        {p.name: p.value for p in run.parameters if p.comparability == Comparability.MUST_MATCH}
        for run in (side, base)
    )
    if Provenance.IMPORTED in (side.provenance, base.provenance):
        # What another tool did not print is not known, and no difference.
        shared = ours.keys() & theirs.keys()
        ours, theirs = ({n: known[n] for n in shared} for known in (ours, theirs))
    if ours == theirs:
        return ""
    return "; ".join(
        f"{name} is {ours.get(name) or 'absent'} here and {theirs.get(name) or 'absent'} there"
        for name in sorted({*ours, *theirs})
        if ours.get(name) != theirs.get(name)
    )


def _other_proof(cell: Cell, base: Cell, cells: Mapping[tuple[Series, str], Cell]) -> str:
    sizes = []
    for side in (cell, base):
        found = cells.get((proof_of(side.series), side.environment))
        sizes.append(found.summary.value if found and found.summary else math.nan)
    if any(map(math.isnan, sizes)) or abs(sizes[0] / sizes[1] - 1) <= _SAME_PROOF:
        return ""
    return f"not the same proof: {sizes[0] / sizes[1]:.3g} times the size"


def _ranks(runs: Iterable[Run]) -> dict[str, Comparability]:
    """Return the class of each parameter, the strictest where runs disagree."""
    found: dict[str, Comparability] = {}
    for run in runs:
        for each in run.parameters:
            known = found.setdefault(each.name, each.comparability)
            found[each.name] = min(known, each.comparability, key=_RANKS.index)
    return found


def _settings(runs: Iterable[Run]) -> dict[str, str]:
    found: dict[str, set[str]] = {}
    for run in runs:
        for each in run.parameters:
            if not each.name.startswith(DOUBT):
                found.setdefault(each.name, set()).add(each.value)
    return _joined(found)


def _facts(runs: Iterable[Run]) -> dict[str, str]:
    found: dict[str, set[str]] = {}
    for run in runs:
        if run.fingerprint.tee.kind != "unknown":
            found.setdefault("tee", set()).add(run.fingerprint.tee.kind)
        for fact in run.fingerprint.facts:
            value = "not seen" if fact.value is None else fact.value
            found.setdefault(fact.name, set()).add(value)
    return _joined(found)


def _joined(found: Mapping[str, set[str]]) -> dict[str, str]:
    return {name: "; ".join(sorted(values)) for name, values in found.items()}


def _unequal(ours: Mapping[str, str], theirs: Mapping[str, str]) -> Iterable[tuple[str, str, str]]:
    """Yield what is not the same on both, in the order of ours; nothing stands for absent."""
    for key in {**ours, **theirs}:
        if ours.get(key) != theirs.get(key):
            yield key, ours.get(key, ""), theirs.get(key, "")
