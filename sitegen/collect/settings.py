"""The one language of settings: what ``--set`` may say to a collector or a reader, as a type.

A form is a frozen `msgspec.Struct`: one field a setting, with its type, bounds, default and, in
`described`, its line of help. From it come what is accepted, what is refused in which words, the
help in the terminal and a JSON Schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, TypeVar

import msgspec

from sitegen.catalogue import parameters
from sitegen.errors import SitegenError

Form = TypeVar("Form", bound=msgspec.Struct)
Value = TypeVar("Value")
_SHOWN = 40
_BOOLEANS = {"yes": True, "no": False}


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A form without a setting; forms derive from it."""


#: The settings that a module knows: a form, or plain texts by name with a line of help each.
Known = type[msgspec.Struct] | Mapping[str, str]


class Size(int):
    """A size in bytes, which a user may write as ``4k``, ``16 MiB`` or ``2 GB``."""


#: A whole number above 0.
Count = Annotated[int, msgspec.Meta(ge=1, le=999_999_999)]
#: A number above 0.
Positive = Annotated[float, msgspec.Meta(gt=0, le=1e9)]


def described(help_text: str, **bounds: Any) -> msgspec.Meta:  # noqa: ANN401 - as Meta takes them
    """Return what annotates a field: its line of help, and bounds as `msgspec.Meta` takes them."""
    return msgspec.Meta(description=help_text, **bounds)


def read(form: type[Form], given: Mapping[str, str], prefix: str = "") -> Form:
    """Return what a user gave as a filled-in ``form``; lists are written with commas.

    Raises SitegenError, which names ``--set`` with ``prefix`` and the setting, for one that the
    form does not have, and for a value that is not of its type or beyond its bounds.
    """
    fields = _fields(form)
    values: dict[str, Any] = {}
    for name, text in given.items():
        place = f"--set {prefix}{name}"
        if name not in fields:
            raise _unknown(name, fields, prefix)
        clean = text.strip()
        if not clean or not clean.isprintable():
            raise SitegenError(
                "is empty" if not clean else "holds a control character", where=place
            )
        values[name] = _split(clean, fields[name])
    try:
        return msgspec.convert(values, form, strict=False, dec_hook=_size)
    except msgspec.ValidationError as error:
        name = _culprit(form, values)
        raise SitegenError(
            f"{given[name].strip()[:_SHOWN]!r} is not {wanted(fields[name])}",
            where=f"--set {prefix}{name}",
        ) from error


def filled(known: Known, given: Mapping[str, str], prefix: str = "") -> Any:  # noqa: ANN401 - the form that is known
    """Return what a user gave as the form that is ``known``, or as the texts that they are.

    Raises SitegenError as `read` does.
    """
    if not isinstance(known, Mapping):
        return read(known, given, prefix)
    for name in given:
        if name not in known:
            raise _unknown(name, known, prefix)
    return dict(given)


def agreed(name: str, given: Value | None, stated: Value | None) -> Value | None:
    """Return what an output has ``stated`` of a setting, else what the user has ``given``, or None.

    Raises SitegenError where the two differ: what a user says fills gaps, and overrules nothing.
    """
    if stated is not None and given is not None and stated != given:
        raise SitegenError(
            f"the file says {str(stated)[:_SHOWN]!r}, not {str(given)[:_SHOWN]!r}",
            where=f"--set {name}",
            fix="leave it out: what a file says is not overruled",
        )
    return given if stated is None else stated


def helps(known: Known) -> dict[str, str]:
    """Return the line of help of each setting, by its name."""
    if isinstance(known, Mapping):
        return dict(known)
    info = msgspec.inspect.type_info(known)
    assert isinstance(info, msgspec.inspect.StructType)  # noqa: S101 - what a Struct is
    return {field.encode_name: _line(field) for field in info.fields}


def _line(field: msgspec.inspect.Field) -> str:
    """Return a line of help, with the choices and the default where its words do not say them."""
    line, bare = _help(field.type), _bare(field.type)
    if isinstance(bare, msgspec.inspect.LiteralType) and not all(
        str(v) in line for v in bare.values
    ):
        line += f"; one of {', '.join(map(str, bare.values))}"
    if "default" in line or field.default in {None, "", (), False, msgspec.NODEFAULT}:
        return line
    default = field.default
    shown = ",".join(map(str, default)) if isinstance(default, tuple) else default
    return f"{line} (default: {'yes' if shown is True else shown})"


