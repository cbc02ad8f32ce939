"""Which runs stand for an environment, and what it is compared with."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from sitegen.analysis.caveats import unstated
from sitegen.catalogue.metrics import unit_problem
from sitegen.catalogue.rules import settings_of
from sitegen.config import Config, Environment, Role, implied
from sitegen.errors import SitegenError
from sitegen.fingerprint.gpu import OPEN
from sitegen.model import AnyRun, Comparability, Fingerprint, Provenance

#: Digits from which a figure tells a measurement, how many must agree, and which share of them.
_TELLING, _LEAST_SHARED, _SAME_SHARE = 4, 3, 0.8


class Selection(Struct, frozen=True):
    """Which runs of a benchmark stand for an environment, and why others do not."""

    runs: tuple[AnyRun, ...]
    left_out: tuple[tuple[str, str], ...] = ()


def environments(runs: Sequence[AnyRun], config: Config) -> dict[str, Environment]:
    """Return every declared, named or seen environment, in declared order and then by name.

    What is not declared is taken from its newest run that saw the machine, and where none did,
    as with imported figures, from what the words of its label imply.
    """
    ordered = sorted(runs, key=lambda run: (saw_machine(run), moment(run), run.id))
    newest = {run.environment: run for run in ordered}
    named = {name for one in config.environments.values() for name in one.baselines.values()}
    order = dict.fromkeys([*config.environments, *sorted({*newest, *named})])
    roles = {}
    for label in order:
        declared = config.environment(label)
        if label in newest and not declared.role:
            by_label = not saw_machine(newest[label])
            # What the settings say of the TEE alone leaves the platform not stated.
            role, tee = implied(label) if by_label else observed(newest[label].fingerprint)
            role = None if by_label and declared.tee else role
            by_label = by_label and role is not None
            declared = replace(declared, role=role, tee=declared.tee or tee, by_label=by_label)
        roles[label] = declared
    return roles


def saw_machine(run: AnyRun) -> bool:
    """Say whether the run looked for a TEE: what another tool printed has not."""
    return run.fingerprint.tee.kind != "unknown"


def superseded(runs: Iterable[AnyRun]) -> dict[str, str]:
    """Return which run stands in the place of which: the newer id by the older.

    Only where both are of one benchmark and environment, so that a run from elsewhere replaces
    nothing here; and a withdrawn run gives back the place that it took.
    """
    by_id = {run.id: run for run in runs}
    return {
        old.id: run.id
        for run in by_id.values()
        if not run.withdrawn
        and (old := by_id.get(run.supersedes)) is not None
        and (old.benchmark, old.environment) == (run.benchmark, run.environment)
    }


def observed(machine: Fingerprint) -> tuple[Role | None, str]:
    """Return the role and the TEE that a machine shows; (None, "") where its signals disagree."""
    hinted = machine.tee.kind != "none" and machine.tee.confidence == "low"
    if machine.tee.kind == "contradictory" or hinted:
        return None, ""
    if machine.tee.kind != "none":
        open_gpu = machine.get("gpu_confidential_compute") in OPEN
        return "gpu-tee" if machine.get("gpu") and not open_gpu else "cpu-tee", machine.tee.kind
    return "metal" if machine.get("virtualisation") in (None, "none") else "vm", "none"


def newest_moment(runs: Iterable[AnyRun]) -> datetime | None:
    """Return when the newest measurement was taken, from which the window is counted."""
    dated = (run for run in runs if run.provenance != Provenance.CITED and not run.undated)
    return max(map(moment, dated), default=None)


def select(
    runs: Sequence[AnyRun], config: Config, newest: datetime | None = None
) -> dict[tuple[str, str], Selection]:
    """Return which runs stand for each (benchmark, environment).

    Complete runs that are not quick, superseded or out of the window; among these, the most that
    have the same parameters, collected ones before imported ones. Where there are none, the
    newest of what there is stands in, and carries its caveat. Cited runs have no window: their
    publication dates them; neither have those of which nothing says when they were taken.
    ``newest`` is when the report's newest run was taken.
    """
    gone = superseded(runs)
    newest = newest or newest_moment(runs)
    groups: dict[tuple[str, str], list[AnyRun]] = defaultdict(list)
    for run in runs:
        groups[run.benchmark, run.environment].append(run)
    return {key: _selected(groups[key], gone, newest, config) for key in sorted(groups)}


def _selected(
    runs: Sequence[AnyRun], gone: Mapping[str, str], newest: datetime | None, config: Config
) -> Selection:
    out: list[tuple[str, str]] = []

    def without(runs: Sequence[AnyRun], why: Callable[[AnyRun], str]) -> list[AnyRun]:
        reasons = [(run, why(run)) for run in runs]
        out.extend((run.id, reason) for run, reason in reasons if reason)
        return [run for run, reason in reasons if not reason]

    good = sorted(runs, key=lambda run: (moment(run), run.id))
    good = without(good, lambda run: reason_against(run, gone, newest, config))
    spare = {
        run.id: "quick preset" if run.preset == "quick" else "" if run.complete else "incomplete"
        for run in good
    }
    if good and all(spare.values()):
        spare[good[-1].id] = ""
    good = without(good, lambda run: spare[run.id])
    copies = same_measurement(good)
    good = without(good, lambda run: copies.get(run.id, ""))
    if any(run.provenance == Provenance.COLLECTED for run in good):
        why = "imported; the runs collected here stand first"
        good = without(good, lambda run: why if run.provenance == Provenance.IMPORTED else "")
    known = [run for run in good if not unstated(run)] or good[-1:]
    why_alone = "does not say which series it is of: pooled with no other"
    good = without(good, lambda run: "" if run in known else why_alone)
    if good:
        chosen = _largest(good)
        good = without(good, lambda run: _otherwise(signature(run), chosen))
    return Selection(tuple(good), tuple(sorted(out)))


def same_measurement(runs: Sequence[AnyRun]) -> dict[str, str]:
    """Return why imported runs that repeat another one's figures do not count, by id.

    One output may come in as a log, in notes, and with its logs beside it: that is one
    measurement and no replication. Figures of four digits and more tell: two outputs that share
    at least three of them, and four fifths of what the shorter one has, are of one measurement.
    The one that holds more is kept.
    """
    holders: dict[tuple[object, ...], list[str]] = defaultdict(list)
    sizes: dict[str, int] = {}
    reasons: dict[str, str] = {}
    imported = [run for run in runs if run.provenance == Provenance.IMPORTED]
    for run in sorted(imported, key=lambda run: (-len(run.measurements), run.id)):
        figures = {
            (row.workload, row.metric, row.statistic, row.repetition, row.value)
            for row in run.measurements
            if row.value is not None and _digits(row.value) >= _TELLING
        }
        shared = Counter(other for row in figures for other in holders[row])
        other, count = max(shared.items(), key=lambda pair: pair[1], default=("", 0))
        if count >= _LEAST_SHARED and count >= _SAME_SHARE * min(len(figures), sizes[other]):
            reasons[run.id] = f"the same measurement as {other}"
            continue
        sizes[run.id] = len(figures)
        for row in figures:
            holders[row].append(run.id)
    return reasons


def _digits(value: float) -> int:
    return len(f"{abs(value):.15g}".partition("e")[0].replace(".", "").strip("0"))


def reason_against(
    run: AnyRun, superseded: Mapping[str, str], newest: datetime | None, config: Config
) -> str:
    """Return why a run may not stand for its environment, or nothing.

    Without ``newest`` it may be of any age.
    """
    if run.withdrawn or run.id in superseded:
        return f"withdrawn: {run.withdrawn}" if run.withdrawn else "superseded by a later run"
    if problem := unit_problem(run.units):
        return problem
    if run.provenance == Provenance.CITED:
        return ""
    if config.pinned and run.id not in config.pinned:
        return "not in the report's list of runs"
    if newest and not run.undated and moment(run) < newest - timedelta(days=config.window_days):
        return f"older than {config.window_days} days"
    return ""


_Signature = dict[str, str]


def signature(run: AnyRun) -> _Signature:
    """Return what must be the same of runs that stand together."""
    tool = {"tool": f"{run.tool.name} {run.tool.version}".rstrip()} if run.tool else {}
    return {**settings_of(run, Comparability.MUST_MATCH), **tool, "provenance": run.provenance}


def _largest(runs: Sequence[AnyRun]) -> _Signature:
    """Return what most runs have in common, of equally many the newest."""
    numbers = Counter(frozenset(signature(run).items()) for run in reversed(runs))
    [(most, _)] = numbers.most_common(1)
    return dict(most)


def _otherwise(own: _Signature, chosen: _Signature) -> str:
    """Return how a run was taken otherwise than those that stand, or nothing."""
    differing = [
        f"{name} {own.get(name, 'absent')}, not {chosen.get(name, 'absent')}"
        for name in sorted({*own, *chosen})
        if own.get(name) != chosen.get(name)
    ]
    return f"other parameters: {'; '.join(differing)}" if differing else ""


def moment(run: AnyRun) -> datetime:
    """Return when a run was begun, as the beginning of what is known of it."""
    text = run.started_at
    if len(text) < 10:  # noqa: PLR2004 - a publication's date may be a year or a month
        text = (text + "-01-01")[:10]
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def check_baselines(labels: Iterable[str], config: Config) -> None:
    """Raise SitegenError for a declared baseline that is neither declared itself nor has runs.

    ``labels`` are the environments of all runs, whole or damaged.
    """
    there = {*config.environments, *labels}
    for label, declared in config.environments.items():
        for word, name in declared.baselines.items():
            if name not in there:
                key = f"environments.{label}.baselines.{word}"
                message = f"{key} names {name!r}, which is no environment"
                fix = f"known are {', '.join(sorted(there))}"
                raise SitegenError(message, where=str(config.file), fix=fix)


def hints(runs: Sequence[AnyRun], config: Config) -> list[str]:
    """Return what keeps runs from being compared and can be mended, a line each.

    ``config`` is as `sitegen.toml` has it: a pinned run that is not there, an environment whose
    runs are all too old, platforms of which nothing says what they are measured against.
    """
    there = {run.id for run in runs}
    gone = [each for each in config.pinned if each not in there]
    lines = [f"site.pinned names {each}, which is not in the archive" for each in gone]
    measuring = [
        run
        for run in runs
        if not (run.provenance == Provenance.CITED or run.withdrawn or run.undated)
    ]
    latest = {run.environment: run for run in sorted(measuring, key=moment)}
    newest = max(measuring, key=moment, default=None)
    lines += [
        f"all runs of {label} are more than {config.window_days} days older than {newest.id}:"
        " they enter no comparison (site.window_days)"
        for label, run in sorted(latest.items())
        if newest and moment(run) < moment(newest) - timedelta(days=config.window_days)
    ]
    observed = replace(config, environments=environments(runs, config))
    labels = sorted({run.environment for run in runs})
    measured = sorted({run.environment for run in runs if run.provenance != Provenance.CITED})
    # Of platforms without a TEE one that is declared needs no baseline: its author said what it is.
    asked = [
        label
        for label in measured
        if observed.environment(label).tee != "none" or label not in config.environments
    ]
    lone = len(asked) == 1 and observed.environment(asked[0]).tee == "none"
    paired = any(baselines(label, observed, labels) for label in measured)
    if len(measured) > 1 and asked and not lone and not paired:
        side = next((one for one in measured if implied(one)[1] not in ("", "none")), measured[-1])
        base = next(one for one in measured if one != side)
        lines.append(
            f"nothing says what {', '.join(measured[:5])} are measured against:"
            f" `sitegen baseline {side}={base}` or the other way round"
        )
    return lines


def baselines(label: str, config: Config, present: Iterable[str]) -> list[tuple[str, str]]:
    """Return the (word, environment) pairs that ``label`` is measured against.

    Undeclared, the only environment without a TEE is the baseline of every one that has one.
    """
    declared = config.environment(label).baselines
    if declared or config.environment(label).tee in ("", "none"):
        return list(declared.items())
    plain = [name for name in present if config.environment(name).tee == "none"]
    if len(plain) != 1 or plain[0] == label:
        return []
    return [(config.environment(plain[0]).role or "baseline", plain[0])]
