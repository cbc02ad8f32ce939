"""What a reader makes of files, as runs: checked, and addressed by the digest of their content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from sitegen import bounds
from sitegen.collect import MOST_RUNS, Bundle, Reader, Reading
from sitegen.collect.installed import blamed, check_measurement, check_samples
from sitegen.collect.settings import filled
from sitegen.errors import SitegenError
from sitegen.intake import placed, tidy
from sitegen.model import (
    DATED_BY,
    NO_DATE,
    OLDEST_YEAR,
    Fingerprint,
    Parameter,
    Params,
    Provenance,
    Run,
    StepRecord,
    check_benchmark,
    check_label,
    check_metric,
    check_time,
    is_quantity,
    run_id,
)
from sitegen.redact import Redactor, redacted

#: Keys of an imported run's one step: which of the runs in the files, settings, names of files,
#: and that the originals as they are archived do not read as these did.
INDEX, SETTING, FILE, ONCE = "found", "set.", "file.", "read once"
PRINTED_AS = " is printed as"


class Order(Struct, frozen=True):
    """What the user asked `import` to do. ``tool`` names a reader where content does not.

    ``session`` and ``boot`` say what its runs share: they count as replicates by that.
    """

    environment: str = ""
    tool: str = ""
    provenance: Provenance = Provenance.IMPORTED
    sources: tidy.Sources | None = None
    date: str = ""
    session: str = ""
    boot: str = ""
    settings: Mapping[str, str] | None = None

    @property
    def shared(self) -> dict[str, str]:
        """What its runs share; raises SitegenError for what cannot be a name."""
        given = (("session", self.session), ("boot", self.boot))
        return {name: text and check_label(text, name) for name, text in given}


class Arrival(Struct, frozen=True):
    """A run that was read from a file, the raw output to archive with it, and who read it."""

    run: Run
    raw: Mapping[str, bytes]
    reader: str


class NoEnvironment(SitegenError):  # noqa: N818 - says what is missing
    """A tool's output says nothing of the platform: the user has to."""


class Import(Struct, frozen=True):
    """Files that a reader knows, by name, and what the user said of them."""

    benchmark: str
    reader: Reader | Bundle
    files: Mapping[str, bytes]
    paths: Sequence[Path]
    order: Order

    def arrivals(self, redactor: Redactor) -> Iterator[Arrival]:
        """Yield the runs that the reader finds; raises SitegenError when it finds none."""
        place = str(self.paths[0]) if len(self.paths) == 1 else f"{len(self.paths)} files"
        if self.order.provenance != Provenance.IMPORTED:
            message = "what a tool itself wrote is imported, not cited"
            fix = "leave --provenance out, or write the printed figures as a tidy CSV"
            raise SitegenError(message, where=place, fix=fix)
        if not self.order.environment:
            raise NoEnvironment("names no environment", where=place, fix="add --env LABEL")
        check_label(self.order.environment)
        settings = self.order.settings or {}
        filled(self.reader.asks, settings)
        several, copying = isinstance(self.reader, Bundle), redactor.anew()
        names: dict[str, str] = {}
        raw: dict[str, bytes] = {}
        for number, (file, data) in enumerate(self.files.items(), start=1):
            original = f"{self.reader.name}{f'.{number}' if several else ''}.original"
            raw[original] = copying.data(data)
            clean = copying.text(file)
            # Two names that read alike once redacted stay two.
            names[original] = f"{number}-{clean}" if clean in names.values() else clean
        with placed(place):
            results = readings(self.reader, self.files, settings)
        # What reading the kept originals again needs, beside their bytes.
        context = [(f"{SETTING}{key}", value) for key, value in sorted(settings.items())]
        if copying.counts():
            # What is archived is what its own, redacted, originals say: anybody can read them.
            redacted_files = {name: raw[original] for original, name in names.items()}
            again = _as_kept(self.reader, redacted_files, settings, results)
            context += [] if again else [(ONCE, "yes")]
            results = again or results
        if several:
            context += [(f"{FILE}{original}", name) for original, name in names.items()]
        for index, reading in enumerate(results):
            run = self._run(reading, index, raw, context)
            run = redacted(run, redactor.anew(), copying.counts())
            yield Arrival(run, raw, self.reader.title)

    def _run(
        self, reading: Reading, index: int, raw: Iterable[str], context: Iterable[tuple[str, str]]
    ) -> Run:
        """Return the run that a reading, the one at ``index`` in the files, is; not redacted."""
        reader, order, several = self.reader, self.order, isinstance(self.reader, Bundle)
        started, dated_by = self._dated(reading)
        digest = _digest(self.files)
        settings = sorted((order.settings or {}).items())
        content = json.dumps([digest, order.environment, reader.name, index, settings])
        raw, context = tuple(raw), ((INDEX, str(index)), *context)
        shared = order.shared
        benchmark = reading.benchmark or self.benchmark
        step = StepRecord(reader.name, "import", -1, (), started, 0.0, 0, raw=raw, context=context)
        return Run(
            id=run_id(started, benchmark, hashlib.sha256(content.encode()).digest()),
            benchmark=benchmark,
            environment=order.environment,
            provenance=Provenance.IMPORTED,
            started_at=started,
            duration_s=reading.duration_s,
            session=shared["session"],
            boot=shared["boot"],
            measurements=reading.measurements,
            samples=reading.samples,
            tool=reading.tool,
            parameters=(
                *reading.parameters,
                Parameter("read as", reader.title),
                Parameter("files sha256" if several else "file sha256", digest),
                *([Parameter("files", str(len(self.files)))] if several else []),
                *([Parameter(DATED_BY, dated_by)] if dated_by else []),
                *remarks_of(reading),
            ),
            definitions=reading.definitions,
            fingerprint=Fingerprint(reading.facts),
            steps=(step,),
            note=" ".join(reading.notes),
        )

    def _dated(self, reading: Reading) -> tuple[str, str]:
        """Return the time of a run, and what dates it where its output does not."""
        place, dated_by, time = str(self.paths[0]), "", reading.started_at
        if not time and self.order.date:
            place = dated_by = "--date"
            time = self.order.date
        elif not time:
            time, dated_by = OLDEST_YEAR, NO_DATE
        try:
            return check_time(time), dated_by
        except SitegenError as error:
            raise SitegenError(error.what, where=place, fix="say when with --date") from error


