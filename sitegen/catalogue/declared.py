"""A tool that is declared as a table: read, whole, and what of it the catalogue knows.

A table says how a tool is found and run, where its output has each figure, and how its page is
made (`sitegen.catalogue.table` has what may stand in it).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from sitegen import toml
from sitegen.catalogue import tool
from sitegen.catalogue.repeats import repeated
from sitegen.catalogue.table import (
    Field,
    Headline,
    Metric,
    Output,
    Panel,
    Program,
    Server,
    Table,
    Workload,
)
from sitegen.catalogue.units import printed_unit
from sitegen.errors import SitegenError
from sitegen.model import STATISTICS, check_benchmark, params

#: The folder of tables that come with sitegen, in the package of its collectors.
FOLDER = "tables"


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

    def metric_of(self, key: str) -> tuple[str, str]:
        """Return the id of a metric and the statistic that a key of ``values`` names."""
        name, _, statistic = key.partition(" ")
        own = self.table.metrics.get(name)
        return f"{self.benchmark}.{name}", statistic or (own.statistic if own else "value")


def read(benchmark: str, raw: object, place: str, key: str = "", note: str = "") -> Declared:
    """Return what a table says of a benchmark, whole.

    Raises SitegenError with the file and the key of the first thing that cannot be.
    """
    where = f"{place}: {key}" if key else place
    try:
        check_benchmark(benchmark)
    except SitegenError as error:
        raise SitegenError(error.what, where=where, fix=error.fix) from error
    table = toml.decoded(repeated(raw, place, key), Table, place, key)
    declared = Declared(benchmark, _whole(benchmark, table, where), note or table.method, where)
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
    return read(file.stem, toml.read(file), str(file), note=toml.beside(file))


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


def _whole(benchmark: str, table: Table, place: str) -> Table:
    """Return a table with all said in full that may be said in short.

    Raises SitegenError for an output that is like none, or like itself, or a server that is none.
    """
    if table.command:
        workloads = {benchmark: Workload(table.command), **table.workloads}
        table = replace(table, command=(), workloads=workloads)
    table = replace(table, metrics={name: _stored(one) for name, one in table.metrics.items()})
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
    outputs = {
        name: _like(name, table.outputs, place)
        for name, one in table.outputs.items()
        if not one.part
    }
    table = replace(table, outputs=outputs)
    if isinstance(table.server, str):
        table = replace(table, server=server(table.server, benchmark))
    if isinstance(table.server, Server):
        programs |= table.server.programs
    return replace(table, programs=programs)


def _stored(metric: Metric) -> Metric:
    """Return a metric in its base unit; one that is found in ms is printed in ms."""
    base = printed_unit(metric.unit)
    if not metric.at or base is None or base[0] == metric.unit:
        return metric
    return replace(metric, unit=base[0], printed_in=metric.printed_in or metric.unit)


def _like(
    name: str, outputs: Mapping[str, Output], place: str, within: tuple[str, ...] = ()
) -> Output:
    """Return a form with all of those which it is like that it does not say itself."""
    own = asdict(outputs[name])
    for each in outputs[name].like:
        if each not in outputs or each in (*within, name):
            where = _at(place, f"outputs.{name}.like")
            raise SitegenError(f"there is no other output {each!r}", where=where)
        base = asdict(_like(each, outputs, place, (*within, name)))
        for key in base.keys() - {"title", "knows", "lacks", "like", "part"}:
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
        raise SitegenError(problem, where=_at(declared.place, key), fix=fix)


def _at(place: str, key: str) -> str:
    """Return where a key is, in a table that is a file or a part of one."""
    return f"{place}{'.' if ': ' in place else ': '}{key}"


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
    if not output.values:
        yield f"outputs.{name}.values", "names no metric", ""
    known = declared.table.metrics
    for key in output.values:
        id_, statistic = declared.metric_of(key)
        if id_.partition(".")[2] not in known:
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
            collected=bool(table.workloads),
            headlines=tuple(tool.Headline(**pattern(one)) for one in table.headlines)
            or _usual(benchmark, table),
            panels=tuple(tool.Panel(**pattern(one)) for one in table.panels),
            counted=table.counted,
            background=frozenset(table.background),
            columns=tuple((id_of(name), tuple(each)) for name, each in table.columns.items()),
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
