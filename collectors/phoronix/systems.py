"""The machines of a result file: what the Phoronix Test Suite saw of each, as facts.

Who ran it, and what they called the machine, are no facts of it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sitegen.collect import decode, markup
from sitegen.errors import SitegenError
from sitegen.model import Fact

#: A heading and what stands below it, in one line: "Processor: ..., Memory: 32GB".
_HEADING = re.compile(r"(?:^|, )([A-Z][A-Za-z-]{1,20}(?: [A-Z][A-Za-z]{1,20})?): ")
_PROCESSOR = re.compile(
    r"(?:(?P<sockets>\d{1,3}) x )?(?P<name>.{1,200}?)(?: @ (?P<ghz>\d{1,2}\.\d{1,3})GHz)?"
    r"(?: \((?P<cores>\d{1,5}) Cores?(?: / (?P<threads>\d{1,5}) Threads?)?\))?"
)
_AMOUNT = re.compile(r"(?:(\d{1,3}) x )?(\d{1,7})\s?(MB|GB|TB)\b")
_GIB = {"MB": 1 / 1024, "GB": 1.0, "TB": 1024.0}
_KERNEL = re.compile(r"([\w.+~-]{1,80})(?: \((\w{1,20})\))?")
#: The rest of a release is often a build host's or a customer's name.
_RELEASE = re.compile(r"[\d.]{1,24}(?:-\d{1,9})?")
_STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?")
_CONTAINERS = frozenset({"docker", "lxc", "podman", "systemd-nspawn", "openvz", "wsl"})
_FLAW = re.compile(r"([a-z][a-z0-9_]{1,40}): ([^+]{1,400})")
_GOVERNOR = re.compile(r"(?:([\w-]{1,40}) )?([a-z]{1,20})(?: \((.{1,100})\))?")
_HUGE_PAGES = re.compile(r"Transparent Huge Pages: (\w{1,20})")


def facts(systems: Sequence[markup.Element]) -> Iterator[Fact]:
    """Yield what is said of a machine; of several of one name what all of them say."""
    every = [dict(_told(system)) for system in systems]
    for name, (value, source) in every[0].items() if every else ():
        if value and all(other.get(name, ("", ""))[0] == value for other in every[1:]):
            yield Fact(name, value, source)


def started_at(systems: Sequence[markup.Element]) -> str:
    """Return when a machine's results were taken, by its own clock; nothing where none says it."""
    stamps = sorted(markup.text(system, "TimeStamp") for system in systems)
    for stamp in filter(_STAMP.fullmatch, stamps):
        try:
            return f"{datetime.fromisoformat(stamp):%Y-%m-%dT%H:%M:%SZ}"
        except ValueError:
            continue
    return ""


def details(system: markup.Element) -> dict[str, str]:
    """Return what a machine's JSON holds, by its names there; nothing where it is damaged."""
    return {name: value for name, value in json_of(system).items() if isinstance(value, str)}


def json_of(element: markup.Element) -> dict[str, Any]:
    """Return the JSON of a machine or of a value; nothing where there is none, or a damaged one."""
    try:
        return decode.document(markup.text(element, "JSON") or "{}", dict[str, Any])
    except SitegenError:
        return {}


def headings(line: str) -> dict[str, str]:
    """Return what stands below each heading of a line of hardware or software."""
    parts = _HEADING.split(line)[1:]
    return dict(zip(parts[::2], map(str.strip, parts[1::2]), strict=True))


