"""A theme stands above the tool's pages, file by file, and changes nothing where it is not."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from sitegen.errors import SitegenError
from sitegen.site.build import Result, build
from tests import site_checks as check

_FILE = re.compile(r"^`((?:theme|notes)/[^`]+)`:\n\n```\w+\n(.*?)```$", re.MULTILINE | re.DOTALL)
#: The files of the theme that docs/theme.md shows.
EXAMPLE = dict(_FILE.findall((check.ROOT / "docs" / "theme.md").read_text("utf-8")))
FOOTER = '{% extends "sitegen/base.html" %}{% block footer %}OURS{% endblock %}'


def built(folder: Path, files: dict[str, str]) -> Result:
    """Build a small report with these files in its folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return build(check.report(folder))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A report of three platforms that is built without a theme."""
    build(check.report(tmp_path, *check.three_a_side()))
    return tmp_path


def whole(site: Path) -> bool:
    found = {page: check.faults(site, page) for page in check.pages(site)}
    assert {page: faults for page, faults in found.items() if faults} == {}
    return check.dead_links(site) == []


def pages(folder: Path) -> dict[str, str]:
    site = folder / "site"
    return {
        path.relative_to(site).as_posix(): path.read_text("utf-8") for path in site.rglob("*.html")
    }


def test_the_documented_theme_is_on_every_page(folder: Path) -> None:
    assert set(EXAMPLE) == {
        "theme/style.css",
        "theme/logo.svg",
        "theme/templates/base.html",
        "notes/index.md",
    }
    result = built(folder, EXAMPLE)
    assert result.hints == ()
    for path, text in pages(folder).items():
        page = check.parse(text)
        logo = page.find(".//header//img")
        assert logo.get("alt") == "A small report", path
        assert logo.get("src").endswith("/logo.svg"), path
        styles = [link.get("href") for link in page.iterfind(".//link[@rel='stylesheet']")]
        names = [style.rpartition("/")[2] for style in styles]
        assert names[:2] == ["site.css", "theme.css"], path
        assert "the platform team of Example Cloud" in text, path
        assert "Built by sitegen" in text, path
    assert whole(folder / "site")


def test_the_introduction_stands_below_the_answer(folder: Path) -> None:
    built(
        folder, {"notes/index.md": "We rent out {{ value('fio.iops', 'vm', direction='read') }}.\n"}
    )
    front = pages(folder)["index.html"]
    answer, introduction, rest = (front.index(p) for p in ("<h1>", "We rent out", 'id="cost"'))
    assert answer < introduction < rest
    assert re.search(r'We rent out <a href="runs/[^"]+/index\.html"', front)
    assert whole(folder / "site")


def test_an_introduction_that_the_figures_contradict_stops_the_build(folder: Path) -> None:
    with pytest.raises(SitegenError, match=r"notes/index\.md:2: "):
        built(folder, {"notes/index.md": "Words.\n{{ value('fio.nope', 'vm') }}\n"})


def test_what_changes_in_a_theme_is_rendered_anew_and_what_does_not_costs_nothing(
    folder: Path,
) -> None:
    def assets() -> set[str]:
        return {path.name for path in (folder / "site" / "assets").iterdir()}

    plain, before = assets(), check.tree(folder / "site")
    built(folder, {"theme/style.css": ":root { --bg: red }"})
    first = assets()
    built(folder, {"theme/style.css": ":root { --bg: blue }"})
    assert len(first | assets() | plain) == 3
    os.utime(folder / "theme" / "style.css", (1, 1))
    assert built(folder, {}).rendered == 0
    result = built(folder, {"theme/templates/base.html": FOOTER})
    assert result.rendered == result.pages - 1  # that for lost readers is not counted
    assert all("OURS" in text for text in pages(folder).values())
    for path in sorted((folder / "theme").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    built(folder, {})
    assert check.differing(before, check.tree(folder / "site")) == []


def test_what_overrides_nothing_is_named(folder: Path) -> None:
    files = {"templates/overvew.html": "", "templates/_part.html": "", "styles.css": "", "READ": ""}
    result = built(folder, {f"theme/{name}": text for name, text in files.items()})
    first, *rest = result.hints
    assert first.endswith(
        "theme/templates/overvew.html overrides nothing: no template is called so"
    )
    assert [hint.partition(" is not read")[0].rpartition("/")[2] for hint in rest] == [
        "READ",
        "styles.css",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{% extends "sitegen/base.html" %}\n{% block footer %}', ":2: Unexpected end"),
        ('{% extends "sitegen/base.html" %}{% block footer %}\n{{ site.nope }}{% endblock %}',
         ":2: .* has no attribute 'nope'"),
        ('\n{% extends "sitegen/nope.html" %}', ":2: "),
        ('{% extends "sitegen/base.html" %}{% block footer %}\n{{ 1 / 0 }}{% endblock %}',
         ":2: division by zero"),
    ],
)  # fmt: skip
def test_a_template_of_a_theme_that_fails_is_named_with_its_line(
    folder: Path, text: str, said: str
) -> None:
    before = check.tree(folder / "site")
    with pytest.raises(SitegenError, match=rf"theme/templates/base\.html{said}"):
        built(folder, {"theme/templates/base.html": text})
    assert check.differing(before, check.tree(folder / "site")) == []


def test_a_site_cannot_be_built_into_a_theme(tmp_path: Path) -> None:
    toml = check.TOML.replace("[site]\n", '[site]\noutput = "theme/site"\n')
    with pytest.raises(SitegenError, match=r"site\.output: lies in site\.theme"):
        check.report(tmp_path, toml=toml)


@pytest.mark.parametrize("place", ["theme/logo.svg", "theme/templates/_part.html", "theme/more"])
def test_nothing_outside_of_a_theme_is_published_by_a_link_to_it(folder: Path, place: str) -> None:
    (folder / "secret").write_text("not for everybody")
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    (folder / place).symlink_to(folder / "secret")
    with pytest.raises(SitegenError, match=f"{place}: leads out of the theme"):
        built(folder, {})


@pytest.mark.parametrize(
    "words", ["{{ cycler.__init__.__globals__ }}", '{% include "../../sitegen.toml" %}']
)
def test_a_template_of_a_theme_reaches_nothing_but_pages(folder: Path, words: str) -> None:
    with pytest.raises(SitegenError, match=r"theme/templates/base\.html:1: "):
        built(folder, {"theme/templates/base.html": f"{FOOTER}{words}".replace("OURS", words)})
