"""Micro-costs: what the costs of a TEE are made of, from an exit to a quote."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NamedTuple

from msgspec import structs

from collectors.tee_microcosts import boot, loops, machine, quotes, second
from collectors.tee_microcosts.loops import BY_NAME, COSTS, OWN, Cost
from collectors.tee_microcosts.machine import Machine
from collectors.tee_microcosts.second import Way
from sitegen.collect import (
    LEFT_OUT,
    Host,
    Missing,
    Plan,
    RawOutput,
    Reading,
    Recorder,
    Request,
    Step,
    timestamp,
)
from sitegen.collect.settings import Settings, Size, described
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Measurement, Parameter, Status, ToolIdentity, params

BENCHMARK = "tee-microcosts"
_COMPILER, _TOOL = "cc", "loops by cc"
_NO_COMPILER = "all loops of our own; they need a C compiler: apt install gcc libc6-dev"
_NO_CACHE = (
    f"whether {' and '.join(loops.FROM_MEMORY)} go to memory: the machine does not say how large"
    " its last-level cache is"
)
_COMPILE = "compile"
_LIMIT_S = 60.0
_MIB = 2**20
#: Memory is taken to this share of what is free.
_SHARE = 0.25
_LEAST_BYTES, _MOST_BYTES = 16 * _MIB, 1 << 38
_NOT_HERE = (
    "exits counted one by one (perf kvm): the host alone sees them",
    "network bounce buffers: loopback has none, and no other network is loaded",
)


class SETTINGS(Settings, frozen=True):
    """What ``--set`` may change."""

    directory: Annotated[str, described("where the scratch file is read (a work folder)")] = ""
    memory: Annotated[Size, described("that is chased, a power of two (default: 1GiB)")] | None = (
        None
    )


class Preset(NamedTuple):
    """Seconds a loop, whether programs run that take a second at least, quotes, and bytes."""

    seconds: float
    slow: bool
    quotes: int
    bytes: dict[str, int]


_SIZES = {"touched": 256 * _MIB, "chased": 1024 * _MIB, "copied": 512 * _MIB, "read": 256 * _MIB}
_SMALL = {"touched": 64 * _MIB, "chased": 256 * _MIB, "copied": 128 * _MIB, "read": 64 * _MIB}
PRESETS = {
    "quick": Preset(0.12, slow=False, quotes=3, bytes=_SMALL),
    "standard": Preset(2.0, slow=True, quotes=20, bytes=_SIZES),
    "thorough": Preset(5.0, slow=True, quotes=100, bytes=_SIZES),
}


def detect(host: Host) -> ToolIdentity | Missing:
    """Return the compiler of the loops; without one that works the kernel, if it can say much."""
    path = host.find(_COMPILER)
    if path is not None:
        asked = (path, "-fsyntax-only", *loops.FLAGS, str(loops.SOURCE))
        answer = host.run([path, "-dumpfullversion"], timeout_s=20).stdout
        version = answer.decode("utf-8", "replace")
        if host.run(asked, timeout_s=_LIMIT_S).exit_code == 0:
            return host.identify(_TOOL, path, version.strip()[:40] or "unknown")
    if all(isinstance(found, str) for found in (quotes.find(host), boot.find(host))):
        return Missing("a C compiler and the C library's headers", "apt install gcc libc6-dev")
    system = os.uname()
    return ToolIdentity(system.sysname, system.release)


def plan(tool: ToolIdentity, request: Request) -> Plan:
    """Return one step a cost; what cannot be measured here is said in ``left_out``."""
    host = Host()
    return planned(tool, request, machine.read(host), (quotes.find(host), boot.find(host)))


def planned(
    tool: ToolIdentity,
    request: Request,
    here: Machine,
    beside: tuple[quotes.Source | str, boot.Source | str],
) -> Plan:
    """Return the plan on a machine; ``beside`` are where quotes and the boot's times come from.

    A text in their place says why there are none.
    """
    settings, preset = request.read(SETTINGS), PRESETS[request.preset]
    compiled = bool(tool.path)  # the kernel has none
    left = list(_NOT_HERE)
    steps: list[Step] = []
    prepare: tuple[Step, ...] = ()
    if compiled:
        program = request.cache / loops.program(tool.version)
        # Another session may make the same one at the same time.
        made = f"{program}.{request.scratch.name}.new"
        argv = (tool.path, *loops.FLAGS, "-o", made, str(loops.SOURCE))
        context = (("made", made), ("program", str(program)))
        prepare = (Step(_COMPILE, _COMPILE, argv, _LIMIT_S, context=context),)
        sizes = _sizes(preset, here, settings.memory)
        for cost in COSTS:
            if reason := loops.why_not(cost, here, sizes.get(cost.bytes, 0)):
                left.append(f"{cost.name}: {reason}")
                continue
            steps.append(_step(cost, request, here, program, sizes))
        left += _lacking(here, preset, sizes["copied"])
        if here.cache_bytes is None:
            left.append(_NO_CACHE)
    else:
        left.append(_NO_COMPILER)
    quote, start = beside
    if isinstance(quote, quotes.Source):
        steps.append(quotes.step(quote, preset.quotes))
    else:
        left.append(quote)
    if isinstance(start, boot.Source):
        steps.append(boot.step(start))
    else:
        left.append(start)
    return Plan(
        steps=tuple(steps),
        parameters=(
            Parameter("loops", loops.digest() if compiled else "none", Comparability.CAVEAT),
            Parameter(
                "compiler_version", tool.version if compiled else "none", Comparability.CAVEAT
            ),
            Parameter("cpu_pair", here.pair.relation or "one", Comparability.CAVEAT),
            Parameter("huge_pages", here.huge_pages, Comparability.CAVEAT),
            Parameter(LEFT_OUT, "; ".join(left)[:2000]),
        ),
        prepare=prepare,
        about_s=len(steps) * (preset.seconds * 1.4 + 0.1),
        about_bytes=float(preset.bytes["read"]),
    )


def _step(
    cost: Cost, request: Request, here: Machine, program: Path, sizes: dict[str, int]
) -> Step:
    preset, pair = PRESETS[request.preset], here.pair
    other = pair.other if cost.other and pair.other is not None else pair.cpu
    size = sizes.get(cost.bytes, 0)
    how = f"{request.scratch}/data" if cost.bytes == "read" else cost.backing
    extra = (str(size), how or "small") if size else ()
    argv = (str(program), cost.loop, f"{preset.seconds:g}", str(pair.cpu), str(other), *extra)
    about = params(**dict(cost.params), size=size or None)
    rows = tuple(
        Measurement(
            cost.name, loops.metric(name), "mean", _unit(name), None, params(**dict((*about, *OWN)))
        )
        for _, name in cost.metrics
    )
    asked = second.Asked(preset.seconds, size, str(program), str(request.scratch))
    ways = [
        way
        for way in second.here(cost.name, here)
        if (preset.slow or not way.least_s) and size >= way.least_size
    ]
    commands = {way.name: way.argv(here, asked) for way in ways}
    context = (
        ("others", second.encoded(commands)),
        *((("cache", str(here.cache_bytes)),) if here.cache_bytes else ()),
    )
    return Step(cost.name, cost.name, argv, _LIMIT_S, about, rows, context, cost.turns)


def run(step: Step, host: Host) -> RawOutput:
    """Execute one step: compile, take quotes, or run a loop and then its other ways."""
    if step.name == _COMPILE:
        return _compile(step, host)
    if step.name not in BY_NAME:
        return boot.run(step, host) if step.name in boot.STEPS else quotes.run(step, host)
    before = host.counts().get("sent")
    raw = host.run(step.argv, timeout_s=step.timeout_s)
    after = host.counts().get("sent")
    values: list[tuple[str, str]] = []
    if before is not None and after is not None:
        values.append(("sent", f"{max(after - before, 0):.0f}"))
    if step.name == "block-read":
        values += machine.bounce_bytes(host)
    if step.name == "touch-small" and (unaccepted := machine.unaccepted_bytes(host)):
        values.append(("unaccepted", unaccepted))
    files: dict[str, bytes] = {}
    if raw.exit_code == 0 and b'{"left_out"' not in raw.stdout:
        for name, argv in second.decoded(step.get("others")).items():
            said = host.run(argv, timeout_s=step.timeout_s)
            # dd says on standard error what it did, and nothing else.
            files[_file(name)] = said.stdout or said.stderr
            values.append((f"{name} exit", str(said.exit_code)))
    return structs.replace(raw, files=files, values=tuple(values))


def parse(step: Step, raw: RawOutput) -> Reading:
    """Return the costs that one step measured, suspect where two ways do not agree."""
    if step.name in boot.STEPS:
        return boot.parse(step, raw)
    if step.name not in BY_NAME:
        return quotes.parse(step, raw)
    if raw.exit_code != 0:
        raise SitegenError(
            f"the loop ended with code {raw.exit_code}: {raw.reason}", where=step.name
        )
    cost = BY_NAME[step.name]
    found, reason = loops.records(raw.stdout, step.name)
    if reason:
        return Reading((), parameters=(Parameter(f"{LEFT_OUT}.{cost.name}", reason),))
    recorder = Recorder()
    others = _others(step, raw, recorder)
    for name, one in loops.checked(cost, found, step.name):
        near = [(way, figures) for way, figures in others if way.metric == name]
        why = loops.problem(cost, one, _seen(step, raw)) or _apart(name, one, near)
        if why:
            # The sentence is the same each time, so that repetitions agree in it.
            recorder.tells(Parameter(f"suspect.{cost.name}", why), cost.name)
        status = Status.SUSPECT if why else Status.OK
        loops.write(recorder, step, name, one, status)
        for way, figures in near:
            about = params(**{**dict(step.params), "measured_by": way.name, **dict(way.about)})
            doubted = status if way.bound else Status.OK
            series = recorder.series(step.workload, about, status=doubted)
            series.spread(loops.metric(name), figures)
    _beside(recorder, step, raw, found)
    return recorder.reading()


def _seen(step: Step, raw: RawOutput) -> loops.Seen:
    """Return what the machine showed beside a loop."""
    size, cache, sent = dict(step.params).get("size"), step.get("cache"), raw.get("sent")
    return loops.Seen(*(int(text) if text else None for text in (size, cache, sent)))


def _others(step: Step, raw: RawOutput, recorder: Recorder) -> list[tuple[Way, second.Figures]]:
    """Return what the other ways of a step say; why one says nothing is kept."""
    found = []
    for way in second.WAYS.get(step.name, ()):
        code, said = raw.get(f"{way.name} exit"), raw.files.get(_file(way.name), b"")
        if code is None:
            continue
        text = said.decode("utf-8", "replace")
        try:
            if code != "0":
                raise SitegenError(f"it ended with code {code}")  # noqa: TRY301 - as reading does
            found.append((way, way.read(text)))
        except SitegenError as error:
            why = f"{way.name}: {error.what}"[:300]
            recorder.tells(Parameter(f"{LEFT_OUT}.{step.name}", why), step.name)
    return found


def _apart(name: str, one: loops.Record, others: list[tuple[Way, second.Figures]]) -> str:
    """Return which other way is further from a loop than its bound, in words, or nothing.

    Medians are compared where both have one. A mean has the pauses of the machine in it, which two
    programs meet in unlike amounts: all from the loop's median to its mean is the same.
    """
    own = {key: loops.in_unit(name, one, value) for key, value in loops.statistics(one)}
    for way, figures in others:
        ends = sorted((own["p50"], own["p50" if "p50" in figures else "mean"]))
        theirs = figures.get("p50", figures["mean"])
        if way.bound is None:
            continue
        low, high = ends[0] / (1 + way.bound) - way.digit, ends[1] * (1 + way.bound) + way.digit
        if not low <= theirs <= high:
            return f"the loop and {way.name} differ by more than {way.bound:.0%}"
    return ""


def _beside(recorder: Recorder, step: Step, raw: RawOutput, found: list[loops.Record]) -> None:
    """Add what a step saw that is no time of an operation."""
    if step.name == "clock-raw":
        series = recorder.series(step.workload, OWN)
        series.add(loops.metric("loop_overhead"), "value", found[0].empty_ns * 1e-9)
    for key, name in (
        ("bounce_used", "bounce_buffers"),
        ("bounce_most", "bounce_buffers_most"),
        ("unaccepted", "unaccepted_memory"),
    ):
        if text := raw.get(key):
            recorder.series(step.workload).add(loops.metric(name), "value", float(text))


def _compile(step: Step, host: Host) -> RawOutput:
    """Make the program, unless the same one is there: of this source, by this compiler."""
    program = Path(step.get("program"))
    if program.is_file():
        return RawOutput(stdout=b"it is there already\n", started_at=timestamp(datetime.now(UTC)))
    program.parent.mkdir(parents=True, exist_ok=True)
    made = Path(step.get("made"))
    try:
        raw = host.run(step.argv, timeout_s=step.timeout_s)
        if raw.exit_code == 0:
            made.replace(program)
    finally:
        made.unlink(missing_ok=True)
    return raw


def _lacking(here: Machine, preset: Preset, copied: int) -> list[str]:
    """Return which other ways of measuring lack their program, and how to get it."""
    found = []
    for name, ways in second.WAYS.items():
        for way in ways:
            if way not in second.here(name, here):
                found.append(f"{name} by {way.name}: apt install {way.package}")
            elif way.least_s and not preset.slow:
                found.append(f"{name} by {way.name}: it takes longer than the quick preset has")
            elif copied < way.least_size:
                found.append(f"{name} by {way.name}: there is too little memory")
    return found


def _sizes(preset: Preset, here: Machine, chased: int | None) -> dict[str, int]:
    """Return the bytes of each kind of memory, halved until they fit into what is free.

    Raises SitegenError for a size that is no power of two, or that does not fit.
    """
    sizes = dict(preset.bytes)
    room = _SHARE * here.free_bytes if here.free_bytes is not None else None
    for kind, size in preset.bytes.items():
        left, times = size, 2 if kind == "copied" else 1
        while room is not None and times * left > max(room, _LEAST_BYTES):
            left //= 2
        sizes[kind] = left
    if chased is not None:
        place = "--set tee-microcosts.memory"
        if chased & (chased - 1) or not _LEAST_BYTES <= chased <= _MOST_BYTES:
            raise SitegenError("it takes a power of two from 16MiB to 256GiB", where=place)
        if here.free_bytes is not None and chased > here.free_bytes // 2:
            message = f"{chased} bytes are more than half of the memory that is free"
            raise SitegenError(message, where=place)
        sizes["chased"] = chased
    return sizes


def _unit(name: str) -> str:
    return "B/s" if loops.is_rate(name) else "s"


def _file(name: str) -> str:
    return f"{name.replace(' ', '-')}.out"
