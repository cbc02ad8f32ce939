"""Reading an output by the patterns of a table: what its results are, and what must hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

from sitegen.catalogue import formulas
from sitegen.catalogue.declared import Declared
from sitegen.catalogue.metrics import METRICS
from sitegen.catalogue.own import METRICS_OF_ITS_OWN
from sitegen.catalogue.parameters import LONGEST_VALUE
from sitegen.catalogue.table import Field, Kept, Output
from sitegen.catalogue.units import rounding_interval
from sitegen.collect.declared import fields
from sitegen.collect.declared.fields import (
    STARTED,
    VERSION,
    Fields,
    Found,
    compiled,
    filled,
)
from sitegen.collect.declared.records import Record, records
from sitegen.collect.host import timestamp
from sitegen.collect.protocol import Reading
from sitegen.collect.recorder import Recorder
from sitegen.collect.settings import agreed
from sitegen.collect.text import one_line, plain
from sitegen.errors import SitegenError, many
from sitegen.model import (
    Doubt,
    MetricDefinition,
    Parameter,
    Params,
    Status,
    ToolIdentity,
    check_label,
    params,
)

_WHOLE = "import the output whole, as the tool printed it"
_MILLISECONDS = 1e11  # from here on a number of seconds since 1970 is one of milliseconds


class Known(NamedTuple):
    """What is known of an output beforehand: of its step, or by the user."""

    workload: str = ""
    params: Params = ()
    fields: Mapping[str, str | float] = {}
    asked: Mapping[str, str] = {}


def knows(output: Output, data: bytes) -> bool:
    """Say whether ``data`` has this form, by the texts that are in it and are not. Never raises."""
    if not output.knows:
        return False
    text = plain(data) if output.form == "text" else ""

    def has(each: str) -> bool:
        return each in text if output.form == "text" else each.encode() in data

    return all(map(has, output.knows)) and not any(map(has, output.lacks))


def leads(declared: Declared, output: Output, data: bytes) -> bool:
    """Say whether ``data`` has this form, and no form of its table before. Never raises."""
    return knows(output, data) and next(_forms(declared, output, data)) is output


def together(declared: Declared, output: Output) -> list[Output]:
    """Return the forms of a table that one text may have at once: all its texts."""
    every = [one for one in declared.table.outputs.values() if one.knows]
    several = [one for one in every if one.form == "text"]
    return several if output in several else [output]


def _forms(declared: Declared, output: Output, data: bytes) -> Iterator[Output]:
    return (one for one in together(declared, output) if knows(one, data))


def read(
    declared: Declared, output: Output, data: bytes, known: Known, beside: bytes = b""
) -> Reading:
    """Return what an output says; raises SitegenError where it has nothing of what it should.

    ``beside`` is the document that lies beside it. A record that lacks a figure is left out with a
    doubt, as is what a check finds wrong.
    """
    recorder = Recorder(definitions=definitions(declared))
    _read(declared, output, data, known, beside, recorder)
    return recorder.reading()


def read_all(
    declared: Declared, output: Output, data: bytes, known: Known, beside: bytes = b""
) -> Reading:
    """Return what an output says in its form, and in every other of its table that is in it.

    Raises SitegenError as `read` does, where none of them says anything.
    """
    recorder = Recorder(definitions=definitions(declared))
    problems: list[SitegenError] = []
    others = [one for one in _forms(declared, output, data) if one is not output]
    for one in (output, *others):
        before = len(recorder.measurements)
        try:
            _read(declared, one, data, known, beside, recorder)
        except SitegenError as error:
            if len(recorder.measurements) > before:
                raise  # what was read of it must not be
            problems.append(error)
    if problems and not recorder.measurements:
        raise problems[0]
    for problem in problems:
        recorder.doubt(Doubt.CUT_OFF, f"a part of it {problem.what}")
    return recorder.reading()


def _read(  # noqa: PLR0913 - an output and what is known of it
    declared: Declared,
    output: Output,
    data: bytes,
    known: Known,
    beside: bytes,
    recorder: Recorder,
) -> None:
    """Write all results of an output; raises SitegenError where there is none."""
    told: dict[str, set[str]] = {}
    missing: dict[tuple[str, str], int] = {}
    before = len(recorder.measurements)
    given = {name: fields.as_text(text) for name, text in known.fields.items()}
    for record in records(output, data, beside):
        here = {**given, **record.fields(output)}
        if output.only and not formulas.value(output.only, fields.values(here)):
            continue
        here |= _asked(output, known.asked, here)
        for name, text in fields.words(here).items():
            told.setdefault(name, set()).add(text)
        if reason := _reason(output, here):
            missing[reason] = missing.get(reason, 0) + 1
            continue
        _write(declared, output, recorder, here, known, record)
    for name in output.same:
        if len(several := sorted(told.get(name, ()))) > 1:
            what = f"holds results of several {name.replace('_', ' ')}s: {', '.join(several)[:200]}"
            raise SitegenError(what, fix="import those of each on their own")
    if len(recorder.measurements) == before:
        what, fix = next(iter(missing), ("has no result", _WHOLE))
        raise SitegenError(what, fix=fix)
    for (what, _), count in missing.items():
        recorder.doubt(Doubt.CUT_OFF, f"{many(count, 'result')} left out: it {what}")
    if output.ends and not knows(Output(form=output.form, knows=output.ends), data):
        recorder.doubt(Doubt.CUT_OFF, "the end of the output is missing")
    _conclude(declared, output, recorder, told)


def definitions(declared: Declared) -> tuple[MetricDefinition, ...]:
    """Return what the metrics of a table are, as runs carry it: those with a direction first."""
    own = [
        one
        for one in declared.tool.metrics
        if one.id not in METRICS or one.id in METRICS_OF_ITS_OWN
    ]
    ordered = sorted(own, key=lambda one: one.better == "none")
    return tuple(
        MetricDefinition(one.id, one.title, one.unit, str(one.better), one.definition)
        for one in ordered
    )


def _asked(output: Output, asked: Mapping[str, str], here: Fields) -> dict[str, Found]:
    """Return what the user said where the output does not; raises SitegenError where it does."""
    there = {}
    for name in output.asks:
        stated = fields.word(here[name].value) if name in here else None
        if (text := agreed(name, asked.get(name), stated)) is not None:
            there[name] = here[name] if name in here else fields.as_text(text)
    return there


def _reason(output: Output, here: Fields) -> tuple[str, str] | None:
    """Return why a record is no result, and what to do: it failed, or lacks what is needed."""
    if output.fails in here:
        return f"failed: {fields.word(here[output.fails].value)[:200]}", ""
    for name, spelled in output.fields.items():
        optional = name == output.fails or (isinstance(spelled, Field) and spelled.optional)
        if name not in here and not optional and name not in (VERSION, STARTED):
            return f"has no {name.replace('_', ' ')}", _WHOLE
    for name, asked in output.asks.items():
        if name not in here:
            return f"does not say its {name.replace('_', ' ')}", f"add --set {name}=..., {asked}"
    return None


def _write(  # noqa: PLR0913 - a record and what is known of it
    declared: Declared,
    output: Output,
    recorder: Recorder,
    here: Fields,
    known: Known,
    record: Record,
) -> None:
    """Write the rows of one record."""
    texts = fields.words(here)
    own = {key: filled(text, texts) or "" for key, text in output.params.items()}
    own = {**dict(record.entries(output)), **{key: value for key, value in own.items() if value}}
    about = {key: one_line(value, LONGEST_VALUE) for key, value in own.items()}
    workload = known.workload or _label(filled(_name(declared, output, here), texts))
    figures = [
        (*declared.metric_of(key), formula, *_figure(declared, output, key, here, recorder))
        for key, formula in output.values.items()
    ]
    status = Status.OK
    for kind, sentence, follows in _doubted(output, here, about, known, figures):
        recorder.doubt(kind, sentence, workload)
        if Status.FAILED in (status, follows):
            status = Status.FAILED
        else:
            status = follows if status == Status.OK else status
    pairs = params(**{**about, **dict(known.params)})
    # A record is one repetition with all that it has: also where another lacks a figure.
    turn = (workload, pairs, *output.values)
    series = recorder.series(workload, pairs, status=status, repetition=recorder.times[turn])
    recorder.times[turn] += 1
    for id_, statistic, formula, figure, printed in figures:
        if figure is not None and status == Status.FAILED:
            series.failed(id_, statistic)
        elif figure is not None:
            series.add(id_, statistic, figure, printed or None, native=_native(output, formula))
    for samples in () if status == Status.FAILED else output.samples:
        id_, _ = declared.metric_of(samples.metric)
        series.points(samples.kind, id_, record.points(samples))
    for key, kept in output.settings.items():
        one = kept if isinstance(kept, Kept) else Kept(kept)
        if text := filled(one.value, texts):
            recorder.tells(Parameter(key, text, one.comparability), workload)


def _doubted(
    output: Output,
    here: Fields,
    about: Mapping[str, str],
    known: Known,
    figures: Iterable[tuple[str, str, str, float | None, str]],
) -> Iterator[tuple[Doubt, str, Status]]:
    """Yield what is wrong with a record, with what that makes of its figures."""
    for key, value in known.params:
        if about.get(key, value).casefold() != value.casefold():
            sentence = f"{key} is {about[key]}, and {value} was asked for"
            yield Doubt.NOT_REACHED, sentence, Status.SUSPECT
    texts, values = fields.words(here), fields.values(here)
    for check in output.checks:
        if formulas.value(check.holds, values) is False:
            kind = Doubt.FAILED_PART if check.then == "failed" else Doubt.INCONSISTENT
            follows = Status.OK if check.then == "doubt" else Status(check.then)
            yield check.kind or kind, fields.told(check.says, texts), follows
    for name in sorted(_disordered(figures)):
        yield Doubt.INCONSISTENT, f"the statistics of {name} are out of order", Status.SUSPECT


def _disordered(figures: Iterable[tuple[str, str, str, float | None, str]]) -> set[str]:
    """Return the metrics of which a statistic that cannot be larger than another is."""
    by_metric: dict[str, dict[str, tuple[float, float]]] = {}
    for id_, statistic, _, figure, printed in figures:
        if figure is not None:
            ends = rounding_interval(figure, printed) or (figure, figure)
            by_metric.setdefault(id_, {})[statistic] = ends
    wrong = set()
    for id_, one in by_metric.items():
        percentiles = sorted((float(name[1:]), name) for name in one if name[1:2].isdigit())
        rising = ["min", *(name for _, name in percentiles), "max"]
        for order in (rising, ["min", "mean", "max"]):
            there = [one[name] for name in order if name in one]
            if any(low > high for (low, _), (_, high) in pairwise(there)):
                wrong.add(id_.partition(".")[2].replace("_", " "))
    return wrong


def _native(output: Output, formula: str) -> str:
    """Return the tool's own name of a figure: the path of it; of a text none is known."""
    spelled = output.fields.get(formula)
    if spelled is None or output.form == "text":
        return ""
    return spelled.at if isinstance(spelled, Field) else spelled


