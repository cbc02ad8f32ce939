"""What every built page must be, checked on a real HTML parser, and small reports to build."""

from __future__ import annotations

import contextlib
import functools
import gzip
import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from unittest import mock
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree as ET

import html5lib
from msgspec.structs import replace

from sitegen import config
from sitegen.archive import Archive, manifest, parquet
from sitegen.model import (
    Comparability,
    Fact,
    Fingerprint,
    Measurement,
    Parameter,
    Params,
    Provenance,
    Run,
    Source,
    StepRecord,
    TeeVerdict,
    ToolIdentity,
    params,
    run_id,
)
from sitegen.site.build import Result, build

ROOT = Path(__file__).resolve().parents[1]
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'"
)
TOML = """\
[site]
title = "A small report"
[environments.host]
role = "metal"
tee = "none"
title = "Host"
[environments.vm]
role = "vm"
tee = "none"
title = "VM"
baselines = { metal = "host" }
[environments.cvm]
role = "cpu-tee"
tee = "tdx"
title = "CVM"
baselines = { vm = "vm", metal = "host" }
"""
#: The same without baselines: any of the three can stand alone.
ALONE = re.sub(r"baselines = .*\n", "", TOML)
Element = Any  # html5lib builds xml.etree elements, whose tag may be a function for a comment


_FORKS = """
import os, sys
{once}
for line in sys.stdin:
    given, child = line.strip(), os.fork()
    if child == 0:
{each}
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@contextlib.contextmanager
def forks(once: str, each: str, **how: Any) -> Iterator[Callable[[object], int]]:  # noqa: ANN401 - as Popen's
    """Yield what runs ``each`` with a line ``given``, in a fork of a program that ran ``once``.

    It returns how the fork ended, as a return code. So what is killed many times starts once.
    """
    code = _FORKS.format(once=once, each=textwrap.indent(each, " " * 8))
    argv, pipe = [sys.executable, "-c", code], subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, **how) as program:
        assert program.stdout is not None
        printed = program.stdout

        def run(given: object) -> int:
            print(given, file=program.stdin, flush=True)
            return int(printed.readline())

        yield run


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below ``folder`` by its path, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def differing(one: Mapping[str, bytes], other: Mapping[str, bytes]) -> list[str]:
    """Return the paths that are not the same in both trees."""
    return sorted(path for path in {*one, *other} if one.get(path) != other.get(path))


def report(folder: Path, *runs: Run, toml: str = TOML) -> config.Config:
    """Write a report with these runs below ``folder`` and return its settings."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitegen.toml").write_text(toml, "utf-8")
    (folder / "archive").mkdir(exist_ok=True)
    for run in runs:
        write(folder, run)
    return config.load(folder / "sitegen.toml")


def write(folder: Path, run: Run) -> Path:
    """Add a run with a raw output for each of its steps."""
    raw = {name: f"output of {step.name}\n".encode() for step in run.steps for name in step.raw}
    # These archives live as long as a test: no reason to wait for the disk.
    with mock.patch.object(os, "fsync"):
        return Archive(folder / "archive").write(run, raw)


def unpacked(pack: bytes, archive: Path) -> None:
    """Put what is in a pack into an archive as any tar does: nothing is checked on the way."""
    with tarfile.open(fileobj=io.BytesIO(pack)) as tar:
        tar.extractall(archive, filter="data")


def write_foreign(folder: Path, run: Run) -> Path:
    """Add a run as another program would write it: nothing is checked on the way in."""
    place = folder / "archive" / run.environment / run.id
    place.mkdir(parents=True)
    rows = parquet.measurements_bytes(run)
    digest = hashlib.sha256(rows).hexdigest()
    (place / "measurements.parquet").write_bytes(rows)
    files = (manifest.File("measurements.parquet", len(rows), digest),)
    (place / "run.json").write_bytes(manifest.dump(run, files))
    return place


def built(folder: Path, *runs: Run, toml: str = TOML) -> Result:
    """Build a report with these runs below ``folder``."""
    return build(report(folder, *runs, toml=toml))


def note(folder: Path, text: str) -> None:
    """Write the note on storage of a report."""
    (folder / "notes").mkdir(exist_ok=True)
    (folder / "notes/fio.md").write_text(text)


def pages(site: Path) -> list[str]:
    """Return the paths of all pages of a site."""
    return sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))


