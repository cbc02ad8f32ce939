"""The one language of settings: what ``--set`` may say to a collector or a reader, as a type.

A form is a frozen `msgspec.Struct`: one field a setting, with its type, bounds, default and, in
`described`, its line of help. From it come what is accepted, what is refused in which words,
the help in the terminal and a JSON Schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
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


def read(form: type[Form], texts: Mapping[str, str], prefix: str = "") -> Form:
    """Return what a user gave as a filled-in ``form``; lists are written with commas.

    Raises SitegenError, which names ``--set`` with ``prefix`` and the setting, for one that the
    form does not have, and for a value that is not of its type or beyond its bounds.
    """
    kinds = _kinds(form)
    values: dict[str, Any] = {}
    for name, text in texts.items():
        if name not in kinds:
            raise _unknown(name, kinds, prefix)
        clean = text.strip()
        if not clean or not clean.isprintable():
            message = "holds a control character" if clean else "is empty"
            raise SitegenError(message, where=f"--set {prefix}{name}")
        values[name] = _split(clean, kinds[name])
    try:
        return msgspec.convert(values, form, strict=False, dec_hook=_size)
    except msgspec.ValidationError as error:
        place = re.search(r"`\$\.(\w+)", str(error))
        name = place[1] if place else next(iter(values))
        message = f"{texts[name].strip()[:_SHOWN]!r} is not {_expected(kinds[name])}"
        raise SitegenError(message, where=f"--set {prefix}{name}") from error


def filled(form: Known, texts: Mapping[str, str], prefix: str = "") -> Any:  # noqa: ANN401 - the form
    """Return what a user gave as the ``form``, or as the texts that they are.

    Raises SitegenError as `read` does.
    """
    if not isinstance(form, Mapping):
        return read(form, texts, prefix)
    for name in texts:
        if name not in form:
            raise _unknown(name, form, prefix)
    return dict(texts)


def agreed(name: str, given: Value | None, stated: Value | None) -> Value | None:
    """Return what an output has ``stated`` of a setting, else what the user has ``given``, or None.

    Raises SitegenError where the two differ: what a user says fills gaps, and overrules nothing.
    """
    if stated is not None and given is not None and stated != given:
        message = f"the file says {str(stated)[:_SHOWN]!r}, not {str(given)[:_SHOWN]!r}"
        fix = "leave it out: what a file says is not overruled"
        raise SitegenError(message, where=f"--set {name}", fix=fix)
    return given if stated is None else stated


def helps(form: Known) -> dict[str, str]:
    """Return the line of help of each setting, by its name.

    It has the choices and the default where the words of the setting do not say them.
    """
    if isinstance(form, Mapping):
        return dict(form)
    lines = {}
    for name, kind in _kinds(form).items():
        line, default = kind.get("description", ""), kind.get("default")
        if not all(str(choice) in line for choice in kind.get("enum", ())):
            line += f"; one of {_listed(kind['enum'])}"
        if "default" not in line and default not in {None, "", (), False}:
            shown = ",".join(map(str, default)) if isinstance(default, tuple) else default
            line += f" (default: {'yes' if shown is True else shown})"
        lines[name] = line
    return lines


def _unknown(name: str, names: Iterable[str], prefix: str) -> SitegenError:
    message, place = f"there is no setting {name[:_SHOWN]!r}", f"--set {prefix}{name}"[:80]
    return SitegenError(message, where=place, fix=f"it takes {_listed(sorted(names)) or 'none'}")


@lru_cache(maxsize=64)
def _kinds(form: type[msgspec.Struct]) -> dict[str, dict[str, Any]]:
    """Return what each setting is, as the JSON Schema of the form says it."""
    schema = msgspec.json.schema(form, schema_hook=lambda _: {"format": "size"})
    names = schema["$defs"][schema["$ref"].rpartition("/")[2]]["properties"]
    return {name: _bare(kind) for name, kind in names.items()}


def _bare(kind: dict[str, Any]) -> dict[str, Any]:
    """Return the first of several kinds that a value can be; None is not one that is typed."""
    several = (each for each in kind.get("anyOf", ()) if each.get("type") != "null")
    return {**kind, **next(several, {})}


def _expected(kind: Mapping[str, Any]) -> str:  # noqa: PLR0911 - one for each kind
    """Return in words what a value of this kind is, with its bounds."""
    if "enum" in kind:
        return f"one of {_listed(kind['enum'])}"
    if kind.get("format") == "size":
        return "a size, such as 4k, 16 MiB or 2 GB"
    match kind.get("type"):
        case "array":
            return f"a list with commas of which each is {_expected(_bare(kind['items']))}"
        case "boolean":
            return "yes or no"
        case "integer" | "number" as word:
            return f"a {'whole ' if word == 'integer' else ''}number{_bounds(kind)}"
        case "string" if "maxLength" in kind:
            return f"a text of at most {kind['maxLength']} characters in the right form"
    return "in the right form"


def _bounds(kind: Mapping[str, Any]) -> str:
    above, least, most = map(kind.get, ("exclusiveMinimum", "minimum", "maximum"))
    if above is not None:
        return f" above {above:g}" + ("" if most is None else f", {most:g} at most")
    if least is None:
        return ""
    typed = most is not None and most < 1e6  # noqa: PLR2004 - beyond it nobody types
    return f" from {least:g} to {most:g}" if typed else f" from {least:g} on"


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))


def _split(text: str, kind: Mapping[str, Any]) -> object:
    if kind.get("type") == "array":
        return [part for part in re.split(r"[,\s]+", text) if part]
    return _BOOLEANS.get(text, text) if kind.get("type") == "boolean" else text


def _size(kind: type, value: Any) -> Size:  # noqa: ANN401 - what msgspec hands over
    if kind is not Size:
        raise NotImplementedError
    try:
        return Size(parameters.normal("size", str(value)))
    except SitegenError as error:
        raise ValueError(error.what) from error
