"""The results in an output: where each stands, and what its fields are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sitegen.catalogue.parameters import LONGEST_KEY
from sitegen.catalogue.table import Field, Output, Rows, Samples
from sitegen.catalogue.units import printed_unit
from sitegen.collect.declared import fields, trees
from sitegen.collect.declared.fields import Found, compiled, found, number, taken
from sitegen.collect.text import lines, one_line, plain

#: The names in a document that a record stands under, where the path of the records has ``*``.
NAMES = ("record", "record_of")
#: The columns of each kind of table in a text, as the last line that names them has them.
_Heads = dict[Rows, list[dict[str, str]]]


class _Text:
    """A part of a text, and what was found in it before: it may stand above many records."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._seen: dict[str, re.Match[str] | None] = {}

    def first(self, pattern: str) -> re.Match[str] | None:
        if pattern not in self._seen:
            self._seen[pattern] = compiled(pattern).search(self.text)
        return self._seen[pattern]


class Record(NamedTuple):
    """One result in an output, and what stands above it: of a text the nearest first."""

    node: Any
    above: Any
    groups: Mapping[str, str]
    form: str

    def fields(self, output: Output) -> dict[str, Found]:
        """Return the fields that are found in it."""
        here: dict[str, Found] = {}
        for name, spelled in output.fields.items():
            one = spelled if isinstance(spelled, Field) else Field(spelled)
            # Why the tool says that this is no result stands nowhere else than in it.
            each = self._field(name, one, above=name != output.fails)
            if each is not None:
                here[name] = each
        extra = {k: v for k, v in self.groups.items() if k not in output.fields}
        return here | {name: fields.as_text(text) for name, text in extra.items()}

    def entries(self, output: Output) -> Iterator[tuple[str, str]]:
        """Yield the parameters that mappings of it name."""
        for begins, path in output.entries.items():
            for mapping in trees.found(self.node, path):
                for name, value in mapping.items() if isinstance(mapping, Mapping) else ():
                    if (leaf := trees.leaf(value)) is not None:
                        yield one_line(f"{begins}{name}", LONGEST_KEY), fields.word(leaf)

    def points(self, samples: Samples) -> Iterator[tuple[float, float]]:
        """Yield x and y of each point of a series that counts, in base units."""
        unit, x_unit = (
            (printed_unit(word) or ("", 1.0))[1] for word in (samples.unit, samples.x_unit)
        )
        for place, node in enumerate(self._nodes(samples)):
            y = _figure(node, samples.y)
            # Without a time of its own a point stands at its place among them.
            x = place / x_unit if samples.x == "#" else _figure(node, samples.x)
            if x is not None and y is not None:
                yield x * x_unit, y * unit

    def _nodes(self, samples: Samples) -> Iterator[Any]:
        text = self.form == "text"
        every: Iterator[Any] = trees.found(self.node, samples.each) if not text else iter(())
        if text:
            every = (m.groupdict() for m in compiled(samples.each).finditer(self.node.text))
        for node in every:
            counts = not samples.only or _leaf(node, samples.only)
            if counts and not any(_leaf(node, path) for path in samples.without):
                yield node

    def _field(self, name: str, one: Field, *, above: bool) -> Found | None:
        """Return one field, or None where it is not there."""
        if not one.at:
            text = self.groups.get(name)
            return None if text is None else found(text, one, "", name)
        if self.form == "text":
            return self._in_text(name, one, self.above if above else ())
        node = self.above if one.at.startswith("$") else self.node
        leaves = map(trees.leaf, trees.found(node, one.at.removeprefix("$").removeprefix(".")))
        parts = (None if each is None else _part(each, one.part) for each in leaves)
        there = (found(each, one, "", name) for each in parts if each is not None)
        return next(there, None) if one.take == "first" else taken([*there], one.take)

    def _in_text(self, name: str, one: Field, above: Sequence[_Text]) -> Found | None:
        """Return a field of a text: where it stands in the record, else above it."""
        for part in (self.node, *above):
            if one.take != "first":
                matches = compiled(one.at).finditer(part.text)
                return taken([_matched(match, one, name) for match in matches], one.take)
            if (match := part.first(one.at)) and (here := _matched(match, one, name)):
                return here
        return None


