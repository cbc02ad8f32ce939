"""Reading what 7-Zip's benchmark prints above a table: the build, the machine, the options.

Known by its labels, from p7zip 9.20 to 7-Zip 26, on Linux and Windows. The version is the one on
7-Zip's own banner: a package may call itself p7zip on the second line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from msgspec import Struct
from msgspec.structs import replace

_MAX_MHZ = 20_000
_MAX_DIGITS = 12

_BANNER = re.compile(
    r"7-Zip(?P<kind>(?: ?[(\[][^)\]\n]{1,12}[)\]]){0,3})"
    r" {1,8}(?P<version>\d{1,4}\.\d{1,4}[^\n:]{0,60}?)[ :]{1,8}Copyright"
)
_HARDWARE = re.compile(r"# CPU hardware threads: {0,20}(?P<allowed>\d{1,6})(?P<mask> / [\w /:]+)?")
_MEMORY = re.compile(r"RAM size: {0,20}(\d{1,12}) MB")
_FREQUENCY = re.compile(r"(?:1T )?CPU Freq(?: \(MHz\))?:(?P<trials>[\d\- ]{1,300})")
_TOGETHER = re.compile(r"(\d{1,4})T CPU Freq \(MHz\):((?: {1,8}\d{1,6}% {1,8}\d{1,6}){1,40})")
_PERCENT = re.compile(r"(\d{1,6})%")
_HEADER_BITS = re.compile(r"(?P<bits>\d\d)-bit .{0,200}?(?:Threads:(?P<cpus>\d{1,6})|$)")
_P7ZIP = re.compile(r"p7zip Version .{0,200}?,(?:(?P<bits>\d\d) bits,)?(?P<cpus>\d{1,6}) CPUs?\b")
_LINUX = re.compile(r"Linux : (?P<release>\S{1,100}) : .{0,300}? : (?P<machine>\w{1,20})\b")
_WINDOWS = re.compile(r"Windows \d[\d. ]{0,30}")
_WINDOWS_CPUS = re.compile(
    r"\w{2,8} [0-9A-F.]{1,20} (?:cpus|threads):(?P<cpus>\d{1,6})", re.IGNORECASE
)
_PAGES = re.compile(r"PageSize:(?P<page>\d{1,6}[KM]B)\b(?:.{0,100}?\bTHP:(?P<thp>\w{1,20}))?")
_COMPILER = re.compile(r"Compiler: {1,4}(?:ver:)?(?P<compiler>\S.{0,120})")
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
    for banner in _BANNER.finditer(text):
        yield _version(banner)


def read_header(lines: list[str], above: Header) -> Header:
    """Return what the lines above a table add to the header of the one before it. Never raises."""
    found = replace(above, frequencies_mhz=(), frequency_unusable="", together=())
    names: list[str] = []
    labelled = False
    for line in lines:
        if (known := _build(found, line)) is not None:
            # The processor's name stands between these and what was measured.
            found, names, labelled = known, [], True
        elif (known := _measured(found, line)) is not None:
            found, labelled = known, False
        elif line and labelled:
            names.append(line)
    return replace(found, cpu=_cpu(names, found.machine) or found.cpu)


def _build(header: Header, line: str) -> Header | None:
    """Return the header with what a line about the build or the system says; None for another."""
    for label, reading in _READINGS:
        if found := label.match(line):
            return reading(header, found)
    if _ECHO.fullmatch(line):
        odd = [word for word in line.split() if not _PLAIN_OPTION.fullmatch(word)]
        return replace(header, options=" ".join(odd)[:100])
    return None


def _banner(header: Header, found: re.Match[str]) -> Header:
    bits = re.search(r"\[(\d\d)\]", found["kind"])
    return replace(header, version=_version(found), bits=bits[1] if bits else "")


def _cpus(header: Header, found: re.Match[str]) -> Header:
    cpus = _count(found["cpus"])
    bits = found.groupdict().get("bits") or header.bits
    return replace(header, bits=bits, cpus=cpus, all_cpus=cpus)


def _compiler(header: Header, found: re.Match[str]) -> Header:
    return replace(header, compiler=" ".join(found["compiler"].split()))


def _linux(header: Header, found: re.Match[str]) -> Header:
    # The rest of the release is often a build host's or a customer's name.
    release = re.match(r"[\d.]+(?:-\d+)?", found["release"])
    return replace(
        header,
        kernel=f"Linux {release[0]}" if release else "",
        machine=found["machine"],
        hypervisor=_hypervisor(found.string),
    )


def _windows(header: Header, found: re.Match[str]) -> Header:
    return replace(header, system=found[0].strip(), hypervisor=_hypervisor(found.string))


def _pages(header: Header, found: re.Match[str]) -> Header:
    return replace(header, page_size=found["page"], huge_pages=found["thp"] or "")


_READINGS: tuple[tuple[re.Pattern[str], Callable[[Header, re.Match[str]], Header]], ...] = (
    (_BANNER, _banner),
    (_HEADER_BITS, _cpus),
    (_P7ZIP, _cpus),
    (_COMPILER, _compiler),
    (_LINUX, _linux),
    (_WINDOWS, _windows),
    (_WINDOWS_CPUS, _cpus),
    (_PAGES, _pages),
)


def _hypervisor(line: str) -> str:
    return next((name for sign, name in _HYPERVISORS.items() if sign in line), "")


def _version(banner: re.Match[str]) -> str:
    return " ".join(banner["version"].split())


def _measured(header: Header, line: str) -> Header | None:
    """Return the header with what a line about memory, CPUs or frequencies says, or None."""
    if not line.startswith("RAM size:"):
        return _frequencies(header, line)
    memory, hardware = _MEMORY.search(line), _HARDWARE.search(line)
    if memory:
        header = replace(header, memory_mb=int(memory[1]))
    if not hardware:
        return header
    allowed = _count(hardware["allowed"])
    mask = (hardware["mask"] or "").strip()
    # "1 / 2 : 1": one of two, and which.
    whole = re.match(r"/ (\d{1,6})\b", mask)
    return replace(
        header,
        cpus=allowed,
        all_cpus=_count(whole[1]) if whole else allowed,
        affinity=f"{allowed} {mask}" if mask else "",
    )


def _frequencies(header: Header, line: str) -> Header | None:
    if found := _TOGETHER.match(line):
        percents = tuple(int(percent) for percent in _PERCENT.findall(found[2]))
        return replace(header, together=(*header.together, (int(found[1]), percents)))
    found = _FREQUENCY.fullmatch(line)
    if found is None or header.frequencies_mhz:
        return None
    trials = found["trials"].split()
    values = [int(word) for word in trials if word.isdigit() and len(word) <= _MAX_DIGITS]
    if len(values) < len(trials) or not all(0 < value <= _MAX_MHZ for value in values):
        # A clock too coarse for the short trials: dashes, or 64000000.
        return replace(header, frequency_unusable=" ".join(trials)[:100])
    return replace(header, frequencies_mhz=tuple(values))


def _cpu(lines: list[str], machine: str) -> str:
    """Return the processor's name among the lines below the labelled ones, or nothing."""
    for line in lines[:3]:
        name = " ".join(_CPU_ID.sub("", line.removesuffix("(LP)")).split())
        if name and name != machine and name.isprintable() and not _NO_CPU.fullmatch(name):
            return name[:120]
    return ""


def _count(text: str | None) -> int | None:
    return int(text) if text and int(text) else None
