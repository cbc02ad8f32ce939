"""Two environments, or two runs, side by side: what `sitegen compare` says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sitegen.compare import Analysis, Comparison, analyse
from sitegen.config import Config, Environment
from sitegen.errors import SitegenError
from sitegen.model import RUN_ID, Run

BASELINE, SIDE = "baseline", "side"


@dataclass(frozen=True, slots=True)
class Pairing:
    """All comparisons of one side with its baseline; ``differing`` are facts that they differ in.

    Each of ``differing`` is a name and its value on the baseline and on the side.
    """

    baseline: str
    side: str
    comparisons: tuple[Comparison, ...]
    differing: tuple[tuple[str, str, str], ...]
    analysis: Analysis


def pair(runs: Sequence[Run], config: Config, baseline: str, side: str) -> Pairing:
    """Return ``side`` against ``baseline``: each an environment, or one run by its id's end.

    Raises SitegenError when one of them is not there, or both are the same.
    """
    if baseline == side:
        raise SitegenError(f"{baseline!r} is compared with itself", fix="name two of them")
    ours, declared = _chosen(runs, config, side)
    theirs, against = _chosen(runs, config, baseline)
    why = declared.incomparable.get(against.label, "")
    named = {
        BASELINE: replace(against, label=BASELINE, baselines={}, incomparable={}),
        SIDE: replace(
            declared,
            label=SIDE,
            baselines={BASELINE: BASELINE},
            incomparable={BASELINE: why} if why else {},
        ),
    }
    labelled = [
        replace(run, environment=label)
        for label, chosen in ((SIDE, ours), (BASELINE, theirs))
        for run in chosen
    ]
    analysis = analyse(labelled, replace(config, environments=named, pinned=()))
    if not analysis.comparisons:
        raise SitegenError(
            f"{baseline} and {side} have no series in common",
            fix="`sitegen list` shows what each of them has",
        )
    return Pairing(baseline, side, analysis.comparisons, _differing(analysis), analysis)


def _chosen(runs: Sequence[Run], config: Config, name: str) -> tuple[list[Run], Environment]:
    found = [run for run in runs if run.environment == name]
    if found:
        return found, config.environment(name)
    found = [run for run in runs if run.id == name or run.id.endswith(f"-{name}")]
    if len(found) == 1:
        return found, config.environment(found[0].environment)
    if len(found) > 1:
        raise SitegenError(f"{len(found)} runs end with {name!r}", fix="give the whole id")
    kind = "run" if RUN_ID.fullmatch(name) else "environment and no run"
    labels = ", ".join(sorted({run.environment for run in runs})[:12])
    raise SitegenError(f"no {kind} {name[:80]!r}", fix=f"environments: {labels}")


def _differing(analysis: Analysis) -> tuple[tuple[str, str, str], ...]:
    """Return the facts in which the machines of the two sides differ, in the order recorded."""
    facts: dict[str, dict[str, set[str]]] = {}
    for (_, label), selection in analysis.selections.items():
        for run in selection.runs:
            for fact in run.fingerprint.facts:
                found = facts.setdefault(fact.name, {}).setdefault(label, set())
                found.add("not seen" if fact.value is None else fact.value)
    rows = []
    for name, by_label in facts.items():
        base, own = (by_label.get(label, set()) for label in (BASELINE, SIDE))
        if base and own and base != own:
            rows.append((name, "; ".join(sorted(base)), "; ".join(sorted(own))))
    return tuple(rows)
