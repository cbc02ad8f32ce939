"""Reading an output by the patterns of a table: the records in it, their fields, what must hold."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sitegen.catalogue import formulas
from sitegen.catalogue.declared import Declared, Field, Kept, Output, Samples
from sitegen.catalogue.formulas import Value
from sitegen.catalogue.metrics import METRICS, metric
from sitegen.catalogue.own import METRICS_OF_ITS_OWN
from sitegen.catalogue.units import printed_unit
from sitegen.collect.declared import trees
from sitegen.collect.host import timestamp
from sitegen.collect.protocol import Reading
from sitegen.collect.recorder import Recorder, Series
from sitegen.collect.settings import agreed
from sitegen.collect.text import plain
from sitegen.errors import SitegenError, many
from sitegen.model import (
    LONGEST_PRINT,
    Doubt,
    MetricDefinition,
    Parameter,
    Params,
    Status,
    ToolIdentity,
    check_label,
    params,
)

#: Fields with a meaning of their own: the version of the tool, and when it ran.
VERSION, STARTED = "tool_version", "started_at"
#: What a formula may ask for besides: of a step that was run here. An import has none of it.
CPU, DURATION, SERVER_CPU = "cpu_s", "duration_s", "server_cpu_s"
_HOLE = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_NUMBER = re.compile(r"[-+]?(?:\d[\d,_]*)?(?:\.\d+)?(?:[eE][-+]?\d{1,3})?")
_LONGEST = 4000
_MOST_PRINTED = 10
_WHOLE = "import the output whole, as the tool printed it"
#: Units that no tool prints as a word.
_BARE = ("1/s", "count", "ratio")


class Found(NamedTuple):
    """A field as it was found: its value in the base unit, its unit, and as it is printed."""

    value: Value
    unit: str = ""
    printed: str = ""


Fields = Mapping[str, Found]


class Known(NamedTuple):
    """What is known of an output beforehand: of its step, or by the user."""

    workload: str = ""
    params: Params = ()
    fields: Mapping[str, str | float] = {}
    asked: Mapping[str, str] = {}


def knows(output: Output, data: bytes) -> bool:
    """Say whether ``data`` has this form: all the texts that tell it are there. Never raises."""
    if not output.knows:
        return False
    text = plain(data) if output.form == "text" else ""

    def has(each: str) -> bool:
        return each in text if output.form == "text" else each.encode() in data

    return all(map(has, output.knows)) and not any(map(has, output.unlike))


def read(declared: Declared, output: Output, data: bytes, known: Known) -> Reading:
    """Return what an output says; raises SitegenError where it has nothing of what it should.

    A record that lacks a figure is left out with a doubt, as is what a check finds wrong.
    """
    recorder = Recorder(definitions=definitions(declared))
    told: dict[str, set[str]] = {}
    missing: dict[tuple[str, str], int] = {}
    for record in _records(output, data):
        fields = {**_given(known.fields), **record.fields(output)}
        if output.only and not formulas.value(output.only, _values(fields)):
            continue
        _tell(told, fields)
        fields |= _asked(output, known.asked, fields)
        if reason := _reason(output, fields):
            missing[reason] = missing.get(reason, 0) + 1
            continue
        _write(declared, output, recorder, fields, known, record)
    for name in output.same:
        if len(values := sorted(told.get(name, ()))) > 1:
            what = f"holds results of several {name.replace('_', ' ')}s: {', '.join(values)[:200]}"
            raise SitegenError(what, fix="import those of each on their own")
    if not recorder.measurements:
        what, fix = next(iter(missing), ("has no result", _WHOLE))
        raise SitegenError(what, fix=fix)
    for (what, _), count in missing.items():
        recorder.doubt(Doubt.CUT_OFF, f"{many(count, 'result')} left out: it {what}")
    if output.ends and not knows(Output({}, form=output.form, knows=output.ends), data):
        recorder.doubt(Doubt.CUT_OFF, "the end of the output is missing")
    _conclude(declared, output, recorder, told)
    return recorder.reading()


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


def filled(template: str, values: Mapping[str, object]) -> str | None:
    """Return a text with its ``{names}`` filled in, or None where one is not there."""
    if any(name not in values for name in _HOLE.findall(template)):
        return None
    return _HOLE.sub(lambda match: _word(values[match[1]]), template)


def holes(template: str) -> list[str]:
    """Return the names that a text asks for."""
    return _HOLE.findall(template)


class _Record(NamedTuple):
    """One result in an output, and what stands above all of them."""

    node: Any
    root: Any
    groups: Mapping[str, str]
    form: str

    def fields(self, output: Output) -> dict[str, Found]:
        """Return the fields that are found in it."""
        found: dict[str, Found] = {}
        for name, spelled in output.fields.items():
            one = spelled if isinstance(spelled, Field) else Field(spelled)
            each = self.field(name, one)
            if each is not None and (each.value != "" or "" not in one.words.values()):
                found[name] = each
        extra = {k: v for k, v in self.groups.items() if k not in output.fields}
        return found | {name: _as_text(text) for name, text in extra.items()}

    def field(self, name: str, one: Field) -> Found | None:
        """Return one field, or None where it is not there."""
        if self.form != "text":
            relative = not one.at.startswith("$")
            node = self.node if relative else self.root
            path = one.at if relative else one.at.removeprefix("$").removeprefix(".")
            plain = (trees.leaf(value) for value in trees.found(node, path))
            value = next((each for each in plain if each is not None), None)
            return None if value is None else _found(value, one, "", name)
        if one.count:
            return Found(float(sum(1 for _ in compiled(one.at).finditer(self.node))))
        for text in (self.node, self.root):
            if match := _match(one, text):
                groups = match.groupdict()
                value = groups.get("value") or (match[1] if match.re.groups else match[0])
                if value is not None:
                    return _found(value, one, groups.get("unit") or "", name)
        return None


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> re.Pattern[str]:
    """Return a regular expression of a table; raises SitegenError for what is none."""
    try:
        return re.compile(pattern, re.MULTILINE)
    except (re.error, RecursionError, OverflowError) as error:
        raise SitegenError(f"{pattern[:60]!r} is no regular expression: {error}") from error


def _match(one: Field, text: str) -> re.Match[str] | None:
    """Return where a text has a field: in the first place that matches, or in the last."""
    if not one.last:
        return compiled(one.at).search(text)
    last = deque(compiled(one.at).finditer(text), maxlen=1)
    return last[0] if last else None


def _records(output: Output, data: bytes) -> Iterator[_Record]:
    if output.form != "text":
        root = trees.tree(data, output.form)
        each = output.each or ("[*]" if output.form in ("csv", "jsonl") else "")
        for node in trees.found(root, each) if each else (root,):
            yield _Record(node, root, {}, output.form)
        return
    text = plain(data)
    if not output.each:
        yield _Record(text, "", {}, "text")
        return
    starts = list(compiled(output.each).finditer(text))
    head = text[: starts[0].start()] if starts else ""
    ends = [match.start() for match in starts[1:]] + [len(text)]
    for match, end in zip(starts, ends, strict=True) if starts else ():
        groups = {name: value for name, value in match.groupdict().items() if value is not None}
        yield _Record(text[match.start() : end], head, groups, "text")


def _found(value: str | float, one: Field, unit: str, name: str) -> Found | None:
    """Return a value in its base unit; None for a figure that is no number.

    Raises SitegenError for a unit that is not known.
    """
    if isinstance(value, bool):
        text = "yes" if value else "no"
        return Found(one.words.get(text, text))
    text = str(value).strip()[:_LONGEST]
    text = one.words.get(text, text)
    own = isinstance(value, int | float) and text == str(value)
    number = _number(value if own else text)
    word = unit or one.unit
    if name in (VERSION, STARTED):
        return Found(text)
    if number is None:
        # A figure that is none, such as a rate of nothing, is as good as not there.
        return None if word else Found(text)
    if not word:
        return Found(number, "", text)
    word = one.units.get(word, word)
    base = printed_unit(word)
    if base is None and unit:
        raise SitegenError(f"{name.replace('_', ' ')} is printed in {unit!r}, which is not known")
    factor = base[1] if base else 1.0
    printed = text if word in _BARE else f"{text} {word}"
    # What a computer writes with all its digits is rounded nowhere, and reads badly.
    exact = isinstance(value, float) and len(text) > _MOST_PRINTED
    printed = "" if exact or len(printed) > LONGEST_PRINT else printed
    return Found(number * factor, base[0] if base else word, printed)


def _number(value: str | float) -> float | None:
    """Return the number that a text is, or None: also of one that no quantity is."""
    if isinstance(value, str):
        if len(value) > 64 or not re.search(r"\d", value) or not _NUMBER.fullmatch(value):  # noqa: PLR2004 - longer is no number
            return None
        value = value.replace(",", "").replace("_", "")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _word(value: object) -> str:
    """Return a value as it stands in a text: 4, and never 4.0."""
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.12g}"  # noqa: PLR2004 - exact up to there
    return str(value)


def _values(fields: Fields) -> dict[str, Value]:
    return {name: one.value for name, one in fields.items()}


def _given(fields: Mapping[str, str | float]) -> dict[str, Found]:
    return {name: _as_text(text) for name, text in fields.items()}


def _as_text(text: str | float) -> Found:
    """Return what a text is: a number without a unit, or itself."""
    number = _number(text)
    return Found(str(text) if number is None else number, "", str(text))


def _asked(output: Output, asked: Mapping[str, str], fields: Fields) -> dict[str, Found]:
    """Return what the user said where the output does not; raises SitegenError where it does."""
    found = {}
    for name in output.asks:
        stated = _word(fields[name].value) if name in fields else None
        if (text := agreed(name, asked.get(name), stated)) is not None:
            found[name] = fields[name] if name in fields else _as_text(text)
    return found


def _reason(output: Output, fields: Fields) -> tuple[str, str] | None:
    """Return why a record is no result, and what to do: it failed, or lacks what is needed."""
    if output.fails in fields:
        return f"failed: {_word(fields[output.fails].value)[:200]}", ""
    for name, spelled in output.fields.items():
        optional = name == output.fails or (isinstance(spelled, Field) and spelled.optional)
        if name not in fields and not optional and name not in (VERSION, STARTED):
            return f"has no {name.replace('_', ' ')}", _WHOLE
    for name, asked in output.asks.items():
        if name not in fields:
            return f"does not say its {name.replace('_', ' ')}", f"add --set {name}=..., {asked}"
    return None


def _tell(told: dict[str, set[str]], fields: Fields) -> None:
    for name, one in fields.items():
        told.setdefault(name, set()).add(_word(one.value))


def _write(  # noqa: PLR0913 - a record and what is known of it
    declared: Declared,
    output: Output,
    recorder: Recorder,
    fields: Fields,
    known: Known,
    record: _Record,
) -> None:
    """Write the rows of one record."""
    words = {name: _word(one.value) for name, one in fields.items()}
    own = {key: filled(text, words) for key, text in output.params.items()}
    about = {key: value for key, value in own.items() if value}
    workload = known.workload or _label(filled(output.workload or declared.benchmark, words))
    status = Status.OK
    contradicted = [
        f"{key} is {about[key]}, and {value} was asked for"
        for key, value in known.params
        if about.get(key, value) != value
    ]
    for sentence in contradicted:
        recorder.doubt(Doubt.NOT_REACHED, sentence, workload)
        status = Status.SUSPECT
    failed = False
    for check in output.checks:
        if formulas.value(check.holds, _values(fields)) is False:
            sentence = _HOLE.sub(lambda m: words.get(m[1], "nothing"), check.says)
            recorder.doubt(Doubt(check.doubt or _DOUBTS[check.then]), sentence, workload)
            status = Status.SUSPECT if check.then != "doubt" else status
            failed = failed or check.then == "failed"
    series = recorder.series(workload, params(**{**about, **dict(known.params)}), status=status)
    for key, formula in output.values.items():
        id_, statistic = declared.metric_of(key, output)
        value, printed = _figure(id_, formula, fields, recorder)
        if value is not None and failed:
            series.failed(id_, statistic)
        elif value is not None:
            native = _native(output, formula)
            series.add(id_, statistic, value, printed or None, native=native)
    for samples in output.samples:
        _sample(declared, output, series, samples, record)
    for key, kept in output.settings.items():
        one = kept if isinstance(kept, Kept) else Kept(kept)
        if text := filled(one.value, words):
            recorder.tells(Parameter(key, text, one.comparability), workload)


_DOUBTS = {
    "suspect": Doubt.INCONSISTENT,
    "failed": Doubt.FAILED_PART,
    "doubt": Doubt.INCONSISTENT,
}


def _native(output: Output, formula: str) -> str:
    """Return the tool's own name of a figure: the path of it; of a text none is known."""
    spelled = output.fields.get(formula)
    if spelled is None or output.form == "text":
        return ""
    return spelled.at if isinstance(spelled, Field) else spelled


