"""One round of `sitegen collect`: which collectors run here, in what order, into the archive."""

from __future__ import annotations

import secrets
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sitegen import fingerprint, redact
from sitegen.archive import Archive
from sitegen.collect import (
    REPETITIONS,
    Collector,
    Host,
    Missing,
    Plan,
    Progress,
    Request,
    check_settings,
    collectors,
    execute,
    make_plan,
    scratch,
)
from sitegen.errors import SitegenError
from sitegen.model import Status, ToolIdentity, check_label


@dataclass(frozen=True, slots=True)
class Order:
    """What the user asked `collect` to do."""

    environment: str
    preset: str = "standard"
    only: tuple[str, ...] = ()
    repeat: int | None = None
    sessions: int = 1
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    note: str = ""
    seed: int | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one benchmark: a run, or the reason why there is none."""

    benchmark: str
    run_id: str = ""
    path: Path | None = None
    skipped: str = ""
    failed: int = 0
    measured: int = 0


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

    A missing tool is a skip with the command that installs it. A collector that fails as a
    whole is reported and the others go on. Raises SitegenError for an order that makes no
    sense, before anything runs, and Interrupted on Ctrl-C.
    """
    check_label(order.environment)
    available = collectors()
    chosen = _chosen(available, order)
    for benchmark, settings in order.settings.items():
        check_settings(available[benchmark], settings)
    host = Host()
    outcomes: list[Outcome] = []
    for number in range(order.sessions):
        if order.sessions > 1:
            say(f"session {number + 1} of {order.sessions}")
        session = secrets.token_hex(6)
        for benchmark in chosen:
            try:
                outcome = _one(
                    available[benchmark], order, archive, workdir, host, session, say, progress
                )
            except SitegenError as error:
                outcome = Outcome(benchmark, skipped=str(error))
            except KeyboardInterrupt:
                raise Interrupted(outcomes) from None
            outcomes.append(outcome)
            if outcome.skipped:
                say(f"{benchmark}: skipped: {outcome.skipped}")
            if outcome.run_id and not _whole(archive, outcome):
                raise Interrupted(outcomes)
    return outcomes


def _one(  # noqa: PLR0913 - the parts of a session
    collector: Collector,
    order: Order,
    archive: Archive,
    workdir: Path,
    host: Host,
    session: str,
    say: Callable[[str], None],
    progress: Callable[[Progress], None],
) -> Outcome:
    benchmark = collector.BENCHMARK
    tool = collector.detect(host)
    if isinstance(tool, Missing):
        fix = f"; install it with: {tool.install}" if tool.install else ""
        return Outcome(benchmark, skipped=f"{tool.what}{fix}")
    settings = order.settings.get(benchmark, {})
    with scratch(settings, workdir) as folder:
        request = Request(
            preset=order.preset,
            repetitions=order.repeat or REPETITIONS[order.preset],
            settings=settings,
            cpus=host.cpus(),
            scratch=folder,
            free_bytes=shutil.disk_usage(folder).free,
        )
        plan = make_plan(collector, tool, request)
        if order.dry_run:
            _show(plan, tool, request, say)
            return Outcome(benchmark)
        total_s = plan.about_s * request.repetitions
        say(
            f"{benchmark}: {tool.name} {tool.version}, {len(plan.steps)} steps x"
            f" {request.repetitions}, about {_minutes(total_s)}"
        )
        redactor = redact.of_this_machine(workdir=folder)
        machine = fingerprint.read(folder, redactor)
        collected = execute(
            collector,
            tool,
            plan,
            request,
            host=host,
            environment=order.environment,
            session=session,
            machine=machine,
            redactor=redactor,
            seed=secrets.randbelow(2**31) if order.seed is None else order.seed,
            note=order.note,
            progress=progress,
        )
    if collected is None:
        raise KeyboardInterrupt
    path = archive.write(collected.run, collected.raw)
    failed = sum(m.status == Status.FAILED for m in collected.run.measurements)
    return Outcome(
        benchmark,
        run_id=collected.run.id,
        path=path,
        failed=failed,
        measured=len(collected.run.measurements) - failed,
    )


def parse_settings(pairs: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return ``fio.size=8g`` and the like as {benchmark: {setting: value}}.

    Raises SitegenError for anything that has another form.
    """
    found: dict[str, dict[str, str]] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        benchmark, dot, setting = name.partition(".")
        if not (equals and dot and benchmark and setting):
            raise SitegenError(
                f"{pair!r} is not a setting", where="--set", fix="write it as fio.size=8g"
            )
        found.setdefault(benchmark, {})[setting] = value
    return found


def _chosen(available: Mapping[str, Collector], order: Order) -> list[str]:
    for name in (*order.only, *order.settings):
        if name not in available:
            raise SitegenError(
                f"no collector {name!r}", fix=f"installed: {', '.join(sorted(available))}"
            )
    if order.preset not in REPETITIONS:
        raise SitegenError(f"no preset {order.preset!r}", fix=f"use {', '.join(REPETITIONS)}")
    return [name for name in available if not order.only or name in order.only]


def _whole(archive: Archive, outcome: Outcome) -> bool:
    run, _, _ = archive.manifest(archive.find(outcome.run_id))
    return run.complete


def _show(plan: Plan, tool: ToolIdentity, request: Request, say: Callable[[str], None]) -> None:
    say(f"# {tool.name} {tool.version}, {request.repetitions} repetitions")
    for step in (*plan.prepare, *plan.steps):
        argv = (word.replace(str(request.scratch), "$WORK") for word in step.argv)
        say(shlex.join(replace(step, argv=tuple(argv)).argv))


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"  # noqa: PLR2004
