"""What a table says once for several names: each of them in the place of ``<name>``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from sitegen import toml
from sitegen.catalogue.table import Over
from sitegen.errors import SitegenError

#: A group of a regular expression is called ``(?P<name>``.
_ASKED = r"(?<!\(\?P)<({})>"
_MOST = 5_000
#: Which of its values each axis has.
_At = Mapping[int, int]


def repeated(raw: object, file: str, place: str = "") -> object:
    """Return a table, as TOML has it, with all that stands in it once for several names.

    A key that asks for ``<name>`` comes with each value of the axis of that name, and so does an
    item of a list that asks for it anywhere; of several axes in all combinations. Raises
    SitegenError for axes that cannot be, or a name that is asked for where nothing is repeated.
    """
    if not isinstance(raw, Mapping) or "over" not in raw:
        return raw
    axes = toml.decoded(raw["over"], tuple[Over, ...], file, f"{place}.over")
    where = f"{file}: {place}.over".replace(": .", ": ")
    names: set[str] = set()
    for number, axis in enumerate(axes):
        if twice := names & {*axis}:
            raise SitegenError(f"{min(twice)!r} has two lists", where=f"{where}[{number}]")
        names |= {*axis}
        if len({len(values) for values in axis.values()}) != 1 or not all(axis.values()):
            message = "its lists are not as long as one another, or empty"
            raise SitegenError(message, where=f"{where}[{number}]")
    whole = _Repeats(axes, where)
    return whole.of({key: each for key, each in raw.items() if key != "over"})


class _Repeats:
    def __init__(self, axes: Sequence[Over], where: str) -> None:
        self._axes, self._where, self._left = axes, where, _MOST
        self._axis = {name: number for number, axis in enumerate(axes) for name in axis}
        self._asked = re.compile(_ASKED.format("|".join(self._axis)))

    def of(self, node: Any) -> Any:  # noqa: ANN401 - as TOML has it
        """Return a part of a table with all that is in it repeated."""
        match node:
            case dict():
                return {
                    self._filled(key, at): self.of(self._filled(each, at))
                    for key, each in node.items()
                    for at in self._places(self._asks(key))
                }
            case list():
                return [
                    self.of(self._filled(each, at))
                    for each in node
                    for at in self._places(self._asks(each))
                ]
            case str() if asked := self._asked.search(node):
                message = f"{asked[0]} is asked for in {node[:60]!r}, where nothing is repeated"
                raise SitegenError(message, where=self._where)
        return node

    def _asks(self, node: Any) -> set[int]:  # noqa: ANN401 - as TOML has it
        """Return the axes that are asked for anywhere in a part of a table."""
        match node:
            case dict():
                return set().union(*map(self._asks, node), *map(self._asks, node.values()))
            case list():
                return set().union(*map(self._asks, node))
            case str():
                return {self._axis[name] for name in self._asked.findall(node)}
        return set()

    def _places(self, axes: set[int]) -> Iterator[_At]:
        numbers = sorted(axes)
        lengths = (range(len(next(iter(self._axes[one].values())))) for one in numbers)
        for at in product(*lengths):
            self._left -= bool(numbers)
            if self._left < 0:
                raise SitegenError(f"makes more than {_MOST:,} entries", where=self._where)
            yield dict(zip(numbers, at, strict=True))

    def _filled(self, node: Any, at: _At) -> Any:  # noqa: ANN401 - as TOML has it
        """Return a part of a table with the values of some axes in it."""

        def value(match: re.Match[str]) -> str:
            axis = self._axis[match[1]]
            return self._axes[axis][match[1]][at[axis]] if axis in at else match[0]

        match node:
            case dict() if at:
                return {self._filled(k, at): self._filled(v, at) for k, v in node.items()}
            case list() if at:
                return [self._filled(each, at) for each in node]
            case str() if at:
                return self._asked.sub(value, node)
        return node
