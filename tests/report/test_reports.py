"""A published report rebuilt: its own digits, sections and claims, and nothing set against it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from sitegen.analysis import claims
from sitegen.analysis.claims import Checked, Claim, Verdict
from sitegen.analysis.compare import Analysis, analyse
from sitegen.catalogue import units
from sitegen.config import Config
from sitegen.errors import SitegenError
from sitegen.model import Measurement, Run, Source
from sitegen.report import notes, reports
from sitegen.report.notes import Note
from sitegen.report.reports import ReportPage, ReportSection
from sitegen.site import render
from sitegen.site.build import build
from tests import site_checks as check

EVIL = "\"><script>alert(1)</script>'&{{ 7 }}<b>"
REPORT = check.ROOT / "notes" / "reports"


#: The raw figures behind a section: read from files, and never printed.
RAW = "phala-h200-raw"


@pytest.fixture(scope="module")
def checked(published: Analysis, report: Config) -> list[Checked]:
    return [claims.check(claim, published) for claim in claims.load_all(report.claims)]


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    path = check.ROOT / "archive" / "published-results.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def pages(published: Analysis, cited: list[Run], checked: list[Checked]) -> dict[str, ReportPage]:
    made = {}
    for source in reports.sources(cited, checked, lambda _: True):
        path = REPORT / f"{source}.md"
        prose = render.note(path, notes.of_report(published, checked))
        note = notes.cut(path.read_text("utf-8"), prose, str(path))
        made[source] = reports.page(published, source, cited, checked, note)
    return made


def section(page: ReportPage, key: str) -> ReportSection:
    [found] = [each for each in page.sections if each.key == key]
    return found


def claim_of(where: str, claim_id: str = "c") -> Checked:
    stated = Claim(id=claim_id, source="a-report", where=where, statement="A claim", kind="value")
    return Checked(stated, Verdict.REPRODUCED, 5.0, 5.0, 5.0)


def page_of(*runs: Run, checked: Sequence[Checked] = (), note: Note | None = None) -> ReportPage:
    analysis = analyse(runs, Config(root=check.ROOT))
    return reports.page(analysis, "a-report", runs, checked, note or Note())


# What is printed


def test_every_printed_figure_stands_in_its_section_in_its_own_digits(
    pages: dict[str, ReportPage], rows: list[dict[str, str]]
) -> None:
    printed = [
        (row["source"], row["section"], row["environment"], row["metric"], row["printed"])
        for row in rows
    ]
    shown = [
        (source, each.key, table.environments[place][0], row.metric.id, cell.text)
        for source, page in pages.items()
        if source != RAW
        for each in page.sections
        for table in each.tables
        for row in table.rows
        for place, cell in enumerate(row.cells)
        if cell
    ]
    assert sorted(shown) == sorted(printed)
    assert sum(page.figures for name, page in pages.items() if name != RAW) == len(rows)


def test_a_figure_keeps_the_unit_of_its_source_and_links_its_run(
    pages: dict[str, ReportPage], cited: list[Run]
) -> None:
    runs = {run.id: run for run in cited}
    sweep = section(pages["phala-2025"], "III").tables[0]
    p99 = [row for row in sweep.rows if row.statistic == "p99"]
    assert next([cell.text for cell in row.cells if cell] for row in p99) == ["173", "1,254"]
    assert {row.unit for row in p99} == {"ms"}
    for row in sweep.rows:
        for (label, *_), cell in zip(sweep.environments, row.cells, strict=True):
            if cell:
                run = runs[cell.place.split("/")[1]]
                assert run.environment == label
                assert run.source is not None
                assert run.source.section == "III"


def test_what_all_rows_share_and_remarks_on_machines_stand_beneath_a_table_of_its_machines(
    pages: dict[str, ReportPage],
) -> None:
    [table] = section(pages["phala-2025"], "V").tables
    [row] = table.rows
    assert row.title == "Compress, 8 threads"
    assert [cell.text for cell in row.cells if cell] == ["40,677", "12,654", "31,658"]
    assert table.note == "TDX-Lab: 32 cores; Prod5: 128 cores; Prod8: 288 cores"
    sweep, overhead, multi = section(pages["phala-2025"], "III").tables
    titles = [each.title for each in (sweep, overhead, multi)]
    assert titles == ["sweep", "tproxy overhead", "multi"]
    assert [one.label for one in sweep.environments] == ["tdx-lab", "prod5"]
    assert [one.label for one in multi.environments] == ["tdx-lab", "prod8"]
    counts = ("200", "500", "1,000", "2,000")
    assert {row.title for row in sweep.rows} == {f"{count} at once" for count in counts}
    assert "through the TProxy, https" in sweep.note
    assert [row.title for row in multi.rows] == [*["Log level error"] * 2, *["Log level info"] * 2]
    assert "TDX-Lab: gateway version 7bc9eea, stated bottleneck CPU saturation" in multi.note


def test_two_sections_on_one_benchmark_keep_to_their_own_figures(
    pages: dict[str, ReportPage],
) -> None:
    page = pages["phala-2025"]
    labels = {
        key: {label for table in section(page, key).tables for label, *_ in table.environments}
        for key in ("V", "VIII")
    }
    assert labels == {"V": {"tdx-lab", "prod5", "prod8"}, "VIII": {"bare-metal", "tee-cvm"}}
    assert not section(page, "V").costs
    [cost] = section(page, "VIII").costs
    assert (cost.side.label, cost.baseline.label) == ("tee-cvm", "bare-metal")


def test_a_figure_of_doubtful_unit_carries_its_doubt(pages: dict[str, ReportPage]) -> None:
    [table] = section(pages["phala-2025"], "IV").tables
    [speed] = [row for row in table.rows if row.metric.id == "zktls.proving_speed"]
    assert all(cell and cell.doubt for cell in speed.cells)
    assert speed.unit == "kHz"


def test_the_charts_of_a_section_draw_its_figures(pages: dict[str, ReportPage]) -> None:
    page = pages["phala-2025"]
    for each in page.sections:
        assert bool(each.charts) == bool(each.figures), each.key
    ids = [chart.id for each in page.sections for chart in each.charts]
    assert len(set(ids)) == len(ids)
    assert [each.title for each in section(page, "VI").derived] == ["For the money, by datasheet"]
    assert {each.title for each in section(page, "VII").derived} == {"Overhead"}


def test_the_list_counts_what_the_pages_hold(pages: dict[str, ReportPage]) -> None:
    listed = reports.index(list(pages.values()))
    assert [report.source.id for report in listed.reports] == list(pages)
    for report in listed.reports:
        assert sum(found for _, found in report.counts) == report.claims


# Sections and claims


def test_sections_stand_in_the_order_of_their_numerals(pages: dict[str, ReportPage]) -> None:
    keys = [each.key for each in pages["phala-2025"].sections]
    assert keys == ["I", "II", "III", "IV", "V", "VI", "VII", "VIII"]
    keys = [each.key for each in pages["arxiv-2502.11347"].sections]
    assert keys == ["Abstract", "Table 1", "Section 3.3"]


def test_every_claim_stands_in_the_sections_that_it_names(
    pages: dict[str, ReportPage], checked: list[Checked]
) -> None:
    for source, page in pages.items():
        of_source = {each.claim.id: each for each in checked if each.claim.source == source}
        shown = {row.claim.id for each in page.sections for row in each.claims}
        assert shown == set(of_source)
        assert page.claims == len(of_source)
        for each in page.sections:
            for row in each.claims:
                assert row.verdict == str(of_source[row.claim.id].verdict)


@pytest.mark.parametrize(
    ("where", "keys"),
    [
        ("V", ["V"]),
        ("I, V", ["I", "V"]),
        ("VIII table 1", ["VIII"]),
        ("V, V conclusions", ["V"]),
        ("IX", ["IX"]),
        ("Vague", ["Vague"]),
        ("Table 1", ["Table 1"]),
        ("", [""]),
    ],
)
def test_a_claim_finds_its_section(where: str, keys: list[str]) -> None:
    page = page_of(check.cited_run("cvm", 36_000.0, "36000"), checked=[claim_of(where)])
    assert [each.key for each in page.sections if each.claims] == keys
    assert page.claims == 1


def test_a_section_of_claims_only_stands_where_its_note_puts_it() -> None:
    run, source = check.cited_run("cvm", 36_000.0, "36000"), Source("a-report", section="Table 1")
    for cited, sections, keys in (
        (run, ("Abstract", "V"), ["V", "Abstract"]),
        (replace(run, source=source), ("Abstract", "Table 1"), ["Abstract", "Table 1"]),
    ):
        note = Note(sections=tuple((key, "", "") for key in sections))
        page = page_of(cited, checked=[claim_of("Abstract")], note=note)
        assert [each.key for each in page.sections] == keys


def test_one_claim_makes_a_sentence(pages: dict[str, ReportPage]) -> None:
    page = pages["sev-csv-secure-inference"]
    assert page.finding == "Its one claim has no printed figure behind it."
    assert page.title.startswith("Secure inference scheme")
    assert not page.figures
    assert not page.paged


# Our own runs beside it


def own_run(label: str, rows: list[Measurement]) -> Run:
    run = check.storage_run(1)
    half = tuple(row._replace(printed=None, value=(row.value or 0.0) / 2) for row in rows)
    run_id = run.id.replace("-fio-", "-7z-")
    return replace(run, benchmark="7z", environment=label, id=run_id, steps=(), measurements=half)


def test_our_runs_of_the_same_series_stand_beside_it_and_are_compared_with_nothing() -> None:
    cited = [check.cited_run("vm", 40_000.0, "40000"), check.cited_run("cvm", 36_000.0, "36000")]
    own = own_run("ours", list(cited[0].measurements))
    page = page_of(*cited, own)
    [found] = page.sections
    [table] = found.ours
    assert [label for label, *_ in table.environments] == ["ours"]
    [row] = table.rows
    assert row.cells[0] is not None
    assert (row.cells[0].text, row.cells[0].place.split("/")[1]) == ("20,000", own.id)
    assert {label for each in found.tables for label, *_ in each.environments} == {"vm", "cvm"}
    assert not any("ours" in (each.side.label, each.baseline.label) for each in found.costs)
    assert page.figures == 2


@pytest.mark.parametrize(
    ("pair", "titles", "other"),
    [
        (("dictionary", "4194304"), ["Total, 8 threads, dictionary 4 MiB"], ()),
        (("threads", "9"), [], (("7z", "CPU"),)),
    ],
)
def test_our_runs_may_state_more_than_a_source_does_and_other_series_are_said_to_be_others(
    pair: tuple[str, str], titles: list[str], other: tuple[tuple[str, str], ...]
) -> None:
    cited = check.cited_run("vm", 40_000.0, "40000")
    [row] = cited.measurements
    printed = check.with_rows(cited, row._replace(params=(("cores", "32"), *row.params)))
    params = tuple(sorted({**dict(row.params), pair[0]: pair[1]}.items()))
    [found] = page_of(printed, own_run("ours", [row._replace(params=params)])).sections
    assert [row.title for table in found.ours for row in table.rows] == titles
    assert found.other == other
    assert page_of(printed).sections[0].other == ()


def test_a_superseded_figure_is_not_the_reports() -> None:
    old, new = (check.cited_run("vm", value, f"{value:.0f}") for value in (40_000.0, 41_000.0))
    runs = [old, replace(new, supersedes=old.id)]
    page = page_of(*runs)
    [table] = page.sections[0].tables
    assert [cell.text for row in table.rows for cell in row.cells if cell] == ["41000"]


# Notes


def test_the_notes_of_this_report_hold_on_its_figures(pages: dict[str, ReportPage]) -> None:
    for source, page in pages.items():
        assert page.sections, source
        for each in page.sections:
            assert each.note.strip(), (source, each.key)
            assert "{{" not in each.note
            assert "<h2" not in each.note


def test_a_note_is_cut_at_its_headings() -> None:
    text = (
        "<!--\ntitle: A: title\nbeside: fio, llm\n-->\nBefore.\n\n# V: CPU & more\n\nIn.\n\n# VI\n"
    )
    note = notes.cut(text, render.markdown(text), "a.md")
    assert note.about == {"title": "A: title"}
    assert note.beside == ("fio", "llm")
    assert note.introduction.strip() == "<p>Before.</p>"
    assert [(key, title) for key, title, _ in note.sections] == [("V", "CPU & more"), ("VI", "")]
    assert note.sections[0][2].strip() == "<p>In.</p>"
    assert hasattr(note.sections[0][2], "__html__")


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("<!--\ntitle: x\nprice: y\n-->\n", "'price: y' is not understood", "a.md:3"),
        ("<!--\nno colon\n-->\n", "'no colon' is not understood", "a.md:2"),
        ("# V\n\n# V: again\n", "two sections are called 'V'", "a.md"),
    ],
)
def test_a_note_that_is_not_understood_says_where(text: str, message: str, place: str) -> None:
    with pytest.raises(SitegenError, match=message) as error:
        notes.cut(text, render.markdown(text), "a.md")
    assert error.value.where == place


@pytest.mark.parametrize(
    ("line", "message"),
    [

        ("So. **It is {{ given(2 > 3) }}{{ number(2) }} times. Fast.** And more.",
         "the figures do not say: It is … times."),
        ('{{ given(1) }}It is faster, "so": 2 times', 'figures do not say: It is faster, "so": 2'),
        ('{{ claim("no-such-claim") }}', "no claim 'no-such-claim'"),
        ('{{ value("fio.iops", "nowhere") }}', "no figure is"),
        ('{{ doubtful("page-cache") }}', "doubtful"),
    ],
)  # fmt: skip
def test_prose_that_its_figures_do_not_bear_out_fails_with_its_line(
    tmp_path: Path, published: Analysis, checked: list[Checked], line: str, message: str
) -> None:
    path = tmp_path / "note.md"
    path.write_text(f"# V\n\n{line}\n", "utf-8")
    with pytest.raises(SitegenError, match=message) as error:
        render.note(path, notes.of_report(published, checked))
    assert error.value.where == f"{path}:3"


def test_prose_quotes_a_claim_and_a_figure_with_their_links(
    tmp_path: Path, published: Analysis, checked: list[Checked]
) -> None:
    path = tmp_path / "note.md"
    path.write_text(
        '{{ claim("tproxy-latency") }} {{ given(2 > 1) }}'
        ' {{ value("fio.iops", "h200-host", workload="read_iops") }}'
        ' {{ overhead("llm.ttft", "h100-tee-on", model="Llama-3.1-8B") }}\n', "utf-8"
    )  # fmt: skip
    html = render.note(path, notes.of_report(published, checked))
    assert '<a href="../../claims/index.html#tproxy-latency"' in html
    [run] = published.selections["fio", "h200-host"].runs
    assert f'<a href="../../runs/{run.id}/index.html"' in html
    assert units.percent(0.0288 / 0.0242 - 1).lstrip("+") in html


# Whole pages


def test_a_publication_has_a_page_where_its_id_is_a_folder_and_it_has_figures_or_a_note() -> None:
    run = check.cited_run("vm", 1.0, "1")
    names = ("../x", EVIL, "A B", "", ".hidden", "fine.1")
    cited = [replace(run, source=Source(name)) for name in names]
    assert reports.sources(cited, [], lambda _: True) == ("fine.1",)
    assert reports.sources([], [claim_of("V")], lambda _: False) == ()
    assert reports.sources([], [claim_of("V")], lambda name: name == "a-report") == ("a-report",)


def test_a_report_that_cites_nothing_has_no_reports(tmp_path: Path) -> None:
    check.built(tmp_path, check.storage_run(0, "host"))
    assert not (tmp_path / "site" / "reports").exists()


def test_a_hostile_source_becomes_text(tmp_path: Path) -> None:
    runs = [
        replace(
            check.cited_run(label, 40_000.0, f"4{number} {EVIL}"),
            id=check.cited_run(label, 1.0, f"{number}").id,
            source=Source("a-report", EVIL, EVIL, EVIL, f"example.org/{EVIL}", place, EVIL),
        )
        for number, (label, place) in enumerate(
            (("vm", EVIL), ("cvm", EVIL), ("host", "a/../b c"), ("vm", "A B C"), ("vm", "V"))
        )
    ]
    settled = check.report(tmp_path)
    for run in runs:
        check.write_foreign(tmp_path, run)
    (tmp_path / "notes" / "reports").mkdir(parents=True)
    (tmp_path / "notes" / "reports" / "a-report.md").write_text("# V: <b>&\n\nText.\n", "utf-8")
    assert build(settled).damaged == ()
    site = tmp_path / "site"
    made = sorted(path.name for path in (site / "reports" / "a-report").iterdir())
    assert len(made) == 5
    assert all(name == "index.html" or name.startswith("section-") for name in made)
    assert check.dead_links(site) == []
    for path in (site / "reports").rglob("*.html"):
        page = path.relative_to(site).as_posix()
        assert check.faults(site, page) == [], page
        text = path.read_text("utf-8")
        assert "<script>alert" not in text
        assert "alert(1)" in text


def test_a_note_that_changes_changes_the_site(tmp_path: Path) -> None:
    place = tmp_path / "notes" / "reports"
    place.mkdir(parents=True)
    (place / "a-report.md").write_text("# V: Before\n", "utf-8")
    check.built(tmp_path, check.cited_run("vm", 1.0, "1"))
    (place / "a-report.md").write_text("# V: Afterwards\n", "utf-8")
    check.built(tmp_path)
    shown = (tmp_path / "site/reports/a-report/index.html").read_text("utf-8")
    assert "Afterwards" in shown
    assert "Before" not in shown
