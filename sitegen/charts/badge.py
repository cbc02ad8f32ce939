"""A badge for other people's pages: one label, one result, a small SVG that needs nothing else."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from sitegen.charts import colours, layout
from sitegen.charts.spec import Hue
from sitegen.charts.svg import escape

_HEIGHT: Final = 20
_PAD: Final = 7
_SIZE: Final = 11
#: Letters are set to the estimated width, so that every reader's font fits.
_PER_12: Final = 0.98
_MOST_LETTERS: Final = 60


class Badge(NamedTuple):
    """What a badge says: of what, and the result; without a ``hue`` that is words, no number."""

    label: str
    result: str
    hue: Hue | None = None

    @property
    def title(self) -> str:
        """All of it in one line."""
        return f"{self.label}: {self.result}"


def svg(badge: Badge) -> str:
    """Draw a badge as a whole SVG file."""
    css = colours.light()
    ground, ink = (css[badge.hue], css["bg"]) if badge.hue else (css["doubt"], css["doubt-ink"])
    label, result = (_short(text) for text in (badge.label, badge.result))
    first, second = (math.ceil(layout.text_width(text) * _PER_12) for text in (label, result))
    left, right = first + 2 * _PAD, second + 2 * _PAD
    title = escape(badge.title)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="{_HEIGHT}"'
        f' role="img" aria-label="{title}"><title>{title}</title>'
        f'<path fill="{css["ink"]}" d="M3 0h{left - 3}v{_HEIGHT}H3a3 3 0 0 1-3-3V3a3 3 0 0 1 3-3"/>'
        f'<path fill="{ground}" d="M{left} 0h{right - 3}a3 3 0 0 1 3 3v{_HEIGHT - 6}'
        f'a3 3 0 0 1-3 3H{left}"/>'
        f'<g font-family="Verdana,DejaVu Sans,sans-serif" font-size="{_SIZE}">'
        f"{_text(_PAD, first, css['bg'], label)}{_text(left + _PAD, second, ink, result)}"
        "</g></svg>\n"
    )


def _short(text: str) -> str:
    return text if len(text) <= _MOST_LETTERS else f"{text[: _MOST_LETTERS - 1].rstrip()}…"


def _text(x: int, width: int, colour: str, text: str) -> str:
    return (
        f'<text x="{x}" y="14" fill="{colour}" textLength="{width}"'
        f' lengthAdjust="spacingAndGlyphs">{escape(text)}</text>'
    )
