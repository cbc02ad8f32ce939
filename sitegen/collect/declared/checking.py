"""What must hold of a table before anything is run or read by it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence

from sitegen.catalogue import formulas
from sitegen.catalogue.declared import Declared
from sitegen.catalogue.metrics import metric
from sitegen.catalogue.table import Field, Kept, Output, Server
from sitegen.catalogue.units import printed_unit
from sitegen.collect.declared import trees
from sitegen.collect.declared.fields import CPU, DURATION, SERVER_CPU, compiled, holes
from sitegen.collect.declared.outputs import definitions
from sitegen.collect.declared.records import NAMES
from sitegen.errors import SitegenError

#: What commands know beside programs and settings, and what outputs know of a step.
_GIVEN = ("cpus", "scratch")
_OF_SERVER = ("host", "port", "folder", "access")
_OF_STEP = (CPU, DURATION, SERVER_CPU)


def check(declared: Declared) -> None:
    """Raise SitegenError for an expression, a path, a formula or a command that cannot be."""
    _check_commands(declared)
    for name, output in declared.table.outputs.items():
        with _at(declared, f"outputs.{name}"):
            _check_output(declared, output)


def _check_output(declared: Declared, output: Output) -> None:
    known: set[str] = {*output.fields, *_check_places(output), *output.asks, *_OF_STEP}
    for workload in declared.table.workloads.values():
        known |= {*declared.table.settings, *workload.params, "access"}
    for check in output.checks:
        if not formulas.is_truth(check.holds):
            raise SitegenError(f"{check.holds!r} is a number, and nothing that holds or does not")
    conditions = (*(check.holds for check in output.checks), output.only, *output.named.values())
    for formula in (*output.values.values(), *conditions):
        if formula and (unknown := formulas.names(formula) - known):
            raise SitegenError(f"{formula!r} asks for {min(unknown)!r}, which is no field")
    kept = (one.value if isinstance(one, Kept) else one for one in output.settings.values())
    templates = (
        output.workload,
        *output.named,
        *output.params.values(),
        *output.facts.values(),
        *kept,
    )
    for template in (*templates, *(check.says for check in output.checks)):
        if absent := set(holes(template)) - known:
            raise SitegenError(f"{template[:60]!r} asks for {min(absent)!r}, which is no field")
    for name in filter(None, (*output.same, output.fails)):
        if name not in known:
            raise SitegenError(f"there is no field {name!r}")
    units = {key: _unit_of(declared, key) for key in output.values}
    _check_units(declared, output, {*units.values()})


def _unit_of(declared: Declared, key: str) -> str:
    """Return the unit of the metric that a key names; raises SitegenError where there is none."""
    id_, _ = declared.metric_of(key)
    unit = metric(id_, definitions(declared)).unit
    if not unit:
        raise SitegenError(f"there is no metric {id_!r}")
    return unit


def _check_units(declared: Declared, output: Output, units: set[str]) -> None:
    """Raise SitegenError for a printed unit that nobody knows, or a sample's of another kind."""
    for one in _fields(output):
        for word in filter(None, (one.unit, *one.units.values())):
            if printed_unit(word) is None and word not in units:
                raise SitegenError(f"the unit {word!r} is not known", fix="such as ms, MiB/s or %")
    for samples in output.samples:
        unit, base = _unit_of(declared, samples.metric), printed_unit(samples.unit)
        if samples.unit and (base[0] if base else samples.unit) != unit:
            raise SitegenError(f"samples of {samples.metric} are in {samples.unit}, not in {unit}")
        if printed_unit(samples.x_unit) is None:
            raise SitegenError(f"the unit {samples.x_unit!r} is not known")


def _fields(output: Output) -> list[Field]:
    return [one if isinstance(one, Field) else Field(one) for one in output.fields.values()]