def records(output: Output, data: bytes, beside: bytes = b"") -> Iterator[Record]:
    """Yield the results in ``data``; raises SitegenError for what is not of the output's form.

    ``beside`` is a document that says what it is of: it stands at ``$beside``.
    """
    if output.form == "text":
        yield from _of_text(output, plain(data))
        return
    root = trees.tree(data, output.form)
    if beside and isinstance(root, dict):
        root = {**root, "beside": trees.tree(beside, output.form)}
    each = output.each or ("[*]" if output.form in ("csv", "jsonl") else "")
    for names, node in trees.named(root, each):
        # What it stands under tells it apart: the nearest name first.
        yield Record(node, root, dict(zip(NAMES, names[::-1], strict=False)), output.form)


def _of_text(output: Output, text: str) -> Iterator[Record]:
    above: _Heads | None = None
    for record in _sections(output, text):
        if not output.rows:
            yield record
            continue
        if above is None:  # what names the columns may stand above all records
            above = {}
            for line in (line for part in record.above for line in lines(part.text)):
                _is_head(output.rows, line, above)
        yield from _cells(output.rows, record, {**above})


def _sections(output: Output, text: str) -> Iterator[Record]:
    """Yield the parts of a text that begin where ``each`` matches; all of it without that."""
    if not output.each:
        yield Record(_Text(text), (), {}, "text")
        return
    starts = list(compiled(output.each).finditer(text))
    head = (_Text(text[: starts[0].start()]),) if starts else ()
    ends = [match.start() for match in starts[1:]] + [len(text)]
    for match, end in zip(starts, ends, strict=True) if starts else ():
        yield Record(_Text(text[match.start() : end]), head, _groups(match), "text")


def _cells(tables: Sequence[Rows], record: Record, heads: _Heads) -> Iterator[Record]:
    """Yield the cells of the tables in a record; of a row of another length than its head none."""
    above = (record.node, *record.above)
    for line in lines(record.node.text):
        if _is_head(tables, line, heads):
            continue
        for one in tables:
            if row := compiled(one.row).match(line):
                about = {**record.groups, **_groups(row)}
                cells = list(compiled(one.cell).finditer(line, row.end()))
                columns = heads.get(one, [])
                if not cells or len(cells) != len(columns):
                    yield Record(_Text(""), above, about, "text")
                    break
                for column, cell in zip(columns, cells, strict=True):
                    groups = {**about, **column, **_groups(cell)}
                    yield Record(_Text(cell[0]), above, groups, "text")
                break


def _is_head(tables: Sequence[Rows], line: str, heads: _Heads) -> bool:
    """Say whether a line names columns, and keep them."""
    for one in tables:
        if head := compiled(one.head).match(line):
            heads[one] = [*map(_groups, compiled(one.column).finditer(line, head.end()))]
            return True
    return False


def _groups(match: re.Match[str]) -> dict[str, str]:
    return {name: value for name, value in match.groupdict().items() if value is not None}


def _matched(match: re.Match[str], one: Field, name: str) -> Found | None:
    value, unit = _value(match), match.groupdict().get("unit") or ""
    return None if value is None else found(value, one, unit, name)


def _part(value: str | float, pattern: str) -> str | float | None:
    """Return what a regular expression finds in a text, as a field of a text is found."""
    if not pattern:
        return value
    match = compiled(pattern).search(str(value))
    return None if match is None else _value(match)


def _value(match: re.Match[str]) -> str | None:
    return match.groupdict().get("value") or (match[1] if match.re.groups else match[0])


def _leaf(node: Any, path: str) -> str | float | None:  # noqa: ANN401 - as a tree holds it
    """Return what stands at a path of a point, or the point itself."""
    return trees.leaf(node if path == "." else next(trees.found(node, path), None))


def _figure(node: Any, path: str) -> float | None:  # noqa: ANN401 - as a tree holds it
    leaf = _leaf(node, path)
    return None if leaf is None else number(leaf)
