"""Reading an output by the patterns of a table: the records in it, their fields, what must hold."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sitegen.catalogue import formulas
from sitegen.catalogue.declared import Declared, Field, Kept, Output, Rows, Samples
from sitegen.catalogue.formulas import Value
from sitegen.catalogue.metrics import METRICS, metric
from sitegen.catalogue.own import METRICS_OF_ITS_OWN
from sitegen.catalogue.units import printed_unit
from sitegen.collect.declared import trees
from sitegen.collect.host import timestamp
from sitegen.collect.protocol import Reading
from sitegen.collect.recorder import Recorder, Series
from sitegen.collect.settings import agreed
from sitegen.collect.text import lines, plain
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
CPU, DURATION = "cpu_s", "duration_s"
_HOLE = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_NUMBER = re.compile(r"[-+]?(?:\d[\d,_]*)?(?:\.\d+)?(?:[eE][-+]?\d{1,3})?")
_LONGEST = 4000
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
    if output.form != "text":
        return all(text.encode() in data for text in output.knows)
    text = plain(data)
    return all(each in text for each in output.knows)


def leads(declared: Declared, output: Output, data: bytes) -> bool:
    """Say whether ``data`` has this form, and no form of its table before. Never raises."""
    return knows(output, data) and next(_forms(declared, output, data)) is output


def read(declared: Declared, output: Output, data: bytes, known: Known) -> Reading:
    """Return what an output says; raises SitegenError where it has nothing of what it should.

    A record that lacks a figure is left out with a doubt, as is what a check finds wrong.
    """
    recorder = Recorder(definitions=definitions(declared))
    _read(declared, output, data, known, recorder)
    return recorder.reading()


def read_all(declared: Declared, output: Output, data: bytes, known: Known) -> Reading:
    """Return what an output says in its form and in every other of its table that is in it.

    Raises SitegenError as `read` does, where none of them says anything.
    """
    recorder = Recorder(definitions=definitions(declared))
    problems: list[SitegenError] = []
    others = [one for one in _forms(declared, output, data) if one is not output]
    for one in (output, *others):
        try:
            _read(declared, one, data, known, recorder)
        except SitegenError as error:
            problems.append(error)
    if problems and not recorder.measurements:
        raise problems[0]
    for problem in problems:
        recorder.doubt(Doubt.CUT_OFF, f"a part of it {problem.what}")
    return recorder.reading()


def together(declared: Declared, output: Output) -> list[Output]:
    """Return the forms of a table that one text may have at once: its benchmark's own texts."""
    every = [one for one in declared.table.outputs.values() if one.knows]
    several = [one for one in every if one.form == "text" and not one.benchmark]
    return several if output in several else [output]


def _forms(declared: Declared, output: Output, data: bytes) -> Iterator[Output]:
    return (one for one in together(declared, output) if knows(one, data))


def _read(
    declared: Declared, output: Output, data: bytes, known: Known, recorder: Recorder
) -> None:
    told: dict[str, set[str]] = {}
    missing: dict[str, int] = {}
    before = len(recorder.measurements)
    for record in _records(output, data):
        fields = {**_given(known.fields), **record.fields(output)}
        if output.only and not formulas.value(output.only, _values(fields)):
            continue
        fields |= _asked(output, known.asked, fields)
        _tell(told, fields)
        if lacking := _lacking(output, fields):
            missing[lacking] = missing.get(lacking, 0) + 1
            continue
        _write(declared, output, recorder, fields, known, record)
    if len(recorder.measurements) == before:
        lacking = next(iter(missing), "")
        what = f"has no {lacking.replace('_', ' ')}" if lacking else "has no result"
        whole = "import the output whole, as the tool printed it"
        fix = f"say it with --set {lacking}=" if lacking in output.asks else whole
        raise SitegenError(what, fix=fix)
    for name, count in missing.items():
        noun = many(count, "result")
        recorder.doubt(Doubt.CUT_OFF, f"{noun} without {name.replace('_', ' ')}, left out")
    if output.ends and not knows(Output({}, form=output.form, knows=output.ends), data):
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


