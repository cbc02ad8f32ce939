"""A tool as a table: what a TOML file may say of one, checked, and what of it the catalogue knows.

A table says how a tool is found and run, where its output has each figure, and how its page is
made. Nothing in it is code: commands are lists of arguments, figures are found by paths and regular
expressions, and expressions hold arithmetic on what was found (`sitegen.collect.declared`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from msgspec.structs import asdict, replace

from sitegen import toml
from sitegen.catalogue import tool
from sitegen.catalogue.units import printed_unit
from sitegen.errors import SitegenError
from sitegen.model import STATISTICS, Comparability, Doubt, check_benchmark, params

#: The folder of tables that come with sitegen, in the package of its collectors.
FOLDER = "tables"

Name = Annotated[
    str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}$", description="a word of small letters")
]
Text = Annotated[str, Meta(min_length=1, max_length=2000, description="a text in quotes")]
Texts = Annotated[tuple[Text, ...], Meta(max_length=200, description="a list of texts")]
#: The words of a command; one may be empty.
Line = Annotated[
    tuple[Annotated[str, Meta(max_length=2000, description="a text in quotes")], ...],
    Meta(max_length=200, description="a list of texts"),
]
Words = Annotated[dict[Name, str], Meta(description="a table of texts")]
#: A regular expression for a text, the path of a value in anything else.
Place = Annotated[str, Meta(min_length=1, max_length=500, description="a path or an expression")]
Formula = Annotated[
    str, Meta(min_length=1, max_length=500, description="an expression of the fields")
]
Seconds = Annotated[float, Meta(gt=0, le=86_400, description="seconds, at most a day")]
Scalar = int | float | str
Value = Annotated[Scalar | tuple[Scalar, ...], Meta(description="a number, a text or a list")]
Form = Literal["text", "json", "jsonl", "csv", "xml"]


class Program(Struct, frozen=True, forbid_unknown_fields=True):
    """A program: the names that it may have, or places with ``*``, and what installs it.

    ``version`` is the command that tells its version, ``--version`` without it, and ``version_is``
    what it is in what that prints.
    """

    find: Texts
    install: str = ""
    version: Texts = ()
    version_is: str = r"(\d+(?:\.\d+)+\S*)"


class Setting(Struct, frozen=True, forbid_unknown_fields=True):
    """What ``--set`` may change: its line of help, and its value, of all presets or of each.

    It stands in commands as ``{name}``. The run keeps it, with what a difference in it means.
    """

    help: Text
    value: Value | None = None
    quick: Value | None = None
    standard: Value | None = None
    thorough: Value | None = None
    comparability: Comparability = Comparability.CAVEAT

    def at(self, preset: str) -> Scalar | tuple[Scalar, ...] | None:
        """Return the value with a preset; None where the user has to say one."""
        own: Scalar | tuple[Scalar, ...] | None = getattr(self, preset)
        return self.value if own is None else own

    @property
    def is_list(self) -> bool:
        """Whether it has several values, each of which is run."""
        return any(isinstance(self.at(one), tuple) for one in ("quick", "standard", "thorough"))


class Metric(Struct, frozen=True, forbid_unknown_fields=True):
    """A number that the tool gives; ``at`` is where its output has it, as `Field` says."""

    unit: Text
    better: tool.Better
    definition: Text
    title: str = ""
    source: str = ""
    at: str = ""
    printed_in: str = ""
    statistic: str = "value"
    scale: tool.Scale = tool.Scale.RATIO
    resolution: float | None = None
    margin: float = 0.02
    shown_in: str = ""
    counts: str = ""
    of: str = ""
    beside: dict[str, str] = {}


class ParameterWords(Struct, frozen=True, forbid_unknown_fields=True):
    """What the values of a parameter are, and how a page words them."""

    kind: tool.Kind = tool.Kind.TEXT
    words: str = ""
    several: str = ""
    values: dict[str, str] = {}
    hidden: bool = False


class Pattern(Struct, frozen=True, forbid_unknown_fields=True):
    """Which series are meant, by the metric's name without the benchmark's."""

    metric: Text
    statistic: str = ""
    params: Words = {}
    workload: str = ""


class Headline(Pattern, frozen=True):
    """Series that get a verdict, and what a sentence says that they lose."""

    title: str = ""
    loses: str = ""
    whole: bool = False
    first: Literal["smallest", "largest"] = "smallest"


class Panel(Pattern, frozen=True):
    """A chart of the page."""

    title: str = ""
    group: str = ""
    axis: str = ""
    axis_title: str = ""
    efficiency: bool = False
    split: Texts = ()


class Generator(Struct, frozen=True, forbid_unknown_fields=True):
    """From which share of a CPU on the load generator is the limit, and what it is called."""

    at: Annotated[float, Meta(gt=0, le=1000, description="a share of one CPU")]
    name: Text


class Field(Struct, frozen=True, forbid_unknown_fields=True):
    """A value that the output has, and where.

    ``at`` is a regular expression whose group ``value``, or only group, is it; in anything but text
    a path, and ``part`` the regular expression of what is it in the text found there. Without
    ``at`` the field is the group so called of what found the record. ``unit`` is that in which it
    is printed, or a group ``unit`` has it, and ``units`` says what the tool's own words for units
    mean. ``words`` replace words of the tool; one that is made empty is as if it were not there.
    One that is ``optional`` may be missing. Of several that are found the first is taken, the last,
    or all: ``take`` says what they come to.
    """

    at: Annotated[str, Meta(max_length=500, description="a path or an expression")] = ""
    unit: str = ""
    units: dict[str, str] = {}
    words: dict[str, str] = {}
    optional: bool = False
    part: str = ""
    take: Literal["first", "last", "count", "sum", "mean", "min", "max"] = "first"


class Check(Struct, frozen=True, forbid_unknown_fields=True):
    """What must hold of the figures, and what is said, and follows, where it does not.

    A check of what was not found is passed over. ``kind`` is the caveat that comes of it, where it
    is none of a contradiction or of a failure.
    """

    holds: Formula
    says: Text
    then: Literal["suspect", "failed", "doubt"] = "suspect"
    kind: Doubt | None = None


class Samples(Struct, frozen=True, forbid_unknown_fields=True):
    """The raw series behind a metric: a place for each point, and in it x and y.

    Points count where ``only`` is true, or all, and not where one of ``without`` is.
    """

    metric: Text
    each: Place
    y: Place
    x: Place = "#"
    only: str = ""
    without: Texts = ()
    unit: str = ""
    x_unit: str = "s"
    kind: Literal["time", "request"] = "time"


class Rows(Struct, frozen=True, forbid_unknown_fields=True):
    """Rows of a table in a text, of which every cell is a result of its own.

    ``head`` begins the line that names the columns and ``column`` finds each name in its rest;
    ``row`` begins a row, and ``cell`` finds each figure in its rest. Their groups are fields.
    """

    head: Place
    column: Place
    row: Place
    cell: Place


class Kept(Struct, frozen=True, forbid_unknown_fields=True):
    """A setting that the output tells, and what a difference in it means."""

    value: Text
    comparability: Comparability = Comparability.CAVEAT


class Output(Struct, frozen=True, forbid_unknown_fields=True):
    """A form of output: how it is known, and where it has what.

    ``where`` is stdout, stderr, both (one after the other) or a file that the tool wrote. ``knows``
    are texts that are all in it, ``lacks`` such that none of them is; one that knows none is not
    imported. ``each`` finds the results in it, ``rows`` the cells of tables in those, and ``only``
    says which count. Where they are all that stands in a mapping (``a.*``) a result's own name is
    ``record``, and that of the mapping ``record_of``. ``values`` gives an expression for each
    ``"metric statistic"``, ``params`` and ``workload`` are texts with ``{fields}``, and ``entries``
    places of mappings of which each entry is a parameter too, by what its name is begun with.
    ``asks`` is what the output does not say, ``beside`` names a document that lies beside it and
    says what it is of: its fields are found at ``$beside``. ``ends`` are texts without one of which
    it is not whole, ``same`` are fields that all its results have alike, and ``fails`` is that in
    which the tool says why a result is none. One ``like`` others has all of them that it does not
    say itself, but for how they are known.
    """

    values: dict[str, Formula] = {}
    title: str = ""
    form: Form = "text"
    where: str = "stdout"
    knows: Texts = ()
    lacks: Texts = ()
    benchmark: str = ""
    each: str = ""
    rows: tuple[Rows, ...] = ()
    only: str = ""
    fields: dict[Name, Place | Field] = {}
    workload: str = ""
    params: Words = {}
    entries: dict[str, Place] = {}
    checks: tuple[Check, ...] = ()
    samples: tuple[Samples, ...] = ()
    settings: dict[str, Text | Kept] = {}
    facts: dict[str, Text] = {}
    asks: Words = {}
    beside: str = ""
    ends: Texts = ()
    same: Texts = ()
    fails: str = ""
    like: Texts = ()


class Workload(Struct, frozen=True, forbid_unknown_fields=True):
    """A command, once for every combination of the lists that ``each`` names.

    Without it those are meant that the command asks for. ``only`` says for which combinations,
    ``reads`` are the outputs that it has; all of them without it. Where an output has several
    results ``expects`` are the parameters of each, and ``gives`` their metrics, of those that the
    output may have: what is not delivered is recorded as failed.
    """

    command: Line
    name: str = ""
    each: Texts = ()
    only: str = ""
    params: Words = {}
    reads: Texts = ()
    expects: tuple[Words, ...] = ()
    gives: Texts = ()
    about_s: str = ""
    timeout_s: Seconds | None = None

    @property
    def asks(self) -> str:
        """All that has names in braces, in one text."""
        return " ".join((*self.command, self.name, *self.params.values()))


class Server(Struct, frozen=True, forbid_unknown_fields=True):
    """A server that is started on loopback for the length of a step, and stopped.

    ``files`` are written into its folder, and ``prepare`` and ``after`` run once a run: before its
    first start, and when it listens. ``address`` is the setting that names another one instead.
    ``programs`` are those that it needs, ``names`` what its texts may have in braces besides, and
    ``tells`` what a run keeps of it and must be alike: not of one at an address.
    """

    command: Line
    programs: dict[Name, Program] = {}
    names: Words = {}
    tells: Words = {}
    files: dict[str, str] = {}
    prepare: tuple[Line, ...] = ()
    after: tuple[Line, ...] = ()
    ports: Annotated[int, Meta(ge=1, le=8, description="how many ports, 1 to 8")] = 1
    udp: bool = False
    user: str = ""
    address: str = ""
    start_s: Seconds = 15.0


class Table(Struct, frozen=True, forbid_unknown_fields=True):
    """All that is said of one tool."""

    title: str = ""
    question: str = ""
    area: str = ""
    source: str = ""
    method: str = ""
    programs: dict[Name, Program] = {}
    settings: dict[Name, Setting] = {}
    metrics: dict[str, Metric] = {}
    parameters: dict[Name, ParameterWords] = {}
    headlines: tuple[Headline, ...] = ()
    panels: tuple[Panel, ...] = ()
    columns: dict[str, Line] = {}
    background: Texts = ()
    wholes: dict[str, str] = {}
    generator: Generator | None = None
    counted: str = "requests"
    suspect: str = ""
    command: Line = ()
    workloads: dict[str, Workload] = {}
    server: Server | str | None = None
    form: Form = "text"
    knows: Texts = ()
    outputs: dict[str, Output] = {}


class Declared(Struct, frozen=True):
    """A table under the name of its benchmark, whole: what was said in short is said in full."""

    benchmark: str
    table: Table
    note: str = ""
    place: str = ""

    @property
    def tool(self) -> tool.Tool:
        """What the catalogue knows of it."""
        return _tool(self.benchmark, self.table)

    def metric_of(self, key: str, output: Output | None = None) -> tuple[str, str]:
        """Return the id of a metric and the statistic that a key of ``values`` names."""
        name, _, statistic = key.partition(" ")
        benchmark = (output.benchmark if output else "") or self.benchmark
        own = self.table.metrics.get(name)
        return f"{benchmark}.{name}", statistic or (own.statistic if own else "value")


def read(benchmark: str, raw: object, place: str, key: str = "", note: str = "") -> Declared:
    """Return what a table says of a benchmark, whole.

    Raises SitegenError with the file and the key of the first thing that cannot be.
    """
    where = f"{place}: {key}" if key else place
    try:
        check_benchmark(benchmark)
    except SitegenError as error:
        raise SitegenError(error.what, where=where, fix=error.fix) from error
    table = toml.decoded(raw, Table, place, key)
    declared = Declared(benchmark, _whole(benchmark, table), note or table.method, where)
    _check(declared)
    return declared


def of(benchmark: str, raw: object, file: str, note: str = "") -> Declared:
    """Return a tool of a report: its table stands in its `sitegen.toml`, or in a file of its own.

    Raises SitegenError as `read` does.
    """
    key = "" if Path(file).stem == benchmark else f"tools.{benchmark}"
    return read(benchmark, raw, file, key, note)


def read_file(file: Path) -> Declared:
    """Return the table in a file, of the benchmark that the file is called after.

    The method note is the Markdown file of the same name. Raises SitegenError as `read` does.
    """
    note = file.with_suffix(".md")
    text = note.read_text("utf-8") if note.is_file() else ""
    return read(file.stem, toml.read(file), str(file), note=text)


@cache
def shipped() -> Mapping[str, Declared]:
    """Return the tables that come with sitegen, by benchmark; none where collectors are not here."""
    return {file.stem: read_file(file) for file in sorted(_folder().glob("*.toml"))}


def server(name: str, place: str) -> Server:
    """Return a server that several tables share; raises SitegenError when there is none so called."""
    file = _folder() / "servers" / f"{name}.toml"
    if not re.fullmatch(r"[a-z0-9-]{1,40}", name) or not file.is_file():
        raise SitegenError(f"there is no server {name!r}", where=f"{place}.server")
    return toml.decoded(toml.read(file), Server, str(file))


def _folder() -> Path:
    """Return the folder of tables, which is found and not imported, as their method notes are."""
    spec = find_spec("collectors")
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places or ()), ""), FOLDER)


def _whole(benchmark: str, table: Table) -> Table:
    """Return a table with all said in full that may be said in short."""
    if table.command:
        workloads = {benchmark: Workload(table.command), **table.workloads}
        table = replace(table, command=(), workloads=workloads)
    found = {name: metric for name, metric in table.metrics.items() if metric.at}
    if found:
        fields: dict[str, str | Field] = {
            name: Field(one.at, one.printed_in or one.unit) for name, one in found.items()
        }
        output = Output({name: name for name in found}, form=table.form, fields=fields)
        output = replace(output, knows=table.knows, title=table.title or benchmark)
        table = replace(table, outputs={benchmark: output, **table.outputs})
    commands = [one.command for one in table.workloads.values()]
    programs = dict(table.programs)
    if commands and "tool" not in programs:
        word = commands[0][0]
        if not word.startswith("{"):
            programs["tool"] = Program((word,))
            workloads = {
                name: replace(one, command=("{tool}", *one.command[1:]))
                if one.command[0] == word
                else one
                for name, one in table.workloads.items()
            }
            table = replace(table, workloads=workloads)
    lists = [name for name, one in table.settings.items() if one.is_list]
    workloads = {
        name: replace(one, each=tuple(each for each in lists if f"{{{each}}}" in one.asks))
        if not one.each
        else one
        for name, one in table.workloads.items()
    }
    table = replace(table, workloads=workloads)
    table = replace(table, outputs={one: _like(one, table.outputs) for one in table.outputs})
    if isinstance(table.server, str):
        table = replace(table, server=server(table.server, benchmark))
    if isinstance(table.server, Server):
        programs |= table.server.programs
    return replace(table, programs=programs)


def _like(name: str, outputs: Mapping[str, Output], within: tuple[str, ...] = ()) -> Output:
    """Return a form with all of those which it is like that it does not say itself."""
    own = asdict(outputs[name])
    for each in outputs[name].like:
        if each not in outputs or each in (*within, name):
            continue  # `_problems_of` names it
        base = asdict(_like(each, outputs, (*within, name)))
        for key in base.keys() - {"title", "knows", "lacks", "like"}:
            if isinstance(base[key], dict):
                own[key] = {**base[key], **own[key]}
            elif isinstance(base[key], tuple):
                own[key] += tuple(one for one in base[key] if one not in own[key])
            elif own[key] == getattr(_NO_OUTPUT, key):
                own[key] = base[key]
    return Output(**own)


_NO_OUTPUT = Output()


def _check(declared: Declared) -> None:
    """Raise SitegenError for a metric or a statistic that cannot be."""
    for key, problem, fix in _problems(declared):
        join = "." if ": " in declared.place else ": "
        raise SitegenError(problem, where=f"{declared.place}{join}{key}", fix=fix)


def _problems(declared: Declared) -> Iterator[tuple[str, str, str]]:
    """Yield the keys that are wrong, with what is wrong and what to do."""
    table = declared.table
    for name, metric in table.metrics.items():
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name):
            yield f"metrics.{name}", "is no name", "use small letters, digits and _"
        if metric.printed_in and printed_unit(metric.printed_in) is None:
            yield f"metrics.{name}.printed_in", f"the unit {metric.printed_in!r} is not known", ""
        if metric.statistic not in STATISTICS:
            yield f"metrics.{name}.statistic", *_no_statistic(metric.statistic)
    for part, patterns in (("headlines", table.headlines), ("panels", table.panels)):
        for number, one in enumerate(patterns):
            if one.metric not in table.metrics:
                yield f"{part}[{number}].metric", f"there is no metric {one.metric!r}", ""
    for name, output in table.outputs.items():
        yield from _problems_of(declared, name, output)


def _problems_of(declared: Declared, name: str, output: Output) -> Iterator[tuple[str, str, str]]:
    for each in output.like:
        if each == name or each not in declared.table.outputs:
            yield f"outputs.{name}.like", f"there is no other output {each!r}", ""
    if not output.values:
        yield f"outputs.{name}.values", "names no metric", ""
    known = declared.table.metrics
    for key in output.values:
        id_, statistic = declared.metric_of(key, output)
        own = output.benchmark in ("", declared.benchmark)
        if own and id_.partition(".")[2] not in known:
            fix = f"known are {', '.join(known)}"
            yield f"outputs.{name}.values", f"there is no metric {key!r}", fix
        if statistic not in STATISTICS:
            yield f"outputs.{name}.values.{key}", *_no_statistic(statistic)


def _no_statistic(statistic: str) -> tuple[str, str]:
    return f"there is no statistic {statistic!r}", f"use {', '.join(sorted(STATISTICS))}"


def _tool(benchmark: str, table: Table) -> tool.Tool:
    def id_of(name: str) -> str:
        return f"{benchmark}.{name}"

    metrics = []
    for name, one in table.metrics.items():
        said = {k: v for k, v in asdict(one).items() if k in tool.Metric.__struct_fields__}
        said |= {"title": one.title or _title(name)}
        said |= {"source": one.source or table.source}
        said |= {"of": id_of(one.of) if one.of else "", "beside": tuple(one.beside.items())}
        metrics.append(tool.Metric(id=id_of(name), **said))

    def pattern(one: Headline | Panel) -> dict[str, Any]:
        statistic = one.statistic or table.metrics[one.metric].statistic
        told = {"metric": id_of(one.metric), "params": params(**one.params), "statistic": statistic}
        return {**asdict(one), **told}

    title = table.title or benchmark
    generator = (
        tool.Generator(table.generator.at, table.generator.name) if table.generator else None
    )
    return tool.Tool(
        metrics=tuple(metrics),
        family=tool.Family(
            benchmark,
            title,
            table.question or f"What does {title} show?",
            area=table.area,
            headlines=tuple(tool.Headline(**pattern(one)) for one in table.headlines)
            or _usual(benchmark, table),
            panels=tuple(tool.Panel(**pattern(one)) for one in table.panels),
            counted=table.counted,
            background=frozenset(table.background),
            columns=tuple((id_of(name), tuple(each)) for name, each in table.columns.items()),
            wholes={id_of(part): id_of(whole) for part, whole in table.wholes.items()},
            suspect=table.suspect,
            generator=generator,
        ),
        parameters=tuple(
            tool.SeriesParameter(key=key, **asdict(one)) for key, one in table.parameters.items()
        ),
    )


def _usual(benchmark: str, table: Table) -> tuple[tool.Headline, ...]:
    """Return the first six metrics that have a direction, as those of a tool from outside."""
    return tuple(
        tool.Headline(f"{benchmark}.{name}", one.statistic, title=one.title or _title(name))
        for name, one in table.metrics.items()
        if one.better != tool.Better.NONE
    )[:6]


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()
