"""An output of YABS as runs: fio's, iperf3's and Geekbench's, each of what it measured."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import structs

from collectors.fio.jobs import ROUNDED, Job, Report, Side
from collectors.fio.readers.runs import Run
from collectors.yabs.output import Disk, Figure, Output, knows, output_in
from sitegen.collect import Reader, Reading, Recorder, Settings
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Doubt, ToolIdentity, params

#: The options of every fio command of the script, but for block, size and file.
_OPTIONS = {
    "ioengine": "libaio",
    "rw": "randrw",
    "rwmixread": "50",
    "iodepth": "64",
    "numjobs": "2",
    "runtime": "30",
    "gtod_reduce": "1",
    "direct": "1",
}
#: The file of each job, by what the machine is.
_SIZES = {"x86_64": "2G", "x64": "2G", "i386": "2G", "i686": "2G", "x86": "2G"}
_SIZES |= {"aarch64": "512M", "arm": "512M", "armv7l": "512M"}
#: With rates alone nothing is multiplied by it.
_SOME_TIME_S = 1.0
_STREAMS = "8"
#: Of a total, which keeps six digits.
_SUM_SLACK = 1e-5
_UNITS = "This YABS says KB/s, MB/s and GB/s of fio's KiB/s: 1.00 MB/s is 1,024,000 B/s."
_UNSURE = "its figures do not tell whether a kB has 1000 or 1024 bytes; 1024 is taken"
_PATHS = "Each rate is of a path over the internet, to a public server that others use too."


class Asks(Settings, frozen=True):
    """The script says all that it is asked of."""


def read(data: bytes, _: Asks) -> tuple[Reading, ...]:
    """Return the runs in ``data``: one each of fio, iperf3 and Geekbench, where they were run."""
    output = output_in(data)
    every = (*_storage(output), *_network(output), *_scores(output))
    if not every:
        reason = f": {output.notes[0]}" if output.notes else ""
        raise SitegenError(f"holds no figure of fio, iperf3 or Geekbench{reason}")
    return every


def _storage(output: Output) -> Iterator[Reading]:
    jobs = tuple(_job(disk, number, output) for number, disk in enumerate(output.disks))
    if not jobs:
        return
    run = Run([Report("", jobs, started_at=output.started_at)], {})
    _identify(run.recorder, output)
    if output.kilobyte != 1000:  # noqa: PLR2004 - as the unit says
        run.recorder.note(_UNITS)
    if not output.kilobyte:
        run.recorder.doubt(Doubt.NOT_STATED, _UNSURE)
    yield structs.replace(run.reading(), benchmark="fio")


def _job(disk: Disk, number: int, output: Output) -> Job:
    named = f"{disk.block >> 20}m" if disk.block >= 1 << 20 else f"{disk.block >> 10}k"
    options = {**_OPTIONS, "bs": str(disk.block)}
    if size := _SIZES.get(output.architecture.lower()):
        options["size"] = size
    names = [name for name in ("read", "write") if name in disk.speeds]
    sides = tuple(_side(disk, name) for name in names)
    # Jobs of one group would be taken to have run at once.
    return Job(name=f"rand_rw_{named}", group=number, options=options, sides=sides)


def _side(disk: Disk, direction: str) -> Side:
    speed, iops = disk.speeds[direction], disk.iops[direction]
    printed = {"iops": iops.printed, "bandwidth": speed.printed}
    return Side(
        direction=direction,
        runtime_s=_SOME_TIME_S,
        iops=iops.value,
        bandwidth=speed.value,
        printed={name: text for name, text in printed.items() if text},
        doubts=tuple(_doubts(disk, direction)),
    )


def _doubts(disk: Disk, direction: str) -> Iterator[tuple[Doubt, str]]:
    """Yield what the figures of one direction say against each other, and what they lost."""
    speed, iops = disk.speeds[direction], disk.iops[direction]
    block = disk.block
    if not disk.fits(direction):
        moved = f"{iops.printed} I/Os of {block} B a second are {iops.value * block:.4g} B/s"
        yield Doubt.INCONSISTENT, f"{moved}, and {speed.value:.4g} B/s are printed"
    for word, figures in (("bandwidth", disk.speeds), ("IOPS", disk.iops)):
        if len(figures) == len(("read", "write", "total")):
            parts = [figures["read"], figures["write"]]
            both = Figure(sum(p.value for p in parts), sum(p.step for p in parts))
            if not both.meets(figures["total"], _SUM_SLACK):
                sums = " and ".join(str(p.printed) for p in parts)
                sentence = f"{word}: {sums} do not add up to {figures['total'].printed}"
                yield Doubt.INCONSISTENT, sentence
    worst = max((speed, iops), key=lambda figure: figure.step / max(figure.value, 1.0))
    if worst.step > ROUNDED * worst.value and "." in str(worst.printed):
        yield Doubt.ROUNDED, f"its figures are cut off, at worst at {worst.printed}"


def _network(output: Output) -> Iterator[Reading]:
    recorder = Recorder()
    busy = 0
    for peer in output.peers:
        for direction, figure in (("send", peer.send), ("receive", peer.receive)):
            if figure is None:
                busy += 1
                continue
            about = params(
                direction=direction,
                protocol="tcp",
                streams=_STREAMS,
                address_family=peer.family,
                peer=peer.name or None,
            )
            series = recorder.series("internet", about)
            series.add("iperf3.bitrate", "value", figure.value, figure.printed)
    if not recorder.measurements:
        return
    _identify(recorder, output)
    recorder.note(_PATHS)
    if busy:
        count = len(recorder.measurements) + busy
        recorder.note(f"Of {count} tests {busy} found the server busy and have no figure.")
    yield structs.replace(recorder.reading(), benchmark="iperf3")


def _scores(output: Output) -> Iterator[Reading]:
    recorder = Recorder()
    for score in output.scores:
        about = params(version=score.version, cores_used=score.cores)
        series = recorder.series(f"geekbench-{score.version}", about)
        series.add("geekbench.score", "value", score.value, f"{score.value:.0f}")
    if recorder.measurements:
        _identify(recorder, output)
        yield recorder.reading()


def _identify(recorder: Recorder, output: Output) -> None:
    """Say who measured, when, on which machine, and what was left out."""
    recorder.tool = ToolIdentity("YABS", output.version or "unknown")
    recorder.parameter("tool_version", output.version or None, Comparability.CAVEAT)
    recorder.started_at = output.started_at
    recorder.facts += output.facts
    for note in output.notes:
        recorder.note(note)


READER = Reader("yabs", "an output of YABS, text or JSON", knows, read, Asks)
