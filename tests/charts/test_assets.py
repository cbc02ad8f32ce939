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


def test_every_hue_has_a_colour_in_both_schemes() -> None:
    fallback, _, both = _CSS.partition("@supports")
    for hue in HUES:
        light = re.search(rf"--{hue}: (#\w+)", fallback)
        pair = re.search(rf"--{hue}: light-dark\((#\w+), (#\w+)\)", both)
        assert light is not None
        assert pair is not None
        assert light[1] == pair[1]
        assert f".c-{hue} {{" in _CSS


def test_fallback_colours_are_the_light_ones() -> None:
    light = dict(re.findall(r"--([\w-]+): (#\w+)", _CSS.partition("@supports")[0]))
    pairs = re.findall(r"--([\w-]+): light-dark\((#\w+), #\w+\)", _CSS)
    assert light == dict(pairs)
