"""What a run is: frozen values that every other module speaks in.

Nothing heavy is imported: a machine that merely collects loads this too.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

from msgspec import Struct, field, msgpack
from msgspec.structs import replace

from sitegen.errors import SitegenError

#: Sorted ``(key, value)`` pairs: what tells one series of a workload from another.
Params = tuple[tuple[str, str], ...]

LABEL = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
BENCHMARK = r"[a-z0-9][a-z0-9-]{0,31}"
METRIC = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
RUN_ID = re.compile(rf"(\d{{8}}t\d{{6}}z)-({BENCHMARK})-([a-z2-7]{{8}})")
#: First path segments that the site itself uses; a benchmark may not take one.
RESERVED = frozenset(
    {
        "runs",
        "environments",
        "compare",
        "reports",
        "claims",
        "methodology",
        "data",
        "assets",
        "index",
    }
)
STATISTICS = frozenset(
    {"value", "mean", "total", "min", "max", "stddev"}
    | {"p50", "p66", "p75", "p80", "p90", "p95", "p98", "p99", "p99.9", "p99.99"}
)
#: Begins the name of the parameter in which a run keeps what its reader doubted.
DOUBT = "doubt."
#: Begins the name of the parameter in which a run keeps a setting that it was given: `--set`.
SET = "set "
#: The workload of a step that says itself what it measured: a command of the user's own.
OWN_COMMAND = "command"
#: The parameter that says what dates a run where its output does not; and where nothing does. A
#: file's own time is when it was copied or checked out: what an older sitegen took for a date.
DATED_BY, NO_DATE = "dated by", "nothing"
UNDATED = frozenset({NO_DATE, "the time at which the file was last written"})
#: The parameter in which a run of one of several machines in a file says of which it is.
MACHINE_IN_FILE = "machine in the file"
#: Between these, and 0, lie all quantities: what is computed of them stays finite and not 0.
LEAST, MOST = 1e-30, 1e30
#: The longest texts of a row, in characters: a unit, and a value as it was printed.
LONGEST_UNIT, LONGEST_PRINT = 40, 100
#: Spaces that publications print between digits and before units.
_SPACES = {0xA0: " ", 0x2009: " ", 0x202F: " "}
MOST_REPETITIONS = 999_999
#: What an export says of a run that is not whole.
NO = "no"
#: The condition of a step whose rate had not settled.
UNSTEADY = "unsteady"
OLDEST_YEAR = "2000"
#: A clock that shows an earlier day is wrong: this is when the bound on dates was written.
_CLOCK_FROM = date(2026, 11, 29)
_TIME = re.compile(r"\d{4}(?:-\d\d(?:-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d+)?Z)?)?)?")
_STAMP = "20000101000000"


class Status(StrEnum):
    """Whether a measurement counts: only ``ok`` ones enter a verdict."""

    OK = "ok"
    FAILED = "failed"
    SUSPECT = "suspect"


class Provenance(StrEnum):
    """Who took the number."""

    COLLECTED = "collected"
    IMPORTED = "imported"
    CITED = "cited"


class Comparability(StrEnum):
    """What it means for a comparison when a parameter differs between its two sides."""

    IDENTITY = "identity"  # another workload: the two never meet
    MUST_MATCH = "must match"  # they meet, and are not comparable
    CAVEAT = "caveat"  # comparable, with a caveat
    IGNORED = "ignored"  # recorded only


class RemarkKind(StrEnum):
    """What may be said of a run after it was written."""

    NOTE = "note"
    WITHDRAWN = "withdrawn"  # it stays where it is and enters no comparison
    RESTORED = "restored"  # what was withdrawn before counts again


class Doubt(StrEnum):
    """What a reader can find wrong with an output that it reads all the same."""

    INCONSISTENT = "inconsistent"  # two of its figures contradict each other
    MISNAMED = "misnamed"  # its own name for the workload contradicts what ran
    CUT_OFF = "cut-off"  # the end is missing, and so are the figures that stood there
    INTERRUPTED = "interrupted"  # the tool was stopped before it was done
    UNEQUAL_JOBS = "unequal-jobs"  # its jobs or processes did not load the machine for equally long
    ROUNDED = "rounded"  # only rounded figures are left of it
    FAILED_PART = "failed-part"  # a part of it failed and is left out
    NOT_STATED = "not-stated"  # it does not say what tells its series from others: which model
    NOT_REACHED = "not-reached"  # the load that its workload names was not what ran
    OTHER_LENGTH = "other-length"  # answers are not as long as was asked for
    COALESCED = "coalesced"  # what should be timed one by one came together
    CLIENT_LATE = "client-late"  # who measured stood still meanwhile
    INVALID = "invalid"  # the tool itself says that its result does not count

    def parameter(self, sentence: str, workload: str = "") -> Parameter:
        """Return the doubt as a run keeps it: about one workload, or all of them."""
        return Parameter(f"{DOUBT}{self}{f'.{workload}' if workload else ''}", sentence)


class Measurement(NamedTuple):
    """One value as the tool gave it, in the metric's base unit.

    A NamedTuple, not a Struct: a full build makes 200,000 of them, and this is the
    cheapest immutable record that Python has.
    """

    workload: str
    metric: str
    statistic: str
    unit: str
    value: float | None
    params: Params = ()
    repetition: int = 0
    status: str = Status.OK
    printed: str | None = None


class Series(NamedTuple):
    """What a value is of: equal series can be compared across environments."""

    benchmark: str
    workload: str
    metric: str
    statistic: str
    params: Params


class Shape(Struct, frozen=True, eq=False):
    """What the rows of a run say but for their values; runs that measured the same share one.

    ``rows`` stand in their order, each without its value. Made once for many runs: what follows
    from it is kept with it.
    """

    rows: tuple[Measurement, ...]
    _places: dict[str, Mapping[Series, tuple[int, ...]]] = field(default_factory=dict)

    def places(self, benchmark: str) -> Mapping[Series, tuple[int, ...]]:
        """Return where the rows of each series of the benchmark stand."""
        if benchmark not in self._places:
            places: dict[Series, list[int]] = {}
            for place, row in enumerate(self.rows):
                series = Series(benchmark, row.workload, row.metric, row.statistic, row.params)
                places.setdefault(series, []).append(place)
            self._places[benchmark] = {series: tuple(each) for series, each in places.items()}
        return self._places[benchmark]


class Table(NamedTuple):
    """The rows of one run: their shape, and the value of each."""

    shape: Shape
    values: Sequence[float | None]

    @classmethod
    def of(cls, rows: Sequence[Measurement]) -> Self:
        """Return the table of rows that stand alone."""
        return cls(
            Shape(tuple(row._replace(value=None) for row in rows)),
            tuple(row.value for row in rows),
        )

    def measurements(self) -> tuple[Measurement, ...]:
        """Return the rows one by one."""
        columns = [*zip(*self.shape.rows, strict=True)]
        if columns:
            columns[_VALUE] = tuple(self.values)
        return tuple(map(Measurement._make, zip(*columns, strict=True)))


_VALUE = Measurement._fields.index("value")


class Sample(NamedTuple):
    """One point of a raw series behind a measurement.

    ``kind`` is ``time`` (x: seconds since the start, y: the metric), ``histogram``
    (x: the metric, y: how many), or ``request`` (x: seconds since the start, y: the metric).
    """

    workload: str
    repetition: int
    kind: str
    metric: str
    x: float
    y: float
    params: Params = ()


class Parameter(Struct, frozen=True, forbid_unknown_fields=True):
    """One setting of a run, and what a difference in it means for comparisons."""

    name: str
    value: str
    comparability: Comparability = Comparability.IGNORED


class Fact(Struct, frozen=True, forbid_unknown_fields=True):
    """One thing the collector saw of the machine, with where it was read.

    ``value`` is None when the machine does not show it.
    """

    name: str
    value: str | None
    source: str


class Signal(Struct, frozen=True, forbid_unknown_fields=True):
    """One place that was looked at for a TEE: where, what it showed, and what that means.

    ``saw`` is ``absent`` or ``unreadable`` where there was nothing to see. ``means`` is the kind
    of TEE that it speaks for, ``none`` where it speaks against one, or nothing.
    """

    source: str
    saw: str
    means: str = ""


class TeeVerdict(Struct, frozen=True, forbid_unknown_fields=True):
    """Which TEE the machine's own signals show (``none``, ``tdx``, ...), and why.

    ``confidence`` is ``high``, ``medium``, ``low`` or, in runs that never said it, nothing.
    """

    kind: str
    reasons: tuple[str, ...] = ()
    confidence: str = ""
    signals: tuple[Signal, ...] = ()


class Fingerprint(Struct, frozen=True, forbid_unknown_fields=True):
    """What the collector saw of the machine, redacted."""

    facts: tuple[Fact, ...] = ()
    tee: TeeVerdict = TeeVerdict("unknown")

    def get(self, name: str) -> str | None:
        """Return the value of the fact called ``name``, or None."""
        return next((fact.value for fact in self.facts if fact.name == name), None)


class ToolIdentity(Struct, frozen=True, forbid_unknown_fields=True):
    """The program that measured."""

    name: str
    version: str
    path: str = ""
    sha256: str = ""

    @property
    def called(self) -> str:
        """Its name, with the version where it tells one."""
        return f"{self.name} {self.version}".strip()


class StepRecord(Struct, frozen=True):
    """What happened when one command of a run was executed.

    ``conditions`` holds what the machine did meanwhile (shares of wall time, 0 to 1):
    ``psi_cpu``, ``psi_io``, ``psi_memory``, ``steal``, ``throttled``; how many a second, of the
    whole machine: ``interrupts``, ``context_switches`` and, of the interrupts, those of CPUs'
    ``timers`` and those that CPUs ``sent`` one another; and ``load_before``.
    ``values`` holds what only the collector could see (``server_cpu_s``, ...). ``params`` and
    ``context`` are those of the plan's step: what parsing the raw output again needs.
    """

    name: str
    workload: str
    repetition: int
    argv: tuple[str, ...]
    started_at: str
    duration_s: float
    exit_code: int
    cpu_s: float | None = None
    conditions: tuple[tuple[str, float], ...] = ()
    values: tuple[tuple[str, str], ...] = ()
    raw: tuple[str, ...] = ()
    params: Params = ()
    context: tuple[tuple[str, str], ...] = ()

    @property
    def seen(self) -> StepConditions:
        """The conditions that comparisons ask for; a rate that had not settled is one of them."""
        unsteady = ((UNSTEADY, 1.0),) if ("steady", "false") in self.values else ()
        return StepConditions(self.workload, self.repetition, (*self.conditions, *unsteady))


class StepConditions(NamedTuple):
    """What the machine did while one step ran: all that comparisons need of a step."""

    workload: str
    repetition: int
    conditions: tuple[tuple[str, float], ...]


class StepRates(NamedTuple):
    """What the machine counted a second while a step ran, as the mean of its repetitions.

    ``params`` are those that the series of the step have in common.
    """

    workload: str
    params: Params
    repetitions: int
    rates: tuple[tuple[str, float], ...]


def step_rates(steps: Iterable[tuple[str, Params, Mapping[str, float]]]) -> tuple[StepRates, ...]:
    """Return the rates of steps, each given by its workload, parameters and conditions.

    What one of the repetitions does not have is left out.
    """
    kinds: dict[tuple[str, Params], list[Mapping[str, float]]] = {}
    for workload, about, conditions in steps:
        kinds.setdefault((workload, about), []).append(conditions)
    return tuple(
        StepRates(workload, about, len(every), tuple(sorted(_means(every))))
        for (workload, about), every in kinds.items()
    )


def _means(every: Sequence[Mapping[str, float]]) -> Iterator[tuple[str, float]]:
    for name in every[0]:
        if all(name in each for each in every):
            yield name, sum(each[name] for each in every) / len(every)


class Source(Struct, frozen=True, forbid_unknown_fields=True):
    """The publication that a cited figure is printed in."""

    id: str
    title: str = ""
    authors: str = ""
    edition: str = ""
    address: str = ""
    section: str = ""
    origin: str = ""


class MetricDefinition(Struct, frozen=True, forbid_unknown_fields=True):
    """How a run defines a metric that sitegen itself does not know."""

    id: str
    title: str
    unit: str
    better: str = "none"
    definition: str = ""


class Remark(Struct, frozen=True):
    """One thing that was said of a run after it was written, when (UTC), and in which words."""

    kind: RemarkKind
    at: str
    text: str


_UNSEEN = Fingerprint()


class _Taken(Struct, frozen=True):
    id: str
    benchmark: str
    environment: str
    provenance: Provenance
    started_at: str  # UTC, ISO 8601; for a cited run its publication date, as precise as known
    duration_s: float | None


class AnyRun(_Taken, frozen=True, kw_only=True):
    """What is known of a run in both of its states, whole and indexed."""

    preset: str = ""
    session: str = ""
    boot: str = ""
    seed: int | None = None
    tool: ToolIdentity | None = None
    parameters: tuple[Parameter, ...] = ()
    fingerprint: Fingerprint = _UNSEEN
    source: Source | None = None
    definitions: tuple[MetricDefinition, ...] = ()
    complete: bool = True
    supersedes: str = ""
    derived_from: str = ""
    #: Not part of the run: what lies beside it in the archive.
    remarks: tuple[Remark, ...] = ()

    if TYPE_CHECKING:

        @property
        def measurements(self) -> tuple[Measurement, ...]:
            """All values of the run."""

        @property
        def table(self) -> Table:
            """All values of the run, apart from what they are."""

        @property
        def units(self) -> tuple[tuple[str, str], ...]:
            """Each metric of the run with each unit that it is stated in, sorted."""

        @property
        def conditions(self) -> tuple[StepConditions, ...]:
            """What the machine did while each step ran."""

        @property
        def rates(self) -> tuple[StepRates, ...]:
            """What the machine counted a second while each step ran."""

        def with_rows(self, rows: tuple[Measurement, ...]) -> AnyRun:
            """Return the run with these rows in the place of its own."""

    @property
    def undated(self) -> bool:
        """Whether nothing says when the run was taken; the time in its id is then none."""
        return any(one.name == DATED_BY and one.value in UNDATED for one in self.parameters)

    @property
    def withdrawn(self) -> str:
        """Why the run was withdrawn, in the words of the last who did; nothing when it stands."""
        said = [one for one in self.remarks if one.kind != RemarkKind.NOTE]
        return said[-1].text if said and said[-1].kind == RemarkKind.WITHDRAWN else ""


class Run(AnyRun, frozen=True):
    """One benchmark taken in one environment at one time, whole. Immutable once written."""

    measurements: tuple[Measurement, ...]
    steps: tuple[StepRecord, ...] = ()
    note: str = ""
    redactions: tuple[tuple[str, int], ...] = ()
    samples: tuple[Sample, ...] = ()

    @property
    def table(self) -> Table:
        """All values of the run, apart from what they are."""
        return Table.of(self.measurements)

    @property
    def units(self) -> tuple[tuple[str, str], ...]:
        """Each metric of the run with each unit that it is stated in, sorted."""
        return units_of(self.measurements)

    def with_rows(self, rows: tuple[Measurement, ...]) -> Run:
        """Return the run with these rows in the place of its own."""
        return replace(self, measurements=rows)

    @property
    def conditions(self) -> tuple[StepConditions, ...]:
        """What the machine did while each step ran."""
        return tuple(step.seen for step in self.steps)

    @property
    def rates(self) -> tuple[StepRates, ...]:
        """What the machine counted a second while each step ran."""
        measured = (step for step in self.steps if step.repetition >= 0 and step.exit_code == 0)
        return step_rates((one.workload, one.params, dict(one.conditions)) for one in measured)


class RowSource(Protocol):
    """Gives the rows of a run when they are asked for."""

    def table(self, run_id: str) -> Table:
        """Return all rows of a run."""


class GivenRows(NamedTuple):
    """Rows that are there already."""

    rows: tuple[Measurement, ...]

    def table(self, _run_id: str) -> Table:
        """Return all of them."""
        return Table.of(self.rows)


def units_of(rows: Iterable[Measurement]) -> tuple[tuple[str, str], ...]:
    """Return each metric of ``rows`` with each unit that it is stated in, sorted."""
    return tuple(sorted({(row.metric, row.unit) for row in rows}))


class IndexedRun(AnyRun, frozen=True):
    """What the index keeps of a run, which is all that comparisons ask for.

    Of its steps their conditions, of the machine the facts that weigh something; its rows are
    read when they are asked for: with whole runs an archive of ten thousand would not fit.
    """

    units: tuple[tuple[str, str], ...]
    conditions: tuple[StepConditions, ...]
    rows: RowSource
    #: As msgpack: of ten thousand runs it would take long to decode, and one page asks for it.
    packed_rates: bytes = b""

    @property
    def rates(self) -> tuple[StepRates, ...]:
        """What is counted by operation: how much a second while each step ran."""
        return _RATES.decode(self.packed_rates) if self.packed_rates else ()

    @property
    def table(self) -> Table:
        """All values of the run, apart from what they are."""
        return self.rows.table(self.id)

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """All values of the run."""
        return self.table.measurements()

    def with_rows(self, rows: tuple[Measurement, ...]) -> IndexedRun:
        """Return the run with these rows in the place of its own."""
        return replace(self, rows=GivenRows(rows), units=units_of(rows))


_RATES = msgpack.Decoder(tuple[StepRates, ...])


def params(**pairs: object) -> Params:
    """Return sorted parameters, leaving out those that are None."""
    return tuple(sorted((key, str(value)) for key, value in pairs.items() if value is not None))


@lru_cache(maxsize=4096)
def check_label(label: str, kind: str = "environment") -> str:
    """Return ``label`` when it is safe as a name, an address and a file name.

    Raises SitegenError otherwise.
    """
    if LABEL.fullmatch(label) and ".." not in label and not label.endswith(".html"):
        return label
    raise SitegenError(
        f"{label[:80]!r} is not a usable {kind} name",
        fix="use lower-case letters, digits, '.', '_' and '-', 64 at most",
    )


def check_metric(metric_id: str) -> str:
    """Return ``metric_id`` when it is safe as a name and as an anchor on a page.

    Raises SitegenError otherwise.
    """
    if METRIC.fullmatch(metric_id):
        return metric_id
    raise SitegenError(
        f"{metric_id[:80]!r} is not a metric id",
        fix="use lower-case letters, digits, '.', '_' and '-', 80 at most, as in fio.iops",
    )


def check_statistic(statistic: str) -> str:
    """Return ``statistic`` when it is one of STATISTICS; raises SitegenError otherwise."""
    if statistic in STATISTICS:
        return statistic
    raise SitegenError(
        f"unknown statistic {statistic[:40]!r}", fix=f"use one of {', '.join(sorted(STATISTICS))}"
    )


@lru_cache
def check_benchmark(name: str) -> str:
    """Return ``name`` when a benchmark may be called so: it is part of ids and addresses.

    Raises SitegenError otherwise.
    """
    check_label(name, "benchmark")
    if name in RESERVED:
        raise SitegenError(
            f"{name!r} is a name that the site itself uses", fix="name the benchmark otherwise"
        )
    if not re.fullmatch(BENCHMARK, name):
        raise SitegenError(
            f"{name!r} is not a usable benchmark name",
            fix="use lower-case letters, digits and '-', 32 at most",
        )
    return name


def is_plain(text: str) -> bool:
    """Say whether a text holds no control characters; narrow spaces, as printed, are none."""
    return text.isprintable() or text.translate(_SPACES).isprintable()


def is_quantity(value: float) -> bool:
    """Say whether a number can be that of a quantity: 0, or from 1e-30 to 1e30 in size."""
    return value == 0 or LEAST <= abs(value) <= MOST


def check_value(value: float | None) -> float | None:
    """Return ``value`` when a quantity may have it; raises SitegenError otherwise.

    None is absent. A value that is not a number, or beyond 1e30, would make what is computed of
    it infinite, and one below 1e-30 nothing.
    """
    if value is None or is_quantity(value):
        return value
    raise SitegenError(f"the value {value:g} is not between 1e-30 and 1e30")


def check_time(text: str) -> str:
    """Return ``text`` when it is UTC in ISO 8601: a year, a month, a day or a second.

    Raises SitegenError otherwise, and for a time before 2000 or after tomorrow: no run is as
    old, and one that is yet to come would put all others out of the window of comparisons.
    """
    if _TIME.fullmatch(text):
        try:
            datetime.fromisoformat(text + "-01-01"[len(text) - len("2025") :])
        except ValueError:
            pass
        else:
            day = text[:10]
            if OLDEST_YEAR <= day <= _day_after(datetime.now(UTC).date())[: len(day)]:
                return text
            raise SitegenError(
                f"{text} is not between {OLDEST_YEAR} and tomorrow", fix="give the right date"
            )
    raise SitegenError(
        f"{text[:80]!r} is not a time",
        fix="write 2025, 2025-01, 2025-01-31 or 2025-01-31T12:00:00Z",
    )


@cache
def _day_after(today: date) -> str:
    return (max(today, _CLOCK_FROM) + timedelta(days=1)).isoformat()


def check_run_id(run_id: str) -> str:
    """Return ``run_id`` when it has the form ``<UTC time>-<benchmark>-<8 base32>``.

    Raises SitegenError otherwise.
    """
    if RUN_ID.fullmatch(run_id):
        return run_id
    raise SitegenError(f"{run_id[:80]!r} is not a run id", fix="`sitegen list` shows them")


def run_id(started_at: str, benchmark: str, seed: bytes) -> str:
    """Return the permanent id of a run: its time, its benchmark, 40 bits of ``seed``'s digest.

    ``seed`` is random for a collected run and the content for a cited or imported one, so
    that importing the same content twice gives the same address.
    """
    digits = re.sub(r"\D", "", started_at)
    stamp = digits[: len(_STAMP)] + _STAMP[len(digits) :]
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    number = int.from_bytes(hashlib.sha256(seed).digest()[:5], "big")
    suffix = "".join(alphabet[number >> shift & 31] for shift in range(35, -1, -5))
    return f"{stamp[:8]}t{stamp[8:]}z-{benchmark}-{suffix}"