def _told(system: markup.Element) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the facts of one machine by name, each with where it stands."""
    for tag, readers in (("Hardware", _HARDWARE), ("Software", _SOFTWARE)):
        stated = headings(markup.text(system, tag))
        for heading, reader in readers.items():
            for name, value in reader(stated.get(heading, "")).items():
                yield name, (value[:400], f"{tag}, {heading}")
    for key, value in details(system).items():
        if key in _DETAILS:
            for name, said in _DETAILS[key](value).items():
                yield name, (said[:400], f"JSON, {key}")


def _processor(text: str) -> dict[str, str]:
    match = _PROCESSOR.fullmatch(text)
    if not match:
        return {}
    sockets, cores = max(int(match["sockets"] or 1), 1), int(match["cores"] or 0)
    threads = int(match["threads"] or cores)
    # The frequency stands in a name only where the machine shows it: a guest of it has another.
    found = {"cpu": match["name"], "cpus": str(threads or "")}
    if match["ghz"]:
        found["highest_frequency"] = f"{float(match['ghz']):.2f} GHz"
    if int(match["sockets"] or 0):
        found["sockets"] = match["sockets"]
    if match["threads"] and cores and threads % cores == 0 == cores % sockets:
        found["threads_per_core"] = str(threads // cores)
        found["cores_per_socket"] = str(cores // sockets)
    return found


def _memory(text: str) -> dict[str, str]:
    """Return how much memory there is: the suite's MB and GB are powers of 1024."""
    amounts = _AMOUNT.findall(text)
    total = sum(int(count or 1) * int(size) * _GIB[unit] for count, size, unit in amounts)
    return {"memory": f"{total:.1f} GiB"} if total else {}


def _kernel(text: str) -> dict[str, str]:
    match = _KERNEL.fullmatch(text)
    if not match:
        return {}
    release = _RELEASE.match(match[1])
    kernel = f"Linux {release[0]}" if release else match[1]
    return {"kernel": kernel, "architecture": match[2] or ""}


def _layer(text: str) -> dict[str, str]:
    name = text.partition(" ")[0].lower()
    return (
        {"container": text} if name in _CONTAINERS else {"virtualisation": name, "hypervisor": text}
    )


def _governor(text: str) -> dict[str, str]:
    match = _GOVERNOR.fullmatch(text)
    if not match:
        return {"governor": text}
    found = {"governor": match[2], "frequency_driver": match[1] or ""}
    for part in (match[3] or "").split(", "):
        name, _, value = part.partition(": ")
        known = {"Boost": "boost", "EPP": "energy_preference"}.get(name)
        found |= {known: {"Enabled": "1", "Disabled": "0"}.get(value, value)} if known else {}
    return found


def _flaws(text: str) -> dict[str, str]:
    """Return which flaws stand open, and what tells this set of mitigations from others."""
    flaws = {name: state.strip() for name, state in _FLAW.findall(text)}
    if not flaws:
        return {"mitigations": text}
    open_ = [name for name, state in flaws.items() if state.startswith("Vulnerable")]
    met = sum(state.startswith("Mitigation") for state in flaws.values())
    lines = "\n".join(f"{name} {state}" for name, state in sorted(flaws.items()))
    digest = hashlib.sha256(lines.encode()).hexdigest()[:12]
    return {
        "vulnerable_to": ", ".join(open_) or "none",
        "mitigations": f"{digest}, {met} of {len(flaws)} mitigated",
    }


def _named(name: str) -> Callable[[str], dict[str, str]]:
    return lambda text: {name: text}


def _huge_pages(text: str) -> dict[str, str]:
    match = _HUGE_PAGES.search(text)
    return {"huge_pages": match[1]} if match else {}


_Read = Callable[[str], dict[str, str]]
_HARDWARE: Mapping[str, _Read] = {
    "Processor": _processor,
    "Motherboard": _named("product_name"),
    "Memory": _memory,
    "Disk": _named("disk"),
    "Graphics": _named("graphics"),
    "Network": _named("network"),
}
_SOFTWARE: Mapping[str, _Read] = {
    "OS": _named("os"),
    "Kernel": _kernel,
    "File-System": _named("file_system"),
    "System Layer": _layer,
}
_DETAILS: Mapping[str, _Read] = {
    "cpu-scaling-governor": _governor,
    "cpu-microcode": _named("microcode"),
    "kernel-extra-details": _huge_pages,
    "kernel-parameters": _named("kernel_options"),
    "disk-scheduler": _named("disk_scheduler"),
    "disk-mount-options": _named("mount_options"),
    "security": _flaws,
    "python": _named("python"),
}
