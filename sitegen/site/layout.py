"""Pages of one layout: the template is rendered once with slots, and each page fills them in.

Runs that measured the same have pages that differ in their values only. A slot is a text that no
page can hold, in the place of a value; what the template looks at besides (whether there is a
note, which metrics there are) stays as it is and tells one layout from another.
"""

from __future__ import annotations

import html
import re
import secrets
from collections.abc import Iterable

from markupsafe import Markup, escape
from msgspec import Struct
from msgspec.structs import replace

from sitegen.report.run import RunPage
from sitegen.report.siblings import Siblings

#: No page holds a control character, and nobody knows this one's word: hostile text is no slot.
_WORD = secrets.token_hex(8)
_SLOT = re.compile(f"\x01{_WORD}(\\d+)\x02")
_UNSAFE = re.compile("[&<>\"']")


class Slots:
    """Takes the values out of one page: `slot` puts a slot in the place of each.

    The first values are ``markup`` already.
    """

    def __init__(self, markup: Iterable[str] = ()) -> None:
        """Begin with what is markup."""
        self.values = list(markup)

    def slot(self, value: str) -> str:
        """Return a slot for a text, which is escaped; nothing for none."""
        if not value:
            return value
        self.values.append(escape(value) if _UNSAFE.search(value) else value)
        return f"\x01{_WORD}{len(self.values) - 1}\x02"

    def markup(self, number: int) -> Markup:
        """Return the slot of a value that is markup; nothing for none."""
        return Markup(f"\x01{_WORD}{number}\x02" if self.values[number] else "")  # noqa: S704 - no text of others


class Layout(Struct, frozen=True):
    """A page with slots: texts, and between each two of them the number of a slot."""

    texts: tuple[str, ...]
    numbers: tuple[int, ...]
    links: tuple[str, ...]

    @classmethod
    def of(cls, page: str, links: list[str]) -> Layout:
        """Return the layout of a rendered page, and of the links on it."""
        parts = _SLOT.split(page)
        # What leads to a place on the page itself leaves it nowhere.
        away = tuple(link for link in links if not link.startswith("#"))
        return cls(tuple(parts[::2]), tuple(map(int, parts[1::2])), away)

    def page(self, values: list[str]) -> str:
        """Return the page with these values."""
        parts = list(self.texts) + [""] * len(self.numbers)
        parts[::2] = self.texts
        parts[1::2] = [values[number] for number in self.numbers]
        return "".join(parts)

    def addresses(self, values: list[str]) -> list[str]:
        """Return the addresses that the page with these values refers to."""
        return [
            _SLOT.sub(lambda slot: html.unescape(values[int(slot[1])]), link)
            if "\x01" in link
            else link
            for link in self.links
        ]


def slotted(page: RunPage, slots: Slots) -> RunPage:
    """Return a run's page with slots for its values, without what is made beside its template."""
    slot = slots.slot
    return replace(
        page,
        id=slot(page.id),
        short_id=slot(page.short_id),
        headline=slot(page.headline),
        doubts=tuple([one._replace(sentence=slot(one.sentence)) for one in page.doubts]),
        facts=tuple([(title, slot(value), slot(about)) for title, value, about in page.facts]),
        made=slot(page.made),
        siblings=Siblings(slot(page.siblings.left_out)),
        tables=(),
        heads=(),
        figures=(),
        details=(),
        charts=(),
        outputs=(),
        parameters=(),
        bundle=slot(page.bundle),
        downloads=tuple(
            [
                (slot(name), slot(size), slot(digest), published)
                for name, size, digest, published in page.downloads
            ]
        ),
        digest=slot(page.digest),
        redactions=slot(page.redactions),
        note=slot(page.note),
        superseded_by=slot(page.superseded_by),
        day=slot(page.day),
        withdrawn=slot(page.withdrawn),
        notes=tuple([(slot(at), slot(text)) for at, text in page.notes]),
    )
