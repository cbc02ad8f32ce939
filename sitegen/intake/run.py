"""What a reader makes of files, as a run: checked, and addressed by the digest of their content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sitegen import bounds
from sitegen.collect import Bundle, Reader, Reading
from sitegen.collect.host import timestamp
from sitegen.collect.installed import blamed, check_measurement, check_samples
from sitegen.errors import SitegenError
from sitegen.model import (
    Fingerprint,
    Parameter,
    Params,
    Provenance,
    Run,
    StepRecord,
    check_metric,
    check_time,
    is_quantity,
    run_id,
)
from sitegen.redact import Redactor

#: Keys of an imported run's one step: which of the runs in the files, settings, names of files,
#: and that the originals as they are archived do not read as these did.
INDEX, SETTING, FILE, ONCE = "found", "set.", "file.", "read once"
PRINTED_AS = " is printed as"


@dataclass(frozen=True, slots=True)
class Import:
    """What was read, by whom, and what the user said of it.

    ``files`` are the originals by name; ``date`` dates what nothing else does. ``names`` are the
    originals' names by those that they are archived under; ``once`` says that as archived they do
    not read as these did.
    """

    benchmark: str
    reader: Reader | Bundle
    environment: str
    files: Mapping[str, bytes]
    paths: Sequence[Path]
    settings: Mapping[str, str]
    date: str
    names: Mapping[str, str]
    once: bool = False


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
    for reading in every:
        _check(reading)
    return every


def _check(reading: Reading) -> None:
    checked: set[Params] = set()
    for row in reading.measurements:
        check_measurement(row._replace(params=()) if row.params in checked else row)
        checked.add(row.params)
        if row.value is not None and not is_quantity(row.value):
            raise SitegenError(f"{row.metric} is {row.value:g}, which no quantity is")
    if not all(is_quantity(sample.x) and is_quantity(sample.y) for sample in reading.samples):
        raise SitegenError("a sample is not a finite number")
    check_samples(reading.samples)
    for definition in reading.definitions:
        check_metric(definition.id)
    for what, count, most in (
        ("values", len(reading.measurements), bounds.MOST_ROWS),
        ("samples", len(reading.samples), bounds.MOST_SAMPLES),
    ):
        if count > most:
            raise SitegenError(f"holds {count:,} {what}, and a run has {most:,} at most")


def originals(
    reader: Reader | Bundle, files: Mapping[str, bytes], redactor: Redactor
) -> dict[str, bytes]:
    """Return the files as they are archived: redacted, under names of their own."""
    numbers = [f".{n}" for n in range(1, len(files) + 1)] if isinstance(reader, Bundle) else [""]
    return {
        f"{reader.name}{number}.original": redactor.data(data)
        for number, data in zip(numbers, files.values(), strict=True)
    }


def names_as_kept(
    files: Iterable[str], originals: Iterable[str], redactor: Redactor
) -> dict[str, str]:
    """Return the redacted name of each file by the name that it is archived under.

    Two names that read alike once redacted stay two.
    """
    names: dict[str, str] = {}
    for number, (original, file) in enumerate(zip(originals, files, strict=True), start=1):
        clean = redactor.text(file)
        names[original] = f"{number}-{clean}" if clean in names.values() else clean
    return names


def as_kept(
    reader: Reader | Bundle,
    first: tuple[Reading, ...],
    files: Mapping[str, bytes],
    settings: Mapping[str, str],
) -> tuple[Reading, ...] | None:
    """Return what the redacted originals say, which is what anybody can read again.

    None where they hold another number of figures than at ``first``, because two names read alike
    without what was replaced.
    """
    try:
        again = readings(reader, files, settings)
    except SitegenError:
        return None
    sizes, then = ([len(one.measurements) for one in each] for each in (again, first))
    return again if sizes == then else None


def run_of(reading: Reading, index: int, source: Import) -> Run:
    """Return the run that a reading, the one at ``index`` in its files, is; not yet redacted."""
    started, dated_by = _dated(reading, source)
    reader, several = source.reader, isinstance(source.reader, Bundle)
    digest = _digest(source.files)
    settings = sorted(source.settings.items())
    content = json.dumps([digest, source.environment, reader.name, index, settings])
    parameters = (
        *reading.parameters,
        Parameter("read as", reader.title),
        Parameter("files sha256" if several else "file sha256", digest),
        *([Parameter("files", str(len(source.files)))] if several else []),
        *([Parameter("dated by", dated_by)] if dated_by else []),
        *remarks_of(reading),
    )
    # What reading the kept original again needs, beside its bytes.
    context = [(INDEX, str(index)), *((f"{SETTING}{key}", value) for key, value in settings)]
    if source.once:
        context.append((ONCE, "yes"))
    if several:
        context += [(f"{FILE}{original}", name) for original, name in source.names.items()]
    raw = tuple(source.names)
    step = StepRecord(
        reader.name, "import", -1, (), started, 0.0, 0, raw=raw, context=tuple(context)
    )
    return Run(
        id=run_id(started, source.benchmark, hashlib.sha256(content.encode()).digest()),
        benchmark=source.benchmark,
        environment=source.environment,
        provenance=Provenance.IMPORTED,
        started_at=started,
        duration_s=reading.duration_s,
        measurements=reading.measurements,
        samples=reading.samples,
        tool=reading.tool,
        parameters=parameters,
        definitions=reading.definitions,
        fingerprint=Fingerprint(reading.facts),
        steps=(step,),
        note=" ".join(reading.notes),
    )


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


def _dated(reading: Reading, source: Import) -> tuple[str, str]:
    """Return the time of a run, and what dates it where its output does not."""
    place, dated_by, time = str(source.paths[0]), "", reading.started_at
    if not time and source.date:
        place = dated_by = "--date"
        time = source.date
    elif not time:
        dated_by = "the time at which the file was last written"
        moment = max(path.stat().st_mtime for path in source.paths)
        time = timestamp(datetime.fromtimestamp(moment, UTC))
    try:
        return check_time(time), dated_by
    except SitegenError as error:
        raise SitegenError(error.what, where=place, fix="say when with --date") from error