def _check_places(output: Output) -> set[str]:
    """Check regular expressions and paths; return the names that records bring with them."""
    text = output.form == "text"
    elsewhere = {
        "rows": output.rows and not text,
        "entries": output.entries and text,
        "beside": output.beside and text,
        "part": text and any(one.part for one in _fields(output)),
    }
    if misplaced := [name for name, there in elsewhere.items() if there]:
        raise SitegenError(
            f"{misplaced[0]!r} says nothing of an output of this form, {output.form}"
        )
    if not text:
        points = [
            place
            for one in output.samples
            for place in (one.each, one.x, one.y, one.only, *one.without)
        ]
        places = (output.each, *output.entries.values(), *(one.at for one in _fields(output)))
        for path in (*places, *(point for point in points if point not in ("#", "."))):
            trees.steps(path.removeprefix("$").removeprefix("."))
        for one in _fields(output):
            compiled(one.part)
        return {*NAMES} if "*" in output.each else set()
    for pattern in (compiled(one.at) for one in _fields(output)):
        if pattern.groups > 1 and "value" not in pattern.groupindex:
            raise SitegenError(f"{pattern.pattern[:60]!r} has several groups, none called value")
    for samples in output.samples:
        absent = {samples.x, samples.y} - {"#", *compiled(samples.each).groupindex}
        if absent:
            raise SitegenError(f"no group of {samples.each[:60]!r} is called {min(absent)!r}")
    every = [each for one in output.rows for each in (one.head, one.column, one.row, one.cell)]
    groups = {group for each in (output.each, *every) for group in compiled(each).groupindex}
    spelled = {name for name, one in zip(output.fields, _fields(output), strict=True) if not one.at}
    if lost := spelled - groups:
        raise SitegenError(f"the field {min(lost)!r} has no place, and no group is called so")
    return groups


def _check_commands(declared: Declared) -> None:
    """Raise SitegenError for a command that asks for what nothing in the table is called."""
    table = declared.table
    if table.workloads and "tool" not in table.programs:
        raise SitegenError("names no program", where=declared.place, fix="add [programs.tool]")
    for name, program in table.programs.items():
        with _at(declared, f"programs.{name}.version_is"):
            compiled(program.version_is)
    known = {*table.settings, *table.programs, *_GIVEN}
    taken = {*table.programs, *_GIVEN, *_OF_STEP, *_OF_SERVER}
    if clash := taken & {*table.settings}:
        where = f"{declared.place}: settings.{min(clash)}"
        raise SitegenError("has another meaning here", where=where, fix="give it another name")
    if isinstance(table.server, Server):
        known |= {*_OF_SERVER, *(f"port{n}" for n in range(2, table.server.ports + 1))}
        _check_server(declared, table.server, known)
    for key, one in table.workloads.items():
        with _at(declared, f"workloads.{key}"):
            _check_known("output", one.reads, table.outputs)
            _check_known("setting", one.each, table.settings)
            _check_known("metric", one.gives, table.metrics)
            _check_holes((*one.command, *one.params.values()), known)
            _check_holes([one.name], known | {*one.params})
            for formula in filter(None, (one.only, one.about_s)):
                if absent := formulas.names(formula) - known - {*one.params}:
                    raise SitegenError(f"{formula!r} asks for {min(absent)!r}")


def _check_server(declared: Declared, server: Server, known: set[str]) -> None:
    with _at(declared, "server"):
        if server.address:
            _check_known("setting", (server.address,), declared.table.settings)
        lines = (server.command, *server.prepare, *server.after)
        texts = [word for line in lines for word in line]
        texts += [*server.files.values(), *server.tells.values()]
        _check_holes(texts, known | {*server.names})


def _check_known(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    if unknown := {*names} - {*known}:
        raise SitegenError(f"there is no {what} {min(unknown)!r}")


def _check_holes(texts: Sequence[str], known: set[str]) -> None:
    for text in texts:
        if unknown := set(holes(text)) - known:
            fix = f"known are {', '.join(sorted(known))}"
            raise SitegenError(f"nothing is called {{{min(unknown)}}}", fix=fix)


@contextlib.contextmanager
def _at(declared: Declared, key: str) -> Iterator[None]:
    """Say of an error where in the table it is."""
    try:
        yield
    except SitegenError as error:
        where = error.where or f"{declared.place}: {key}"
        raise SitegenError(error.what, where=where, fix=error.fix) from error