def _figure(id_: str, formula: str, fields: Fields, recorder: Recorder) -> tuple[float | None, str]:
    """Return a figure in the base unit of its metric, and as it is printed where it is.

    Raises SitegenError where its unit is another than the metric's.
    """
    value = formulas.value(formula, _values(fields))
    if value is None or isinstance(value, bool):
        return None, ""
    if isinstance(value, str):
        raise SitegenError(f"{id_} is {value[:40]!r}, which is no number")
    one = fields.get(formula)
    base = recorder.unit_of(id_)
    if one and one.unit and one.unit != base:
        raise SitegenError(f"{id_} is measured in {base}, and {formula} is printed in {one.unit}")
    return value, one.printed if one else ""


def _sample(
    declared: Declared, output: Output, series: Series, samples: Samples, record: _Record
) -> None:
    id_, _ = declared.metric_of(samples.metric, output)
    factor = (printed_unit(samples.unit) or ("", 1.0))[1]
    x_factor = (printed_unit(samples.x_unit) or ("", 1.0))[1]
    points: list[tuple[float, float]] = []
    for number, pair in enumerate(_points(samples, record)):
        x, y = (None if each is None else _number(each) for each in pair)
        if samples.x == "#":
            x = float(number)
        if x is not None and y is not None:
            points.append((x * x_factor if samples.x != "#" else x, y * factor))
    series.points(samples.kind, id_, points)


