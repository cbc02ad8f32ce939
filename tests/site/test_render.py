"""Markdown, notes and links: what becomes HTML, and what never does."""

from __future__ import annotations

from pathlib import Path
from time import process_time

import pytest

from sitegen.errors import SitegenError
from sitegen.site import render
from tests import site_checks as check


def whole(fragment: str) -> check.Element:
    """Parse a fragment inside an otherwise empty page."""
    return check.parse(f"<!doctype html><html><head><title>t</title></head><body>{fragment}</body>")


def test_markdown_becomes_the_elements_it_means() -> None:
    root = whole(
        render.markdown("# One\n\n## Two\n\nA *b* **c** `d`.\n\n- e\n- f\n\n```\ng <h>\n```\n")
    )
    assert [e.tag for e in root.iter() if e.tag in ("h1", "h2", "h3")] == ["h2", "h3"]
    assert [check.text_of(e) for e in root.iter("li")] == ["e", "f"]
    assert check.text_of(next(root.iter("pre"))) == "g <h>"
    for tag, text in (("em", "b"), ("strong", "c")):
        assert check.text_of(next(root.iter(tag))) == text


def test_a_table_of_a_note_can_be_read_aloud_and_scrolled_by_keyboard() -> None:
    root = whole(render.markdown("| | a |\n|---|---|\n| b | 1 |\n"))
    [box] = [e for e in root.iter("div") if e.get("tabindex") == "0"]
    assert box.get("role") == "region"
    assert box.get("aria-label")
    assert [(e.get("scope"), check.text_of(e)) for e in root.iter("th")] == [("col", "a")]


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "![x](https://example.org/x.png)",
        "<a href='https://example.org' onclick='x' style='y'>z</a>",
        "[x](javascript:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](http://example.org)",
        "[x]: javascript:alert(1)\n\n[x]",
        "<javascript:alert(1)>",
        "<style>*{display:none}</style>",
        "<iframe src='https://example.org'></iframe>",
        "<svg><script>alert(1)</script></svg>",
        "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table>",
        "<form action='https://example.org'><input name=a></form>",
        "<p id='main' class='skip'>x</p>",
        "| <b onmouseover=alert(1)>x</b> |\n|---|\n| y |",
        "`<script>`",
    ],
)
def test_nothing_of_a_note_runs_or_loads(text: str) -> None:
    root = whole(render.markdown(text))
    elements = [e for e in root.find("body").iter() if isinstance(e.tag, str)]
    tags = {e.tag.rpartition("}")[2] for e in elements}
    assert not tags & {"script", "style", "img", "iframe", "svg", "math", "form", "input", "object"}
    for element in elements:
        assert not {"style", "id", "class", "src"} & set(element.attrib) or element.tag == "div"
        assert not [name for name in element.attrib if name.startswith("on")]
        target = element.get("href")
        assert target is None or target.startswith(("https:", "mailto:", "../", "#")), target


def test_links_of_a_note_tell_the_other_site_nothing() -> None:
    root = whole(render.markdown("[x](https://example.org/) [y](../fio/index.html)"))
    targets = {e.get("href"): e.get("rel") for e in root.iter("a")}
    assert targets["https://example.org/"] == "noopener"
    assert "../fio/index.html" in targets


def note(folder: Path, text: str) -> str:
    path = folder / "fio.md"
    path.write_text(text)
    return render.note(path, {"seven": lambda: 7, "half": lambda n: n / 2, "none": no_figure})


def no_figure() -> None:
    raise SitegenError("no figure is that")


def test_an_expression_prints_what_it_evaluates_to(tmp_path: Path) -> None:
    assert "It is 7, or 3.5." in note(tmp_path, "It is {{ seven() }}, or {{ half(seven()) }}.\n")


@pytest.mark.parametrize(
    "expression",
    [
        "none()",
        "unheard_of()",
        "seven(1)",
        "half('x')",
        "seven() / 0",
        "seven(",
        "seven().nothing",
        "7 | no_such_filter",
        "seven.__globals__",
        "''.__class__.__mro__[1].__subclasses__()",
        "self._TemplateReference__context",
    ],
)
def test_an_expression_that_fails_is_named_with_its_line(tmp_path: Path, expression: str) -> None:
    with pytest.raises(SitegenError, match=r"fio\.md:3: ") as caught:
        note(tmp_path, f"One.\n\nTwo {{{{ {expression} }}}}.\n")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "line",
    [
        "{{ 9 ** 9 ** 9 ** 9 }}",
        "{{ 'x' * 2000000000 }}",
        "{{ 'x'.ljust(2000000000) }}",
        "{{ '%2000000000d' | format(1) }}",
        "{% for a in 'ab' %}{{ a }}{% endfor %}",
        "{% set a = 1 %}{% for a in 'ab' %}{% endfor %}",
        "{% macro a() %}{{ a() }}{{ a() }}{% endmacro %}{{ a() }}",
        f"{{{{ {'(' * 3000} }}}}",
    ],
)
def test_an_expression_comes_to_an_end(tmp_path: Path, line: str) -> None:
    start = process_time()
    with pytest.raises(SitegenError, match=r"fio\.md:2: "):
        note(tmp_path, f"One.\n{line}\n")
    assert process_time() - start < 1


def test_what_an_expression_prints_is_markdown_and_sanitised(tmp_path: Path) -> None:
    path = tmp_path / "fio.md"
    path.write_text("{{ evil() }}")
    made = render.note(path, {"evil": lambda: "[5](../runs/x/index.html)<script>alert(1)</script>"})
    assert '<a href="../runs/x/index.html"' in made
    assert "<script" not in made


def test_links_and_ids_are_compared_as_a_browser_sees_them() -> None:
    page = '<a href="x?a=1&amp;b#c&lt;d">e</a><img src="f"><h2 id="c&lt;d">g</h2>'
    assert render.links(page) == ["x?a=1&b#c<d", "f"]
    assert render.anchors(page) == {"c<d"}
