"""Rules that the page's own style sheet and script keep."""

from __future__ import annotations

import re
from pathlib import Path

from tests.charts.examples import HUES

_ASSETS = Path(__file__).parents[2] / "templates" / "assets"
_CSS = (_ASSETS / "site.css").read_text("utf-8")
_JS = (_ASSETS / "site.js").read_text("utf-8")


def test_assets_stay_small() -> None:
    assert len(_CSS.encode()) < 15 * 1024
    assert len(_JS.encode()) < 9 * 1024


def test_assets_ask_for_nothing_elsewhere() -> None:
    for text in (_CSS, _JS):
        assert not re.search(r"https?://|//[a-z]+\.|@import|url\(", text)


def test_script_keeps_to_the_policy() -> None:
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|\beval\b|Function\(|document\.write", _JS
    )


def test_every_hue_has_a_colour_in_both_schemes_and_the_fallback_is_the_light_one() -> None:
    fallback, _, both = _CSS.partition("@supports")
    pairs = dict(re.findall(r"--([\w-]+): light-dark\((#\w+), #\w+\)", both))
    assert dict(re.findall(r"--([\w-]+): (#\w+)", fallback)) == pairs
    assert {*HUES} <= pairs.keys()
    assert all(f".c-{hue} {{" in _CSS for hue in HUES)
