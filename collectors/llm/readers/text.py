"""Names, times and JSON as tools and terminals write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from sitegen.collect import decode, timestamp
from sitegen.collect.decode import Form
from sitegen.errors import SitegenError

_LIST = re.compile(r"^\[\s*$", re.MULTILINE)


def file_name(path: str) -> str:
    """Return the last part of ``path``: the folders say more of a machine than of a model."""
    return re.split(r"[\\/]", path.rstrip("\\/"))[-1] or path


def model_name(name: str | None) -> str | None:
    """Return a model's name, of a path on somebody's machine only its last part; else None."""
    if not name:
        return None
    local = name.startswith(("/", "~", ".")) or "\\" in name or name.count("/") > 1
    return file_name(name) if local else name


def utc(moment: datetime, less_s: float = 0.0) -> str:
    """Return a time, in UTC where it names no zone, ``less_s`` earlier, as an archive has it."""
    try:
        whole = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return timestamp(whole.astimezone(UTC) - timedelta(seconds=less_s))
    except OverflowError as error:
        raise SitegenError(f"{less_s:g} s before {moment} is no time") from error


def documents(data: bytes, form: type[Form]) -> list[Form]:
    """Return the documents in ``data``, as `decode.documents`, also in a terminal's record.

    Lines that are no JSON may stand between them. Raises SitegenError for a damaged one: it
    must not pass for such a line, which would drop a result in silence.
    """
    try:
        return decode.documents(data, form)
    except SitegenError:
        text = data.decode("utf-8-sig", "replace")
        if start := _LIST.search(text):
            kept = text[start.start() : max(text.rfind("]") + 1, start.end())]
        else:
            kept = "\n".join(line if _is_json(line) else "" for line in text.split("\n"))
        if kept.strip() in {"", text.strip()}:
            raise
    return decode.documents(kept, form)


def _is_json(line: str) -> bool:
    return line.lstrip().startswith("{") or line.rstrip().endswith("}")
