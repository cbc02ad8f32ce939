"""JSON, CSV and XML as one kind of tree, and the paths that find values in it."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from sitegen.collect import decode, markup
from sitegen.errors import SitegenError

#: A step of a path: a name, one in quotes, a place in a list, those of which it holds that a name
#: has a value, or all that is there.
_STEP = re.compile(
    r"""\.?([A-Za-z0-9_%@#-]+)|\.?'([^']{1,200})'|\[(-?\d{1,6}|\*)\]|\.?(\*)"""
    r"""|\[([A-Za-z0-9_%@#-]{1,60})='([^']{1,200})'\]"""
)


class _Of(NamedTuple):
    """A step to those in which a name has this value."""

    name: str
    value: str


_Step = str | int | _Of | None
_MOST_CELLS = 1_000_000


def tree(data: bytes, form: str) -> Any:  # noqa: ANN401 - whatever stands there
    """Return what ``data`` says: lists, mappings, texts and numbers.

    A CSV is a list of its rows, each a mapping by the header; JSON Lines a list of the documents.
    An element of XML is a mapping: ``@name`` has an attribute, ``#`` the text, and a name the list
    of the children so called. Raises SitegenError for what is none of it.
    """
    try:
        match form:
            case "csv":
                return _rows(data)
            case "xml":
                return {(root := markup.document(data)).tag: [_tree(root)]}
            case "jsonl":
                return decode.documents(data, Any)
        return decode.document(data, Any)
    except RecursionError:
        raise SitegenError("is nested too deeply") from None


@lru_cache(maxsize=1024)
def steps(path: str) -> tuple[_Step, ...]:
    """Return the steps of a path; raises SitegenError for what is none.

    ``a.b[0].'c d'[*]``: names, places in lists, and all that is there. ``[a='b']`` are those in a
    list in which the name ``a`` has the value ``b``.
    """
    found: list[_Step] = []
    place = 0
    while place < len(path):
        match = _STEP.match(path, place)
        if match is None or match.end() == place:
            fix = "write it as end.streams[0].'bits per second', [*] for all"
            raise SitegenError(f"{path[:80]!r} is no path", fix=fix)
        name, quoted, index, every, of, value = match.groups()
        if of:
            found.append(_Of(of, value))
        elif every or index == "*":
            found.append(None)
        else:
            found.append(int(index) if index else name or quoted or "")
        place = match.end()
    return tuple(found)


def found(node: Any, path: str) -> Iterator[Any]:  # noqa: ANN401 - as a tree holds it
    """Yield what a path finds, in its order; nothing where it leads nowhere."""
    for _, each in _found(node, steps(path)):
        yield each


def named(node: Any, path: str) -> Iterator[tuple[tuple[str, ...], Any]]:  # noqa: ANN401 - as above
    """Yield what a path finds, each with the names that stand in mappings where it has ``*``."""
    yield from _found(node, steps(path))


def leaf(node: Any) -> str | float | None:  # noqa: ANN401 - as a tree holds it
    """Return the text or number that a node is, or that an element of XML has; None for others."""
    if isinstance(node, list) and len(node) == 1:
        node = node[0]
    if isinstance(node, Mapping):
        node = node.get("#")
    return node if isinstance(node, str | int | float) else None


def _found(
    node: Any,  # noqa: ANN401 - as a tree holds it
    path: tuple[_Step, ...],
    names: tuple[str, ...] = (),
) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not path:
        yield names, node
        return
    for more, each in _stepped(node, path[0]):
        yield from _found(each, path[1:], (*names, *more))


def _stepped(node: Any, step: _Step) -> Iterator[tuple[tuple[str, ...], Any]]:  # noqa: ANN401 - as above
    """Yield where one step leads, with the name that is met there."""
    several = node if isinstance(node, list) else ()
    if step is None:
        named = node.items() if isinstance(node, Mapping) else ()
        yield from (((name,), each) for name, each in named)
        yield from (((), each) for each in several)
    elif isinstance(step, int):
        yield from (
            ((), each) for each in several[step : step + 1 or None] if -step <= len(several)
        )
    elif isinstance(step, _Of):
        every = (each for each in several or (node,) if isinstance(each, Mapping))
        yield from (((), each) for each in every if leaf(each.get(step.name)) == step.value)
    else:
        one = several[0] if len(several) == 1 else node  # an element of XML, of which there is one
        if isinstance(one, Mapping) and step in one:
            yield (), one[step]


def _rows(data: bytes) -> list[dict[str, str]]:
    try:
        text = data.decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
        rows = [row for row in reader if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise SitegenError(f"is no CSV: {error}"[:200]) from error
    if not rows:
        raise SitegenError("is empty")
    head = [name.strip() for name in rows[0]]
    if len(rows) * len(head) > _MOST_CELLS:
        raise SitegenError(f"has more than {_MOST_CELLS:,} cells")
    if several := [name for name, times in Counter(head).items() if times > 1]:
        raise SitegenError(f"has the column {several[0][:40]!r} twice")
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(head):
            message = f"has {len(row)} cells, and the header {len(head)}"
            raise SitegenError(message, where=f"row {number}")
    return [dict(zip(head, row, strict=True)) for row in rows[1:]]


def _tree(element: markup.Element) -> dict[str, Any]:
    here: dict[str, Any] = {f"@{name}": value for name, value in element.attrib.items()}
    here["#"] = (element.text or "").strip()
    for child in element:
        here.setdefault(child.tag, []).append(_tree(child))
    return here
