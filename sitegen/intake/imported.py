"""What a reader found, as a run: checked, and addressed by the digest of its content."""

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
    Provenance,
    Run,
    StepRecord,
    check_metric,
    check_time,
    is_quantity,
    run_id,
)
from sitegen.redact import Redactor

MAX_ROWS, MAX_SAMPLES = bounds.MOST_ROWS, bounds.MOST_SAMPLES
#: Keys of an imported run's one step: which of the runs in the file, settings, names of files.
FOUND, SETTING, FILE, ONCE = "found", "set.", "file.", "read once"
PRINTED_AS = " is printed as"


@dataclass(frozen=True, slots=True)
class Import:
    """What was read, by whom, and what the user said of it.

    ``files`` are the originals by name; ``date`` dates what nothing else does. ``once`` says that
    the originals as they are archived do not read as these did.
    """

    benchmark: str
    reader: Reader | Bundle
    environment: str
    files: Mapping[str, bytes]
    paths: Sequence[Path]
    settings: Mapping[str, str]
    date: str = ""
    once: bool = False


def found_by(
    reader: Reader | Bundle, files: Mapping[str, bytes], settings: Mapping[str, str]
) -> tuple[Reading, ...]:
    """Return what a reader finds in ``files``; raises SitegenError when that is nothing."""
    with blamed(reader.title):
        if isinstance(reader, Bundle):
            found = reader.runs(files, settings)
        else:
            found = reader.runs(next(iter(files.values())), settings)
    if not found:
        raise SitegenError(f"holds no result ({reader.title})")
    return found


def check(found: Reading, reader: Reader | Bundle) -> None:
    """Raise SitegenError for a run that could not be archived."""
    for row in found.measurements:
        check_measurement(row)
        if row.value is not None and not is_quantity(row.value):
            raise SitegenError(f"{row.metric} is {row.value:g}, which no quantity is")
    if not all(is_quantity(sample.x) and is_quantity(sample.y) for sample in found.samples):
        raise SitegenError("a sample is not a finite number")
    check_samples(found.samples)
    for definition in found.definitions:
        check_metric(definition.id)
    for what, count, most in (
        ("values", len(found.measurements), MAX_ROWS),
        ("samples", len(found.samples), MAX_SAMPLES),
    ):
        if count > most:
            raise SitegenError(f"holds {count:,} {what}, and a run has {most:,} at most")
    if not found.measurements:
        raise SitegenError(f"holds no result ({reader.title})")


def originals(
    reader: Reader | Bundle, files: Mapping[str, bytes], redactor: Redactor
) -> dict[str, bytes]:
    """Return the files as they are archived: redacted, under names of their own."""
    if isinstance(reader, Reader):
        return {f"{reader.name}.original": redactor.data(next(iter(files.values())))}
    return {
        f"{reader.name}.{number}.original": redactor.data(data)
        for number, data in enumerate(files.values(), start=1)
    }


def kept_names(
    files: Mapping[str, bytes], raw: Iterable[str], redactor: Redactor
) -> dict[str, str]:
    """Return the redacted name of each file by the name that it is archived under.

    Two names that read alike once redacted stay two.
    """
    found: dict[str, str] = {}
    for number, (kept, name) in enumerate(zip(raw, files, strict=True), start=1):
        clean = redactor.text(name)
        found[kept] = f"{number}-{clean}" if clean in found.values() else clean
    return found


def as_kept(
    reader: Reader | Bundle,
    found: tuple[Reading, ...],
    kept: Mapping[str, bytes],
    settings: Mapping[str, str],
) -> tuple[Reading, ...] | None:
    """Return what the redacted originals say, which is what anybody can read again.

    None where they hold another number of figures than the originals, because two names read
    alike without what was replaced.
    """
    try:
        again = found_by(reader, kept, settings)
        for one in again:
            check(one, reader)
    except SitegenError:
        return None
    sizes = [[len(one.measurements) for one in each] for each in (found, again)]
    return again if sizes[0] == sizes[1] else None


def run(found: Reading, index: int, read: Import, names: Mapping[str, str]) -> Run:
    """Return the run that ``found``, the one at ``index`` in its files, is; not yet redacted.

    ``names`` are the originals' names by the names that they are archived under.
    """
    dated, started = _dated(found, read)
    reader, files = read.reader, read.files
    digest = _digest(files)
    settings = sorted(read.settings.items())
    content = json.dumps([digest, read.environment, reader.name, index, settings])
    several = isinstance(reader, Bundle)
    parameters = (
        *found.parameters,
        Parameter("read as", reader.title),
        Parameter("files sha256" if several else "file sha256", digest),
        *([Parameter("files", str(len(files)))] if several else []),
        *([Parameter("dated by", dated)] if dated else []),
        *told(found),
    )
    # What reading the kept original again needs, beside its bytes.
    context = [(FOUND, str(index)), *((f"{SETTING}{key}", value) for key, value in settings)]
    if read.once:
        context.append((ONCE, "yes"))
    if several:
        context += [(f"{FILE}{kept}", name) for kept, name in names.items()]
    step = StepRecord(
        reader.name, "import", -1, (), started, 0.0, 0, raw=tuple(names), context=tuple(context)
    )
    return Run(
        id=run_id(started, read.benchmark, hashlib.sha256(content.encode()).digest()),
        benchmark=read.benchmark,
        environment=read.environment,
        provenance=Provenance.IMPORTED,
        started_at=started,
        duration_s=found.duration_s,
        measurements=found.measurements,
        samples=found.samples,
        tool=found.tool,
        parameters=parameters,
        definitions=found.definitions,
        fingerprint=Fingerprint(found.facts),
        steps=(step,),
        note=" ".join(found.notes),
    )


def told(found: Reading) -> tuple[Parameter, ...]:
    """Return the tool's own names and the reader's doubts as a run keeps them."""
    return (
        *(Parameter(f"{ours}{PRINTED_AS}", theirs) for ours, theirs in found.natives),
        *(kind.parameter(sentence, about) for kind, sentence, about in found.doubts),
    )


def _digest(files: Mapping[str, bytes]) -> str:
    """Return the sha256 of a file; of several, that of what `sha256sum` prints of them, sorted."""
    if len(files) == 1:
        return hashlib.sha256(next(iter(files.values()))).hexdigest()
    lines = sorted(f"{hashlib.sha256(d).hexdigest()}  {name}\n" for name, d in files.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _dated(found: Reading, read: Import) -> tuple[str, str]:
    """Return what dates a run where its output does not, and the date."""
    if found.started_at:
        return "", _checked(found.started_at, str(read.paths[0]))
    if read.date:
        return "--date", _checked(read.date, "--date")
    moment = datetime.fromtimestamp(max(path.stat().st_mtime for path in read.paths), UTC)
    told = "the time at which the file was last written"
    return told, _checked(timestamp(moment), str(read.paths[0]))


def _checked(time: str, where: str) -> str:
    try:
        return check_time(time)
    except SitegenError as error:
        raise SitegenError(error.what, where=where, fix="say when with --date") from error
