"""The picture of a page where a link to it is shown elsewhere: 1200 x 630, a PNG of few colours.

Drawn with Pillow (the extra `images`), which is imported for the first picture and not before. The
colours are those of `site.css`; the letters those of `templates/fonts`.
"""

from __future__ import annotations

import importlib.util
import io
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from sitegen import resources
from sitegen.charts import colours, layout
from sitegen.charts.spec import SQUARE, FactorAxis, FactorMark

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

WIDTH, HEIGHT = 1200, 630
MOST_ROWS: Final = 6
_MARGIN: Final = 64
_RIGHT: Final = WIDTH - _MARGIN
#: Letters that the fonts hold, as they were cut; a run of any other is one sign.
_OTHERS: Final = re.compile(
    "[^ -~\u00a0-\u017f\u0218-\u021b\u0370-\u03ff\u0400-\u045f\u0490\u0491\u2010-\u2027\u2030\u2039"
    "\u203a\u20ac\u2116\u2122\u2190-\u2193\u2212\u221e\u2248\u2264\u2265]+"
)
_BLANKS: Final = re.compile(r"[ \t\n\r\f\v]+")
_MOST_LETTERS: Final = 500
_ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"
_REGULAR, _BOLD = "Inter-Regular.otf", "Inter-SemiBold.otf"
#: How large a sentence is, in px, and in how many lines: the first that it fits into.
_SENTENCE: Final = ((52, 2), (44, 3), (36, 4), (30, 5))
_DOT: Final = 9
_NUMBERS: Final = (100, 84, 72, 60, 48, 40, 34)
#: Edges of letters are of so many shades. With `_SOLID` and the ground these are 16 colours.
_SHADES: Final = 4
#: The colour of a letter by how much of a px it covers, in two inks; the palest is the ground.
_LEVELS: Final = tuple(
    [first + level * _SHADES // 256 for level in range(256)] for first in (1, 1 + _SHADES)
)
_SEEN: Final = [0] * 32 + [255] * 224
_SOLID: Final = ("ink3", "metal", "vm", "cpu-tee", "gpu-tee", "gpu-tee-2", "doubt")


class CardRow(NamedTuple):
    """One series on a picture: its name, its cost, and that as a mark on the axis of factors."""

    label: str
    value: str
    mark: FactorMark | None


class Card(NamedTuple):
    """All that a picture says: of which report and page, its sentence, one number and its rows.

    ``beside`` the number stand its interval and what it stands on.
    """

    report: str
    topic: str
    sentence: str
    number: str = ""
    beside: tuple[str, ...] = ()
    rows: tuple[CardRow, ...] = ()
    dated: str = ""


def drawn_by() -> str:
    """Return the version of what draws, of which another may draw other bytes; or nothing."""
    if importlib.util.find_spec("PIL") is None:
        return ""
    import PIL

    return PIL.__version__


def png(card: Card) -> bytes:
    """Draw a picture; the same card is the same bytes."""
    from PIL import Image

    image = Image.new("P", (WIDTH, HEIGHT), 0)
    image.putpalette(_palette())
    canvas = _Canvas(image)
    canvas.text((_MARGIN, 50), card.report, 26, _RIGHT - _MARGIN - 320, bold=True)
    canvas.text((_RIGHT, 50), card.dated, 24, 300, soft=True, end=True)
    canvas.draw.rectangle((_MARGIN, 98, _RIGHT, 100), _SHADES)
    canvas.text((_MARGIN, 136), card.topic, 26, _RIGHT - _MARGIN, soft=True)
    rows = card.rows[:MOST_ROWS]
    canvas.sentence((_MARGIN, 162), card.sentence, tall=not (rows or card.number))
    wide = not rows
    canvas.number(card.number, card.beside, (_RIGHT if wide else 470) - _MARGIN)
    canvas.rows(rows, 500 if card.number else _MARGIN)
    out = io.BytesIO()
    # Large plain areas: by runs of equal bytes in half the time, and no larger.
    image.save(out, "PNG", bits=4, compress_type=Image.RLE)
    return out.getvalue()


@lru_cache(maxsize=1)
def _palette() -> list[int]:
    """Return the ground, the shades of two inks from pale to full, and what has no shades."""
    ground, ink, soft, *solid = (_rgb(name) for name in ("bg", "ink", "ink2", *_SOLID))
    shades = [
        tuple(low + (high - low) * step // _SHADES for low, high in zip(ground, one, strict=True))
        for one in (ink, soft)
        for step in range(1, _SHADES + 1)
    ]
    return [part for colour in (ground, *shades, *solid) for part in colour]


def _rgb(name: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colours.light()[name][1:]))


@lru_cache(maxsize=32)
def _font(name: str, size: int) -> FreeTypeFont:
    from PIL import ImageFont

    path = resources.templates() / "fonts" / name
    # The other engine shapes letters by libraries that may be there or not.
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=8192)
def _width(text: str, name: str, size: int) -> float:
    return _font(name, size).getlength(text)