def filled(template: str, values: Mapping[str, object]) -> str | None:
    """Return a text with its ``{names}`` filled in, or None where one is not there."""
    if any(name not in values for name in _HOLE.findall(template)):
        return None
    return _HOLE.sub(lambda match: _word(values[match[1]]), template)


def holes(template: str) -> list[str]:
    """Return the names that a text asks for."""
    return _HOLE.findall(template)


class _Above(NamedTuple):
    """A text that stands above several records, and what was found in it before."""

    text: str
    seen: dict[str, re.Match[str] | None]

    def search(self, pattern: str) -> re.Match[str] | None:
        if pattern not in self.seen:
            self.seen[pattern] = compiled(pattern).search(self.text)
        return self.seen[pattern]


class _Record(NamedTuple):
    """One result in an output, and what stands above all of them: of a text the nearest first."""

    node: Any
    root: Any
    groups: Mapping[str, str]
    form: str

    def fields(self, output: Output) -> dict[str, Found]:
        """Return the fields that are found in it."""
        found: dict[str, Found] = {}
        for name, spelled in output.fields.items():
            one = spelled if isinstance(spelled, Field) else Field(spelled)
            if (each := self.field(name, one)) is not None:
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
        if not one.at:
            text = self.groups.get(name)
            return None if text is None else _found(text, one, "", name)
        for match in self._matches(one.at):
            groups = match.groupdict()
            value = groups.get("value") or (match[1] if match.re.groups else match[0])
            if value is not None:
                return _found(value, one, groups.get("unit") or "", name)
        return None

    def _matches(self, pattern: str) -> Iterator[re.Match[str]]:
        if match := compiled(pattern).search(self.node):
            yield match
        yield from filter(None, (above.search(pattern) for above in self.root))


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> re.Pattern[str]:
    """Return a regular expression of a table; raises SitegenError for what is none."""
    try:
        return re.compile(pattern, re.MULTILINE)
    except (re.error, RecursionError, OverflowError) as error:
        raise SitegenError(f"{pattern[:60]!r} is no regular expression: {error}") from error


def _records(output: Output, data: bytes) -> Iterator[_Record]:
    if output.form != "text":
        root = trees.tree(data, output.form)
        each = output.each or ("[*]" if output.form in ("csv", "jsonl") else "")
        for node in trees.found(root, each) if each else (root,):
            yield _Record(node, root, {}, output.form)
        return
    heads: _Heads = {}
    for number, record in enumerate(_texts(output, plain(data))):
        if not output.rows:
            yield record
            continue
        if number == 0:  # what names the columns may stand above all records
            for line in (line for above in record.root for line in lines(above.text)):
                _is_head(output.rows, line, heads)
        yield from _cells(output.rows, record, heads)


def _texts(output: Output, text: str) -> Iterator[_Record]:
    if not output.each:
        yield _Record(text, (), {}, "text")
        return
    starts = list(compiled(output.each).finditer(text))
    head = _Above(text[: starts[0].start()] if starts else "", {})
    ends = [match.start() for match in starts[1:]] + [len(text)]
    for match, end in zip(starts, ends, strict=True) if starts else ():
        yield _Record(text[match.start() : end], (head,), _groups(match), "text")


#: The columns of each kind of table, as the last line that names them has them.
_Heads = dict[Rows, list[dict[str, str]]]


