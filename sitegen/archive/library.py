"""All measurements of an archive at once, through a cache that can be thrown away.

The cache (one Parquet of all rows, one small index of the runs, with digests of both) lies
outside the archive. A run enters it under the sizes and times of its files; a run that is new, or
of which a file was written, added or lost since, is looked into as a whole: so damage is noticed
in the same way by whoever asks, and what is damaged enters nothing.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from msgspec import Struct, field, structs
from msgspec.structs import replace

from sitegen.archive import hidden, remarks
from sitegen.archive.manifest import File, Step
from sitegen.archive.quarantine import SetAside
from sitegen.archive.remote import opened
from sitegen.archive.store import Archive, Damaged, Entry
from sitegen.catalogue.rules import COUNTED_CONDITIONS, READ_CONDITIONS
from sitegen.config import Config
from sitegen.crew import Crew, parts_of
from sitegen.errors import SitegenError
from sitegen.fingerprint.facts import KEPT
from sitegen.model import (
    AnyRun,
    Fact,
    Fingerprint,
    GivenRows,
    IndexedRun,
    Parameter,
    RowSource,
    StepConditions,
    Table,
    TeeVerdict,
    step_rates,
)
from sitegen.whole import replacing

_FORMAT = 18
#: The share below which no condition of a step matters.
_AT_REST = 0.01
_READ = tuple(sorted(READ_CONDITIONS))
_NO_ALIASES: Mapping[str, str] = MappingProxyType({})


class Held(Struct, frozen=True):
    """One run as the index has it, with its rows.

    ``digest`` is the sha256 of the manifest, which holds
    the digests of all files: equal digests, equal runs. ``steps`` counts the run's steps.
    """

    run: IndexedRun
    digest: str
    entry: Entry
    samples: bool
    raw_bytes: int
    steps: int


class _Rows(RowSource, Protocol):
    def arrow(self) -> Any:  # noqa: ANN401 - pyarrow has no types
        """Return the rows of all runs as one Arrow table."""


class Library(Struct, frozen=True):
    """Every whole run of an archive by id, what was set aside, and the rows of all together."""

    runs: Mapping[str, Held]
    damaged: tuple[Damaged, ...]
    rows: _Rows

    def damages(self, aside: Iterable[SetAside]) -> tuple[Damaged, ...]:
        """Return runs that were set aside as damaged ones, under the labels that they lie under."""
        return tuple(
            Damaged(f"{self.runs[one.run.id].entry.environment}/{one.run.id}", one.reason)
            for one in aside
        )


def of(config: Config, *, alone: bool = False) -> Library:
    """Return the runs of a report; raises SitegenError when it has no archive.

    ``alone`` leaves all work to this process, which has threads that a fork would be without.
    """
    archive = opened(config)
    return load(archive, config.cache / "cache", archive.scan(), config.aliases, alone=alone)


def heads(config: Config) -> tuple[list[AnyRun], list[Damaged]]:
    """Return the runs of a report without a look at their rows, and the damaged ones.

    What the index knows is not read again; of another run its manifest is, and the sizes of its
    files: a machine that merely collects loads nothing heavy for that.
    """
    archive, index = opened(config), _read_index(config.cache / "cache")
    cached, aliases = {line.run.id: line for line in index.lines}, config.aliases
    runs: list[AnyRun] = []
    damaged: list[Damaged] = []
    for entry in archive.scan():
        label = aliases.get(entry.environment, entry.environment)
        line = cached.get(entry.run_id)
        try:
            if line and line.is_of(entry, archive.stamp(entry)):
                runs.append(line.held(entry, label, index.common, GivenRows(())).run)
            else:
                runs.append(replace(archive.manifest(entry)[0], environment=label))
        except SitegenError as error:
            damaged.append(Damaged(f"{entry.environment}/{entry.run_id}", str(error)))
    return runs, damaged


def load(
    archive: Archive,
    cache: Path,
    entries: list[Entry],
    aliases: Mapping[str, str] = _NO_ALIASES,
    *,
    alone: bool = False,
) -> Library:
    """Return the whole runs among ``entries``; damaged ones are named, not raised.

    ``aliases`` gives environments the label that they go by today.
    """
    # Thousands of values that live as long as the command: looking for cycles in them is waste.
    gc.set_threshold(1_000_000, 50, 50)
    index = _read_index(cache)
    data = _read_rows(cache, index.rows) if index.lines else None
    cached = {line.run.id: line for line in index.lines} if data is not None else {}
    entries = [each if each.stamp else replace(each, stamp=archive.stamp(each)) for each in entries]
    unknown = [
        place
        for place, entry in enumerate(entries)
        if (line := cached.get(entry.run_id)) is None or not line.is_of(entry, entry.stamp)
    ]
    lines: dict[str, _Line] = {}
    places: dict[str, Entry] = {}
    damaged: list[Damaged] = []
    fresh = _read(archive, entries, unknown, index.common, alone=alone)
    for place, entry in enumerate(entries):
        path = f"{entry.environment}/{entry.run_id}"
        if first := places.get(entry.run_id):
            damaged.append(Damaged(path, f"has the id of a run in {first.environment}"))
            continue
        line = fresh.lines.get(place) or cached.get(entry.run_id)
        if reason := fresh.reasons.get(place):
            damaged.append(Damaged(path, reason))
        elif line is not None:
            lines[entry.run_id], places[entry.run_id] = line, entry
    renewed = {entries[place].run_id for place in fresh.lines}
    unchanged = [run_id for run_id in lines if run_id not in renewed]
    rows_of: _Rows = _CachedRows(data or b"")
    if fresh.lines or len(unchanged) != len(index.lines):
        rows_of = _renewed(cache, index.common, lines, (data, unchanged, len(cached)), fresh.rows)
    runs = {
        run_id: line.held(
            places[run_id],
            aliases.get(line.run.environment, line.run.environment),
            index.common,
            rows_of,
        )
        for run_id, line in lines.items()
    }
    return Library(runs, tuple(damaged), rows_of)


class _CachedRows:
    """The rows of the cache, read when the first are asked for: some commands need none."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    @functools.cached_property
    def rows(self) -> _Rows:
        """All of them, in memory."""
        tables = _tables()
        rows: _Rows = tables.Rows([tables.read_cache(self.data)] if self.data else [])
        return rows

    def table(self, run_id: str) -> Table:
        """Return all rows of a run."""
        return self.rows.table(run_id)

    def arrow(self) -> Any:  # noqa: ANN401 - pyarrow has no types
        """Return the rows of all runs as one Arrow table."""
        return self.rows.arrow()


