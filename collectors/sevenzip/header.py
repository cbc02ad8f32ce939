"""Reading what 7-Zip's benchmark prints above a table: the build, the machine, the options.

Known by its labels, from p7zip 9.20 to 7-Zip 26, on Linux and Windows. The version is the one on
7-Zip's own banner: a package may call itself p7zip on the second line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

_MAX_MHZ = 20_000
_MAX_DIGITS = 12

_BANNER = re.compile(
    r"7-Zip(?: ?\[(?P<bits>\d\d)\]| ?[(\[][^)\]\n]{1,12}[)\]]){0,3}"
    r" {1,8}(?P<version>\d{1,4}\.\d{1,4}[^\n:]{0,60}?)[ :]{1,8}Copyright"
)
_HARDWARE = re.compile(r"# CPU hardware threads: {0,20}(?P<allowed>\d{1,6})(?P<mask> / [\w /:]+)?")
_MEMORY = re.compile(r"RAM size: {0,20}(\d{1,12}) MB")
_FREQUENCY = re.compile(r"(?:1T )?CPU Freq(?: \(MHz\))?:(?P<trials>[\d\- ]{1,300})")
_TOGETHER = re.compile(r"(\d{1,4})T CPU Freq \(MHz\):((?: {1,8}\d{1,6}% {1,8}\d{1,6}){1,40})")
_PERCENT = re.compile(r"(\d{1,6})%")
_HEADER_BITS = re.compile(r"(?P<bits>\d\d)-bit .{0,200}?(?:Threads:(?P<cpus>\d{1,6})|$)")
_P7ZIP = re.compile(r"p7zip Version .{0,200}?,(?:(?P<bits>\d\d) bits,)?(?P<cpus>\d{1,6}) CPUs?\b")
#: The rest of the release is often a build host's or a customer's name.
_LINUX = re.compile(
    r"Linux : (?P<kernel>(?:[\d.]+(?:-\d+)?)?)\S{0,100} : .{0,300}? : (?P<machine>\w{1,20})\b"
)
_WINDOWS = re.compile(r"(?P<system>Windows \d[\d. ]{0,30})")
_WINDOWS_CPUS = re.compile(
    r"\w{2,8} [0-9A-F.]{1,20} (?:cpus|threads):(?P<cpus>\d{1,6})", re.IGNORECASE
)
_PAGES = re.compile(
    r"PageSize:(?P<page_size>\d{1,6}[KM]B)\b(?:.{0,100}?\bTHP:(?P<huge_pages>\w{1,20}))?"
)
_COMPILER = re.compile(r"Compiler: {1,4}(?:ver:)?(?P<compiler>\S.{0,120})")
#: The lines about the build and the system; groups have the names of fields.
_LABELS = (_BANNER, _HEADER_BITS, _P7ZIP, _COMPILER, _LINUX, _WINDOWS, _WINDOWS_CPUS, _PAGES)
#: How 7-Zip repeats the options that it was given: `` mt=4 d18 x=1``.
_ECHO = re.compile(r"(?:(?:mt|d|x|m|fb|mc|pass|time|lc|lp|pb|a|mf|hash|freq)(?:[=\d]\S*)?(?: |$))+")
_PLAIN_OPTION = re.compile(r"(?:mt(?:=?(?:\d{1,6}|\*))?|d=?\d\d|m=lzma)", re.IGNORECASE)
_CPU_ID = re.compile(r"\s*\([0-9A-F]{1,16}\)\s*$")
_NO_CPU = re.compile(r"(?:LE|BE|(?:f|hwcap|hw)[:\d].*|Dictionary reduced.*|[\W\d_]*)")
_HYPERVISORS = {
    "KVMKVMKVM": "kvm",
    "Microsoft Hv": "microsoft",
    "VMwareVMware": "vmware",
    "XenVMMXenVMM": "xen",
    "TCGTCGTCGTCG": "qemu",
}


class Header(Struct, frozen=True):
    """What stands above the tables: the build, the machine, the options.

    ``cpus`` are those that 7-Zip may use, ``all_cpus`` those of the machine. ``options`` are those
    given that make another workload. ``together`` is what the processor's test of several threads
    got: how many, and the per cent of a CPU in each trial.
    """

    version: str = ""
    bits: str = ""
    compiler: str = ""
    cpu: str = ""
    cpus: int | None = None
    all_cpus: int | None = None
    affinity: str = ""
    memory_mb: int | None = None
    kernel: str = ""
    system: str = ""
    hypervisor: str = ""
    machine: str = ""
    page_size: str = ""
    huge_pages: str = ""
    options: str = ""
    frequencies_mhz: tuple[int, ...] = ()
    frequency_unusable: str = ""
    together: tuple[tuple[int, tuple[int, ...]], ...] = ()


def versions(text: str) -> Iterator[str]:
    """Yield the version on each of 7-Zip's banners in ``text``, as in ``26.02 (x64)``."""
    return (" ".join(banner["version"].split()) for banner in _BANNER.finditer(text))


