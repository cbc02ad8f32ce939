"""Rules that the site's own style sheets and scripts keep."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.charts.examples import HUES

_ASSETS = Path(__file__).parents[2] / "templates" / "assets"
_KIB = {"site.css": 20}


@pytest.mark.parametrize(
    "path", [*_ASSETS.glob("*.css"), *_ASSETS.glob("*.js")], ids=lambda path: path.name
)
def test_an_asset_stays_small_asks_for_nothing_elsewhere_and_keeps_to_the_policy(
    path: Path,
) -> None:
    text = path.read_text("utf-8")
    assert len(text.encode()) < _KIB.get(path.name, 12) * 1024
    assert not re.search(r"https?://|//[a-z]+\.|@import|url\((?!#)", text)
    # What a page folds away is markup that the build itself has escaped: one place puts it in.
    assert text.count("insertAdjacentHTML") == (path.name == "site.js")
    assert not re.search(r"innerHTML|outerHTML|\beval\b|Function\(|document\.write", text)


def test_every_hue_has_a_colour_in_both_schemes_and_the_fallback_is_the_light_one() -> None:
    css = (_ASSETS / "site.css").read_text("utf-8")
    fallback, _, both = css.partition("@supports")
    pairs = dict(re.findall(r"--([\w-]+): light-dark\((#\w+), #\w+\)", both))
    assert dict(re.findall(r"--([\w-]+): (#\w+)", fallback)) == pairs
    assert {*HUES} <= pairs.keys()
    assert all(f".c-{hue} {{" in css for hue in HUES)