def _renewed(
    cache: Path,
    common: _Common,
    lines: Mapping[str, _Line],
    cached: tuple[bytes | None, list[str], int],
    fresh: list[Any],
) -> _Rows:
    """Return the rows of cached runs that are still there and ``fresh`` ones, and keep them.

    ``cached`` are the rows of the cache, the runs of which they are still wanted, and how many
    runs it had.
    """
    tables, (data, kept, had) = _tables(), cached
    packed = []
    if data is not None and kept:
        table = tables.read_cache(data)
        packed.append(table if len(kept) == had else tables.only_runs(table, kept))
    packed += fresh
    fresh.clear()  # the peak of a build is here: hold the rows once
    whole = tables.concat(packed).combine_chunks() if packed else None
    packed.clear()
    # On a disk that cannot be written the next reading costs as much as this one.
    with contextlib.suppress(OSError):
        _write(cache, list(lines.values()), common, whole)
    rows: _Rows = tables.Rows([] if whole is None else [whole])
    return rows


@functools.cache
def _tables() -> ModuleType:
    """Return the module that reads rows; who only reads has no use for numpy, which costs most."""
    with hidden.modules("numpy"):
        from sitegen.archive import tables
    return tables


def forget(cache: Path) -> None:
    """Make the next `load` look into every run again."""
    (cache / "runs.index").unlink(missing_ok=True)


class _Line(Struct, frozen=True):
    """What the index says of a run, and what tells that one of its files changed since.

    ``machines``, ``settings``, ``seen`` and ``units`` are places in what the runs of an index have
    in common: most runs were taken alike, on few machines. ``run`` is the run without these.
    """

    stamp: str
    digest: str
    samples: bool
    raw_bytes: int
    steps: int
    run: AnyRun
    machines: int
    settings: int
    seen: int
    units: int
    rates: bytes

    def is_of(self, entry: Entry, stamp: str) -> bool:
        """Say whether it is what the files of a run say that have this stamp."""
        return bool(stamp) and (self.stamp, self.run.environment) == (stamp, entry.environment)

    def held(self, entry: Entry, label: str, common: _Common, rows: RowSource) -> Held:
        """Return the run, under the label that its environment goes by today."""
        shared = {
            **structs.asdict(self.run),
            "environment": label,
            "parameters": common.settings[self.settings],
            "fingerprint": common.machines[self.machines],
            "remarks": remarks.read(entry.path.parent, entry.remarks) if entry.remarks else (),
        }
        units, conditions = common.units[self.units], common.seen[self.seen]
        run = IndexedRun(
            **shared, units=units, conditions=conditions, rows=rows, packed_rates=self.rates
        )
        return Held(run, self.digest, entry, self.samples, self.raw_bytes, self.steps)