def _points(samples: Samples, record: _Record) -> Iterator[tuple[str | float | None, ...]]:
    """Yield x and y of each point that counts."""
    if record.form == "text":
        nodes: Iterator[Any] = (m.groupdict() for m in compiled(samples.each).finditer(record.node))
    else:
        nodes = trees.found(record.node, samples.each)
    for node in nodes:
        if samples.only and not _leaf(node, samples.only):
            continue
        if not any(_leaf(node, path) for path in samples.without):
            yield _leaf(node, samples.x), _leaf(node, samples.y)


def _leaf(node: Any, path: str) -> str | float | None:  # noqa: ANN401 - as a tree holds it
    if path in ("#", "."):
        return trees.leaf(node)
    return trees.leaf(next(trees.found(node, path), None))


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
    recorder.started_at = _time(one.get(STARTED, ""))


def _tool_name(declared: Declared) -> str:
    program = declared.table.programs.get("tool")
    return program.find[0].rpartition("/")[2] if program else declared.benchmark


def _time(text: str) -> str:
    """Return a time as a run has it: of ISO 8601, or seconds since 1970; nothing for others."""
    number = _number(text)
    try:
        if number is not None:
            seconds = number / 1000 if number > 1e11 else number  # noqa: PLR2004 - milliseconds
            return timestamp(datetime.fromtimestamp(seconds, UTC))
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return ""
    return timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _label(text: str | None) -> str:
    """Return a text as the name of a workload: of small letters, digits and signs."""
    words = re.sub(r"[^a-z0-9._-]+", "-", (text or "").lower()).strip("-._")[:64].strip("-._")
    return check_label(words or "result", "workload")


