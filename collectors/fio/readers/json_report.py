"""fio --output-format=json and json+, with all that may stand around the JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping

from collectors.fio import document
from collectors.fio.jobs import Report
from collectors.fio.readers.finding import final, findings
from collectors.fio.workloads import ASKS, answers_of
from collectors.text import plain
from sitegen.collect import Found, Reader
from sitegen.errors import SitegenError
from sitegen.model import Doubt

_BYTES = (re.compile(rb'"fio version"\s*:'), re.compile(rb'"(?:jobs|client_stats)"\s*:'))


def knows(data: bytes) -> bool:
    """Tell whether ``data`` holds fio's JSON."""
    narrow = data.replace(b"\0", b"") if b"\0" in data[:100] else data  # UTF-16
    return all(pattern.search(narrow) for pattern in _BYTES)


def read(data: bytes, settings: Mapping[str, str]) -> tuple[Found, ...]:
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
    for line, content in texts.documents:
        if "fio version" not in content:
            _refuse(content, line)
        try:
            reports.append(document.report(content, texts.chatter))
        except SitegenError as error:
            where = f"the report in line {line}: {error.where}"
            raise SitegenError(error.what, where=where, fix=error.fix) from error
    return final(reports), texts.cut


def _refuse(content: Mapping[str, object], line: int) -> None:
    inside = [k for k, v in content.items() if isinstance(v, dict) and "fio version" in v]
    raise SitegenError(
        "is not fio's own JSON, but that of a program around it",
        where=f"line {line}",
        fix=f"import what stands under {ascii(inside[0])[:60]}" if inside else "import fio's own",
    )


READER = Reader("fio-json", "fio --output-format=json or json+", knows, read, ASKS)
