"""Files of other tools, read within bounds: JSON, JSON lines, and typed looks into them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sitegen.errors import SitegenError

MAX_BYTES = 200_000_000
MAX_DOCUMENTS = 100_000
MAX_VALUES = 5_000_000
MAX_NUMBER = 1e100  # no quantity is as large, and sums and squares of it stay finite
_MAX_TEXT = 200
_ARRAY = re.compile(r"^\[\s*$", re.MULTILINE)
_DECIMAL = re.compile(r"\d{1,15}(?:\.\d{1,15})?(?:[eE][+-]?\d{1,3})?")


@dataclass(frozen=True, slots=True)
class Fields:
    """A JSON object with the place that it stands in, asked for its values by key.

    A key that is absent or null gives None. Every other value that is not what was asked for
    raises SitegenError with the place and the key; numbers are finite and not negative.
    """

    at: str
    values: Mapping[str, object]

    def where(self, key: str) -> str:
        """Return the place of ``key`` as errors name it."""
        return f"{self.at}: {key}" if self.at else key

    def number(self, key: str, *, quoted: bool = False) -> float | None:
        """Return a number; ``quoted`` says whether the tool also writes it as a string."""
        return _number(self.values.get(key), self.where(key), quoted=quoted)

    def needed(self, key: str) -> float:
        """Return a number that the form cannot do without."""
        value = self.number(key)
        if value is None:
            raise SitegenError("is missing", where=self.where(key))
        return value

    def count(self, key: str) -> int | None:
        """Return a whole number."""
        value = self.number(key)
        if value is None:
            return None
        if value != int(value):
            raise SitegenError("is not a whole number", where=self.where(key))
        return int(value)

    def text(self, key: str) -> str | None:
        """Return a printable text of at most 200 characters; an empty one is absent."""
        value = self.values.get(key)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise SitegenError("is not a text", where=self.where(key))
        return plain(value, self.where(key))

    def inner(self, key: str) -> Fields | None:
        """Return the object under ``key``."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise SitegenError("is not an object", where=self.where(key))
        return Fields(self.where(key), value)

    def rows(self, key: str) -> list[object] | None:
        """Return the list under ``key``."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, list):
            raise SitegenError("is not a list", where=self.where(key))
        if len(value) > MAX_VALUES:
            raise SitegenError(f"has more than {MAX_VALUES} entries", where=self.where(key))
        return value

    def numbers(self, key: str) -> list[float] | None:
        """Return the list of numbers under ``key``."""
        rows = self.rows(key)
        return None if rows is None else number_list(rows, self.where(key))

    def objects(self, key: str) -> list[Fields] | None:
        """Return the list of objects under ``key``."""
        rows = self.rows(key)
        if rows is None:
            return None
        return [_fields(row, f"{self.where(key)}[{index}]") for index, row in enumerate(rows)]

    def find(self, *path: str) -> object:
        """Return what stands at the end of a path of keys, None where it breaks off."""
        value: object = self.values
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value


def number_list(rows: list[object], where: str) -> list[float]:
    """Return ``rows`` as numbers; raises SitegenError for the first that is none."""
    found = []
    for index, row in enumerate(rows):
        value = _number(row, f"{where}[{index}]")
        if value is None:
            raise SitegenError("is null", where=f"{where}[{index}]")
        found.append(value)
    return found


def _number(value: object, where: str, *, quoted: bool = False) -> float | None:
    if value is None:
        return None
    if quoted and isinstance(value, str):
        value = decimal(value, where)
    # bool is an int to Python, and true is not a measurement.
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise SitegenError(f"{_shown(value)} is not a number", where=where)
    if not -MAX_NUMBER < value < MAX_NUMBER:  # also false for NaN
        raise SitegenError("is not a finite number", where=where)
    if value < 0:
        raise SitegenError(f"is negative: {value:g}", where=where)
    return float(value)


def decimal(text: str, where: str) -> float:
    """Return the number that ``text`` is; raises SitegenError for anything else, NaN included."""
    if not _DECIMAL.fullmatch(text):
        raise SitegenError(f"{_shown(text)} is not a number", where=where)
    value = float(text)
    if not math.isfinite(value) or value >= MAX_NUMBER:
        raise SitegenError("is not a finite number", where=where)
    return value


def plain(text: str, where: str) -> str:
    """Return ``text`` when it can stand in a table; raises SitegenError otherwise."""
    if not text.isprintable():
        raise SitegenError("has a control character", where=where)
    if len(text) > _MAX_TEXT:
        raise SitegenError(f"is longer than {_MAX_TEXT} characters", where=where)
    return text


def file_name(path: str) -> str:
    """Return the last part of ``path``: the folders say more of a machine than of a model."""
    return re.split(r"[\\/]", path.rstrip("\\/"))[-1] or path


def model_name(name: str) -> str:
    """Return a model's name; of a path on somebody's machine only its last part."""
    local = name.startswith(("/", "~", ".")) or "\\" in name or name.count("/") > 1
    return file_name(name) if local else name


def decoded(data: bytes) -> str:
    """Return ``data`` as text; raises SitegenError when it is too large or not UTF-8."""
    check_size(data)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SitegenError(f"is not UTF-8 at byte {error.start}") from error


def check_size(data: bytes) -> None:
    """Raise SitegenError when there is more than is read."""
    if len(data) > MAX_BYTES:
        raise SitegenError(
            f"has {len(data)} bytes, and {MAX_BYTES} at most are read",
            fix="leave out the records of single requests",
        )


def objects(data: bytes, *, noise: bool = False) -> list[Fields]:
    """Return the JSON objects in ``data``: one, a list of them, or one a line.

    ``noise`` says whether lines that are no JSON may stand between them, as in a terminal's
    record. Raises SitegenError with the line where the JSON breaks off, is nested too deeply,
    or holds a key twice.
    """
    text = decoded(data)
    try:
        return _all(_parsed(text, ""))
    except SitegenError:
        lines = list(_lines(text, noise=noise))
        if noise and (start := _ARRAY.search(text)):
            end = text.rfind("]") + 1
            return _all(_parsed(text[start.start() : max(end, start.end())], "the list"))
        if not lines or not _whole(lines[0][1]):
            raise
    if len(lines) > MAX_DOCUMENTS:
        raise SitegenError(f"has more than {MAX_DOCUMENTS} lines")
    return [_fields(_parsed(line, f"line {n}"), f"line {n}") for n, line in lines]


def _lines(text: str, *, noise: bool) -> Iterator[tuple[int, str]]:
    # Not splitlines(): a JSON string may hold U+2028, which is no end of a line there.
    for number, line in enumerate(text.split("\n"), 1):
        # A damaged object must not pass for noise: that would drop a result in silence.
        if line.strip() and (not noise or line.lstrip()[0] == "{" or line.rstrip()[-1] == "}"):
            yield number, line


def _whole(line: str) -> bool:
    try:
        return isinstance(_parsed(line, ""), dict)
    except SitegenError:
        return False


def _all(value: object) -> list[Fields]:
    if isinstance(value, list):
        if len(value) > MAX_DOCUMENTS:
            raise SitegenError(f"has more than {MAX_DOCUMENTS} entries")
        return [_fields(entry, f"entry {n}") for n, entry in enumerate(value, 1)]
    return [_fields(value, "")]


def _fields(value: object, at: str) -> Fields:
    if not isinstance(value, dict):
        raise SitegenError("is not a JSON object", where=at)
    return Fields(at, value)


def _parsed(text: str, where: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        place = where or f"line {error.lineno}"
        raise SitegenError(
            f"the JSON breaks off or is damaged: {error.msg}",
            where=f"{place}, column {error.colno}",
        ) from error
    except RecursionError as error:
        raise SitegenError("the JSON is nested too deeply", where=where) from error
    except ValueError as error:
        raise SitegenError(f"the JSON cannot be read: {error}"[:_MAX_TEXT], where=where) from error


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key {_shown(twice)} stands there twice")
    return found


def _shown(value: object) -> str:
    return ascii(value)[:40]


def utc(text: str, where: str, less: float = 0.0) -> tuple[str, bool]:
    """Return an ISO 8601 time as UTC to the second, and whether it named its time zone.

    ``less`` are seconds to go back from it. Raises SitegenError when it is no such time.
    """
    # Go writes nanoseconds, and Python reads microseconds.
    short = re.sub(r"(\.\d{6})\d+", r"\1", text)
    try:
        when = datetime.fromisoformat(short)
        zoned = when.tzinfo is not None
        when = when.astimezone(UTC) if zoned else when.replace(tzinfo=UTC)
        when -= timedelta(seconds=less)
    except (ValueError, OverflowError) as error:
        raise SitegenError(f"{_shown(text)} is not a time", where=where) from error
    return stamp(when, where), zoned


def stamp(when: datetime, where: str) -> str:
    """Return ``when`` as an archive writes it; raises SitegenError before the year 2000."""
    if when.year < 2000:  # noqa: PLR2004 - no tool read here is as old: a clock that was not set
        raise SitegenError(f"{when.year} cannot be its year", where=where)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def unix(seconds: float, where: str) -> str:
    """Return a Unix time as UTC to the second."""
    try:
        return stamp(datetime.fromtimestamp(seconds, UTC), where)
    except (ValueError, OverflowError, OSError) as error:
        raise SitegenError("is not a time", where=where) from error