class _Common(Struct):
    """What runs of an index have in common, each different value once."""

    machines: list[Fingerprint] = field(default_factory=list)
    settings: list[tuple[Parameter, ...]] = field(default_factory=list)
    seen: list[tuple[StepConditions, ...]] = field(default_factory=list)
    units: list[tuple[tuple[str, str], ...]] = field(default_factory=list)


class _Index(Struct):
    """The index file: its runs, what they have in common, and the digest of their rows.

    ``kept`` says in which format, and of what: one that was made for other rules is made anew.
    """

    kept: str
    rows: str
    common: _Common
    lines: list[_Line]


#: What a line has of a run just as its manifest has it; the rest is in common, or lies beside it.
_SHARED = tuple(
    name
    for name in AnyRun.__struct_fields__
    if name not in ("parameters", "fingerprint", "remarks")
)
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Index)
_Value = TypeVar("_Value")


class _Pool(Generic[_Value]):
    """Gives each different value its place in a list."""

    def __init__(self, values: list[_Value]) -> None:
        self.values = values
        self.places = {value: place for place, value in enumerate(values)}

    def place(self, value: _Value) -> int:
        """Return the place of a value, a new one if need be."""
        place = self.places.setdefault(value, len(self.values))
        if place == len(self.values):
            self.values.append(value)
        return place


class _Fresh:
    """Runs that were looked into, by their places among the entries.

    ``rows`` are packed tables with runs; ``reasons`` say why a run cannot be shown.
    """

    def __init__(self, common: _Common) -> None:
        self.pools = {name: _Pool(getattr(common, name)) for name in _Common.__struct_fields__}
        self.lines: dict[int, _Line] = {}
        self.rows: list[Any] = []
        self.reasons: dict[int, str] = {}

    def take(self, other: _Fresh) -> None:
        """Take what another process has read: what its runs have in common is pooled here."""
        moved = {
            name: [self.pools[name].place(value) for value in pool.values]
            for name, pool in other.pools.items()
        }
        for place, line in other.lines.items():
            places = {name: pooled[getattr(line, name)] for name, pooled in moved.items()}
            self.lines[place] = msgspec.structs.replace(line, **places)
        self.rows += other.rows
        self.reasons |= other.reasons


_RUNS_AT_ONCE = 50


def _read(
    archive: Archive,
    entries: Sequence[Entry],
    unknown: Sequence[int],
    common: _Common,
    *,
    alone: bool,
) -> _Fresh:
    """Look into the runs in the places ``unknown`` among the entries."""

    def look(part: Sequence[int]) -> _Fresh:
        return _Reading(archive).read({place: entries[place] for place in part})

    fresh = _Fresh(common)
    if unknown:
        _tables()  # once, and not in each process
    with Crew(look, parts_of(unknown, _RUNS_AT_ONCE), alone=alone) as crew:
        for part in crew.results():
            fresh.take(part)
    return fresh