class _Canvas:
    """A picture in the making."""

    def __init__(self, image: Image) -> None:
        from PIL import Image as Images
        from PIL import ImageDraw

        self.image, self.draw = image, ImageDraw.Draw(image)
        self._image, self._draw = Images.new, ImageDraw.Draw

    def text(  # noqa: PLR0913 - how a line is set
        self,
        at: tuple[float, float],
        text: str,
        size: int,
        room: float,
        *,
        bold: bool = False,
        soft: bool = False,
        end: bool = False,
    ) -> None:
        """Write one line, cut to ``room`` px; ``at`` is where its middle height begins or ends."""
        name = _BOLD if bold else _REGULAR
        font, anchor = _font(name, size), "rm" if end else "lm"
        line = _cut(_plain(text), name, size, room)
        if not line.strip():
            return
        left, top, right, foot = (round(edge) for edge in font.getbbox(line, anchor=anchor))
        letters = self._image("L", (right - left, foot - top))
        self._draw(letters).text((-left, -top), line, 255, font, anchor=anchor)
        place = (round(at[0]) + left, round(at[1]) + top)
        self.image.paste(letters.point(_LEVELS[soft]), place, letters.point(_SEEN))

    def sentence(self, at: tuple[int, int], text: str, *, tall: bool) -> None:
        """Write a sentence as large as it fits."""
        words, room = _BLANKS.split(_plain(text).strip(" ")), float(_RIGHT - _MARGIN)
        for size, most in _SENTENCE:
            lines = _wrapped(words, size, room, most + 2 * tall)
            if lines[-1:] and not lines[-1].endswith(_ELLIPSIS):
                break
        for number, line in enumerate(lines):
            place = (at[0], at[1] + size * 0.62 + number * size * 1.16)
            self.text(place, line, size, room, bold=True)

    def number(self, number: str, beside: Sequence[str], room: int) -> None:
        """Write the number, large, above what stands beside it."""
        if not number:
            return
        number = _plain(number)
        size = next((s for s in _NUMBERS if _width(number, _BOLD, s) <= room), _NUMBERS[-1])
        lines = [line for text in beside for line in _wrapped(_plain(text).split(" "), 26, room, 2)]
        foot = HEIGHT - 56 - 34 * len(lines)
        self.text((_MARGIN, foot - size * 0.5), number, size, room, bold=True)
        for place, line in enumerate(lines):
            self.text((_MARGIN, foot + 24 + 34 * place), line, 26, room, soft=True)

    def rows(self, rows: Sequence[CardRow], left: int) -> None:
        """Draw a line a series: its name, its mark on the axis of factors, its cost."""
        if not rows:
            return
        step = 40
        top = HEIGHT - 50 - step * len(rows)
        value = max(_width(_plain(row.value), _BOLD, 24) for row in rows)
        value = min(value, 200.0)
        marks = [row.mark for row in rows if row.mark]
        axis = FactorAxis.of(marks, 160 if marks else 0)
        start = _RIGHT - value - 24 - axis.width
        one = layout.scale(axis.low, axis.high, start, start + axis.width, log=True)(1.0)
        if marks:
            self.draw.line((one, top, one, top + step * len(rows)), self._colour("ink3"), 2)
        for number, row in enumerate(rows):
            y = top + step * number + step // 2
            self.text((left, y), row.label, 24, start - left - 16, soft=True)
            self.text((_RIGHT, y), row.value, 24, value, bold=True, end=True)
            if row.mark:
                self._mark(row.mark, axis, start, y)

    def _mark(self, mark: FactorMark, axis: FactorAxis, start: float, y: int) -> None:
        to_x = layout.scale(axis.low, axis.high, start, start + axis.width, log=True)
        ends = (mark.low or mark.factor, mark.factor, mark.high or mark.factor)
        low, middle, high = (to_x(min(max(end, axis.low), axis.high)) for end in ends)
        colour = self._colour(mark.hue)
        self.draw.line((low, y, high, y), colour, 4)
        box = (middle - _DOT, y - _DOT, middle + _DOT, y + _DOT)
        shape = self.draw.rectangle if mark.hue == SQUARE else self.draw.ellipse
        shape(box, 0 if mark.doubt else colour, colour, 4)

    def _colour(self, name: str) -> int:
        return 1 + 2 * _SHADES + _SOLID.index(name)


def _plain(text: str) -> str:
    """Return what of a text can be written, without what could break a line."""
    return _OTHERS.sub("\N{REPLACEMENT CHARACTER}", _BLANKS.sub(" ", text[:_MOST_LETTERS]))


def _cut(line: str, name: str, size: int, room: float) -> str:
    """Return a line that is no wider than ``room``."""
    if _width(line, name, size) <= room:
        return line
    low, high = 0, len(line)
    while low < high:
        middle = (low + high + 1) // 2
        fits = _width(line[:middle].rstrip() + _ELLIPSIS, name, size) <= room
        low, high = (middle, high) if fits else (low, middle - 1)
    return line[:low].rstrip() + _ELLIPSIS


def _wrapped(words: Sequence[str], size: int, room: float, most: int) -> list[str]:
    """Return lines of words; the last one ends in an ellipsis where there are too many."""
    lines: list[str] = []
    for word in words:
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _width(longer, _BOLD, size) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    lines = [_cut(line, _BOLD, size, room) for line in lines]
    if len(lines) > most:
        lines = lines[:most]
        lines[-1] = _cut(f"{lines[-1].removesuffix(_ELLIPSIS)} {_ELLIPSIS}", _BOLD, size, room)
    return lines
