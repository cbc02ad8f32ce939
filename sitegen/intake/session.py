"""One round of `sitegen collect`: which collectors run here, in what order, into the archive."""

from __future__ import annotations

import contextlib
import re
import secrets
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct, field

from sitegen import fingerprint, redact
from sitegen.archive import Archive
from sitegen.archive.remote import Unsent
from sitegen.catalogue import own
from sitegen.collect import LEFT_OUT, REPETITIONS, Collector, Host, Missing, Plan, Request
from sitegen.collect.execute import Collected, Progress, duration, execute, scratch, sweep
from sitegen.collect.host import timestamp
from sitegen.collect.installed import (
    check_benchmarks,
    check_settings,
    collectors,
    collects,
    detect,
    load_collector,
    make_plan,
)
from sitegen.config import Environment
from sitegen.errors import SitegenError, many
from sitegen.model import Status, ToolIdentity, check_label, check_time


class Order(Struct, frozen=True):
    """What the user asked `collect` to do; ``declared`` is what the report says of the label."""

    environment: str
    preset: str = "standard"
    only: tuple[str, ...] = ()
    repeat: int | None = None
    sessions: int = 1
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    note: str = ""
    seed: int | None = None
    dry_run: bool = False
    declared: Environment | None = None


class Outcome(Struct, frozen=True):
    """What became of one benchmark: a run, or the reason why there is none.

    ``complete`` is false when Ctrl-C ended the run before its last repetition; ``unsent`` says why
    an archive elsewhere did not get it: then it lies at ``path``.
    """

    benchmark: str
    run_id: str = ""
    path: Path | None = None
    skipped: str = ""
    failed: int = 0
    measured: int = 0
    complete: bool = True
    unsent: str = ""


class _Planned(NamedTuple):
    collector: Collector
    tool: ToolIdentity
    plan: Plan
    request: Request


class Round(Struct, frozen=True):
    """One call of `collect`: what is to be measured, and where it goes."""

    order: Order
    archive: Archive
    workdir: Path
    say: Callable[[str], None]
    progress: Callable[[Progress], None]
    host: Host = field(default_factory=Host)

    def collect(self) -> Iterator[Outcome]:
        """Run every collector that can run here and write its run; yield what became of each.

        A missing tool is a skip with the command that installs it. A collector that cannot be
        loaded or fails as a whole is reported and the others go on. A machine that is not what
        its label stands for is warned of. Raises SitegenError for an order that makes no sense,
        before anything runs: so does a setting with a value that its collector refuses. On
        Ctrl-C what is whole was yielded.
        """
        check_label(self.order.environment)
        chosen, broken = _loaded(self.order)
        for outcome in broken:
            self.say(f"{outcome.benchmark}: skipped: {outcome.skipped}")
        sweep(self.workdir)
        self.check_machine()
        for benchmark, collector in chosen.items():
            # A setting that cannot be met is better known now than in an hour.
            if self.order.settings.get(benchmark):
                with self.planned(collector):
                    pass
        yield from broken
        for number in range(self.order.sessions):
            if self.order.sessions > 1:
                self.say(f"session {number + 1} of {self.order.sessions}")
            session = secrets.token_hex(6)
            for benchmark, collector in chosen.items():
                try:
                    outcome = self.measure(collector, session)
                except SitegenError as error:
                    reason = str(error).removeprefix(f"{benchmark}: ")  # it stands before it
                    outcome = Outcome(benchmark, skipped=reason)
                if outcome.skipped:
                    self.say(f"{benchmark}: skipped: {outcome.skipped}")
                yield outcome
                if not outcome.complete:
                    raise KeyboardInterrupt

    def check_machine(self) -> None:
        """Raise SitegenError where no run could be kept; warn of a machine of another kind."""
        if self.order.dry_run:
            return  # what is said then is a script
        self.archive.check_writable()
        now = timestamp(datetime.now(UTC))
        try:
            check_time(now)
        except SitegenError as error:
            fix = "set it: what is measured is dated by it"
            raise SitegenError(f"this machine's clock says {now}", fix=fix) from error
        machine = fingerprint.read(self.workdir, redact.of_this_machine(workdir=self.workdir))
        if doubt := fingerprint.doubted(self.order.environment, self.order.declared, machine):
            self.say(f"warning: {doubt}")

    @contextlib.contextmanager
    def planned(self, collector: Collector) -> Iterator[Missing | _Planned]:
        """Yield what is to be done in a scratch folder, or the tool that is missing."""
        settings = self.order.settings.get(collector.BENCHMARK, {})
        tool = detect(collector, self.host)
        if isinstance(tool, Missing) and tool.unless in settings:
            tool = ToolIdentity(f"own {tool.unless}", "")
        if isinstance(tool, Missing):
            yield tool
            return
        with scratch(settings, self.workdir) as folder:
            request = Request(
                preset=self.order.preset,
                repetitions=self.order.repeat or REPETITIONS[self.order.preset],
                settings=settings,
                cpus=self.host.cpus(),
                scratch=folder,
                cache=self.workdir.absolute() / "cache" / collector.BENCHMARK,
                free_bytes=shutil.disk_usage(folder).free,
            )
            yield _Planned(collector, tool, make_plan(collector, tool, request), request)

    def measure(self, collector: Collector, session: str) -> Outcome:
        """Run one benchmark and write its run; raises SitegenError when it fails as a whole."""
        benchmark = collector.BENCHMARK
        failures: list[str] = []
        with self.planned(collector) as planned:
            if isinstance(planned, Missing):
                return Outcome(benchmark, skipped=f"missing: {planned}")
            _, tool, plan, request = planned
            if self.order.dry_run:
                self.say(f"# {tool.called}, {many(request.repetitions, 'repetition')}")
                for line in _commands(plan, request.scratch):
                    self.say(line)
                return Outcome(benchmark)
            for parameter in plan.parameters:
                if parameter.name == LEFT_OUT:
                    self.say(f"{benchmark}: left out: {parameter.value}")
            self.say(
                f"{benchmark}: {tool.called}, {many(len(plan.steps), 'step')} x"
                f" {request.repetitions}, about {duration(plan.about_s * request.repetitions)}"
            )
            collected = self.carried_out(planned, session, failures)
        rows = collected.run.measurements
        if all(row.value is None for row in rows):
            why = failures[0] if failures else "no step gave a figure"
            return Outcome(benchmark, skipped=f"nothing was measured: {why}")
        unsent = ""
        try:
            path = self.archive.write(collected.run, collected.raw)
        except Unsent as error:
            path, unsent = error.path, str(error)
        failed = sum(row.status == Status.FAILED for row in rows)
        return Outcome(
            benchmark,
            run_id=collected.run.id,
            path=path,
            failed=failed,
            measured=len(rows) - failed,
            complete=collected.run.complete,
            unsent=unsent,
        )

    def carried_out(self, planned: _Planned, session: str, failures: list[str]) -> Collected:
        """Carry out a plan, and name what failed of it in ``failures``."""

        def watched(step: Progress) -> None:
            failures.extend([step.failed] if step.failed else [])
            self.progress(step)

        scratch, cache = planned.request.scratch, planned.request.cache
        redactor = redact.of_this_machine(workdir=scratch, cache=cache)
        collected = execute(
            *planned,
            host=self.host,
            environment=self.order.environment,
            session=session,
            machine=fingerprint.read(scratch, redactor),
            redactor=redactor,
            seed=secrets.randbelow(2**31) if self.order.seed is None else self.order.seed,
            note=self.order.note,
            progress=watched,
        )
        if collected is None:
            raise KeyboardInterrupt
        return collected


