"""One round of `sitegen collect`: which collectors run here, in what order, into the archive."""

from __future__ import annotations

import re
import secrets
import shlex
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sitegen import fingerprint, redact
from sitegen.archive import Archive
from sitegen.collect import LEFT_OUT, REPETITIONS, Collector, Host, Missing, Plan, Request
from sitegen.collect.execute import Collected, Progress, execute, scratch, sweep
from sitegen.collect.host import timestamp
from sitegen.collect.installed import (
    check_settings,
    collectors,
    collects,
    detect,
    load_collector,
    make_plan,
)
from sitegen.config import Environment
from sitegen.errors import SitegenError
from sitegen.model import Status, ToolIdentity, check_label, check_time


@dataclass(frozen=True, slots=True)
class Order:
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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one benchmark: a run, or the reason why there is none.

    ``complete`` is false when Ctrl-C ended the run before its last repetition.
    """

    benchmark: str
    run_id: str = ""
    path: Path | None = None
    skipped: str = ""
    failed: int = 0
    measured: int = 0
    complete: bool = True


class Interrupted(Exception):  # noqa: N818 - not an error: the user asked for it
    """Ctrl-C: what was whole is kept, and named in ``outcomes``."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        """Keep what was collected before the interrupt."""
        super().__init__()
        self.outcomes = tuple(outcomes)


def collect(
    order: Order,
    archive: Archive,
    workdir: Path,
    *,
    say: Callable[[str], None],
    progress: Callable[[Progress], None],
) -> list[Outcome]:
    """Run every collector that can run here and write its run; return what became of each.

    A missing tool is a skip with the command that installs it. A collector that cannot be
    loaded or fails as a whole is reported and the others go on. A machine that is not what its
    label stands for is warned of. Raises SitegenError for an order that makes no sense, before
    anything runs: so does a setting with a value that its collector refuses. Raises Interrupted
    on Ctrl-C.
    """
    check_label(order.environment)
    chosen, outcomes = _loaded(order)
    for outcome in outcomes:
        say(f"{outcome.benchmark}: skipped: {outcome.skipped}")
    sweep(workdir)
    _check_machine(order, archive, workdir, say)
    here = _Round(order, archive, workdir, say, progress)
    for collector in chosen.values():
        here.try_plan(collector)
    for number in range(order.sessions):
        if order.sessions > 1:
            say(f"session {number + 1} of {order.sessions}")
        session = secrets.token_hex(6)
        for benchmark, collector in chosen.items():
            try:
                outcome = here.measure(collector, session)
            except SitegenError as error:
                outcome = Outcome(benchmark, skipped=str(error))
            except KeyboardInterrupt:
                raise Interrupted(outcomes) from None
            outcomes.append(outcome)
            if outcome.skipped:
                say(f"{benchmark}: skipped: {outcome.skipped}")
            if not outcome.complete:
                raise Interrupted(outcomes)
    return outcomes


def _check_machine(
    order: Order, archive: Archive, workdir: Path, say: Callable[[str], None]
) -> None:
    if order.dry_run:
        return  # what is said then is a script
    archive.check_writable()
    now = timestamp(datetime.now(UTC))
    try:
        check_time(now)
    except SitegenError as error:
        raise SitegenError(
            f"this machine's clock says {now}", fix="set it: what is measured is dated by it"
        ) from error
    machine = fingerprint.read(workdir, redact.of_this_machine(workdir=workdir))
    if doubt := fingerprint.doubted(order.environment, order.declared, machine):
        say(f"warning: {doubt}")


@dataclass(frozen=True, slots=True)
class _Round:
    """What all benchmarks of a round share."""

    order: Order
    archive: Archive
    workdir: Path
    say: Callable[[str], None]
    progress: Callable[[Progress], None]
    host: Host = field(default_factory=Host)

    def try_plan(self, collector: Collector) -> None:
        """Raise SitegenError for a setting that cannot be met: better now than in an hour."""
        if not self.settings(collector):
            return
        tool = self.tool(collector)
        if isinstance(tool, Missing):
            return
        with scratch(self.settings(collector), self.workdir) as folder:
            make_plan(collector, tool, self.request(collector, folder))

    def settings(self, collector: Collector) -> Mapping[str, str]:
        """Return what the user set for a benchmark."""
        return self.order.settings.get(collector.BENCHMARK, {})

    def tool(self, collector: Collector) -> ToolIdentity | Missing:
        """Return the tool that is measured with, or what is missing."""
        tool = detect(collector, self.host)
        if isinstance(tool, Missing) and tool.unless in self.settings(collector):
            return ToolIdentity(f"own {tool.unless}", "")
        return tool

    def request(self, collector: Collector, folder: Path) -> Request:
        """Return what a plan is made for."""
        return Request(
            preset=self.order.preset,
            repetitions=self.order.repeat or REPETITIONS[self.order.preset],
            settings=self.settings(collector),
            cpus=self.host.cpus(),
            scratch=folder,
            cache=self.workdir.absolute() / "cache" / collector.BENCHMARK,
            free_bytes=shutil.disk_usage(folder).free,
        )

    def measure(self, collector: Collector, session: str) -> Outcome:
        """Run one benchmark and write its run; raises SitegenError when it fails as a whole."""
        benchmark = collector.BENCHMARK
        tool = self.tool(collector)
        if isinstance(tool, Missing):
            return Outcome(benchmark, skipped=f"missing: {tool}")
        with scratch(self.settings(collector), self.workdir) as folder:
            request = self.request(collector, folder)
            plan = make_plan(collector, tool, request)
            if self.order.dry_run:
                self.say(f"# {tool.name} {tool.version}, {request.repetitions} times")
                for line in _commands(plan, folder):
                    self.say(line)
                return Outcome(benchmark)
            for parameter in plan.parameters:
                if parameter.name == LEFT_OUT:
                    self.say(f"{benchmark}: left out: {parameter.value}")
            self.say(
                f"{benchmark}: {tool.name} {tool.version}, {len(plan.steps)} steps x"
                f" {request.repetitions}, about {_minutes(plan.about_s * request.repetitions)}"
            )
            failures: list[str] = []
            collected = self.collected(collector, tool, plan, request, session, failures)
        rows = collected.run.measurements
        if all(row.value is None for row in rows):
            why = failures[0] if failures else "no step gave a figure"
            return Outcome(benchmark, skipped=f"nothing was measured: {why}")
        failed = sum(row.status == Status.FAILED for row in rows)
        return Outcome(
            benchmark,
            run_id=collected.run.id,
            path=self.archive.write(collected.run, collected.raw),
            failed=failed,
            measured=len(rows) - failed,
            complete=collected.run.complete,
        )

    def collected(  # noqa: PLR0913 - all that a plan is carried out with
        self,
        collector: Collector,
        tool: ToolIdentity,
        plan: Plan,
        request: Request,
        session: str,
        failures: list[str],
    ) -> Collected:
        """Carry out a plan, and name what failed of it in ``failures``."""

        def watched(step: Progress) -> None:
            failures.extend([step.failed] if step.failed else [])
            self.progress(step)

        redactor = redact.of_this_machine(workdir=request.scratch, cache=request.cache)
        collected = execute(
            collector,
            tool,
            plan,
            request,
            host=self.host,
            environment=self.order.environment,
            session=session,
            machine=fingerprint.read(request.scratch, redactor),
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
        benchmark, dot, setting = name.partition(".")
        if not (equals and dot and benchmark and setting):
            raise SitegenError(
                f"{pair!r} is not a setting", where="--set", fix="write it as fio.size=8g"
            )
        if not value:
            raise SitegenError(
                "has no value", where=f"--set {name}", fix="leave it out, or is a variable empty?"
            )
        settings.setdefault(benchmark, {})[setting] = value
    return settings


def unmeasured(outcomes: Sequence[Outcome]) -> str:
    """Return why benchmarks have no run, each reason once."""
    reasons = dict.fromkeys(f"{o.benchmark}: {o.skipped}" for o in outcomes if o.skipped)
    return " | ".join(reasons)


def _loaded(order: Order) -> tuple[dict[str, Collector], list[Outcome]]:
    """Return the collectors that were asked for, and a skip for each that is broken."""
    available = collectors()
    chosen: dict[str, Collector] = {}
    broken: list[Outcome] = []
    for benchmark in _chosen(available, order):
        try:
            module = load_collector(available[benchmark])
        except SitegenError as error:
            broken.append(Outcome(benchmark, skipped=str(error)))
            continue
        if not collects(module):
            if benchmark in order.only:
                raise SitegenError(
                    f"{benchmark} reads what its tool wrote and runs nothing",
                    fix="bring its output in with `sitegen import`",
                )
            continue
        chosen[benchmark] = module
        check_settings(chosen[benchmark], order.settings.get(benchmark, {}))
    return chosen, broken


def _chosen(available: Collection[str], order: Order) -> list[str]:
    for name in (*order.only, *order.settings):
        if name not in available:
            raise SitegenError(
                f"no collector {name!r}", fix=f"installed: {', '.join(sorted(available))}"
            )
    for name in order.settings:
        if order.only and name not in order.only:
            raise SitegenError(
                f"{name} is not among the benchmarks that --only names",
                where=f"--set {name}.{next(iter(order.settings[name]), '')}",
                fix=f"add --only {name}, or leave the setting out",
            )
    if order.preset not in REPETITIONS:
        raise SitegenError(f"no preset {order.preset!r}", fix=f"use {', '.join(REPETITIONS)}")
    return [name for name in available if not order.only or name in order.only]


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


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"  # noqa: PLR2004