def _cells(tables: Sequence[Rows], record: _Record, heads: _Heads) -> Iterator[_Record]:
    """Yield the cells of the tables in a record; of a row of another length than its head none."""
    above = (_Above(record.node, {}), *record.root)
    for line in lines(record.node):
        if _is_head(tables, line, heads):
            continue
        for one in tables:
            if row := compiled(one.row).match(line):
                about = {**record.groups, **_groups(row)}
                cells = list(compiled(one.cell).finditer(line, row.end()))
                columns = heads.get(one, [])
                if not cells or len(cells) != len(columns):
                    yield _Record("", above, about, "text")
                    break
                for column, cell in zip(columns, cells, strict=True):
                    yield _Record(cell[0], above, {**about, **column, **_groups(cell)}, "text")
                break


def _is_head(tables: Sequence[Rows], line: str, heads: _Heads) -> bool:
    """Say whether a line names columns, and keep them."""
    for one in tables:
        if head := compiled(one.head).match(line):
            heads[one] = [*map(_groups, compiled(one.column).finditer(line, head.end()))]
            return True
    return False


def _groups(match: re.Match[str]) -> dict[str, str]:
    return {name: value for name, value in match.groupdict().items() if value is not None}


def _found(value: str | float, one: Field, unit: str, name: str) -> Found | None:
    """Return a value in its base unit; None for a figure that is no number.

    Raises SitegenError for a unit that is not known.
    """
    if isinstance(value, bool):
        return Found("yes" if value else "no")
    text = str(value).strip()[:_LONGEST]
    text = one.words.get(text, text)
    number = _number(value if isinstance(value, int | float) else text)
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
    printed = printed if len(printed) <= LONGEST_PRINT else ""
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


def _lacking(output: Output, fields: Fields) -> str:
    """Return the first field that is needed and not there, or nothing."""
    for name, spelled in output.fields.items():
        optional = isinstance(spelled, Field) and spelled.optional
        if name not in fields and not optional and name not in (VERSION, STARTED):
            return name
    return next((name for name in output.asks if name not in fields), "")


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
        if about.get(key, value).casefold() != value.casefold()
    ]
    for sentence in contradicted:
        recorder.doubt(Doubt.NOT_REACHED, sentence, workload)
        status = Status.SUSPECT
    failed = False
    for check in output.checks:
        if formulas.value(check.holds, _values(fields)) is False:
            sentence = _HOLE.sub(lambda m: words.get(m[1], "nothing"), check.says)
            recorder.doubt(_DOUBTS[check.then], sentence, workload)
            status = Status.SUSPECT if check.then != "doubt" else status
            failed = failed or check.then == "failed"
    series = recorder.series(workload, params(**{**about, **dict(known.params)}), status=status)
    for key, formula in output.values.items():
        id_, statistic = declared.metric_of(key, output)
        if failed:
            series.failed(id_, statistic)
            continue
        value, printed = _figure(id_, formula, fields, recorder)
        if value is not None:
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


def _points(samples: Samples, record: _Record) -> Iterator[Sequence[str | float | None]]:
    if record.form == "text":
        for match in compiled(samples.each).finditer(record.node):
            groups = match.groupdict()
            yield groups.get(samples.x), groups.get(samples.y)
        return
    for node in trees.found(record.node, samples.each):
        yield [
            trees.leaf(node if path in ("#", ".") else next(trees.found(node, path), None))
            for path in (samples.x, samples.y)
        ]


def _conclude(
    declared: Declared, output: Output, recorder: Recorder, told: Mapping[str, set[str]]
) -> None:
    """Keep what the output says of itself as a whole: version, time, machine."""
    one = {name: next(iter(values)) for name, values in told.items() if len(values) == 1}
    if version := one.get(VERSION, ""):
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
    known: set[str] = {*output.fields, *groups, *output.asks, CPU, DURATION}
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
    for one in filter(lambda one: one.at, spelled):
        pattern = compiled(one.at)
        if pattern.groups > 1 and "value" not in pattern.groupindex:
            raise SitegenError(f"{one.at[:60]!r} has several groups, and none called value")
    every = [each for one in output.rows for each in (one.head, one.column, one.row, one.cell)]
    return {group for each in (output.each, *every) for group in compiled(each).groupindex}
