"""A collector that is a table: what it finds, plans, runs and reads stands there."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, cast

import msgspec

from sitegen import bounds
from sitegen.catalogue import formulas
from sitegen.catalogue.declared import Declared
from sitegen.catalogue.table import Server, Workload
from sitegen.collect import servers
from sitegen.collect.declared import checking, choices, outputs, programs, served
from sitegen.collect.declared.fields import CPU, DURATION, SERVER_CPU, filled, holes
from sitegen.collect.declared.outputs import Known
from sitegen.collect.declared.reader import TableReader
from sitegen.collect.declared.served import FOLDER, PORTS, PREPARE, SERVE, Hosted
from sitegen.collect.host import MOST_BYTES, Host, RawOutput, last_line
from sitegen.collect.protocol import Missing, Plan, Reading, Request, Step
from sitegen.errors import SitegenError
from sitegen.model import (
    Comparability,
    Measurement,
    Parameter,
    ToolIdentity,
    check_label,
    params,
)

#: What a step's context holds beside that of a server: the outputs that it has, settings, seconds.
_READS, _SET, _ABOUT = "reads", "set.", "about_s"
_ABOUT_S = 10.0
#: A step may take so many times as long as it is said to.
_PATIENCE, _LEAST_S = 5.0, 60.0
_MOST_STEPS = 500


def collector(declared: Declared) -> TableReader:
    """Return what a table can do: collect, or read alone; raises SitegenError where it is wrong."""
    checking.check(declared)
    return TableCollector(declared) if declared.table.workloads else TableReader(declared)


class TableCollector(TableReader):
    """Carries out what a table says."""

    def __init__(self, declared: Declared) -> None:
        """Hold a table that is checked, and the form of its settings."""
        super().__init__(declared)
        self.table = declared.table
        self.server = declared.table.server if isinstance(declared.table.server, Server) else None
        elsewhere = "directory" in declared.table.settings
        self.hosted = Hosted(self.server, declared.benchmark, elsewhere) if self.server else None
        self.SETTINGS = choices.form(declared)
        self._version: str | None = None  # of the server: asked for once

    def detect(self, host: Host) -> ToolIdentity | Missing:
        """Return the tool and its version; or the first of the programs that is missing."""
        paths: dict[str, str] = {}
        for name, program in self.table.programs.items():
            path = programs.find(program, host)
            if path is None:
                address = self.server.address if self.server and name != "tool" else ""
                return Missing(program.find[0].rpartition("/")[2], program.install, address)
            paths[name] = path
        return host.identify(
            self.table.programs["tool"].find[0].rpartition("/")[2],
            paths["tool"],
            programs.version(self.table.programs["tool"], paths["tool"], host),
        )

    def plan(self, tool: ToolIdentity, request: Request) -> Plan:
        """Return the commands of the table's workloads, once for each combination of their lists.

        Raises SitegenError for a setting that cannot be met.
        """
        given = msgspec.structs.asdict(request.read(self.SETTINGS))
        values: dict[str, Any] = {}
        for name, setting in self.table.settings.items():
            chosen = given[name] if given[name] not in (None, ()) else setting.at(request.preset)
            if chosen is not None:
                values[name] = choices.resolved(chosen, request.cpus)
        context = [(FOLDER, str(request.scratch))]
        known: dict[str, object] = {"cpus": request.cpus, "scratch": request.scratch}
        known |= {
            name: programs.find(one, Host()) or "" for name, one in self.table.programs.items()
        }
        prepare: tuple[Step, ...] = ()
        told: Mapping[str, str] = {}
        if self.server and self.hosted:
            where = self._where(values)
            known |= where
            if "ports" in where:
                known["folder"] = served.home(request.scratch)
                one = served.filled(self.server, known | values, f"{self.declared.place}: server")
                context.append((PORTS, str(where["ports"])))
                context.append((SERVE, msgspec.json.encode(one.command).decode()))
                prepare = self.hosted.prepared(context, one)
                told = one.tells
        steps = tuple(self._steps(values, known, tuple(context)))
        if not steps:
            message = "no workload is left with these settings"
            raise SitegenError(message, where=self.BENCHMARK)
        if len(steps) > _MOST_STEPS:
            message = f"{len(steps)} steps, and {_MOST_STEPS} at most are run"
            raise SitegenError(message, where=self.BENCHMARK, fix="name fewer values")
        return Plan(
            steps,
            tuple(self._parameters(values, tool, told)),
            prepare,
            about_s=sum(float(step.get(_ABOUT)) for step in steps),
            definitions=outputs.definitions(self.declared),
        )

    def run(self, step: Step, host: Host) -> RawOutput:
        """Run one command, with the server that it needs beside it."""
        hosted = self.hosted if served.ports_of(step) else None
        if hosted and step.name == PREPARE:
            return hosted.make(step, host)
        folder = Path(step.get(FOLDER))
        values: list[tuple[str, str]] = []
        raw: RawOutput | None = None
        for where in self._written(step):
            (folder / where).unlink(missing_ok=True)  # what another step wrote is none of this one
        try:
            with contextlib.ExitStack() as stack:
                stack.enter_context(servers.many_files())
                server = None
                if hosted:
                    server = stack.enter_context(hosted.serving(step, host))
                    busy = servers.cpu_seconds(server)
                raw = host.run(step.argv, timeout_s=step.timeout_s, cwd=folder)
                if server:
                    values.append((SERVER_CPU, f"{servers.cpu_seconds(server) - busy:.3f}"))
        except SitegenError as error:
            if raw is None:
                raise
            # The server is gone: what the tool says of it is kept, and is no result.
            said = raw.stderr + f"\nsitegen: {error.what}\n".encode()
            return msgspec.structs.replace(raw, stderr=said, exit_code=raw.exit_code or -1)
        if hosted and "server" in self.table.programs:
            values.append(("server_version", self._server_version(host)))
        files = {
            where: bounds.read_file(folder / where, MOST_BYTES)
            for where in self._written(step)
            if (folder / where).is_file()
        }
        return msgspec.structs.replace(raw, values=tuple(values), files=files)

    def parse(self, step: Step, raw: RawOutput) -> Reading:
        """Return what the step's outputs say; raises SitegenError as `outputs.read` does."""
        if raw.exit_code != 0:
            reason = last_line(raw.stderr if raw.stderr.strip() else raw.stdout)
            message = f"{Path(step.argv[0]).name} ended with code {raw.exit_code}: {reason}"
            raise SitegenError(message, where=step.name)
        fields: dict[str, str | float] = {
            k.removeprefix(_SET): v for k, v in step.context if k.startswith(_SET)
        }
        fields |= dict(step.params)
        fields |= {name: float(text) for name, text in raw.values if name.endswith("_s")}
        fields |= {DURATION: raw.duration_s, **({} if raw.cpu_s is None else {CPU: raw.cpu_s})}
        known = Known(step.workload, step.params, fields)
        readings = []
        for name in self._reads(step):
            output = self.table.outputs[name]
            sources = {"stdout": raw.stdout, "stderr": raw.stderr, **raw.files}
            sources["both"] = raw.stdout + b"\n" + raw.stderr
            data = sources.get(output.where)
            if data is None:
                raise SitegenError(f"it wrote no {output.where}", where=step.name)
            try:
                readings.append(outputs.read(self.declared, output, data, known))
            except SitegenError as error:
                raise SitegenError(error.what, where=step.name, fix=error.fix) from error
        return self._joined(readings, raw)

    def _joined(self, readings: Sequence[Reading], raw: RawOutput) -> Reading:
        told = [p for one in readings for p in one.parameters]
        if version := raw.get("server_version"):
            told.append(Parameter("server_version", version, Comparability.CAVEAT))
        return Reading(
            measurements=tuple(row for one in readings for row in one.measurements),
            samples=tuple(each for one in readings for each in one.samples),
            parameters=tuple(told),
            doubts=tuple(each for one in readings for each in one.doubts),
        )

    def _server_version(self, host: Host) -> str:
        if self._version is None:
            program = self.table.programs["server"]
            self._version = programs.version(program, programs.find(program, host) or "", host)
        return self._version

    def _written(self, step: Step) -> set[str]:
        """Return the files that the command writes, beside what it prints."""
        places = {self.table.outputs[name].where for name in self._reads(step)}
        return places - {"stdout", "stderr", "both"}

    def _reads(self, step: Step) -> list[str]:
        return [name for name in step.get(_READS).split(",") if name]

    def _where(self, values: Mapping[str, Any]) -> dict[str, object]:
        """Return where the server is: at an address that was given, or on loopback."""
        assert self.server is not None  # noqa: S101 - asked of those that have one
        address = values.get(self.server.address) if self.server.address else None
        if not address:
            found = servers.free_ports(self.server.ports, self.BENCHMARK)
            ports = ",".join(map(str, found))
            return {
                "host": servers.LOOPBACK,
                "ports": ports,
                "access": "loopback",
                **_ports(found),
            }
        host, _, port = str(address).rpartition(":")
        if not host or not port.isdecimal() or re.search(r"[\s/@]", host):
            where = f"--set {self.BENCHMARK}.{self.server.address}"
            message = f"{str(address)[:60]!r} is no address with a port"
            raise SitegenError(message, where=where, fix="write it as 192.0.2.1:5201")
        same = _ports([int(port)] * self.server.ports)
        return {"host": host.strip("[]"), "access": "network", **same}

    def _steps(
        self,
        values: Mapping[str, Any],
        known: Mapping[str, object],
        context: tuple[tuple[str, str], ...],
    ) -> Iterator[Step]:
        for key, workload in self.table.workloads.items():
            axes = [self._given(name, values) for name in workload.each]
            for combination in product(
                *(axis if isinstance(axis, tuple) else (axis,) for axis in axes)
            ):
                one = {**values, **dict(zip(workload.each, combination, strict=True))}
                one = {name: value for name, value in one.items() if not isinstance(value, tuple)}
                numbers = {**known, **one}
                if workload.only and not formulas.value(workload.only, cast("Any", numbers)):
                    continue
                yield self._step(key, workload, one, known, context)

    def _step(
        self,
        key: str,
        workload: Workload,
        values: Mapping[str, Any],
        known: Mapping[str, object],
        context: tuple[tuple[str, str], ...],
    ) -> Step:
        every = {**known, **values}
        # A list that a parameter names whole is that parameter, under its name.
        renamed = {one for one in workload.each if f"{{{one}}}" in workload.params.values()}
        about: dict[str, object] = {n: values[n] for n in workload.each if n not in renamed}
        if "access" in known:
            about["access"] = known["access"]
        about |= {name: self._text(text, every, key) for name, text in workload.params.items()}
        every |= about
        named = "-".join([key, *(str(values[name]) for name in workload.each)])
        name = self._text(workload.name, every, key) if workload.name else named
        name = check_label(re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-."), "workload")
        argv = tuple(self._text(word, every, key) for word in workload.command)
        pairs = params(**about)
        reads = workload.reads or tuple(self.table.outputs)
        about_s = self._about_s(workload, every)
        timeout_s = workload.timeout_s or max(_LEAST_S, _PATIENCE * about_s)
        kept = tuple((f"{_SET}{name}", str(value)) for name, value in sorted(values.items()))
        more = ((_READS, ",".join(reads)), (_ABOUT, f"{about_s:g}"), *kept)
        expects = tuple(self._expected(name, pairs, reads, workload, every))
        return Step(name, name, argv, timeout_s, pairs, expects, (*context, *more))

    def _expected(
        self,
        workload: str,
        pairs: tuple[tuple[str, str], ...],
        reads: Sequence[str],
        of: Workload,
        every: Mapping[str, object],
    ) -> Iterator[Measurement]:
        """Yield what a step delivers, as far as that is known before it ran."""
        metrics = {one.id: one for one in self.declared.tool.metrics}
        for name in reads:
            output = self.table.outputs[name]
            own = {key: filled(text, every) for key, text in output.params.items()}
            alone = all(own.values()) and not of.expects
            for result in [own] if alone else of.expects:
                about = params(**{**result, **dict(pairs)})
                for key in output.values:
                    id_, statistic = self.declared.metric_of(key)
                    if of.gives and key.partition(" ")[0] not in of.gives:
                        continue
                    if id_ in metrics and metrics[id_].better != "none":
                        yield Measurement(workload, id_, statistic, metrics[id_].unit, None, about)

    def _about_s(self, workload: Workload, every: Mapping[str, object]) -> float:
        formula = workload.about_s or ("time_s + 1" if "time_s" in every else f"{_ABOUT_S}")
        found = formulas.value(formula, cast("Any", every))
        return float(found) if isinstance(found, int | float) else _ABOUT_S

    def _text(self, template: str, every: Mapping[str, object], key: str) -> str:
        for name in holes(template):
            if name in self.table.settings:
                self._given(name, every)
        return served.text(template, every, f"{self.declared.place}: workloads.{key}")

    def _given(self, name: str, values: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a setting's value
        """Return the value of a setting; raises SitegenError where the user has to say one."""
        if name in values:
            return values[name]
        fix = f"add --set {self.BENCHMARK}.{name}=, {self.table.settings[name].help}"
        raise SitegenError(f"has no {name.replace('_', ' ')}", where=self.BENCHMARK, fix=fix)

    def _parameters(
        self, values: Mapping[str, Any], tool: ToolIdentity, told: Mapping[str, str]
    ) -> Iterator[Parameter]:
        varied = {name for one in self.table.workloads.values() for name in one.each}
        address = self.server.address if self.server else ""
        for name, setting in self.table.settings.items():
            of_server = self.server and name in self.server.tells
            if name in varied or name == address or of_server or name not in values:
                continue
            yield Parameter(name, choices.word(values[name]), setting.comparability)
        for name, text in told.items():
            yield Parameter(name, text, Comparability.MUST_MATCH)
        yield Parameter("tool_version", tool.version or "unknown", Comparability.CAVEAT)


def _ports(found: Sequence[int]) -> dict[str, object]:
    """Return ports as commands name them: port, port2, port3."""
    return {"port" if n == 1 else f"port{n}": port for n, port in enumerate(found, start=1)}
