"""A collector that is a table: what it finds, plans, runs and reads stands there."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from glob import glob
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import msgspec
from msgspec import Meta

from sitegen.catalogue import formulas
from sitegen.catalogue.declared import Declared
from sitegen.catalogue.table import Program, Scalar, Server, Setting, Workload
from sitegen.collect import servers
from sitegen.collect.declared import outputs, served
from sitegen.collect.declared.fields import CPU, DURATION, SERVER_CPU, compiled, filled, holes
from sitegen.collect.declared.outputs import Known
from sitegen.collect.declared.reader import TableReader
from sitegen.collect.declared.served import Served
from sitegen.collect.host import Host, RawOutput, last_line
from sitegen.collect.protocol import Missing, Plan, Reading, Refused, Request, Step
from sitegen.collect.settings import Settings, described
from sitegen.errors import SitegenError
from sitegen.model import (
    Comparability,
    Measurement,
    Parameter,
    ToolIdentity,
    check_label,
    params,
)

if TYPE_CHECKING:
    import psutil

#: What a step's context holds beside settings: the folder, the ports, the outputs that it has.
_FOLDER, _PORTS, _READS, _SERVE, _SET = "folder", "ports", "reads", "serve", "set."
#: The step that makes what the server needs, once a run.
_PREPARE = "prepare"
_PREPARE_S, _VERSION_S, _ABOUT_S = 300.0, 20.0, 10.0
#: A step may take so many times as long as it is said to.
_PATIENCE, _LEAST_S = 5.0, 60.0
_MOST_STEPS = 500


def collector(declared: Declared) -> TableReader:
    """Return what a table can do: collect, or read alone; raises SitegenError where it is wrong."""
    outputs.check(declared)
    _check_commands(declared)
    return TableCollector(declared) if declared.table.workloads else TableReader(declared)


class TableCollector(TableReader):
    """Carries out what a table says."""

    def __init__(self, declared: Declared) -> None:
        """Hold a table that is checked, and the form of its settings."""
        super().__init__(declared)
        self.table = declared.table
        self.server = declared.table.server if isinstance(declared.table.server, Server) else None
        self.SETTINGS = _form(declared)

    def detect(self, host: Host) -> ToolIdentity | Missing:
        """Return the tool and its version; or the first of the programs that is missing."""
        paths: dict[str, str] = {}
        for name, program in self.table.programs.items():
            path = _find(program, host)
            if path is None:
                address = self.server.address if self.server and name != "tool" else ""
                return Missing(program.find[0].rpartition("/")[2], program.install, address)
            paths[name] = path
        return host.identify(
            self.table.programs["tool"].find[0].rpartition("/")[2],
            paths["tool"],
            _version(self.table.programs["tool"], paths["tool"], host),
        )

    def plan(self, tool: ToolIdentity, request: Request) -> Plan:
        """Return the commands of the table's workloads, once for each combination of their lists.

        Raises SitegenError for a setting that cannot be met.
        """
        given = msgspec.structs.asdict(request.read(self.SETTINGS))
        values: dict[str, Any] = {}
        for name, setting in self.table.settings.items():
            chosen = given[name] if given[name] not in (None, ()) else setting.at(request.preset)
            values[name] = _resolved(chosen, request.cpus)
        context = [(_FOLDER, str(request.scratch))]
        known: dict[str, object] = {"cpus": request.cpus, "scratch": request.scratch}
        known |= {name: _find(one, Host()) or "" for name, one in self.table.programs.items()}
        prepare: tuple[Step, ...] = ()
        told: Mapping[str, str] = {}
        if self.server:
            where = self._where(values)
            known |= where
            if "ports" in where:
                known["folder"] = _home(request.scratch)
                one = served.filled(self.server, known | values, f"{self.declared.place}: server")
                context.append((_PORTS, str(where["ports"])))
                context.append((_SERVE, msgspec.json.encode(one.command).decode()))
                prepare = self._prepared(context, one)
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
            about_s=sum(float(step.get("about_s")) for step in steps),
            definitions=outputs.definitions(self.declared),
        )

    def run(self, step: Step, host: Host) -> RawOutput:
        """Run one command, with the server that it needs beside it."""
        folder = Path(step.get(_FOLDER))
        ports = [int(port) for port in step.get(_PORTS).split(",") if port]
        if step.name == _PREPARE:
            return self._make(step, ports, folder, host)
        values: list[tuple[str, str]] = []
        raw: RawOutput | None = None
        try:
            with contextlib.ExitStack() as stack:
                stack.enter_context(servers.many_files())
                server = None
                if self.server and ports:
                    server = stack.enter_context(self._serving(step, ports, folder, host))
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
        if self.server and ports and "server" in self.table.programs:
            program = self.table.programs["server"]
            values.append(("server_version", _version(program, _find(program, host) or "", host)))
        files = {}
        for name in self._reads(step):
            where = self.table.outputs[name].where
            if where not in ("stdout", "stderr", "both") and (folder / where).is_file():
                files[where] = (folder / where).read_bytes()
                (folder / where).unlink()
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
            axes = [values[name] for name in workload.each]
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
        reads = workload.reads or tuple(
            name for name, one in self.table.outputs.items() if not one.benchmark
        )
        about_s = self._about_s(workload, every)
        timeout_s = workload.timeout_s or max(_LEAST_S, _PATIENCE * about_s)
        kept = tuple((f"{_SET}{name}", str(value)) for name, value in sorted(values.items()))
        more = ((_READS, ",".join(reads)), ("about_s", f"{about_s:g}"), *kept)
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
                    id_, statistic = self.declared.metric_of(key, output)
                    if of.gives and key.partition(" ")[0] not in of.gives:
                        continue
                    if id_ in metrics and metrics[id_].better != "none":
                        yield Measurement(workload, id_, statistic, metrics[id_].unit, None, about)

    def _about_s(self, workload: Workload, every: Mapping[str, object]) -> float:
        formula = workload.about_s or ("time_s + 1" if "time_s" in every else f"{_ABOUT_S}")
        found = formulas.value(formula, cast("Any", every))
        return float(found) if isinstance(found, int | float) else _ABOUT_S

    def _text(self, template: str, every: Mapping[str, object], key: str) -> str:
        return served.text(template, every, f"{self.declared.place}: workloads.{key}")

    def _parameters(
        self, values: Mapping[str, Any], tool: ToolIdentity, told: Mapping[str, str]
    ) -> Iterator[Parameter]:
        varied = {name for one in self.table.workloads.values() for name in one.each}
        address = self.server.address if self.server else ""
        for name, setting in self.table.settings.items():
            of_server = self.server and name in self.server.tells
            if name in varied or name == address or of_server or values[name] is None:
                continue
            yield Parameter(name, _word(values[name]), setting.comparability)
        for name, text in told.items():
            yield Parameter(name, text, Comparability.MUST_MATCH)
        yield Parameter("tool_version", tool.version or "unknown", Comparability.CAVEAT)

    def _prepared(self, context: Sequence[tuple[str, str]], one: Served) -> tuple[Step, ...]:
        """Return the step that writes the server's files and makes its data, where it has any."""
        if not (one.files or one.prepare or one.after):
            return ()
        told = {"files": one.files, "before": one.prepare, "after": one.after}
        more = tuple((name, msgspec.json.encode(each).decode()) for name, each in told.items())
        argv = (_PREPARE, self.BENCHMARK)
        return (Step(_PREPARE, _PREPARE, argv, _PREPARE_S, context=(*context, *more)),)

    def _make(self, step: Step, ports: Sequence[int], folder: Path, host: Host) -> RawOutput:
        """Write the server's files and run what makes its data; the first that fails ends it."""
        files, before, after = (
            msgspec.json.decode(step.get(name)) for name in ("files", "before", "after")
        )
        self._check_user(folder)
        home = _home(folder)
        home.mkdir(exist_ok=True)
        user = self._user()
        self._check_user(folder)
        if user:
            folder.chmod(0o711)
            shutil.chown(home, user)
        for name, text in files.items():
            (home / name).write_text(text, "utf-8")
        said: list[RawOutput] = []
        for line in before:
            said.append(host.run([*_as(user), *line], timeout_s=step.timeout_s, cwd=home))
            if said[-1].exit_code:
                return _together(said)
        if after:
            with self._serving(step, ports, folder, host):
                for line in after:
                    said.append(host.run([*_as(user), *line], timeout_s=step.timeout_s, cwd=home))
                    if said[-1].exit_code:
                        break
        return _together(said)

    def _serving(
        self, step: Step, ports: Sequence[int], folder: Path, host: Host
    ) -> contextlib.AbstractContextManager[psutil.Process]:
        server = cast("Server", self.server)
        home = _home(folder)
        home.mkdir(exist_ok=True)
        return servers.serving(
            host,
            [*_as(self._user()), *msgspec.json.decode(step.get(_SERVE))],
            ports,
            folder=home,
            where=self.BENCHMARK,
            start_s=server.start_s,
        )

    def _user(self) -> str:
        """Return the user that the server runs as: another one where it refuses root."""
        return self.server.user if self.server and os.geteuid() == 0 else ""

    def _check_user(self, scratch: Path) -> None:
        """Raise Refused where the server's user could not reach its folder."""
        user = self._user()
        if not user:
            return
        fix = "run sitegen as another user than root"
        try:
            pwd.getpwnam(user)
        except KeyError:
            message = f"its server refuses root, and there is no user {user!r}"
            raise Refused(message, where=self.BENCHMARK, fix=fix) from None
        closed = [one for one in scratch.absolute().parents if not one.stat().st_mode & 0o001]
        if closed:
            message = f"its server refuses root, and the user {user!r} cannot reach {closed[-1]}"
            if "directory" in self.table.settings:
                fix += f", or name another folder: --set {self.BENCHMARK}.directory=/var/tmp"
            raise Refused(message, where=self.BENCHMARK, fix=fix)


