"""What two sides differ in, and what forbids to compare them: decided here and nowhere else."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache

from msgspec import Struct

from sitegen.analysis import caveats
from sitegen.catalogue.rules import label_contradicted, over_quota, settings_of
from sitegen.catalogue.tool import Limits
from sitegen.catalogue.zktls import NOT_OF_THE_PROOF, PROOF_SIZE
from sitegen.config import Config, Environment, Role
from sitegen.errors import SitegenError
from sitegen.fingerprint import facts
from sitegen.model import (
    DOUBT,
    MACHINE_IN_FILE,
    AnyRun,
    Comparability,
    Fingerprint,
    Provenance,
    Series,
)

#: What a difference is in: a parameter's class, how a run was taken, or the machine.
TAKEN, MACHINE = "taken", "machine"
#: What such a difference means, in words; the first weigh most.
MEANINGS: Mapping[str, str] = {
    Comparability.MUST_MATCH: "not comparable",
    Comparability.CAVEAT: "a caveat",
    TAKEN: "how it was taken",
    MACHINE: "the machine",
    Comparability.IDENTITY: "another workload",
    Comparability.IGNORED: "recorded only",
}
WITHIN = "the run is one of those that stand for its environment"
ABSENT = "absent"
_RANKS = {kind: rank for rank, kind in enumerate(MEANINGS)}
#: Fields that two series share which differ in parameters alone.
_OF_ONE_SERIES = 3
_MOST_LISTED = 6
#: Series of a side that are held against those of the other: thousands would take seconds.
_MOST_ALIKE = 200
_FILES = frozenset({"file sha256", "files sha256"})


class Setup(Struct, frozen=True):
    """How the runs of one side were taken and on what: all that a comparison asks of them.

    The first four are those of the newest run, which decides what they may be compared with.
    ``settings`` are (name, what it is, values), ``facts`` (name, values), each with all values that
    the runs have. The environment is declared to be of a ``role`` and a ``tee``, which its runs
    may have ``contradicted``; in what it is ``allowed`` to differ from others.
    """

    provenance: Provenance
    quick: bool
    files: frozenset[str]
    must: tuple[tuple[str, str], ...]
    settings: tuple[tuple[str, str, str], ...]
    facts: tuple[tuple[str, str], ...]
    role: Role | None = None
    tee: str = ""
    contradicted: str = ""
    allowed: tuple[str, ...] = ()
    unstated: str = ""

    @classmethod
    def of(cls, runs: Sequence[AnyRun], declared: Environment) -> Setup:
        """Return how ``runs``, of which there is one at least, were taken."""
        newest = runs[-1]
        # Two machines in one file are not one that is given twice.
        which = next((p.value for p in newest.parameters if p.name == MACHINE_IN_FILE), "")
        files = frozenset(f"{p.value} {which}" for p in newest.parameters if p.name in _FILES)
        must = tuple(settings_of(newest, Comparability.MUST_MATCH).items())
        quick = newest.preset == "quick"
        role, tee = declared.role, declared.tee
        said = (label_contradicted(run, tee, role or "") for run in reversed(runs))
        return cls(
            newest.provenance, quick, files, must, _settings(runs),
            _facts([run.fingerprint for run in runs]), role, tee,
            next(filter(None, said), ""), declared.allow_differences, caveats.unstated(newest),
        )  # fmt: skip

    @property
    def is_tee(self) -> bool:
        """Whether it is declared to be, or to have, a TEE."""
        return self.tee not in ("", "none") or self.role in ("cpu-tee", "gpu-tee")


class Difference(Struct, frozen=True):
    """One thing that two sides differ in; ``kind`` is a key of MEANINGS."""

    name: str
    kind: str
    side: str
    baseline: str

    @property
    def title(self) -> str:
        """The name in words."""
        if self.kind == MACHINE:
            return facts.title(self.name)
        return self.name.replace("_", " ")

    @property
    def meaning(self) -> str:
        """What the difference means, in words."""
        return MEANINGS[self.kind]

    @property
    def words(self) -> tuple[str, str]:
        """The values of the side and of the baseline in words."""
        if self.kind != MACHINE:
            return self.side, self.baseline
        return facts.words(self.name, self.side), facts.words(self.name, self.baseline)


def differences(side: Setup, baseline: Setup) -> tuple[Difference, ...]:
    """Return all settings and facts of the machine that differ, those that weigh most first.

    What one side does not have, or did not record, differs. Where one side recorded nothing of
    its machine, that is one difference and not one for each fact.
    """
    ours, theirs = (
        {(n, w == TAKEN): (w, v) for n, w, v in one.settings} for one in (side, baseline)
    )
    differing = []
    for key in {**ours, **theirs}:
        (mine, value), (other, base) = (one.get(key, ("", ABSENT)) for one in (ours, theirs))
        if value != base:
            strictest = min(filter(None, (mine, other)), key=_RANKS.__getitem__)
            differing.append(Difference(key[0], strictest, value, base))
    here, there = dict(side.facts), dict(baseline.facts)
    if bool(here) != bool(there):
        here, there = ({MACHINE: "recorded"} if one else {} for one in (here, there))
    differing += [
        Difference(name, MACHINE, *values)
        for name in {**here, **there}
        if len({*(values := [one.get(name, facts.NOT_RECORDED) for one in (here, there)])}) > 1
    ]
    weights = {name: place for place, name in enumerate(facts.WEIGHED)}
    return tuple(
        sorted(differing, key=lambda one: (_RANKS[one.kind], weights.get(one.name, -1), one.name))
    )


def unlike(side: Setup, baseline: Setup) -> str:
    """Return why what was taken so and so must not be compared at all, or nothing."""
    if side.quick or baseline.quick:
        both = side.quick and baseline.quick
        return "quick runs are never compared" if both else "a quick run against a full one"
    provenances = {side.provenance, baseline.provenance}
    if Provenance.CITED in provenances and len(provenances) > 1:
        return "a printed figure against one of our own"
    if side.files & baseline.files:
        return "both sides were read from one file"
    ours, theirs = dict(side.must), dict(baseline.must)
    if Provenance.IMPORTED in provenances:
        # What another tool did not print is not known, and no difference.
        shared = ours.keys() & theirs.keys()
        ours, theirs = ({name: params[name] for name in shared} for params in (ours, theirs))
    settings = [
        _is(name, ours.get(name) or ABSENT, theirs.get(name) or ABSENT)
        for name in sorted({*ours, *theirs})
        if ours.get(name) != theirs.get(name)
    ]
    each = (side, baseline)
    unstated = [one.unstated.rstrip(".") for one in each if one.unstated]
    contradicted = [one.contradicted.rstrip(".") for one in each if one.contradicted]
    reasons = unstated or settings or contradicted or machines(side, baseline)[0]
    return "; ".join(dict.fromkeys(reasons))


def machines(side: Setup, baseline: Setup) -> tuple[list[str], list[str]]:
    """Return in what two machines may not differ and do, and in what else: a reason, and doubts.

    What a TEE costs is measured on one machine: on another one, the TEE is not what differs. A
    guest may be a part of its host, and the report's settings may say that a difference is meant.
    """
    here, there = dict(side.facts), dict(baseline.facts)
    strict = side.is_tee != baseline.is_tee or {side.role, baseline.role} == {"metal", "vm"}
    part = "metal" in (side.role, baseline.role) and side.role != baseline.role
    meant = {*side.allowed, *baseline.allowed}
    reasons: list[str] = []
    tools = [{text for name, _, text in one.settings if name == "tool"} for one in (side, baseline)]
    doubts = ["tool"] if all(tools) and tools[0] != tools[1] else []
    for name in (*facts.IDENTITIES, *facts.DOUBTS):
        fact, pair = facts.FACTS[name], (here.get(name), there.get(name))
        mine, other = pair
        if not (mine and other) or facts.NOT_VISIBLE in pair or fact.same(mine, other):
            continue
        told = facts.title(name)
        told = told if told[:2].isupper() else told[0].lower() + told[1:]
        if name in meant:
            doubts.append(f"{told} (as declared)")
        elif strict and name in facts.IDENTITIES and not (part and fact.part):
            reasons.append(_is(told, facts.words(name, mine), facts.words(name, other)))
        else:
            doubts.append(told)
    return reasons, doubts


def check_allowed(config: Config) -> None:
    """Raise SitegenError for a difference that is allowed and is no fact of the same machine."""
    for label, declared in config.environments.items():
        for name in declared.allow_differences:
            if name not in facts.IDENTITIES:
                key = f"environments.{label}.allow_differences"
                fix = f"known are {', '.join(facts.IDENTITIES)}"
                message = f"{key} names {name[:80]!r}, which does not tell machines apart"
                raise SitegenError(message, where=str(config.file), fix=fix)


def unrecorded(side: Setup, baseline: Setup) -> bool:
    """Say whether nothing is recorded of the machine of a side that was measured."""
    measured = Provenance.CITED not in (side.provenance, baseline.provenance)
    return measured and not (side.facts and baseline.facts)


def crowded(series: Series, side: Setup, baseline: Setup) -> str:
    """Return how a series ran more threads than the smaller of two sides has CPUs, or nothing."""
    threads = dict(series.params).get("threads", "")
    counts = [dict(one.facts).get("cpus", "") for one in (side, baseline)]
    if counts[0] == counts[1] or not all(text.isdecimal() for text in (threads, *counts)):
        return ""
    least = min(map(int, counts))
    return f"{threads} threads, and one side has {least} CPUs" if int(threads) > least else ""


def _is(name: str, here: str, there: str) -> str:
    return f"{name} is {here} here and {there} there"


def proof_of(series: Series) -> Series:
    """Return the series of the proof's size, for a series of the same proof's times or speeds."""
    proof = tuple(pair for pair in series.params if pair[0] not in NOT_OF_THE_PROOF)
    return series._replace(metric=PROOF_SIZE, statistic="value", params=proof)


def is_of_a_proof(series: Series) -> bool:
    """Say whether a series belongs to a proof; its size is what tells two apart."""
    return series.benchmark == "zktls" and series.metric != PROOF_SIZE


def other_proof(side: float | None, baseline: float | None) -> str:
    """Return how two proofs of these sizes, in bytes, are not the same one, or nothing."""
    if side is None or not baseline:
        return ""
    doubts = caveats.applying("sizes", side, baseline)
    return doubts[0].sentence if doubts else ""


def beyond_quota(series: Series, *limits: Limits) -> str:
    """Return how a series ran more threads than a quota allows, or nothing."""
    params = dict(series.params)
    return next((over for one in limits if (over := over_quota(params, one))), "")


def nearest(ours: Iterable[Series], theirs: Iterable[Series]) -> tuple[Difference, ...]:
    """Return what parts the series of two sides that are most alike, with all values of either.

    Parameters, where two are of one workload, metric and statistic; else which of these.
    """
    mine, others = sorted(set(ours)), sorted(set(theirs))
    for fields in (("workload", "metric", "statistic"), ("metric", "statistic"), ("workload",), ()):
        here: dict[tuple[str, ...], list[Series]] = {}
        there: dict[tuple[str, ...], list[Series]] = {}
        for grouped, every in ((here, mine), (there, others)):
            for one in every:
                grouped.setdefault(tuple(getattr(one, name) for name in fields), []).append(one)
        pairs = [
            (len(apart), sorted(apart), one, other)
            for key in here
            for one in here[key][:_MOST_ALIKE]
            for other in there.get(key, ())[:_MOST_ALIKE]
            if (apart := set(one.params) ^ set(other.params)) or len(fields) < _OF_ONE_SERIES
        ]
        if not pairs:
            continue
        _, _, one, other = min(pairs)
        key = tuple(getattr(one, name) for name in fields)
        sides = ((here[key], one), (there[key], other))
        if len(fields) < _OF_ONE_SERIES:
            return tuple(
                Difference(name, Comparability.IDENTITY, *values)
                for name in ("workload", "metric", "statistic")
                if len({*(values := [_listed(getattr(s, name) for s in of) for of, _ in sides])})
                > 1
            )
        names = tuple(dict.fromkeys(name for name, _ in sorted({*one.params} ^ {*other.params})))
        return tuple(
            Difference(
                name,
                Comparability.IDENTITY,
                *(_values(of, like, name, names) for of, like in sides),
            )
            for name in names
        )
    return ()


def _values(every: Iterable[Series], like: Series, name: str, names: Collection[str]) -> str:
    """Return all values of a parameter in series that are like one but for ``names``."""
    rest = {pair for pair in like.params if pair[0] not in names}
    return _listed(
        dict(one.params).get(name, "none")
        for one in every
        if {pair for pair in one.params if pair[0] not in names} == rest
    )


def _listed(values: Iterable[str]) -> str:
    """Return "50, 100 and 1000", the smallest numbers first; of very many the first."""
    ordered = sorted({*values}, key=lambda text: (len(text) if text.isdecimal() else 99, text))
    if len(ordered) > _MOST_LISTED:
        return f"{', '.join(ordered[:_MOST_LISTED])} and {len(ordered) - _MOST_LISTED} more"
    return " and ".join(filter(None, [", ".join(ordered[:-1]), ordered[-1]]))


def _settings(runs: Sequence[AnyRun]) -> tuple[tuple[str, str, str], ...]:
    """Return the settings of runs, each in the strictest class that any of them gives it."""
    classes: dict[str, str] = {}
    values: dict[str, set[str]] = {}
    # Runs that were taken alike share their parameters.
    for parameters in {id(run.parameters): run.parameters for run in runs}.values():
        for setting in parameters:
            if not setting.name.startswith(DOUBT):
                meaning = classes.setdefault(setting.name, setting.comparability)
                classes[setting.name] = min(meaning, setting.comparability, key=_RANKS.__getitem__)
                values.setdefault(setting.name, set()).add(setting.value)
    taken = {
        "provenance": {str(run.provenance) for run in runs},
        "tool": {f"{run.tool.name} {run.tool.version}" for run in runs if run.tool},
    }
    return (
        *((name, TAKEN, _joined(texts)) for name, texts in taken.items() if texts),
        *((name, str(classes[name]), _joined(texts)) for name, texts in values.items()),
    )


def _facts(machines: Sequence[Fingerprint]) -> tuple[tuple[str, str], ...]:
    values: dict[str, set[str]] = {}
    for machine in dict.fromkeys(machines):
        for name, value in _weighed(machine):
            values.setdefault(name, set()).add(value)
    return tuple((name, _joined(each)) for name, each in sorted(values.items()))


@lru_cache(maxsize=4096)
def _weighed(machine: Fingerprint) -> tuple[tuple[str, str], ...]:
    """Return the facts of a machine that weigh something in a comparison."""
    weighed = tuple(
        (fact.name, facts.NOT_VISIBLE if fact.value is None else fact.value)
        for fact in machine.facts
        if (entry := facts.FACTS.get(fact.name)) and entry.weight
    )
    return weighed if machine.tee.kind == "unknown" else ((facts.TEE, machine.tee.kind), *weighed)


def _joined(values: set[str]) -> str:
    return "; ".join(sorted(values))