class _Reading:
    """Looks into runs that the index does not know yet."""

    def __init__(self, archive: Archive) -> None:
        self.archive, self.fresh = archive, _Fresh(_Common())
        self.machines: dict[Fingerprint, int] = {}

    def read(self, entries: Mapping[int, Entry]) -> _Fresh:
        """Return the lines and rows of some runs; what cannot be shown has a reason.

        All manifests come first and all rows then: in turns, each would find the processor's
        caches full of the other's code, and take twice as long.
        """
        tables, fresh, rows = _tables(), self.fresh, dict[int, Any]()
        files = dict[int, File]()  # of rows
        for place, entry in entries.items():
            with self._reason(place):
                files[place], fresh.lines[place] = self._line(entry)
        for place, file in files.items():
            with self._reason(place):
                rows[place] = self._rows(entries[place], file)
        try:
            if rows:  # one look at all of them, mostly
                tables.check(tables.concat(list(rows.values())))
        except SitegenError:
            for place, table in list(rows.items()):
                with self._reason(place):
                    tables.check(table)
        for place in fresh.reasons:
            fresh.lines.pop(place, None)
            rows.pop(place, None)
        if rows:
            whole = tables.with_runs(
                [(entries[place].run_id, each) for place, each in rows.items()]
            )
            lengths = {place: each.num_rows for place, each in rows.items()}
            rows.clear()  # they stand in the whole
            for place, units in zip(lengths, tables.units(whole, lengths.values()), strict=True):
                units_at = fresh.pools["units"].place(units)
                fresh.lines[place] = replace(fresh.lines[place], units=units_at)
            fresh.rows.append(tables.pack(whole))
        return fresh

    def _rows(self, entry: Entry, file: File) -> Any:  # noqa: ANN401 - a table of pyarrow's
        data = self.archive.checked(entry, file)
        try:
            return _tables().read_measurements(data)
        except SitegenError as error:
            raise SitegenError(f"{file.name}: {error.what}") from error

    @contextlib.contextmanager
    def _reason(self, place: int) -> Iterator[None]:
        """Keep why the run in a place cannot be shown."""
        try:
            yield
        except SitegenError as error:
            self.fresh.reasons[place] = str(error)

    def _line(self, entry: Entry) -> tuple[File, _Line]:
        """Return a run's file of rows, and what the index is to say of it but their units.

        Raises SitegenError.
        """
        pools = self.fresh.pools
        data, listed = self.archive.listed(entry)
        rows = next(file for file in listed.files if file.name == "measurements.parquet")
        rest = [file for file in listed.files if file is not rows]
        parts = dict(self.archive.look_into(entry, rest))
        line = _Line(
            stamp=entry.stamp,
            digest=hashlib.sha256(data).hexdigest(),
            samples="samples.parquet" in parts,
            raw_bytes=sum(file.bytes for file in rest if file.name.startswith("raw/")),
            steps=len(listed.steps),
            machines=self._machine(listed.fingerprint),
            settings=pools["settings"].place(listed.parameters),
            seen=pools["seen"].place(tuple(map(_conditions, listed.steps))),
            units=0,
            rates=_rates(listed.benchmark, listed.steps),
            run=AnyRun(**{name: getattr(listed, name) for name in _SHARED}),
        )
        return rows, line

    def _machine(self, machine: Fingerprint) -> int:
        if machine not in self.machines:
            # Where a fact was read stands on the run's page, which reads the whole manifest.
            facts = tuple(Fact(f.name, f.value, "") for f in machine.facts if f.name in KEPT)
            tee = TeeVerdict(machine.tee.kind, machine.tee.reasons, machine.tee.confidence)
            self.machines[machine] = self.fresh.pools["machines"].place(Fingerprint(facts, tee))
        return self.machines[machine]


def _conditions(step: Step) -> StepConditions:
    """Return what a rule may ask of a step."""
    conditions = step.seen
    pairs = [(name, conditions[name]) for name in _READ if conditions.get(name, 0.0) >= _AT_REST]
    return StepConditions(step.workload, step.repetition, tuple(pairs))


def _rates(benchmark: str, steps: Iterable[Step]) -> bytes:
    """Return what a contrast counts by the operations of a benchmark, packed; mostly nothing."""
    names = COUNTED_CONDITIONS.get(benchmark, ())
    rates = step_rates(
        (step.workload, tuple(sorted(step.params.items())), counted)
        for step in steps
        if step.repetition >= 0
        and step.exit_code == 0
        and (counted := {name: step.conditions[name] for name in names if name in step.conditions})
    )
    return _ENCODER.encode(rates) if rates else b""


def _kept() -> str:
    counted = (f"{name}:{','.join(sorted(of))}" for name, of in sorted(COUNTED_CONDITIONS.items()))
    return " ".join((f"{_FORMAT}", *_READ, *counted, *sorted(KEPT)))


def _read_index(cache: Path) -> _Index:
    """Return the index; one without a run when it is absent or damaged.

    Its first line is the digest of the rest.
    """
    none = _Index(_kept(), "", _Common(), [])
    try:
        digest, _, data = (cache / "runs.index").read_bytes().partition(b"\n")
        if hashlib.sha256(data).hexdigest().encode() != digest:
            return none
        index = _DECODER.decode(data)
    except (OSError, msgspec.DecodeError):
        return none
    return index if index.kept == none.kept else none


def _read_rows(cache: Path, digest: str) -> bytes | None:
    """Return the cached rows that belong to the index, or None."""
    try:
        data = (cache / "measurements.parquet").read_bytes()
    except OSError:
        return None
    return data if hashlib.sha256(data).hexdigest() == digest else None


def _write(
    cache: Path,
    lines: Sequence[_Line],
    common: _Common,
    table: Any,  # noqa: ANN401
) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    rows = ""
    if table is not None:
        data = _tables().parquet_bytes(table)
        rows = hashlib.sha256(data).hexdigest()
        with replacing(cache / "measurements.parquet") as new:
            new.write_bytes(data)
    index = _ENCODER.encode(_Index(_kept(), rows, common, list(lines)))
    digest = hashlib.sha256(index).hexdigest().encode()
    with replacing(cache / "runs.index") as new:
        new.write_bytes(digest + b"\n" + index)
