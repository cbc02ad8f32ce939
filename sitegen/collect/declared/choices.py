"""What ``--set`` may change of a table: its settings as a form, and their values."""

from __future__ import annotations

from typing import Annotated, Any, cast

import msgspec
from msgspec import Meta

from sitegen.catalogue.declared import Declared
from sitegen.catalogue.table import Scalar, Setting
from sitegen.collect.settings import Settings, described


def form(declared: Declared) -> type[Settings]:
    """Return what ``--set`` may change, as a form: of the type that the table's values have."""
    fields = []
    for name, setting in declared.table.settings.items():
        kind, several = _kind(setting)
        about = f"{setting.help}{_defaults(setting)}"
        # A number that a machine decides, such as all its CPUs, has no bounds of its own.
        bounds: dict[str, Any] = {"str": {"max_length": 300}}.get(kind.__name__, {"ge": 0})
        one = Annotated[kind, Meta(**bounds)]  # type: ignore[valid-type]
        whole = tuple[one, ...] if several else one
        empty: Any = () if several else None
        fields.append(
            (name, Annotated[whole if several else whole | None, described(about)], empty)
        )
    form = msgspec.defstruct("SETTINGS", fields, bases=(Settings,), frozen=True)
    return cast("type[Settings]", form)


def _kind(setting: Setting) -> tuple[type, bool]:
    """Return the type of a setting's values, and whether it takes several."""
    every = [setting.value, setting.quick, setting.standard, setting.thorough]
    stated = [value for value in every if value is not None]
    several = any(isinstance(value, tuple) for value in stated)
    flat: list[Scalar] = []
    for value in stated:
        flat += value if isinstance(value, tuple) else (value,)
    plain = [value for value in flat if not (isinstance(value, str) and "{" in value)]
    if not plain or any(isinstance(value, str) for value in plain):
        return str, several
    return (float if any(isinstance(value, float) for value in plain) else int), several


def _defaults(setting: Setting) -> str:
    """Return the defaults of a setting in words, as its line of help ends."""
    if "default" in setting.help:
        return ""
    if setting.value is not None:
        return f" (default: {word(setting.value)})"
    presets = ("quick", "standard", "thorough")
    stated = [f"{one} {word(setting.at(one))}" for one in presets if setting.at(one) is not None]
    return f" (default: {', '.join(stated)})" if stated else ""


def word(value: object) -> str:
    """Return a value as ``--set`` takes it: a list with commas."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def resolved(value: object, cpus: int) -> object:
    """Return a value with this machine's CPUs in it; a list has each value once."""
    if isinstance(value, tuple):
        return tuple(dict.fromkeys(resolved(each, cpus) for each in value))
    if value == "{cpus}":
        return cpus
    return value