def check(declared: Declared) -> None:
    """Raise SitegenError for an expression, a path or a formula of a table that cannot be."""
    for name, output in declared.table.outputs.items():
        try:
            _check_output(declared, output)
        except SitegenError as error:
            where = f"{declared.place}: outputs.{name}"
            raise SitegenError(error.what, where=where, fix=error.fix) from error


def _check_output(declared: Declared, output: Output) -> None:
    groups = _check_places(output)
    known: set[str] = {*output.fields, *groups, *output.asks, CPU, DURATION, SERVER_CPU}
    for workload in declared.table.workloads.values():
        known |= {*declared.table.settings, *workload.params, "cpus", "access"}
    for formula in (*output.values.values(), *(c.holds for c in output.checks), output.only):
        if formula and (unknown := formulas.names(formula) - known):
            raise SitegenError(f"{formula!r} asks for {min(unknown)!r}, which is no field")
    kept = (one.value if isinstance(one, Kept) else one for one in output.settings.values())
    templates = (output.workload, *output.params.values(), *output.facts.values(), *kept)
    for template in (*templates, *(check.says for check in output.checks)):
        if absent := set(holes(template)) - known:
            raise SitegenError(f"{template[:60]!r} asks for {min(absent)!r}, which is no field")
    for key in output.values:
        id_, _ = declared.metric_of(key, output)
        if not metric(id_, definitions(declared)).unit:
            raise SitegenError(f"there is no metric {id_!r}")


def _check_places(output: Output) -> set[str]:
    """Check regular expressions and paths; return the groups of that which finds the records."""
    spelled = [one if isinstance(one, Field) else Field(one) for one in output.fields.values()]
    if output.form != "text":
        for path in (output.each, *(one.at for one in spelled)):
            trees.steps(path.removeprefix("$").removeprefix("."))
        return set()
    for one in spelled:
        pattern = compiled(one.at)
        if pattern.groups > 1 and "value" not in pattern.groupindex:
            raise SitegenError(f"{one.at[:60]!r} has several groups, and none called value")
    return set(compiled(output.each).groupindex) if output.each else set()
