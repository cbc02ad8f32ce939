"""What sitegen is called where it is installed from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from sitegen import distribution

PROJECT = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text())["project"]


def test_the_name_is_the_project_s_and_stands_in_every_hint() -> None:
    assert PROJECT["name"] == distribution.DISTRIBUTION
    assert distribution.install("llm") == "pip install 'sitegen-tee[llm]'"
    assert PROJECT["urls"]["Source"] == distribution.ADDRESS
    assert {"report", "collect", "all"} <= set(PROJECT["optional-dependencies"])


def test_the_guide_to_installing_has_every_extra() -> None:
    page = Path(__file__).parents[1].joinpath("docs", "install.md").read_text("utf-8")
    told = re.findall(r"^\| `([\w-]+)` \|", page, re.MULTILINE)
    assert sorted(told) == sorted(PROJECT["optional-dependencies"])


@pytest.mark.parametrize(
    ("module", "extra"),
    [("jinja2", "report"), ("PIL.Image", "images"), ("pynvml", "gpu"), ("plotly.io", "report")],
)
def test_a_module_that_is_not_here_is_said_with_what_installs_it(module: str, extra: str) -> None:
    assert distribution.missing(module).endswith(f"pip install 'sitegen-tee[{extra}]'")


def test_a_module_of_no_extra_is_not_explained_away() -> None:
    assert not distribution.missing("sitegen.nothing")
    assert not distribution.missing("msgspec")
