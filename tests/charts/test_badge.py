"""Badges: a small picture that says all of it to every reader."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from sitegen.charts import colours
from sitegen.charts.badge import Badge, svg
from tests.charts.examples import HOSTILE


@pytest.mark.parametrize(
    "badge",
    [
        Badge("TDX · random reads", "+15.4 %", "cpu-tee"),
        Badge("TDX · random reads", "doubtful"),
        Badge(HOSTILE, HOSTILE, "gpu-tee"),
        Badge("long " * 100, "мера 测量"),
    ],
)
def test_a_badge_is_an_image_with_a_title_and_nothing_that_is_fetched(badge: Badge) -> None:
    root = ET.fromstring(svg(badge))  # noqa: S314 - we wrote it
    title = root.find("{*}title")
    assert root.get("role") == "img"
    assert title is not None
    assert title.text == root.get("aria-label")
    assert title.text is not None
    assert badge.label.split("<")[0].strip("\x00\x1b ")[:40] in title.text
    assert {element.tag.rpartition("}")[2] for element in root.iter()} == {
        "svg", "title", "path", "g", "text",
    }  # fmt: skip
    assert 60 < int(root.get("width", 0)) < 900


def test_only_a_number_has_the_colour_of_its_environment() -> None:
    css = colours.light()
    number, words = svg(Badge("TDX", "+15.4 %", "cpu-tee")), svg(Badge("TDX", "doubtful"))
    assert css["cpu-tee"] in number
    assert css["cpu-tee"] not in words
    assert css["doubt"] in words