def _figure(
    declared: Declared, output: Output, key: str, here: Fields, recorder: Recorder
) -> tuple[float | None, str]:
    """Return a figure in the base unit of its metric, and as it is printed where it is.

    Raises SitegenError where its unit is another than the metric's.
    """
    id_, _ = declared.metric_of(key)
    formula = output.values[key]
    value = formulas.value(formula, fields.values(here))
    if value is None or isinstance(value, bool):
        return None, ""
    if isinstance(value, str):
        raise SitegenError(f"{id_} is {value[:40]!r}, which is no number")
    one = here.get(formula)
    base = recorder.unit_of(id_)
    if one and one.unit and one.unit != base:
        raise SitegenError(f"{id_} is measured in {base}, and {formula} is printed in {one.unit}")
    return value, one.printed if one else ""


def _conclude(
    declared: Declared, output: Output, recorder: Recorder, told: Mapping[str, set[str]]
) -> None:
    """Keep what the output says of itself as a whole: version, time, machine."""
    one = {name: next(iter(values)) for name, values in told.items() if len(values) == 1}
    if version := one.get(VERSION, ""):
        program = declared.table.programs.get("tool")
        match = compiled(program.version_is).search(version) if program else None
        version = match[1] if match and match.re.groups else version
        recorder.tool = ToolIdentity(_tool_name(declared), version[:80])
    for name, text in output.facts.items():
        recorder.fact(name, filled(text, one), f"{_tool_name(declared)}'s output")
    recorder.started_at = _time(one.get(STARTED, "")) or recorder.started_at


def _tool_name(declared: Declared) -> str:
    program = declared.table.programs.get("tool")
    return program.find[0].rpartition("/")[2] if program else declared.benchmark


def _time(text: str) -> str:
    """Return a time as a run has it: of ISO 8601, or seconds since 1970; nothing for others."""
    number = fields.number(text)
    try:
        if number is not None:
            seconds = number / 1000 if number > _MILLISECONDS else number
            return timestamp(datetime.fromtimestamp(seconds, UTC))
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return ""
    return timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _name(declared: Declared, output: Output, here: Fields) -> str:
    """Return the name of a record's workload: the first whose condition holds, or the usual one."""
    values = fields.values(here)
    named = (name for name, when in output.named.items() if formulas.value(when, values))
    return next(named, output.workload or declared.benchmark)


def _label(text: str | None) -> str:
    """Return a text as the name of a workload: of small letters, digits and signs."""
    words = re.sub(r"[^a-z0-9._-]+", "-", (text or "").lower()).strip("-._")[:64].strip("-._")
    return check_label(words or "result", "workload")