def storage_run(number: int, environment: str = "cvm", *, factor: float = 1.0) -> Run:
    """Return a collected storage run; a larger number is a newer one in a session of its own."""
    started_at = f"2026-03-{1 + number // 24:02}T{number % 24:02}:00:00Z"
    rows = [
        Measurement(
            workload, "fio.iops", "value", "1/s", 250_000.0 / factor * (1 + 0.001 * number + noise),
            where, repetition,
        )
        for workload, where in (
            ("read_iops", _fio("read", 4096, 64, "rand")),
            ("write_iops", _fio("write", 4096, 64, "rand")),
        )
        for repetition, noise in enumerate((0.0, 0.004, -0.004))
    ]  # fmt: skip
    rows += [
        Measurement("read_seq", "fio.bandwidth", "value", "B/s", 3e9 / factor * (1 + noise),
                    _fio("read", 1048576, 64, "seq"), repetition)
        for repetition, noise in enumerate((0.0, 0.01, -0.01))
    ]  # fmt: skip
    tee = "tdx" if environment == "cvm" else "none"
    return Run(
        id=run_id(started_at, "fio", f"{environment} {number} {factor}".encode()),
        benchmark="fio",
        environment=environment,
        provenance=Provenance.COLLECTED,
        started_at=started_at,
        duration_s=61.5,
        measurements=tuple(rows),
        preset="standard",
        session=f"{environment}-{number}",
        boot=f"boot-{environment}-{number}",
        seed=7,
        tool=ToolIdentity("fio", "3.33", "/usr/bin/fio", "a" * 64),
        parameters=(Parameter("engine", "libaio", Comparability.MUST_MATCH),),
        fingerprint=Fingerprint(
            (
                Fact("cpu", "Test processor", "/proc/cpuinfo"),
                Fact("governor", None, "/sys/devices/system/cpu"),
            ),
            TeeVerdict(tee, ("a reason",)),
        ),
        steps=tuple(
            StepRecord(
                f"{workload}", workload, repetition, ("fio", f"--name={workload}", "--bs=4k"),
                started_at, 20.5, 0, 3.25, (("psi_cpu", 0.01), ("steal", 0.0)),
                raw=(f"{workload}-{repetition}.out",),
            )
            for repetition in range(3)
            for workload in ("read_iops", "write_iops", "read_seq")
        ),
    )  # fmt: skip


def cited_run(environment: str, value: float, printed: str) -> Run:
    """Return a cited CPU rating."""
    row = Measurement(
        "threads-8", "7z.rating", "value", "MIPS", value,
        params(operation="total", threads=8), printed=printed,
    )  # fmt: skip
    return Run(
        id=run_id("2025", "7z", f"{environment} {printed}".encode()),
        benchmark="7z",
        environment=environment,
        provenance=Provenance.CITED,
        started_at="2025",
        duration_s=None,
        measurements=(row,),
        source=Source("a-report", "A report", "Somebody", "2025", "example.org/report", "V"),
    )


def three_a_side() -> list[Run]:
    """Return three storage runs on each side of two comparisons, and a cited figure a side."""
    runs = [
        storage_run(number, environment, factor=factor)
        for environment, factor in (("host", 1.0), ("vm", 1.05), ("cvm", 1.2))
        for number in range(3)
    ]
    return [*runs, cited_run("vm", 40_000.0, "40000"), cited_run("cvm", 36_000.0, "36000")]


def _fio(direction: str, block_size: int, depth: int, pattern: str) -> Params:
    return params(
        block_size=block_size, direction=direction, iodepth=depth, numjobs=1, pattern=pattern
    )


def touched(folder: Path) -> dict[str, tuple[int, int]]:
    """Return what changes about each file when it is written again."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def first_view_bytes(site: Path, page: str) -> int:
    """Return the gzipped bytes that a page needs before Plotly: itself and the shared assets."""
    parts = [site / page, *(site / "assets").glob("*/site.*"), *(site / "assets").glob("*/*.svg")]
    return sum(len(gzip.compress(path.read_bytes(), 6)) for path in parts)


# What every page must be


@functools.lru_cache(maxsize=200)
def parse(text: str) -> Element:
    """Return the page's root, to be read only; raises ParseError for any deviation from HTML."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    return parser.parse(text)


def text_of(element: Element) -> str:
    """Return the words in an element, white space as one blank."""
    return " ".join("".join(element.itertext()).split())


def faults(site: Path, page: str) -> list[str]:
    """Return everything that is wrong with one page of a built site, on its own."""
    text = (site / page).read_text("utf-8")
    try:
        root = parse(text)
    except html5lib.html5parser.ParseError as error:
        return [f"not valid HTML: {error}"]
    elements = [e for e in root.iter() if isinstance(e.tag, str)]
    return [*_head(root), *_structure(root, elements), *_safety(elements), *_access(elements)]


def _head(root: Element) -> Iterator[str]:
    if root.get("lang") != "en":
        yield "html has no lang"
    if not text_of(root.find("head/title")):
        yield "no title"
    metas = root.findall("head/meta")
    described = [m.get("content") for m in metas if m.get("name") == "description"]
    if len(described) != 1 or not described[0].strip():
        yield "no description"
    policies = [m.get("content") for m in metas if m.get("http-equiv") == "Content-Security-Policy"]
    if policies != [POLICY]:
        yield f"the security policy is {policies}"
    if root.find("head/link[@rel='icon']") is None:
        yield "no icon: a 404 in the console"


