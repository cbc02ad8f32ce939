"""A server of a table, its texts filled in: for the tables that name it, and for collectors."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from sitegen.catalogue import declared
from sitegen.catalogue.table import Server
from sitegen.collect.declared import fields
from sitegen.errors import SitegenError


class Served(Struct, frozen=True):
    """What starts a server, the files that it needs, and what makes its data.

    ``tells`` is what a run keeps of it.
    """

    command: tuple[str, ...]
    files: Mapping[str, str]
    prepare: tuple[tuple[str, ...], ...]
    after: tuple[tuple[str, ...], ...]
    tells: Mapping[str, str]


def shared(name: str) -> Server:
    """Return a server that several tools share; raises SitegenError when there is none."""
    return declared.server(name, name)


def filled(server: Server, values: Mapping[str, object], place: str) -> Served:
    """Return a server with ``values`` in the place of ``{names}``.

    Raises SitegenError with ``place`` for a name that stands for nothing.
    """
    every = {**server.names, **values}

    def line(words: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(text(word, every, place) for word in words)

    return Served(
        line(server.command),
        {name: text(each, every, place) for name, each in server.files.items()},
        tuple(map(line, server.prepare)),
        tuple(map(line, server.after)),
        {name: text(each, every, place) for name, each in server.tells.items()},
    )


def text(template: str, values: Mapping[str, object], place: str) -> str:
    """Return a text with its ``{names}`` filled in; raises SitegenError for one that is nothing."""
    whole = fields.filled(template, values)
    if whole is None:
        absent = next(name for name in fields.holes(template) if name not in values)
        raise SitegenError(f"nothing is called {{{absent}}}", where=place)
    return whole
