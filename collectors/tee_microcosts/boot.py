"""Boot: how long the kernel took until it gave the machine to its users, and systemd to the end.

One value a boot. systemd keeps its times in microseconds (org.freedesktop.systemd1, Manager); where
it does not run, the kernel's log has the line of its first program.
"""

from __future__ import annotations

import re

from msgspec import Struct

from sitegen.collect import Host, RawOutput, Reading, Recorder, Step
from sitegen.errors import SitegenError
from sitegen.model import Measurement, params

STEP = "boot"
STEPS = frozenset({STEP})
_METRIC = "tee-microcosts.boot_time"
_US = 1e-6
_LIMIT_S = 30.0
_TIMES = ("Firmware", "Loader", "InitRD", "Userspace", "Finish")
_LINE = re.compile(r"^(\w{1,40})TimestampMonotonic=(\d{1,18})$", re.MULTILINE)
#: The kernel's log dates its lines by the seconds since it began.
_INIT = re.compile(r"^\[ {0,11}(\d{1,9}\.\d{6})\] Run (?:/\S{1,200}) as init process", re.MULTILINE)


class Source(Struct, frozen=True):
    """Who tells the times of the boot: ``kind`` is systemd or kernel-log."""

    kind: str
    argv: tuple[str, ...]


def find(host: Host) -> Source | str:
    """Return who tells how long the boot took, or a sentence that says why nobody does."""
    if _contained(host):
        return "boot: a container has none of its own"
    systemctl = host.find("systemctl")
    if systemctl and (host.root / "run/systemd/system").is_dir():
        names = ",".join(f"{name}TimestampMonotonic" for name in _TIMES)
        return Source("systemd", (systemctl, "show", f"--property={names}"))
    if dmesg := host.find("dmesg"):
        return Source("kernel-log", (dmesg,))
    return "boot: neither systemd nor the kernel's log is there to tell"


def step(source: Source) -> Step:
    """Return the step that asks for the times."""
    about = params(told_by=source.kind)
    row = Measurement(
        STEP, _METRIC, "value", "s", None, params(told_by=source.kind, until="user-space")
    )
    return Step(STEP, STEP, source.argv, _LIMIT_S, about, (row,), once=True)


def run(step: Step, host: Host) -> RawOutput:
    """Ask for the times of this boot."""
    return host.run(step.argv, timeout_s=step.timeout_s)


def parse(step: Step, raw: RawOutput) -> Reading:
    """Return the seconds from the kernel's start to user space, and to the end of the boot."""
    if raw.exit_code != 0:
        raise SitegenError(
            f"{step.argv[0]} ended with code {raw.exit_code}: {raw.reason}", where=STEP
        )
    text = raw.stdout.decode("utf-8", "replace")
    kind = dict(step.params).get("told_by", "")
    times = _systemd(text) if kind == "systemd" else _kernel(text)
    recorder = Recorder()
    series = recorder.series(STEP, step.params)
    for until, seconds in times.items():
        series.add(_METRIC, "value", seconds, about=params(until=until))
    return recorder.reading()


def _systemd(text: str) -> dict[str, float]:
    times = {name: int(us) * _US for name, us in _LINE.findall(text) if int(us)}
    if "Userspace" not in times:
        raise SitegenError("systemd does not say when user space began", where=STEP)
    # An initial RAM disk is user space already.
    first = min(times.get("InitRD", times["Userspace"]), times["Userspace"])
    found = {"user-space": first}
    if "Finish" in times:
        if times["Finish"] < times["Userspace"]:
            raise SitegenError("the boot ended before user space began", where=STEP)
        found["finished"] = times["Finish"]
    # Counted back from the kernel's start.
    if "Firmware" in times:
        found["kernel"] = times["Firmware"]
    return found


def _kernel(text: str) -> dict[str, float]:
    found = _INIT.findall(text)
    if len(found) != 1:
        raise SitegenError(
            "the kernel's log does not say once when its first program ran", where=STEP
        )
    return {"user-space": float(found[0])}


def _contained(host: Host) -> bool:
    marks = (".dockerenv", "run/.containerenv")
    if any((host.root / mark).exists() for mark in marks):
        return True
    program = host.find("systemd-detect-virt")
    return program is not None and host.run([program, "--container"], timeout_s=20).exit_code == 0
