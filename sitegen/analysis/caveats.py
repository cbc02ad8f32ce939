"""Why a number is shaky: the catalogue's rules, applied to runs, steps, figures and pairs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from sitegen.catalogue.rules import OF_FIGURES, RULES
from sitegen.catalogue.tool import Counts, Figure, Rule
from sitegen.model import DOUBT, AnyRun, Doubt, Provenance

#: The rules by what their predicates look at.
_BY_SCOPE: Mapping[str, tuple[Rule, ...]] = {
    scope: tuple(rule for rule in RULES.values() if getattr(rule, scope) is not None)
    for scope in Rule.__struct_fields__
}


class Caveat(Struct, frozen=True):
    """A rule that applies here, and what it saw: in which ``runs``, where these are known."""

    rule: Rule
    sentence: str
    runs: tuple[str, ...] = ()


def merged(of_runs: Iterable[tuple[str, Iterable[Caveat]]]) -> list[Caveat]:
    """Return caveats of single runs as those of all of them: each once, with its runs."""
    found: dict[tuple[str, str], tuple[Caveat, list[str]]] = {}
    for run, marks in of_runs:
        for mark in marks:
            found.setdefault((mark.rule.id, mark.sentence), (mark, []))[1].append(run)
    return [replace(mark, runs=tuple(runs)) for mark, runs in found.values()]


def caveat(rule_id: str, sentence: str = "") -> Caveat:
    """Return the rule's caveat; without a sentence of its own, the definition stands."""
    rule = RULES[rule_id]
    return Caveat(rule, sentence or rule.definition)


def applying(scope: str, *facts: Any, rules: Sequence[Rule] | None = None) -> list[Caveat]:  # noqa: ANN401 - what predicates of the scope take
    """Return the caveats of the rules whose predicate of ``scope`` applies to the ``facts``."""
    applied = []
    for rule in _BY_SCOPE[scope] if rules is None else rules:
        sentence = getattr(rule, scope)(*facts)
        if sentence:
            applied.append(Caveat(rule, rule.definition if sentence is True else sentence))
    return applied


def of_run(run: AnyRun, tee: str, role: str = "") -> list[Caveat]:
    """Return the caveats that hold for every number of a run, its environment as declared."""
    return applying("run", run, tee, role)


def of_reading(run: AnyRun, workload: str | None = None) -> list[Caveat]:
    """Return what the reader of an imported output doubted: of all of it, or of one workload.

    Without a workload all of it is told, and each sentence says which workload it is about.
    """
    doubts = []
    for parameter in run.parameters:
        if not parameter.name.startswith(DOUBT):
            continue
        kind, _, about = parameter.name.removeprefix(DOUBT).partition(".")
        if workload is not None and about not in ("", workload):
            continue
        sentence = parameter.value
        if about and workload is None:
            sentence = f"{about}: {sentence}"
        # A newer sitegen may doubt for reasons that this one has no rule for.
        rule = next((rule for rule in _BY_SCOPE["kind"] if rule.kind == kind), RULES["suspect"])
        doubts.append(Caveat(rule, sentence))
    return doubts


def of_single(run: AnyRun, tee: str, role: str, counts: Counts) -> list[Caveat]:
    """Return every caveat of a run that stands alone: of it, its reading, its steps, its values."""
    found = of_run(run, tee, role) + of_reading(run)
    # What prepared the measuring disturbed none of it.
    found += applying("steps", [step for step in run.conditions if step.repetition >= 0])
    found += applying("counts", counts)
    if run.provenance == Provenance.CITED:
        found.append(caveat("single-figure"))
    return found


def unstated(run: AnyRun) -> str:
    """Return what a run does not say that tells its series from others, or nothing."""
    name = f"{DOUBT}{Doubt.NOT_STATED}"
    return next((p.value for p in run.parameters if p.name.startswith(name)), "")


def of_figure(figure: Figure) -> list[Caveat]:
    """Return what the traps of each tool say about one figure."""
    tool = figure.metric.partition(".")[0]
    return applying("figure", figure, rules=OF_FIGURES.get(tool, OF_FIGURES[""]))


def across(side: Iterable[Caveat], baseline: Iterable[Caveat]) -> list[Caveat]:
    """Return the caveats of a comparison: the side's own, then the baseline's.

    Some rules speak otherwise of a baseline, and not at all where they speak of the side too.
    """
    marks = list(side)
    ids = {mark.rule.id for mark in marks}
    first: list[Caveat] = []
    for mark in baseline:
        if mark.rule.as_baseline:
            same = {rule.id for rule in RULES.values() if rule.as_baseline == mark.rule.as_baseline}
            other = caveat(mark.rule.as_baseline)
            if not ids & {*same, other.rule.id} and other not in first:
                first.append(other)
        elif mark.rule.id not in ids:
            marks.append(mark)
    return [*first, *marks]
