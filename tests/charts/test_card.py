"""Pictures of links: the right size, few colours, nothing over an edge, the same bytes again."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from PIL import Image

from sitegen.charts import card, colours
from sitegen.charts.card import Card, CardRow
from sitegen.charts.spec import FactorMark
from tests.charts.examples import HOSTILE, HUES

_ROWS = tuple(
    CardRow(f"Series {number}", f"+{number}.0 %", FactorMark("", 1 + number / 10, hue, 1.0, 1.5))
    for number, hue in enumerate(HUES)
)
_PLAIN = Card(
    "What a TEE costs", "Storage · CVM against VM",
    "TDX costs random reads 15.4 % (12.5 to 18.2 against VM, 5 boots a side).", "+15.4 %",
    ("95 % interval +12.5 to +18.2 %", "5 boots a side"), _ROWS, "newest run 2026-03-05",
)  # fmt: skip
_LONG = "A sentence that goes on about what it costs, and on, " * 40
_WORD = "W" * 3000
_OTHER = "测量 \u0642\u064a\u0627\u0633 \U0001f600 \ud800 мера é"


def image(drawn: Card) -> Image.Image:
    return Image.open(io.BytesIO(card.png(drawn)))


def filled(text: str) -> Card:
    rows = tuple(CardRow(text, text, row.mark) for row in _ROWS)
    return Card(text, text, text, text, (text, text), rows, text)


def test_a_picture_has_the_size_and_the_colours_that_are_asked_for() -> None:
    drawn = image(_PLAIN)
    assert (drawn.format, drawn.size) == ("PNG", (card.WIDTH, card.HEIGHT)) == ("PNG", (1200, 630))
    seen = {colour for _, colour in drawn.convert("RGB").getcolors(64) or []}
    named = {name: tuple(bytes.fromhex(text[1:])) for name, text in colours.light().items()}
    assert {named[hue] for hue in HUES} <= seen
    assert {named["bg"], named["ink"], named["ink2"]} <= seen
    assert len(seen) <= 16
    assert len(card.png(_PLAIN)) < 40_000


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one._replace(report="Another"),
        lambda one: one._replace(topic="Another"),
        lambda one: one._replace(sentence="Another sentence."),
        lambda one: one._replace(number="+1.0 %"),
        lambda one: one._replace(beside=("another",)),
        lambda one: one._replace(dated="newest run 2026-03-06"),
        lambda one: one._replace(rows=_ROWS[:4]),
        lambda one: one._replace(rows=(_ROWS[0]._replace(label="Another"), *_ROWS[1:])),
    ],
)
def test_all_that_a_card_says_is_drawn(change: Callable[[Card], Card]) -> None:
    assert card.png(_PLAIN) == card.png(_PLAIN)
    assert card.png(change(_PLAIN)) != card.png(_PLAIN)


@pytest.mark.parametrize("text", [_LONG, _WORD, _OTHER, HOSTILE, "a\nb\tc\r", "", " ", "\x00"])
def test_whatever_a_text_is_nothing_is_written_over_the_edges(text: str) -> None:
    for one in (filled(text), filled(text)._replace(number="", rows=(), beside=())):
        drawn = image(one)
        ground = Image.new("RGB", drawn.size, colours.light()["bg"])
        inside = (64 - 8, 24, 1136 + 8, 630 - 16)
        ground.paste(drawn.convert("RGB").crop(inside), inside[:2])
        assert ground.tobytes() == drawn.convert("RGB").tobytes()


def test_a_long_sentence_wraps_and_ends_in_an_ellipsis() -> None:
    short, long = (
        image(_PLAIN).convert("RGB"),
        image(_PLAIN._replace(sentence=_LONG)).convert("RGB"),
    )
    below = (0, 340, 1200, 630)  # number and rows are where they were
    assert short.crop(below).tobytes() == long.crop(below).tobytes()


def test_what_is_doubtful_is_hollow() -> None:
    row = CardRow("Series", "", FactorMark("", 1.2, "cpu-tee"))
    doubtful = row._replace(mark=row.mark and row.mark._replace(doubt="page cache"))
    hue = tuple(bytes.fromhex(colours.light()["cpu-tee"][1:]))

    def painted(one: CardRow) -> int:
        counts = image(_PLAIN._replace(rows=(one,))).convert("RGB").getcolors(64) or []
        return next(count for count, colour in counts if colour == hue)

    assert painted(doubtful) < 0.8 * painted(row)
