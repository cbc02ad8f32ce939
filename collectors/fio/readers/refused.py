"""What is near to fio's output and holds none of it: known only to say what it is."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sitegen.collect import Found, Reader
from sitegen.errors import SitegenError

_JOB_FILE = re.compile(rb"^\s{0,8}\[[^\]\n]{1,200}\]\s*$", re.MULTILINE)
_JOB_OPTION = re.compile(
    rb"^\s{0,8}(?:ioengine|rw|readwrite|iodepth|bs|blocksize|numjobs)\s*=\s*\w", re.MULTILINE
)
_RESULT = re.compile(
    rb'\(groupid=\d|"fio version"|\d;fio-\d|Dbench Summary|Testing Read IOPS|FIO version - '
)
_MOST = 1_000_000  # bytes: job files are small


def knows(data: bytes) -> bool:
    """Tell whether ``data`` is a job file, with no result of fio's."""
    if len(data) > _MOST or _RESULT.search(data):
        return False
    options = {match[0].strip().partition(b"=")[0] for match in _JOB_OPTION.finditer(data)}
    return bool(_JOB_FILE.search(data)) and len(options) > 1


def read(_data: bytes, _settings: Mapping[str, str]) -> tuple[Found, ...]:
    """Raise SitegenError with what it is."""
    raise SitegenError(
        "is a job file: what fio is to do, and no result",
        fix="run `fio --output-format=json --output=result.json` with it and import that",
    )


READER = Reader("fio-refused", "fio's job files (refused)", knows, read, {})
