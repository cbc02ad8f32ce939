"""What must hold of a table before anything is run or read by it."""

from __future__ import annotations

from collections.abc import Sequence

from sitegen.catalogue import formulas
from sitegen.catalogue.declared import Declared
from sitegen.catalogue.metrics import metric
from sitegen.catalogue.table import Field, Kept, Output, Server
from sitegen.collect.declared import trees
from sitegen.collect.declared.fields import CPU, DURATION, SERVER_CPU, compiled, holes
from sitegen.collect.declared.outputs import definitions
from sitegen.collect.declared.records import NAMES
from sitegen.errors import SitegenError


def check(declared: Declared) -> None:
    """Raise SitegenError for an expression, a path, a formula or a command that cannot be."""
    _check_commands(declared)
    for name, output in declared.table.outputs.items():
        try:
            _check_output(declared, output)
        except SitegenError as error:
            where = f"{declared.place}: outputs.{name}"
            raise SitegenError(error.what, where=where, fix=error.fix) from error


def _check_output(declared: Declared, output: Output) -> None:
    known: set[str] = {*output.fields, *_check_places(output), *output.asks}
    known |= {CPU, DURATION, SERVER_CPU}
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
    """Check regular expressions and paths; return the names that records bring with them."""
    spelled = [one if isinstance(one, Field) else Field(one) for one in output.fields.values()]
    if output.form != "text":
        for path in (output.each, *output.entries.values(), *(one.at for one in spelled)):
            trees.steps(path.removeprefix("$").removeprefix("."))
        for one in spelled:
            compiled(one.part)
        return {*NAMES} if "*" in output.each else set()
    for one in spelled:
        pattern = compiled(one.at)
        if pattern.groups > 1 and "value" not in pattern.groupindex:
            raise SitegenError(f"{one.at[:60]!r} has several groups, and none called value")
    every = [each for one in output.rows for each in (one.head, one.column, one.row, one.cell)]
    return {group for each in (output.each, *every) for group in compiled(each).groupindex}


def _check_commands(declared: Declared) -> None:
    """Raise SitegenError for a command that asks for what nothing in the table is called."""
    table = declared.table
    known = {*table.settings, *table.programs, "cpus", "scratch"}
    if isinstance(table.server, Server):
        more = {f"port{n}" for n in range(2, table.server.ports + 1)}
        known |= {"host", "port", "folder", "access", *more}
        server = table.server
        lines = (server.command, *server.prepare, *server.after)
        texts = [word for line in lines for word in line]
        texts += [*server.files.values(), *server.tells.values()]
        _check_holes(declared, "server", texts, known | {*server.names})
    for key, one in table.workloads.items():
        if unknown := {*one.reads} - {*table.outputs}:
            where = f"{declared.place}: workloads.{key}.reads"
            raise SitegenError(f"there is no output {min(unknown)!r}", where=where)
        if unknown := {*one.each} - {*table.settings}:
            where = f"{declared.place}: workloads.{key}.each"
            raise SitegenError(f"there is no setting {min(unknown)!r}", where=where)
        _check_holes(declared, f"workloads.{key}", (*one.command, *one.params.values()), known)
        _check_holes(declared, f"workloads.{key}", [one.name], known | {*one.params})
        for formula in filter(None, (one.only, one.about_s)):
            if absent := formulas.names(formula) - known - {*one.params}:
                where = f"{declared.place}: workloads.{key}"
                raise SitegenError(f"{formula!r} asks for {min(absent)!r}", where=where)


def _check_holes(declared: Declared, key: str, texts: Sequence[str], known: set[str]) -> None:
    for text in texts:
        if unknown := set(holes(text)) - known:
            fix = f"known are {', '.join(sorted(known))}"
            where = f"{declared.place}: {key}"
            raise SitegenError(f"nothing is called {{{min(unknown)}}}", where=where, fix=fix)