def read_header(lines: list[str], above: Header) -> Header:
    """Return what the lines above a table add to the header of the one before it. Never raises."""
    header = replace(above, frequencies_mhz=(), frequency_unusable="", together=())
    names: list[str] = []
    labelled = False
    for line in lines:
        if (fields := _build(line)) is not None:
            # The processor's name stands between these and what was measured.
            header, names, labelled = replace(header, **fields), [], True
        elif (fields := _measured(header, line)) is not None:
            header, labelled = replace(header, **fields), False
        elif line and labelled:
            names.append(line)
    return replace(header, cpu=_cpu(names, header.machine) or header.cpu)


def _build(line: str) -> dict[str, Any] | None:
    """Return what a line about the build or the system says, by fields; None for another."""
    if label := next(filter(None, (form.match(line) for form in _LABELS)), None):
        texts = {name: " ".join(text.split()) for name, text in label.groupdict("").items()}
        fields: dict[str, Any] = {name: text for name, text in texts.items() if text}
        if "kernel" in fields:
            fields["kernel"] = f"Linux {fields['kernel']}"
        if count := _count(fields.pop("cpus", "")):
            fields |= {"cpus": count, "all_cpus": count}
        signs = [sign for sign in _HYPERVISORS if sign in line]
        return fields | ({"hypervisor": _HYPERVISORS[signs[0]]} if signs else {})
    if _ECHO.fullmatch(line):
        odd = [word for word in line.split() if not _PLAIN_OPTION.fullmatch(word)]
        return {"options": " ".join(odd)[:100]}
    return None


def _measured(header: Header, line: str) -> dict[str, Any] | None:
    """Return what a line about memory, CPUs or frequencies says, by fields; None for another."""
    if not line.startswith("RAM size:"):
        return _frequencies(header, line)
    memory, hardware = _MEMORY.search(line), _HARDWARE.search(line)
    fields: dict[str, Any] = {"memory_mb": int(memory[1])} if memory else {}
    if hardware:
        allowed, mask = _count(hardware["allowed"]), (hardware["mask"] or "").strip()
        # "1 / 2 : 1": one of two, and which.
        whole = re.match(r"/ (\d{1,6})\b", mask)
        fields |= {"cpus": allowed, "all_cpus": _count(whole[1]) if whole else allowed}
        fields["affinity"] = f"{allowed} {mask}" if mask else ""
    return fields


def _frequencies(header: Header, line: str) -> dict[str, Any] | None:
    if match := _TOGETHER.match(line):
        percents = tuple(int(percent) for percent in _PERCENT.findall(match[2]))
        return {"together": (*header.together, (int(match[1]), percents))}
    match = _FREQUENCY.fullmatch(line)
    if match is None or header.frequencies_mhz:
        return None
    trials = match["trials"].split()
    values = [int(word) for word in trials if word.isdigit() and len(word) <= _MAX_DIGITS]
    if len(values) < len(trials) or not all(0 < value <= _MAX_MHZ for value in values):
        # A clock too coarse for the short trials: dashes, or 64000000.
        return {"frequency_unusable": " ".join(trials)[:100]}
    return {"frequencies_mhz": tuple(values)}


def _cpu(lines: list[str], machine: str) -> str:
    """Return the processor's name among the lines below the labelled ones, or nothing."""
    for line in lines[:3]:
        name = " ".join(_CPU_ID.sub("", line.removesuffix("(LP)")).split())
        if name and name != machine and name.isprintable() and not _NO_CPU.fullmatch(name):
            return name[:120]
    return ""


def _count(text: str | None) -> int | None:
    return int(text) if text and int(text) else None