def parse_settings(pairs: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return ``fio.size=8g`` and the like as {benchmark: {setting: value}}.

    Raises SitegenError for anything that has another form.
    """
    settings: dict[str, dict[str, str]] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        benchmark, _, setting = name.partition(".")
        if not (equals and benchmark and setting):
            fix = "write it as fio.size=8g"
            raise SitegenError(f"{pair!r} is not a setting", where="--set", fix=fix)
        if not value:
            fix = "leave it out, or is a variable empty?"
            raise SitegenError("has no value", where=f"--set {name}", fix=fix)
        settings.setdefault(benchmark, {})[setting] = value
    return settings


def _loaded(order: Order) -> tuple[dict[str, Collector], list[Outcome]]:
    """Return the collectors that were asked for, and a skip for each that is broken."""
    available = collectors()
    _check(order)
    chosen: dict[str, Collector] = {}
    broken: list[Outcome] = []
    for benchmark, point in available.items():
        if order.only and benchmark not in order.only:
            continue
        try:
            module = load_collector(point)
        except SitegenError as error:
            if benchmark in own.TABLES:  # what the report itself says can be mended here
                raise
            broken.append(Outcome(benchmark, skipped=str(error)))
            continue
        if collects(module):
            chosen[benchmark] = module
            check_settings(module, order.settings.get(benchmark, {}))
        elif order.only:
            message = f"{benchmark} reads what its tool wrote and runs nothing"
            raise SitegenError(message, fix="bring its output in with `sitegen import`")
    return chosen, broken


def _check(order: Order) -> None:
    check_benchmarks((*order.only, *order.settings))
    for name, settings in order.settings.items():
        if order.only and name not in order.only:
            message = f"{name} is not among the benchmarks that --only names"
            fix = f"add --only {name}, or leave the setting out"
            raise SitegenError(message, where=f"--set {name}.{next(iter(settings), '')}", fix=fix)
    if order.preset not in REPETITIONS:
        raise SitegenError(f"no preset {order.preset!r}", fix=f"use {', '.join(REPETITIONS)}")


def _commands(plan: Plan, folder: Path) -> Iterator[str]:
    """Yield the plan as lines for a shell, in a new folder beside the run's own.

    What no shell could run is a comment: a step without a program, or one that needs a server
    which only the collection starts.
    """
    yield f'WORK=$(mktemp -d {shlex.quote(str(folder.parent))}/sitegen-XXXXXX) && cd "$WORK"'
    for step in (*plan.prepare, *plan.steps):
        line = " ".join(_word(word, str(folder)) for word in step.argv)
        runs = shutil.which(step.argv[0]) and not any("[" in word for word in step.argv)
        yield line if runs else f"# {line}"


def _word(word: str, folder: str) -> str:
    if folder not in word:
        return shlex.quote(word)
    parts = [re.sub(r'(["$`\\])', r"\\\1", part) for part in word.split(folder)]
    return f'"{"$WORK".join(parts)}"'
