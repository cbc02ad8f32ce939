"""The one way to decode what tools write as JSON: into types, with the place of what is wrong.

A form is a `msgspec.Struct`: keys that it does not name are passed over, so that a newer version
of a tool still reads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, TypeVar

import msgspec

from sitegen.errors import SitegenError

Form = TypeVar("Form")
#: A quantity as a tool prints it: finite and not negative. Sums and squares of it stay finite.
Number = Annotated[float, msgspec.Meta(ge=0, le=1e100)]
#: How many of something.
Whole = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
#: A text that can stand in a table.
Text = Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
MOST_DOCUMENTS = 100_000
_MARK = b"\xef\xbb\xbf"
_TEXT = re.compile(r"[^ \t\r\n]")


def document(data: bytes | str | memoryview, form: type[Form], where: str = "") -> Form:
    """Return one JSON document as ``form``.

    Python's own Infinity and NaN are read where the form takes them. Raises SitegenError with
    the place, such as ``$.jobs[1].io_bytes``, for what is no JSON, or not of the form.
    """
    try:
        return msgspec.json.decode(data, type=form, strict=True)
    except msgspec.ValidationError as error:
        raise _unlike(error, where) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return convert(_parsed(data, where), form, where)


def documents(data: bytes | str, form: type[Form]) -> list[Form]:
    """Return the documents in ``data``: one object, a list of them, or several, one after another.

    Raises SitegenError as `document` does, with the entry, the line or the place.
    """
    text = (data.encode("utf-8", "replace") if isinstance(data, str) else data).removeprefix(_MARK)
    text = text.lstrip()
    if text.startswith(b"["):
        entries = document(text, list[Any])
        _check_count(len(entries))
        return [convert(entry, form, f"entry {n}") for n, entry in enumerate(entries, 1)]
    try:
        return [document(text, form)]
    except SitegenError:
        # Not splitlines(): a line ends in a JSON text at nothing but its line feeds.
        lines = [(n, line) for n, line in enumerate(text.split(b"\n"), 1) if line.strip()]
        _check_count(len(lines))
        if lines and not _is_object(lines[0][1]):
            return [convert(one, form, f"document {n}") for n, one in enumerate(_parts(text), 1)]
        if len(lines) < 2:  # noqa: PLR2004 - one is that document
            raise
    return [document(line, form, f"line {n}") for n, line in lines]


def _parts(data: bytes) -> Iterator[object]:
    """Yield the objects that stand one after another, each over as many lines as it likes."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SitegenError(f"is not UTF-8 at byte {error.start}") from error
    place, decoder = 0, json.JSONDecoder()
    for _ in range(MOST_DOCUMENTS):
        next_one = _TEXT.search(text, place)
        if next_one is None:
            return
        place = next_one.start()
        try:
            one, place = decoder.raw_decode(text, place)
        except json.JSONDecodeError as error:
            line = f"line {error.lineno}, column {error.colno}"
            message = f"the JSON breaks off or is damaged: {error.msg}"
            raise SitegenError(message, where=line) from error
        except RecursionError as error:
            raise SitegenError("the JSON is nested too deeply") from error
        except ValueError as error:
            raise SitegenError(f"the JSON cannot be read: {error}"[:200]) from error
        yield one
    raise SitegenError(f"has more than {MOST_DOCUMENTS:,} entries")


def convert(value: object, form: type[Form], where: str = "", *, strict: bool = True) -> Form:
    """Return decoded JSON as ``form``; raises SitegenError with the place of what is not so.

    Without ``strict`` a number may stand as a text, as in the cells of a table.
    """
    try:
        return msgspec.convert(value, form, strict=strict)
    except msgspec.ValidationError as error:
        raise _unlike(error, where) from error
    except RecursionError as error:
        raise SitegenError("is nested too deeply", where=where) from error


def _parsed(data: bytes | str | memoryview, where: str) -> object:
    try:
        text = data if isinstance(data, str) else bytes(data).decode("utf-8-sig")
        return json.loads(text)
    except UnicodeDecodeError as error:
        raise SitegenError(f"is not UTF-8 at byte {error.start}", where=where) from error
    except json.JSONDecodeError as error:
        place = f"{where or f'line {error.lineno}'}, column {error.colno}"
        message = f"the JSON breaks off or is damaged: {error.msg}"
        raise SitegenError(message, where=place) from error
    except (RecursionError, ValueError) as error:
        deep = isinstance(error, RecursionError)
        message = "the JSON is nested too deeply" if deep else f"the JSON cannot be read: {error}"
        raise SitegenError(message[:200], where=where) from error


def _is_object(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _check_count(count: int) -> None:
    if count > MOST_DOCUMENTS:
        raise SitegenError(f"has more than {MOST_DOCUMENTS:,} entries")


def _unlike(error: msgspec.ValidationError, where: str) -> SitegenError:
    message, _, place = str(error).replace("`", "").partition(" - at ")
    named = f"{where} {place.removeprefix('$.')}".strip() if where else place
    return SitegenError(message[:1].lower() + message[1:], where=named)
