"""What is near to fio's output and holds none of it: known only to say what it is."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sitegen.collect import Reader, Reading
from sitegen.errors import SitegenError

_JOB_FILE = re.compile(rb"^\s{0,8}\[[^\]\n]{1,200}\]\s*$", re.MULTILINE)
_JOB_OPTION = re.compile(
    rb"^\s{0,8}(?:ioengine|rw|readwrite|iodepth|bs|blocksize|numjobs)\s*=\s*\w", re.MULTILINE
)
_RESULT = re.compile(
    rb'\(groupid=\d|"fio version"|\d;fio-\d|Dbench Summary|Testing Read IOPS|FIO version - '
)
#: Lines of fio's text that people cut out.
_PIECE = re.compile(
    rb"(?:read|write|trim|mixed)\s{0,2}: (?:IOPS=[\w.]{1,20}, BW=|io=[^\n,]{1,20}, bw=)"
    rb"|Run status group \d{1,9} \(all jobs\):"
)
_MOST = 1_000_000  # bytes: job files are small


def knows(data: bytes) -> bool:
    """Tell whether ``data`` is a job file or a piece of an output, with no job's result."""
    if len(data) > _MOST or _RESULT.search(data):
        return False
    options = {match[0].strip().partition(b"=")[0] for match in _JOB_OPTION.finditer(data)}
    job_file = bool(_JOB_FILE.search(data)) and len(options) > 1
    return job_file or bool(_PIECE.search(data))


def read(data: bytes, _settings: Mapping[str, str]) -> tuple[Reading, ...]:
    """Raise SitegenError with what it is."""
    if piece := _PIECE.search(data):
        line = data.count(b"\n", 0, piece.start()) + 1
        raise SitegenError(
            "is a piece of fio's output, and nothing in it says which job it is of",
            where=f"line {line}",
            fix="import all of it, with the lines 'name: (groupid=0, jobs=1): err= 0 ...'",
        )
    raise SitegenError(
        "is a job file: what fio is to do, and no result",
        fix="run `fio --output-format=json --output=result.json` with it and import that",
    )


READER = Reader(
    "fio-refused", "fio's job files and pieces of its output (refused)", knows, read, {}
)