def schema(form: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the JSON Schema of a form; a size is an integer in it, a number of bytes."""
    return msgspec.json.schema(form, schema_hook=lambda _: {"type": "integer"})


def _unknown(name: str, known: Iterable[str], prefix: str) -> SitegenError:
    names = ", ".join(sorted(known))
    return SitegenError(
        f"there is no setting {name[:_SHOWN]!r}",
        where=f"--set {prefix}{name}"[:80],
        fix=f"it takes {names}" if names else "it takes none",
    )


def wanted(kind: msgspec.inspect.Type) -> str:  # noqa: PLR0911 - one for each kind
    """Return in words what a value of this type is, with its bounds."""
    kind = _bare(kind)
    if isinstance(kind, msgspec.inspect.VarTupleType):
        return f"a list with commas of which each is {wanted(kind.item_type)}"
    if isinstance(kind, msgspec.inspect.LiteralType):
        return f"one of {', '.join(map(str, kind.values))}"
    if isinstance(kind, msgspec.inspect.BoolType):
        return "yes or no"
    if isinstance(kind, msgspec.inspect.IntType | msgspec.inspect.FloatType):
        word = "a whole number" if isinstance(kind, msgspec.inspect.IntType) else "a number"
        return f"{word}{_bounds(kind)}"
    if isinstance(kind, msgspec.inspect.CustomType):
        return "a size, such as 4k, 16 MiB or 2 GB"
    if isinstance(kind, msgspec.inspect.StrType) and kind.max_length:
        return f"a text of at most {kind.max_length} characters in the right form"
    return "in the right form"


def _bounds(kind: msgspec.inspect.IntType | msgspec.inspect.FloatType) -> str:
    least, most = kind.ge, kind.le
    if kind.gt is not None:
        above = f" above {kind.gt:g}"
        return above if most is None else f"{above}, {most:g} at most"
    if least is not None and most is not None:
        return f" from {least:g} to {most:g}" if most < 1e6 else f" from {least:g} on"  # noqa: PLR2004 - beyond it nobody types
    return "" if least is None else f" from {least:g} on"


def _fields(form: type[msgspec.Struct]) -> dict[str, msgspec.inspect.Type]:
    info = msgspec.inspect.type_info(form)
    assert isinstance(info, msgspec.inspect.StructType)  # noqa: S101 - what a Struct is
    return {field.encode_name: field.type for field in info.fields}


def _parts(kind: msgspec.inspect.Type) -> Iterator[msgspec.inspect.Type]:
    """Yield a type and what it is made of, without None and notes on it."""
    if isinstance(kind, msgspec.inspect.Metadata):
        yield from _parts(kind.type)
    elif isinstance(kind, msgspec.inspect.UnionType):
        for part in kind.types:
            yield from _parts(part)
    elif not isinstance(kind, msgspec.inspect.NoneType):
        yield kind


def _bare(kind: msgspec.inspect.Type) -> msgspec.inspect.Type:
    return next(_parts(kind), kind)


def _help(kind: msgspec.inspect.Type) -> str:
    if isinstance(kind, msgspec.inspect.Metadata):
        return str((kind.extra_json_schema or {}).get("description", ""))
    parts = kind.types if isinstance(kind, msgspec.inspect.UnionType) else ()
    return next(filter(None, map(_help, parts)), "")


def _split(text: str, kind: msgspec.inspect.Type) -> object:
    bare = _bare(kind)
    if isinstance(bare, msgspec.inspect.VarTupleType):
        return [part for part in re.split(r"[,\s]+", text) if part]
    if isinstance(bare, msgspec.inspect.BoolType):
        return _BOOLEANS.get(text, text)
    return text


def _size(kind: type, value: Any) -> Size:  # noqa: ANN401 - what msgspec hands over
    if kind is not Size:
        raise NotImplementedError
    try:
        return Size(parameters.normal("size", str(value)))
    except SitegenError as error:
        raise ValueError(error.what) from error


def _culprit(form: type[msgspec.Struct], values: Mapping[str, Any]) -> str:
    """Return the first of several values that is refused by itself."""
    for name, value in values.items():
        try:
            msgspec.convert({name: value}, form, strict=False, dec_hook=_size)
        except msgspec.ValidationError as error:
            if f"`$.{name}" in str(error):
                return name
    return next(iter(values))
