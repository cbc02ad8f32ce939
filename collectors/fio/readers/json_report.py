"""fio --output-format=json and json+, with all that may stand around the JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from collectors.fio import document
from collectors.fio.jobs import Report
from collectors.fio.readers.finding import final, findings
from collectors.fio.workloads import ASKS, answers_of
from collectors.text import plain
from sitegen.collect import Reader, Reading
from sitegen.errors import SitegenError
from sitegen.model import Doubt

_JOBS = {"jobs", "client_stats"}
_BYTES = (re.compile(rb'"fio version"\s*:'), re.compile(rb'"(?:jobs|client_stats)"\s*:'))


def knows(data: bytes) -> bool:
    """Tell whether ``data`` holds fio's JSON."""
    narrow = data.replace(b"\0", b"") if b"\0" in data[:100] else data  # UTF-16
    return all(pattern.search(narrow) for pattern in _BYTES)


def read(data: bytes, settings: Mapping[str, str]) -> tuple[Reading, ...]:
    """Return the runs in ``data``, one for each version of fio."""
    answers = answers_of(settings)
    reports, cut = reports_of(data)
    closed = []
    for finding, those in findings(reports, answers):
        if cut:
            told = f"another report follows and breaks off at {cut}"
            finding.doubts.add(Doubt.CUT_OFF, told)
        closed.append(finding.found(those))
    return tuple(closed)


def reports_of(data: bytes) -> tuple[list[Report], str]:
    """Return the final reports in ``data``, and where a further one breaks off.

    Raises SitegenError when there is no whole one.
    """
    texts = document.split(plain(data))
    if not texts.documents:
        if texts.cut:
            place, _, told = texts.cut.partition(": ")
            raise SitegenError(f"the JSON breaks off or is damaged: {told}", where=place)
        raise SitegenError("there is no JSON of fio's that begins a line")
    reports = []
    for line, whole in texts.documents:
        content = _own(whole, line)
        if content is None:
            continue
        try:
            reports.append(document.report(content, texts.chatter))
        except SitegenError as error:
            where = f"the report in line {line}: {error.where}"
            raise SitegenError(error.what, where=where, fix=error.fix) from error
    if not reports:
        raise SitegenError(
            "no JSON in it is fio's own",
            where=f"line {texts.documents[0][0]}",
            fix="import what fio wrote with --output-format=json",
        )
    return final(reports), texts.cut


def _own(whole: Mapping[str, Any], line: int) -> Mapping[str, Any] | None:
    """Return fio's document in one of a program around it; None when there is none.

    Raises SitegenError where there are several: what tells them apart is that program's.
    """
    found: list[tuple[str, Mapping[str, Any]]] = []
    ahead: list[tuple[str, object]] = [("", whole)]
    while ahead:
        path, value = ahead.pop()
        if isinstance(value, dict) and "fio version" in value and value.keys() & _JOBS:
            found.append((path, value))
        elif isinstance(value, dict):
            ahead += [(f"{path}.{ascii(key)[1:-1][:60]}", inner) for key, inner in value.items()]
        elif isinstance(value, list):
            ahead += [(f"{path}[{place}]", inner) for place, inner in enumerate(value)]
    if len(found) > 1:
        paths = sorted(path.lstrip(".")[:60] for path, _ in found)
        raise SitegenError(
            f"there are {len(found)} reports of fio's in the JSON of a program around it",
            where=f"line {line}",
            fix=f"import them one by one: {paths[0]}, {paths[1]} ...",
        )
    return found[0][1] if found else None


READER = Reader("fio-json", "fio --output-format=json or json+", knows, read, ASKS)
