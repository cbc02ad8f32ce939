"""RULES: every reason to doubt a number, each with when it applies; the tools' own come after.

Rules are applied when the archive is read, never stored. A rule's definition stands on the
methodology page; its short text stands beside the number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import chain

from sitegen.catalogue.families import TOOLS, family
from sitegen.catalogue.metrics import metric
from sitegen.catalogue.tool import Counts, Figure, Limits, PerOperation, Rule
from sitegen.errors import many
from sitegen.fingerprint import contradiction
from sitegen.fingerprint.gpu import CONFIDENTIAL
from sitegen.model import UNSTEADY, AnyRun, Comparability, Doubt, Provenance, StepConditions

#: Shares of wall time above which a step was disturbed, each with its words.
_BUSY: Mapping[str, tuple[float, str]] = {
    "psi_cpu": (0.2, "waiting for a CPU"),
    "steal": (0.02, "steal"),
    "throttled": (0.01, "throttled"),
}
_BEYOND = 10
#: How many of the differences between two machines a row names.
_NAMED = 3
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
#: Efficiency at more threads above which the one-thread value is doubted.
_SUPERLINEAR = 1.05


def settings_of(run: AnyRun, meaning: Comparability) -> dict[str, str]:
    """Return the parameters of a run in which a difference means so much."""
    return {p.name: p.value for p in run.parameters if p.comparability == meaning}


def limits_of(run: AnyRun) -> Limits:
    """Return the threads and the CPU quota that a run states, each empty where it does not."""
    params = {p.name: p.value for p in run.parameters if p.name in ("threads", "cpu_quota")}
    quota = run.fingerprint.get("cpu_quota") or params.get("cpu_quota", "")
    return Limits(params.get("threads", ""), quota if _NUMBER.fullmatch(quota) else "")


def over_quota(params: Mapping[str, str], limits: Limits) -> str:
    """Return how the threads of a series exceed a run's CPU quota, in words, or nothing.

    Both stand with the run where its series do not say them: a server's log does.
    """
    threads = params.get("threads") or limits.threads
    if not limits.quota or not threads.isdecimal() or float(limits.quota) >= int(threads):
        return ""
    return f"{threads} threads under a CPU quota of {float(limits.quota):g}"


def _one_run(cited: bool, runs: int, repetitions: int) -> str:  # noqa: FBT001 - as every summary
    return "" if cited or runs != 1 else f"One run, {many(repetitions, 'repetition')}."


def _one_boot(runs: Sequence[AnyRun]) -> bool:
    boots = {run.boot for run in runs}
    return len(runs) > 1 and len(boots) == 1 and boots != {""}


def _contended(steps: Sequence[StepConditions]) -> str:
    over = [
        [pair for pair in step.conditions if pair[0] in _BUSY and pair[1] > _BUSY[pair[0]][0]]
        for step in steps
    ]
    worst = dict(sorted(chain.from_iterable(over)))  # of one name the largest share comes last
    parts = ", ".join(f"{_BUSY[name][1]} up to {share:.0%}" for name, share in worst.items())
    return f"In {sum(map(bool, over))} of {len(steps)} steps: {parts}." if parts else ""


def _not_steady(steps: Sequence[StepConditions]) -> str:
    unsteady = sum((UNSTEADY, 1.0) in step.conditions for step in steps)
    return f"In {unsteady} of {len(steps)} steps." if unsteady else ""


def _failed(of: Counts) -> str:
    return f"{of.failed} of {many(of.total, of.counted)} failed." if of.failed else ""


def _suspect(of: Counts) -> str:
    if not of.suspect or of.provenance == Provenance.CITED:
        return ""
    verb = "is" if of.suspect == 1 else "are"
    return f"{of.suspect} of {many(of.total, of.counted)} {verb} suspect."


def _unit_doubtful(of: Counts) -> bool:
    return bool(of.suspect) and of.provenance == Provenance.CITED


def _saturated(figure: Figure) -> str:
    generator = family(figure.metric.partition(".")[0]).generator
    busy = figure.beside.get("client_cpu")
    if generator is None or busy is None or busy < generator.at:
        return ""
    if metric(figure.metric).unit not in ("s", "1/s", "B/s", "tokens/s"):
        return ""
    return f"{generator.name} used {busy:.0%} of a CPU."


def _few_beyond(figure: Figure) -> str:
    requests = figure.beside.get("requests", 0) * (1 - figure.beside.get("errors", 0))
    percent = figure.statistic.removeprefix("p")
    if not requests or percent in (figure.statistic, "50") or metric(figure.metric).unit != "s":
        return ""
    beyond = requests * (1 - float(percent) / 100)
    return f"{beyond:.0f} requests lie beyond {figure.statistic}." if beyond < _BEYOND else ""


def _quota(figure: Figure) -> str:
    excesses = (over_quota(figure.params, limits) for limits in figure.limits)
    return next((f"{over}." for over in excesses if over), "")


def _superlinear(threads: int, share: float) -> str:
    if share <= _SUPERLINEAR:
        return ""
    return f"{threads} threads reach {share:.0%} of {threads} times this value."


def _differ_between(runs: Sequence[AnyRun]) -> str:
    settings = [settings_of(run, Comparability.CAVEAT) for run in runs]
    others = (pair for other in settings[1:] for pair in other.items())
    differing = sorted({name for name, value in others if settings[0].get(name) != value})
    return f"Between runs: {', '.join(differing)}." if differing else ""


def _differ(side: AnyRun, baseline: AnyRun) -> str:
    ours, theirs = (settings_of(run, Comparability.CAVEAT) for run in (side, baseline))
    parts = [
        f"{name} {ours.get(name, 'absent')} against {theirs.get(name, 'absent')}"
        for name in sorted(set(ours) | set(theirs))
        if ours.get(name) != theirs.get(name)
    ]
    needed = [settings_of(run, Comparability.MUST_MATCH).keys() for run in (side, baseline)]
    if unknown := sorted(needed[0] ^ needed[1]):
        parts.append(f"not known of the imported side: {', '.join(unknown)}")
    return f"{'; '.join(parts)}." if parts else ""


def _another_machine(runs: Sequence[AnyRun]) -> str:
    processors = sorted({cpu for run in runs if (cpu := run.fingerprint.get("cpu"))})
    return f"Seen: {'; '.join(processors)}." if len(processors) > 1 else ""


def label_contradicted(run: AnyRun, tee: str, role: str) -> str:
    """Return what the run's machine shows against its declaration, or nothing.

    A GPU TEE is one whose GPU shows that its confidential computing is on.
    """
    # NVML says it of a GPU, in a run of the hardware collector; the CPU's signals do not.
    state = next((p.value for p in run.parameters if p.name == "gpu_cc"), None)
    if state is None and run.fingerprint.get("gpu"):
        state = run.fingerprint.get("gpu_confidential_compute") or "nothing"
    if role == "gpu-tee" or tee == "gpu-cc":
        if state not in (None, *CONFIDENTIAL):
            said = f"of its confidential computing the GPU's driver says {state}"
            return f"Declared as a GPU TEE; {said}."
        if state is not None and tee == "gpu-cc":
            return ""
    return contradiction(tee, role, run.fingerprint)


def _other_setup(differing: Sequence[str], unrecorded: bool) -> str:  # noqa: FBT001 - as compared
    if unrecorded:
        return "The machine is not recorded."
    few, more = list(differing[:_NAMED]), len(differing) - _NAMED
    *first, last = [*few, f"{more} more"] if more > 0 else few or [""]
    names = f"{', '.join(first)} and {last}" if first else last
    return f"Not the same: {names}." if names else ""


def _apart(days: float, most: int) -> str:
    return f"Taken {many(round(days), 'day')} apart." if days > most else ""


def _in_a_row(days: float, most: int) -> str:
    return "One side was taken after the other." if 0 < days <= most else ""


def _moves(what: str, how: str) -> str:
    return f"The {what} {how}." if how else ""


def _share(share: float) -> str:
    return f"{share * 100:g} %"


_GENERATORS = ", ".join(
    f"{tool.family.title}: from {_share(tool.family.generator.at)} of a CPU on"
    for tool in TOOLS
    if tool.family.generator
)


RULES: Mapping[str, Rule] = {
    rule.id: rule
    for rule in (
        Rule("single-figure", "n unknown", doubts=False, summary=lambda cited, *_: cited, definition="The source prints one figure without a count or a spread; the interval is the rounding of its digits and nothing more."),
        Rule("one-run", "one run", doubts=False, summary=_one_run, definition="All values come from one run: its repetitions share a boot, a placement and a cache, so their spread says nothing about the next run."),
        Rule("withdrawn", "withdrawn", run=lambda run, *_: run.withdrawn, definition="Whoever took the run has withdrawn it, for the reason given. It keeps its address and enters no comparison."),
        Rule("quick", "quick", run=lambda run, *_: run.preset == "quick", definition="Taken with the quick preset: seconds instead of minutes, small files, one repetition. It shows that the tool works, not what the machine can do, and it is never compared with other runs."),
        Rule("undated", "undated", doubts=False, named=True, run=lambda run, *_: run.undated and "Nothing says when it was taken.", definition="The output does not say when it was taken, and `--date` did not: it is out of no window of time, and what it is compared with may be years older or younger."),
        Rule("incomplete", "incomplete", run=lambda run, *_: not run.complete, definition="The collection was interrupted; only whole repetitions were kept."),
        *(rule for tool in TOOLS for rule in tool.rules if rule.run),
        Rule("label", "label contradicted", run=label_contradicted, definition="The TEE or the kind of platform that the environment is declared to be is not the one that the machine's own signals show. Signals of low confidence contradict nothing."),
        Rule("another-machine", "another machine", runs=_another_machine, definition="The runs of this environment saw different processors: its label stands for more than one machine."),
        Rule("one-boot", "one boot", doubts=False, runs=_one_boot, definition="All runs come from one boot of the machine: what a boot decides (placement, memory layout) did not vary between them, so they differ less than runs of other days would."),
        Rule("other-setup", "another set-up", doubts=False, named=True, setups=_other_setup, definition="What else the two machines, or their set-ups, differ in that may move the figures: kernel, driver, mitigations, governor, turbo, SMT, NUMA, hypervisor, disk; or a side of which nobody recorded the machine. All that differs is listed below the comparison."),
        Rule("one-after-the-other", "one after the other", doubts=False, named=True, gap=_in_a_row, definition="All runs of one side were taken before those of the other: what changed on the machine meanwhile looks like a difference. Platforms that take turns do not have this doubt."),
        Rule("far-apart", "far apart", doubts=False, named=True, gap=_apart, definition="The two sides were taken so many days apart that updates, tools and neighbours may have changed (`site.apart_days`)."),
        Rule("drift", "moves with time", moves=_moves, definition="From five replicates on: in the order of time the values rise, fall, or follow one another more than 15 in a thousand innocent series do. They are not independent, and the interval promises too much."),
        Rule("parameters-differ", "parameters differ", doubts=False, named=True, runs=_differ_between, pair=_differ, definition="The two sides, or the runs of one side, differ in a parameter that matters and does not forbid the comparison: the version of the tool, the run time."),
        Rule("failed", "failed", counts=_failed, definition="Repetitions that failed. They are counted and never averaged."),
        Rule("unit-doubtful", "unit doubtful", counts=_unit_doubtful, definition="The figure is marked in its source data as stated in a unit that contradicts the rest of the publication."),
        Rule("suspect", "suspect", counts=_suspect, definition="Repetitions that the tool itself shows to be disturbed (for 7-Zip: CPU usage below what its threads should reach). They are shown, counted and kept out of every summary that has others."),
        Rule("not-steady", "not steady", steps=_not_steady, reads=(UNSTEADY,), definition="Over five windows of its time the rate ranged over more than 20 % of its mean, or its trend moved more than 10 % of it: it had not settled (after SNIA PTS 2.0.2)."),
        Rule("contention", "contention", sets_aside=True, steps=_contended, reads=tuple(_BUSY), definition="While the step ran, tasks waited for a CPU in more than {psi_cpu} of the time (PSI), the hypervisor took more than {steal} of it (steal), or the quota stopped the benchmark for more than {throttled} (throttling). While more than half of an environment's runs are clean, a contended run leaves the figures of that workload: it is told beside them with what they would be with it, drawn hollow, and in every table of runs.".format(**{name: _share(least) for name, (least, _) in _BUSY.items()})),
        Rule("quota", "quota below threads", figure=_quota, definition="The benchmark ran more threads than the CPU quota of its container allows at once: it was stopped again and again, and fewer threads might have been faster."),
        *(rule for tool in TOOLS for rule in tool.rules if not rule.run),
        Rule("few-beyond", "thin tail", figure=_few_beyond, definition=f"Fewer than {_BEYOND} requests lie beyond the percentile: it is one or two unlucky requests."),
        Rule("generator-saturated", "load generator saturated", figure=_saturated, definition=f"The load generator used so much of a CPU that it was the limit, not the server ({_GENERATORS})."),
        Rule("superlinear", "base doubtful", scaling=_superlinear, definition=f"Efficiency at more threads passes {_share(_SUPERLINEAR)} of this one-thread value: it is too low, or the tool works differently with one thread."),
        Rule("inconsistent", "contradicts itself", kind=Doubt.INCONSISTENT, definition="Two figures of the imported output contradict each other, such as a rate and the count and time that it follows from: one of them is wrong, or was changed."),
        Rule("misnamed", "misnamed", kind=Doubt.MISNAMED, definition="The output's own name for the workload says something else than what ran, such as a job called random-read that writes. What ran counts."),
        Rule("cut-off", "cut off", kind=Doubt.CUT_OFF, definition="The imported output ends before its end. What is there was read; what stood after it is not measured."),
        Rule("interrupted", "interrupted", kind=Doubt.INTERRUPTED, definition="The tool was stopped before it was done: its figures stand for the part that ran."),
        Rule("unequal-jobs", "jobs of unequal length", kind=Doubt.UNEQUAL_JOBS, definition="The jobs or processes that measured together ran for different times: for a part of the time there was less load than the workload says."),
        Rule("rounded", "rounded", doubts=False, kind=Doubt.ROUNDED, definition="Only rounded figures are left of the original output; the interval of their last digit is not shown."),
        Rule("not-stated", "not stated", kind=Doubt.NOT_STATED, definition="The imported output does not say what tells its series from another, such as the model. It is pooled with no other file and compared with none: that they measured the same is not known."),
        Rule("not-reached", "load not reached", kind=Doubt.NOT_REACHED, definition="The load that the workload names is not what ran, such as a queue depth that a synchronous engine never reaches."),
        Rule("failed-part", "a part failed", kind=Doubt.FAILED_PART, definition="A part of the imported output reports a failure: that part is left out of the figures."),
        Rule("invalid", "invalid", kind=Doubt.INVALID, definition="The tool itself says that its result does not count, such as one of MLPerf's load generator that ran shorter than its rules ask."),
    )
}  # fmt: skip
_OWNERS = {rule.id: tool.family.benchmark for tool in TOOLS for rule in tool.rules}
#: The rules that look at a figure, by benchmark: a tool's own are asked of its figures only.
OF_FIGURES: Mapping[str, tuple[Rule, ...]] = {
    name: tuple(r for r in RULES.values() if r.figure and _OWNERS.get(r.id, name) == name)
    for name in ("", *(tool.family.benchmark for tool in TOOLS))
}
#: The conditions of steps that any rule reads: what the index keeps of a step.
READ_CONDITIONS = frozenset(name for rule in RULES.values() for name in rule.reads)
#: By benchmark, the conditions of its steps that a contrast counts by operation: kept as well.
COUNTED_CONDITIONS: Mapping[str, frozenset[str]] = {
    benchmark: frozenset(name for name, _ in contrast.counts)
    for tool in TOOLS
    for contrast in tool.family.contrasts
    if isinstance(contrast, PerOperation)
    for benchmark, _ in contrast.operations
}