def _ports(found: Sequence[int]) -> dict[str, object]:
    """Return ports as commands name them: port, port2, port3."""
    return {"port" if n == 1 else f"port{n}": port for n, port in enumerate(found, start=1)}


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


def _home(folder: Path) -> Path:
    """Return the folder of the server, in that of the run."""
    return folder / "server"


def _as(user: str) -> tuple[str, ...]:
    """Return what runs a command as another user.

    Whoever changes its user outlives its parent, unless that is said anew. SIGQUIT lets
    PostgreSQL take its shared memory with it.
    """
    if not user:
        return ()
    who = (f"--reuid={user}", f"--regid={user}", "--clear-groups")
    return ("setpriv", *who, "--pdeathsig", "QUIT", "--")


def _together(said: Sequence[RawOutput]) -> RawOutput:
    """Return several commands, one after another, as one; it failed as the last of them."""
    return RawOutput(
        stdout=b"".join(one.stdout for one in said),
        stderr=b"".join(one.stderr for one in said),
        exit_code=said[-1].exit_code if said else 0,
        started_at=said[0].started_at if said else "",
        duration_s=sum(one.duration_s for one in said),
    )


def _find(program: Program, host: Host) -> str | None:
    """Return where a program is: by its names on PATH, or the last of the places with ``*``."""
    for name in program.find:
        if "/" not in name:
            if path := host.find(name):
                return path
        elif found := [path for path in sorted(glob(name)) if os.access(path, os.X_OK)]:  # noqa: PTH207 - of the whole system
            return found[-1]
    return None