def _structure(root: Element, elements: list[Element]) -> Iterator[str]:
    if len(list(root.iter("h1"))) != 1:
        yield "not exactly one h1"
    if root.find(".//main[@id='main']") is None:
        yield "no main"
    yield from _headings(elements)
    yield from _ids(elements)


def _headings(elements: list[Element]) -> Iterator[str]:
    last = 0
    for element in elements:
        if re.fullmatch("h[1-6]", element.tag):
            level = int(element.tag[1])
            if level > last + 1:
                yield f"heading {text_of(element)!r} skips from h{last} to h{level}"
            if not text_of(element):
                yield "an empty heading"
            last = level


def _ids(elements: list[Element]) -> Iterator[str]:
    ids = Counter(e.get("id") for e in elements if e.get("id") is not None)
    yield from (f"id {name!r} {count} times" for name, count in ids.items() if count > 1)
    yield from (
        f"id {name!r} is not one word" for name in ids if not name or name.split() != [name]
    )
    for element in elements:
        for attribute in ("aria-labelledby", "aria-describedby", "for"):
            for name in (element.get(attribute) or "").split():
                if name not in ids:
                    yield f"{attribute} {name!r} is not on the page"


def _safety(elements: list[Element]) -> Iterator[str]:
    for element in elements:
        for name, value in element.attrib.items():
            if name.lower().startswith("on") or name == "style":
                yield f"{element.tag} has {name}={value[:60]!r}"
            if name in ("href", "src", "action", "formaction", "data", "poster", "srcset"):
                yield from _address(element, value)
        data = element.get("type") in ("application/json", "application/ld+json")
        if element.tag == "script" and element.get("src") is None and not data:
            yield "an inline script"
        if element.tag in ("style", "iframe", "object", "embed", "base", "form"):
            yield f"an element {element.tag}"
        if element.tag == "meta" and (element.get("http-equiv") or "").lower() == "refresh":
            yield "a refresh"


def _address(element: Element, value: str) -> Iterator[str]:
    scheme = urlsplit(value.strip()).scheme.lower()
    outside = bool(scheme) or value.strip().startswith("//")
    loads = element.tag in ("link", "script", "img", "source", "video", "audio", "use", "image")
    if element.tag == "link" and element.get("rel") in ("canonical", "alternate"):
        loads = False
    if loads and outside:
        yield f"{element.tag} asks for {value[:80]}"
    if outside and scheme not in ("https", "http", "mailto"):
        yield f"{element.tag} leads to {value[:80]}"


def _access(elements: list[Element]) -> Iterator[str]:
    for element in elements:
        tag = element.tag.rpartition("}")[2]
        if tag == "img" and element.get("alt") is None:
            yield "an image without alt"
        named = bool((element.get("aria-label") or "").strip())
        shown = element.get("aria-hidden") != "true" and not _empty_svg(element)
        if tag == "svg" and shown and not (named and element.get("role") in ("img", "group")):
            yield f"svg without role and label: {ET.tostring(element)[:120]!r}"
        if tag == "th" and element.get("scope") not in ("col", "row", "rowgroup", "colgroup"):
            yield f"th {text_of(element)!r} without scope"
        if tag == "table" and not any(e.tag == "th" for e in element.iter()):
            yield "a table without headers"
        if tag in ("a", "summary", "button") and not (
            text_of(element)
            or element.get("aria-label")
            or element.find(".//img[@alt]") is not None
        ):
            yield f"{tag} {element.get('href')} without words"
        focusable = element.get("tabindex") == "0" and tag == "div"
        if focusable and not (named and element.get("role") == "region"):
            yield "a focusable box without name and role"


def _empty_svg(element: Element) -> bool:
    """Definitions only: nothing to see, nothing to name."""
    return all(child.tag.rpartition("}")[2] == "defs" for child in element)


def dead_links(site: Path) -> list[str]:
    """Return every link of every page that leads to no file or to no id of a page."""
    pages = {path: parse(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}
    ids = {path: {e.get("id") for e in root.iter() if e.get("id")} for path, root in pages.items()}
    found = []
    for path, root in pages.items():
        if path == site / "404.html":
            continue  # it is served at any depth, so its links are absolute
        for element in root.iter():
            target = element.get("href") or element.get("src")
            if target is None or urlsplit(target).scheme:
                continue
            place, _, anchor = target.partition("#")
            place = unquote(place.partition("?")[0])
            to = path if not place else Path(*_normal(path.parent / place))
            if not to.is_file() or not to.is_relative_to(site):
                found.append(f"{path.relative_to(site)}: {target}")
            elif anchor and "=" not in anchor and to in ids and unquote(anchor) not in ids[to]:
                found.append(f"{path.relative_to(site)}: {target} has no such id")
    return found


def _normal(path: Path) -> tuple[str, ...]:
    parts: list[str] = []
    for part in PurePosixPath(path.as_posix()).parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return tuple(parts)


def with_rows(run: Run, *rows: Measurement) -> Run:
    """Return ``run`` with other measurements."""
    return replace(run, measurements=rows)
