"""TOML files: what they say, checked against a form, and values as they are written there."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

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


def beside(file: Path) -> str:
    """Return the Markdown that has the name of a TOML file; raises SitegenError as `read` does."""
    note = file.with_suffix(".md")
    try:
        return bounds.read_file(note, _MAX_BYTES).decode() if note.is_file() else ""
    except SitegenError as error:
        raise SitegenError(error.what, where=str(note)) from error
    except UnicodeDecodeError:
        raise SitegenError("is not UTF-8", where=str(note)) from None


def decoded(value: object, form: type[Form], file: str, place: str = "") -> Form:
    """Return what stands at ``place`` in a TOML file as ``form``.

    Raises SitegenError for the first value that is not of it, with its place, such as
    ``sitegen.toml: environments.cvm.role``.
    """
    try:
        return msgspec.convert(value, form)
    except msgspec.ValidationError as error:
        # Of a key that cannot be one, msgspec names the table that it is in.
        said = str(error).replace("`", "").replace(" - at key in $", " - at $[key]")
        reason, _, steps = said.partition(" - at $")
        steps, of_key = steps.removeprefix("[key]"), steps.startswith("[key]")
        steps = _named(value, form, steps)
        expected, keys = _expected(form, steps)
        message, fix = f"must be {expected}", ""
        if of_key:
            message = "has a name that none can have"
        if reason.startswith("Object "):
            message = reason.replace("Object contains unknown field", "unknown key")
            message = message.replace("Object missing required field", "has no")
            fix = f"known here: {keys}"
        place = (place + steps).removeprefix(".")
        raise SitegenError(message, where=f"{file}: {place}" if place else file, fix=fix) from error


def _named(value: Any, form: Any, steps: str) -> str:  # noqa: ANN401 - as TOML has it, and a type
    """Return the place of what is wrong with the keys of tables, for which msgspec says [...]."""
    before, found, after = steps.partition("[...]")
    if not found:
        return steps
    for name, index in re.findall(r"\.(\w+)|\[(\d+)\]", before):
        form = _inner(form, name)
        value = value[name or int(index)]
    form = _inner(form, "")
    for key_, each in value.items() if isinstance(value, dict) else ():
        try:
            msgspec.convert(each, form)
        except msgspec.ValidationError as error:
            rest = str(error).replace("`", "").partition(" - at $")[2]
            return f"{before}.{key(str(key_))}{_named(each, form, rest)}"
    return f"{before}{after}"


def _inner(form: Any, name: str) -> Any:  # noqa: ANN401 - a type
    """Return the type of a field, or of the values of a table or a list."""
    form = _bare(form)
    if name and isinstance(form, type) and issubclass(form, msgspec.Struct):
        return get_type_hints(form, include_extras=True)[name]
    args = get_args(form)
    return args[1] if get_origin(form) is dict else args[0] if args else Any


def _bare(form: Any) -> Any:  # noqa: ANN401 - a type
    """Return a type without what is said of it; of several the one that has parts."""
    if get_origin(form) is Annotated:
        return _bare(get_args(form)[0])
    if get_origin(form) in (Union, UnionType):
        kinds = [_bare(each) for each in get_args(form)]
        parted = [kind for kind in kinds if hasattr(kind, "__struct_fields__") or get_args(kind)]
        return (parted or kinds)[0]
    return form


def _expected(form: object, steps: str) -> tuple[str, str]:
    """Return what a value at a place of a form must be, and the keys that it may have."""
    kind = inspect.type_info(form)
    for name in [*re.findall(r"\.([^.\[\]]+)|\[", steps), None]:
        words = ""
        while isinstance(kind, inspect.UnionType | inspect.Metadata):
            if isinstance(kind, inspect.UnionType):
                parted = [each for each in kind.types if isinstance(each, inspect.StructType)]
                # The others say that it is absent, or are what may be said in short.
                kind = parted[0] if parted and name is not None else kind.types[0]
            else:
                words, kind = (kind.extra_json_schema or {}).get("description", words), kind.type
        match kind:
            case inspect.StructType(fields=fields) if name is None:
                return words or "a table", ", ".join(sorted(each.encode_name for each in fields))
            case inspect.StructType(fields=fields):
                kind = next((each.type for each in fields if each.encode_name == name), kind)
            case inspect.DictType(value_type=inner) | inspect.VarTupleType(item_type=inner):
                kind = inner if name is not None else kind
    return words or _words(kind), ""


def _words(kind: inspect.Type) -> str:  # noqa: PLR0911 - one a type
    """Return in words what a value of a type is of which nothing more is said."""
    match kind:
        case inspect.EnumType(cls=cls):
            return f"one of {', '.join(str(each.value) for each in cls)}"
        case inspect.LiteralType(values=values):
            return f"one of {', '.join(map(str, values))}"
        case inspect.StrType():
            return "a text in quotes"
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType() | inspect.FloatType():
            return "a number"
        case inspect.VarTupleType():
            return "a list"
    return "a table"


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