def _version(program: Program, path: str, host: Host) -> str:
    """Return the version that a program tells of itself, or nothing."""
    if not path:
        return ""
    line = [path, *(program.version or ("--version",))]
    raw = host.run(line, timeout_s=_VERSION_S)
    text = (raw.stdout + b"\n" + raw.stderr).decode("utf-8", "replace")
    match = compiled(program.version_is).search(text)
    return (match[1] if match.re.groups else match[0])[:80] if match else ""


def _form(declared: Declared) -> type[Settings]:
    """Return what ``--set`` may change, as a form: of the type that the table's values have."""
    fields = []
    for name, setting in declared.table.settings.items():
        kind, several = _kind(setting)
        about = f"{setting.help}{_defaults(setting)}"
        # A number that a machine decides, such as all its CPUs, has no bounds of its own.
        bounds: dict[str, Any] = {"str": {"max_length": 300}}.get(kind.__name__, {"ge": 0})
        one = Annotated[kind, Meta(**bounds)]  # type: ignore[valid-type]
        whole = tuple[one, ...] if several else one
        empty: Any = () if several else None
        fields.append(
            (name, Annotated[whole if several else whole | None, described(about)], empty)
        )
    form = msgspec.defstruct("SETTINGS", fields, bases=(Settings,), frozen=True)
    return cast("type[Settings]", form)


def _kind(setting: Setting) -> tuple[type, bool]:
    """Return the type of a setting's values, and whether it takes several."""
    every = [setting.value, setting.quick, setting.standard, setting.thorough]
    stated = [value for value in every if value is not None]
    several = any(isinstance(value, tuple) for value in stated)
    flat: list[Scalar] = []
    for value in stated:
        flat += value if isinstance(value, tuple) else (value,)
    plain = [value for value in flat if not (isinstance(value, str) and "{" in value)]
    if not plain or any(isinstance(value, str) for value in plain):
        return str, several
    return (float if any(isinstance(value, float) for value in plain) else int), several


def _defaults(setting: Setting) -> str:
    """Return the defaults of a setting in words, as its line of help ends."""
    if "default" in setting.help:
        return ""
    if setting.value is not None:
        return f" (default: {_word(setting.value)})"
    presets = ("quick", "standard", "thorough")
    stated = [f"{one} {_word(setting.at(one))}" for one in presets if setting.at(one) is not None]
    return f" (default: {', '.join(stated)})" if stated else ""


def _word(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _resolved(value: object, cpus: int) -> object:
    """Return a value with this machine's CPUs in it; a list has each value once."""
    if isinstance(value, tuple):
        return tuple(dict.fromkeys(_resolved(each, cpus) for each in value))
    if value == "{cpus}":
        return cpus
    return value
