"""TOML files: what they say, checked against a form, and values as they are written there."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from sitegen import bounds
from sitegen.errors import SitegenError

_MAX_BYTES = 1_000_000
_DEEP = re.compile(r"(?<![A-Za-z0-9_-])(?:[A-Za-z0-9_-]++[ \t]*+\.[ \t]*+){40}")
Form = TypeVar("Form")


def read(file: Path) -> dict[str, Any]:
    """Return what a TOML file says; raises SitegenError when it is none, or far too large."""
    try:
        text = bounds.read_file(file, _MAX_BYTES).decode()
        # A key of many parts takes the square of their number to read.
        tables = None if _DEEP.search(text) else tomllib.loads(text)
    except SitegenError as error:
        raise SitegenError(error.what, where=str(file)) from error
    except RecursionError:
        tables = None
    except ValueError as error:  # of TOML, of UTF-8, or of a number of thousands of digits
        raise SitegenError(f"not valid TOML: {error}", where=str(file)) from error
    if tables is None:
        raise SitegenError("not valid TOML: nested too deep", where=str(file))
    return tables


def decoded(value: object, form: type[Form], file: str, place: str = "") -> Form:
    """Return what stands at ``place`` in a TOML file as ``form``.

    Raises SitegenError for the first value that is not of it, with its place, such as
    ``sitegen.toml: environments.cvm.role``.
    """
    try:
        return msgspec.convert(value, form)
    except msgspec.ValidationError as error:
        reason, _, steps = str(error).replace("`", "").partition(" - at $")
        expected, keys = _expected(form, steps)
        message, fix = f"must be {expected}", ""
        if reason.startswith("Object "):
            message = reason.replace("Object contains unknown field", "unknown key")
            message = message.replace("Object missing required field", "has no")
            fix = f"known here: {keys}"
        place = (place + steps).removeprefix(".").removesuffix("[...]")
        raise SitegenError(message, where=f"{file}: {place}" if place else file, fix=fix) from error


def _expected(form: object, steps: str) -> tuple[str, str]:
    """Return what a value at a place of a form must be, and the keys that it may have."""
    kind = inspect.type_info(form)
    for name in [*re.findall(r"\.(\w+)|\[", steps), None]:
        words = "a table"
        while isinstance(kind, inspect.UnionType | inspect.Metadata):
            if isinstance(kind, inspect.UnionType):
                kind = kind.types[0]  # the others say that it is absent
            else:
                words, kind = (kind.extra_json_schema or {}).get("description", words), kind.type
        match kind:
            case inspect.StructType(fields=fields) if name is None:
                return words, ", ".join(sorted(each.encode_name for each in fields))
            case inspect.StructType(fields=fields):
                kind = next((each.type for each in fields if each.encode_name == name), kind)
            case inspect.DictType(value_type=inner) | inspect.VarTupleType(item_type=inner):
                kind = inner if name is not None else kind
    return words, ""


def key(word: str) -> str:
    """Return a word as TOML writes a key."""
    return word if re.fullmatch(r"[A-Za-z0-9_-]+", word) else json.dumps(word, ensure_ascii=False)


def literal(value: object) -> str:
    """Return a value as TOML writes it."""
    match value:
        case dict():
            inner = ", ".join(f"{key(name)} = {literal(each)}" for name, each in value.items())
            return f"{{ {inner} }}"
        case list() | tuple():
            return f"[{', '.join(map(literal, value))}]"
        case int() if value >= 1_000_000:  # noqa: PLR2004 - from there on digits are counted
            return f"{value:_}"
    return json.dumps(value, ensure_ascii=False)