def readings(
    reader: Reader | Bundle, files: Mapping[str, bytes], settings: Mapping[str, str]
) -> tuple[Reading, ...]:
    """Return what a reader makes of ``files``; raises SitegenError unless it can be archived."""
    with blamed(reader.title):
        if isinstance(reader, Bundle):
            every = reader.runs(files, settings)
        else:
            every = reader.runs(next(iter(files.values())), settings)
    if not all(reading.measurements for reading in every) or not every:
        raise SitegenError(f"holds no result ({reader.title})")
    if len(every) > MOST_RUNS:
        message = f"holds {len(every):,} runs, and {MOST_RUNS} at most are read at once"
        raise SitegenError(message, fix="split it")
    for reading in every:
        _check(reading)
    return every


def _check(reading: Reading) -> None:
    if reading.benchmark:
        check_benchmark(reading.benchmark)
    checked: set[Params] = set()
    for row in reading.measurements:
        check_measurement(row._replace(params=()) if row.params in checked else row)
        checked.add(row.params)
        if row.value is not None and not is_quantity(row.value):
            raise SitegenError(f"{row.metric} is {row.value:g}, which no quantity is")
    if not all(map(is_quantity, {n for s in reading.samples for n in (s.x, s.y)})):
        raise SitegenError("a sample is not a finite number")
    check_samples(reading.samples)
    for definition in reading.definitions:
        check_metric(definition.id)
    for noun, count, most in (
        ("values", len(reading.measurements), bounds.MOST_ROWS),
        ("samples", len(reading.samples), bounds.MOST_SAMPLES),
    ):
        if count > most:
            raise SitegenError(f"holds {count:,} {noun}, and a run has {most:,} at most")


def _as_kept(
    reader: Reader | Bundle,
    files: Mapping[str, bytes],
    settings: Mapping[str, str],
    first: Sequence[Reading],
) -> tuple[Reading, ...]:
    """Return what the redacted originals say.

    Nothing where they hold another number of figures than at ``first``, because two names read
    alike without what was replaced.
    """
    try:
        again = readings(reader, files, settings)
    except SitegenError:
        return ()
    sizes, then = ([len(one.measurements) for one in each] for each in (again, first))
    return again if sizes == then else ()


def remarks_of(reading: Reading) -> tuple[Parameter, ...]:
    """Return the tool's own names and the reader's doubts as a run keeps them."""
    return (
        *(Parameter(f"{ours}{PRINTED_AS}", theirs) for ours, theirs in reading.natives),
        *(kind.parameter(sentence, about) for kind, sentence, about in reading.doubts),
    )


def _digest(files: Mapping[str, bytes]) -> str:
    """Return the sha256 of a file; of several, that of what `sha256sum` prints of them, sorted."""
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    if len(files) == 1:
        return next(iter(digests.values()))
    lines = sorted(f"{digest}  {name}\n" for name, digest in digests.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()
