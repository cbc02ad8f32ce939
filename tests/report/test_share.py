"""What a page says where a link to it is shown: title, picture, badge, citation, Markdown, data."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from sitegen.analysis.compare import analyse
from sitegen.charts.badge import Badge
from sitegen.config import Config
from sitegen.model import Run
from sitegen.report import benchmark, citation, costs, excerpt, overview, share
from sitegen.report.navigation import Site
from sitegen.report.share import Shared
from tests.charts.examples import HOSTILE
from tests.report.test_costs import CONFIG, IOPS, row, sides
from tests.report.test_findings import cited, contended

NBSP = "\N{NO-BREAK SPACE}"
HERE = Site("What a TEE costs", "https://example.org/r", (), "1", pictures=True)
SLOWER = ((80.0, 81.0, 79.0), (100.0, 101.0, 99.0))
OPEN = ((90.0, 95.0, 100.0), (96.0, 100.0, 104.0))
ALIKE = ((100.0, 100.1, 99.9), (100.0, 100.1, 100.05))


def of(every: Sequence[Run], config: Config = CONFIG, site: Site = HERE) -> Shared:
    return share.of_benchmark(site, page_of(every, config), share.newest_day(every))


def page_of(every: Sequence[Run], config: Config = CONFIG) -> benchmark.BenchmarkPage:
    analysis = analyse(every, config)
    return benchmark.page(analysis, "fio", costs.tables(analysis, "fio"))


def badge_of(every: Sequence[Run]) -> Badge:
    page = page_of(every)
    return share.badge(page.title, page.finding.answer)


def test_a_title_is_the_finding_in_few_words_and_the_description_is_its_sentence() -> None:
    found = of(sides(IOPS, *SLOWER))
    assert found.title == f"Storage: TDX costs random reads 20.0{NBSP}%"
    assert found.description.startswith(found.title.partition(": ")[2])
    assert found.description.endswith("against VM, 3 boots a side).")


@pytest.mark.parametrize(
    ("every", "number", "beside", "badge"),
    [
        (sides(IOPS, *SLOWER), f"+20.0{NBSP}%", "interval", f"+20.0{NBSP}%"),
        (sides(IOPS, (25.0, 25.1, 24.9), (100.0, 101.0, 99.0)), "4.0× slower", "×", "4.0× slower"),
        (sides(IOPS, *OPEN), "inconclusive", "between", "inconclusive"),
        (sides(IOPS, *ALIKE), "no difference", "above 2 %", "no difference"),
        (sides(IOPS, (80.0,), (100.0,)), f"+20.0{NBSP}%", "one run a side", "one run a side"),
        (cited(sides(IOPS, (80.0,), (100.0,))), f"+20.0{NBSP}%", "as printed", "n unknown"),
        ([contended(r) for r in sides(IOPS, *SLOWER)], "doubtful", f"+20.0{NBSP}%", "doubtful"),
    ],
)
def test_a_picture_has_one_number_and_a_badge_only_one_that_is_decided(
    every: list[Run], number: str, beside: str, badge: str
) -> None:
    drawn = of(every).card
    assert drawn is not None
    assert drawn.number == number
    assert beside in " ".join(drawn.beside)
    found = badge_of(every)
    assert (found.label, found.result) == ("TDX · random reads", badge)
    assert bool(found.hue) == (badge == number and badge not in ("inconclusive", "doubtful"))


def test_a_picture_says_what_it_stands_on_its_rows_and_how_new_it_is() -> None:
    drawn = of(sides(IOPS, *SLOWER)).card
    assert drawn is not None
    assert drawn.beside[-1] == "3 boots a side"
    assert (drawn.report, drawn.topic) == ("What a TEE costs", "Storage · CVM against VM")
    assert drawn.dated == "newest run 2026-11-03"
    [one] = drawn.rows
    assert (one.value, one.mark and one.mark.points) == (f"+20.0{NBSP}%", ())


def test_rows_are_named_by_what_tells_them_apart() -> None:
    found = row(IOPS, *SLOWER)
    rows = [
        found._replace(title=title, unit="rate, 1/s")
        for title in ("Total, 1 thread, 4 MiB", "Total, 8 threads, 4 MiB")
    ]
    labels = [one.label for one in share.named(rows)]
    assert labels == ["1 thread", "8 threads"]
    assert share.named(rows[:1])[0].label == "Total, 1 thread, 4 MiB"
    assert [one.label for one in share.named([rows[0], rows[0]])] == [rows[0].title] * 2


def test_without_a_comparison_there_is_a_sentence_and_no_number() -> None:
    found = of(sides(IOPS, *SLOWER)[:3])
    assert found.card is not None
    assert (found.card.number, found.card.rows) == ("", ())
    assert badge_of(sides(IOPS, *SLOWER)[:3]).result == "nothing compared yet"


def test_the_front_page_says_its_headline() -> None:
    every = sides(IOPS, *SLOWER)
    analysis = analyse(every, CONFIG)
    page = overview.page(analysis, every, {"fio": costs.tables(analysis, "fio")})
    found = share.of_overview(HERE, page, share.newest_day(every))
    assert found.title == f"TDX costs random reads 20.0{NBSP}%"
    assert found.description == page.headline
    assert "| Storage | CVM | VM |" in found.markdown
    assert found.dataset is not None
    assert found.dataset["name"] == "What a TEE costs"


def test_what_another_run_of_a_benchmark_changes_is_in_no_run_page() -> None:
    from sitegen.report import run as pages

    every = sides(IOPS, *SLOWER)
    few, many = analyse(every[:5], CONFIG), analyse(every, CONFIG)
    first, second = (
        share.of_run(HERE, pages.page(one, every[0], digest="0" * 64)) for one in (few, many)
    )
    assert first == second
    assert first.picture == "data/cards/fio.png"
    assert first.card is None


@pytest.mark.parametrize("length", [10, 69, 70, 71, 500])
def test_titles_are_cut_between_words(length: int) -> None:
    text = ("word " * 200)[:length].strip()
    cut = share.shortened(text)
    assert len(cut) <= 70
    assert cut == text if len(text) <= 70 else re.fullmatch(r"(word ?)+…", cut)


def test_a_report_is_named_in_the_tab_where_there_is_room() -> None:
    assert share.tab("Data", "A report") == "Data · A report"
    assert share.tab("A report", "A report") == "A report"
    assert share.tab("x" * 65, "A report") == "x" * 65


# Citing


def test_a_citation_says_who_what_when_and_where() -> None:
    found = of(sides(IOPS, *SLOWER)).citation
    assert found is not None
    assert found.line.startswith("What a TEE costs. Storage: TDX costs random reads 20.0")
    assert found.line.endswith("a side). Newest run 2026-11-03. https://example.org/r/fio/")
    assert found.bibtex.startswith("@misc{what-a-tee-costs-fio,\n  author = {{What a TEE costs}},")
    assert "\\%" in found.bibtex
    assert "  year = {2026},\n" in found.bibtex
    assert "\\url{https://example.org/r/fio/}" in found.bibtex
    nowhere = of(sides(IOPS, *SLOWER), site=HERE._replace(base_url="")).citation
    assert nowhere is not None
    assert "http" not in nowhere.line + nowhere.bibtex


def test_bibtex_is_balanced_whatever_a_title_says() -> None:
    evil = HOSTILE + r" } \input{/etc/passwd} { @misc{x, ~^_#$&% "
    found = citation.cite(HERE._replace(title=evil), "fio/", evil, "", digest="ab")
    plain = re.sub(r"\\text\w+\{\}|\\[{}$&#_%]", "", found.bibtex)
    assert plain.count("{") == plain.count("}")
    assert not re.search(r"\\(?!url)", plain)
    assert "year" not in found.bibtex


# Copying


def test_markdown_is_the_sentence_a_table_and_the_address() -> None:
    found = of(sides(IOPS, *SLOWER)).markdown
    sentence, _, table = found.partition("\n\n")
    assert sentence.startswith("TDX costs random reads 20.0 % (")
    head, rule, line, _, address = table.split("\n")
    assert head == "| Series | Cost | 95 % interval | Verdict |"
    assert rule == "| --- | --- | --- | --- |"
    assert line.startswith("| Random read, 4 KiB, IOPS, IOPS |")
    assert "| +20.0 % |" in line
    assert address == "<https://example.org/r/fio/>"
    assert "http" not in of(sides(IOPS, *SLOWER), site=HERE._replace(base_url="")).markdown


def test_no_text_becomes_markup_in_markdown() -> None:
    lines = excerpt.plain("a | b\n# c [x](javascript:y) <b> *d* `e` ~~f~~ &amp; _g_")
    assert lines == (r"a \| b \# c \[x\](javascript:y) \<b\> \*d\* \`e\` \~\~f\~\~ \&amp; \_g\_")
    hostile = replace(CONFIG.environment("cvm"), title="CVM | x\n\n# <b>")
    config = replace(CONFIG, environments={**CONFIG.environments, "cvm": hostile})
    page = page_of(sides(IOPS, *SLOWER), config)
    [one] = share.comparisons(HERE, page, "").values()
    assert one.markdown.split("\n")[0] == r"**Storage: CVM \| x \# \<b\> against VM**"


# Telling machines


def test_a_record_names_the_files_what_was_measured_and_when() -> None:
    found = of(sides(IOPS, *SLOWER)).dataset
    assert found is not None
    assert (found["@type"], found["dateModified"]) == ("Dataset", "2026-11-03")
    assert [one["contentUrl"] for one in found["distribution"]] == [
        f"https://example.org/r/data/fio.{form}" for form in ("csv", "json", "parquet")
    ]
    assert found["variableMeasured"] == [
        {"@type": "PropertyValue", "name": "IOPS", "unitText": "1/s"}
    ]
    assert of(sides(IOPS, *SLOWER), site=HERE._replace(base_url="")).dataset is None
