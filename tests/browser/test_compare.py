"""The compare page in a real browser: Python's numbers and words, for any choice in the address."""

from __future__ import annotations

import gzip
import math
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import Struct
from msgspec.structs import replace
from playwright.sync_api import Browser, Page, expect

from sitegen.analysis.compare import Analysis, Comparison, analyse
from sitegen.analysis.pairing import pair
from sitegen.archive import Archive, library
from sitegen.catalogue.families import MOST_HEADLINES
from sitegen.model import (
    Comparability,
    Fact,
    Fingerprint,
    IndexedRun,
    Measurement,
    Parameter,
    Run,
    Series,
    TeeVerdict,
    params,
    run_id,
)
from sitegen.report import compare_page, costs, effects
from sitegen.site.build import build
from tests import site_checks as check
from tests.browser.conftest import served
from tests.browser.test_access import axe, violations  # noqa: F401 - a fixture
from tests.browser.test_charts import WATCH_SHIFTS
from tests.charts.examples import HOSTILE

if TYPE_CHECKING:
    from tests.browser.conftest import Watch

pytestmark = pytest.mark.browser

_FIRST_VIEW = 40_000
_LABELS = {"host": 1.0, "vm": 1.02, "cvm": 1.1}
_TOML = check.TOML.replace('title = "VM"', f"title = '''{HOSTILE[:-2]}'''")
_SERIES = 24
#: What the page computes for every series of two sides, as its own scripts say it.
_COMPUTED = """async ([benchmark, base, side]) => {
    const data = await fetched(offers.get(benchmark).sides);
    const runs = await fetched(offers.get(benchmark).runs);
    const sides = sidesOf(data, runs);
    const [from, to] = [base, side].map((id) => sides.find((one) => one.id === id));
    return seriesOf(data).map((one) => {
        const found = compared(one, to, from, data.rules);
        return found && [one.metric.id, one.place, found.word, found.reason,
            found.factor ?? null, found.interval?.low ?? null, found.interval?.high ?? null,
            found.detail];
    }).filter(Boolean);
}"""


#: What a live chart says of its marks, on one line each.
_LIVE_SAYS = """box => box.data.flatMap((trace) => trace.customdata ?? []).map((text) =>
    text.replace(/\\s*<br>\\s*/g, " ").replace(/&lt;/g, "<").replace(/&gt;/g, ">")
        .replace(/&amp;/g, "&").replace(/\\s+/g, " ").trim())"""


class Report(Struct, frozen=True):
    """A report of CPU ratings with known spreads, built and served."""

    folder: Path
    root: str
    runs: tuple[IndexedRun, ...]
    analysis: Analysis

    def at(self, choice: str = "", *, file: bool = False) -> str:
        base = (self.folder / "site").as_uri() if file else self.root
        return f"{base}/compare/index.html{f'#{choice}' if choice else ''}"


def cpu_run(label: str, number: int, **changes: Any) -> Run:  # noqa: ANN401 - any of a run
    """Return a run of 24 headline series: from certain differences to none, quiet and noisy."""
    chance = random.Random(f"{label} {number}")  # noqa: S311 - noise, not a secret
    rows = []
    for threads in range(1, _SERIES + 1):
        slower = 1 + (_LABELS[label] - 1) * (threads % 6)
        spread = (0.001, 0.004, 0.02, 0.1)[threads % 4]
        rows += [
            Measurement(
                f"threads-{threads}", "7z.rating", "value", "MIPS",
                4_000.0 * threads / slower * chance.lognormvariate(0, spread),
                params(operation="total", threads=threads), repetition,
            )
            for repetition in range(2)
        ]  # fmt: skip
    started_at = f"2026-03-{1 + number:02}T00:00:00Z"
    run = replace(
        check.storage_run(number, label),
        id=run_id(started_at, "7z", f"{label} {number} {sorted(changes)}".encode()),
        benchmark="7z",
        started_at=started_at,
        measurements=tuple(rows),
        parameters=(
            Parameter("engine", HOSTILE[:60] if label == "vm" else "plain", Comparability.CAVEAT),
        ),
        steps=(),
    )
    return replace(run, **changes)


def proof_run(label: str, size: float) -> Run:
    """Return a run of one proof, with its time and its size."""
    where = {"prover": "p", "proof_system": "stark", "size": 1024}
    return replace(
        check.storage_run(0, label),
        id=run_id("2026-03-01T00:00:00Z", "zktls", label.encode()),
        benchmark="zktls",
        measurements=(
            Measurement("w", "zktls.prove_time", "value", "s", 2.0,
                        params(**where, time_scope="wall")),
            Measurement("w", "zktls.proof_size", "value", "B", size, params(**where)),
        ),
    )  # fmt: skip


def model_run(label: str, model: str, latency_s: float) -> Run:
    """Return a run of one model."""
    where = params(model=model, concurrency=1)
    return replace(
        check.storage_run(0, label),
        id=run_id("2026-03-01T00:00:00Z", "llm", f"{label} {model}".encode()),
        benchmark="llm",
        measurements=(Measurement("w", "llm.ttft", "mean", "s", latency_s, where),),
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    folder = tmp_path_factory.mktemp("compare")
    runs = [cpu_run(label, number) for label in _LABELS for number in range(5)]
    runs.append(cpu_run("cvm", 9, preset="quick"))
    capped = Fingerprint((Fact("cpu_quota", "4.5", "cgroup cpu.max"),), TeeVerdict("tdx", ("x",)))
    runs.append(cpu_run("cvm", 10, preset="quick", fingerprint=capped))
    models = ("llama-8b", "llama-70b")
    runs += [model_run("vm", model, 0.9) for model in models]
    runs += [model_run("cvm", model, 1.0) for model in models]
    runs += [proof_run("vm", 1000.0), proof_run("cvm", 2500.0)]
    runs += [
        replace(
            check.storage_run(number, "cvm"),
            parameters=(Parameter("engine", "io_uring", Comparability.MUST_MATCH),),
        )
        for number in range(3)
    ]
    runs += [check.storage_run(number, "vm", factor=1.05) for number in range(3)]
    runs += [check.cited_run("host", 40_000.0, "40000"), check.cited_run("cvm", 36_000.0, "36000")]
    settings = check.report(folder, *runs, toml=_TOML)
    build(settings)
    archive = Archive(settings.archive)
    held = library.load(archive, settings.cache / "cache", archive.scan()).runs.values()
    analysis = analyse([one.run for one in held], settings)
    with served(folder / "site") as root:
        yield Report(folder, root, tuple(one.run for one in held), analysis)


def rows(page: Page) -> dict[str, list[str]]:
    """Return the cells of the table of figures by its series."""
    table = page.get_by_role("region", name="Table: figures")
    expect(table).to_be_visible()
    found = table.locator("tbody tr").evaluate_all(
        "rows => rows.map(r => [...r.cells].map(c => c.innerText.replace(/\\s+/g, ' ').trim()))"
    )
    return {cells[0]: cells[1:] for cells in found}


def same(found: float | None, expected: float | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return math.isclose(found, expected, rel_tol=1e-9)


def series_of(analysis: Analysis, runs: Sequence[IndexedRun], benchmark: str) -> list[Series]:
    """Return the series of a benchmark in the order in which the page has them."""
    catalogue, _ = compare_page.environments(analysis, benchmark)
    compare_page.single_runs(catalogue, [run for run in runs if run.benchmark == benchmark])
    return catalogue.series


def assert_equal(
    computed: list[list[Any]], comparisons: Sequence[Comparison], series: Sequence[Series]
) -> int:
    """Hold the page's answers to Python's, one a series; return how many there were."""
    by_series = {series[row[1]]: row for row in computed}
    held = 0
    for one in comparisons:
        row = by_series.get(one.series)
        assert row is not None, one.series
        _, _, word, reason, factor, low, high, told = row
        assert (word, reason) == (one.verdict, one.reason), one.series
        assert same(factor, one.factor), one.series
        if not one.reason:
            interval = one.interval
            assert same(low, interval.low if interval else None), one.series
            assert same(high, interval.high if interval else None), one.series
            assert told == effects.detail(one), one.series
        held += 1
    return held


def test_environments_get_pythons_intervals_and_words(page: Page, report: Report) -> None:
    page.goto(report.at(), wait_until="load")
    series = series_of(report.analysis, report.runs, "7z")
    seen: set[str] = set()
    for base, side in (("host", "vm"), ("vm", "cvm"), ("host", "cvm")):
        expected = [
            one
            for one in report.analysis.comparisons
            if one.series.benchmark == "7z"
            and (one.baseline.environment, one.side.environment) == (base, side)
        ]
        computed = page.evaluate(_COMPUTED, ["7z", base, side])
        assert assert_equal(computed, expected, series) >= _SERIES
        seen |= {one.word for one in expected}
    assert {"slower", "no difference", "inconclusive"} <= seen


def test_single_runs_get_pythons_words_too(page: Page, report: Report) -> None:
    page.goto(report.at(), wait_until="load")
    own = {
        label: [r.id for r in report.runs if r.benchmark == "7z" and r.environment == label]
        for label in _LABELS
    }
    series = series_of(report.analysis, report.runs, "7z")
    ratings = [run for run in report.runs if run.benchmark == "7z"]
    quick, capped = (run.id for run in ratings if run.preset == "quick")
    cited = [run.id for run in ratings if run.source]
    for base, side in (
        (own["vm"][-1], own["host"][-1]),
        (own["vm"][-1], quick),
        (capped, own["vm"][-1]),
        (own["vm"][-1], capped),
        (own["vm"][-1], cited[1]),
        (cited[0], cited[1]),
    ):
        paired = pair(list(report.runs), report.analysis.config, base, side).comparisons
        computed = page.evaluate(_COMPUTED, ["7z", base, side])
        assert assert_equal(computed, paired, series) == len(computed) > 0


def test_proofs_of_another_size_are_told_apart_as_in_python(page: Page, report: Report) -> None:
    page.goto(report.at(), wait_until="load")
    expected = [c for c in report.analysis.comparisons if c.series.metric == "zktls.prove_time"]
    [row] = [r for r in page.evaluate(_COMPUTED, ["zktls", "vm", "cvm"]) if "time" in r[0]]
    assert row[3] == expected[0].reason == "not the same proof: 2.5 times the size"


def test_the_table_says_what_the_comparison_page_says(page: Page, report: Report) -> None:
    page.goto(report.at("b=7z&sel=vm,cvm&norm=baseline&m=all"), wait_until="load")
    shown = rows(page)
    tables = costs.tables(report.analysis, "7z")
    [table] = [t for t in tables if (t.side.label, t.baseline.label) == ("cvm", "vm")]
    assert len(shown) == len(table.rows) == _SERIES
    for row in table.rows:
        [cells] = [cells for head, cells in shown.items() if head.startswith(f"{row.title} ")]
        detail = effects.detail(row.comparison)
        for text in (row.cost, row.interval, row.comparison.verdict, detail):
            assert text.replace("\N{NO-BREAK SPACE}", " ") in cells[1], (row, cells)
        assert cells[0].startswith(row.baseline), (row, cells)


def test_the_address_round_trips(page: Page, report: Report, watch: Watch) -> None:
    page.goto(report.at(), wait_until="load")
    page.get_by_label("Benchmark", exact=True).select_option("7z")
    for label in ("host", "cvm"):
        page.get_by_label("Environment or run", exact=True).select_option(label)
        page.get_by_role("button", name="Add").click()
    page.get_by_label("Shown").select_option("absolute")
    page.get_by_label("Metric").select_option("7z.rating")
    address = page.url
    assert address.endswith("#b=7z&sel=host,cvm&norm=absolute&m=7z.rating")
    before = rows(page)
    assert len(before) >= _SERIES
    page.goto("about:blank")
    page.goto(address, wait_until="load")
    assert rows(page) == before
    expect(page.get_by_label("Metric")).to_have_value("7z.rating")
    expect(page.locator("pre.copy")).to_have_text(address)
    page.get_by_role("button", name="as baseline: CVM").click()
    expect(page.locator(".chosen li").first).to_contain_text("CVM")
    assert "sel=cvm,host" in page.url
    page.get_by_role("button", name="remove: Host").click()
    expect(page.locator(".chosen li")).to_have_count(1)
    assert watch.complaints == []


def test_what_is_chosen_names_the_page_and_back_takes_it_back(page: Page, report: Report) -> None:
    page.goto(report.at(), wait_until="load")
    untitled = page.title()
    ready = page.locator(".presets dt", has_text="CVM against Host")
    ready.locator("+ dd").get_by_role("link", name="CPU").click()
    expect(page).to_have_title("CVM against Host: CPU")
    page.get_by_label("Shown").select_option("absolute")
    assert "norm=absolute" in page.url
    page.go_back()
    expect(page.get_by_label("Shown")).to_have_value("baseline")
    page.go_back()
    expect(page.locator(".chosen li")).to_have_count(0)
    expect(page).to_have_title(untitled)


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("choice", ["", "b=7z&sel=host,vm,cvm"])
def test_nothing_moves_while_it_loads(page: Page, report: Report, choice: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.add_init_script(WATCH_SHIFTS)
    page.goto(report.at(choice), wait_until="networkidle")
    expect(page.get_by_role("heading", name="Choose")).to_be_visible()
    assert page.evaluate("shifts") == 0


def test_only_what_one_of_the_sides_measured_is_offered(page: Page, report: Report) -> None:
    page.goto(report.at("b=zktls&sel=vm,cvm"), wait_until="load")
    offered = page.get_by_label("Metric").locator("option")
    expect(offered).to_have_text(["headline series", "all", "Proof size", "Proving time"])
    expect(page.get_by_label("Model")).to_be_hidden()


def test_models_are_told_apart(page: Page, report: Report) -> None:
    page.goto(report.at("b=llm&sel=vm,cvm&m=all"), wait_until="load")
    assert len(rows(page)) == 2
    page.get_by_label("Model").select_option("llama-70b")
    [row] = rows(page)
    assert "llama-70b" in row
    assert page.url.endswith("&model=llama-70b")


def test_the_value_stands_beside_what_it_costs(page: Page, report: Report) -> None:
    page.goto(report.at("b=7z&sel=host,cvm&norm=absolute"), wait_until="load")
    values = {head: cells[1].split()[0] for head, cells in rows(page).items()}
    page.get_by_label("Shown").select_option("baseline")
    for head, cells in rows(page).items():
        assert f" {values[head]} MIPS" in cells[1]


def test_less_is_not_called_an_overhead(page: Page, report: Report) -> None:
    page.goto(report.at("b=llm&sel=cvm,vm&m=all"), wait_until="load")
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_contain_text("the smallest gain by estimate: 10.0 % (")
    page.goto(report.at("b=llm&sel=vm,cvm&m=all"), wait_until="load")
    expect(heading).to_contain_text("the largest cost by estimate: +11.1\N{NO-BREAK SPACE}% (")


def test_its_charts_come_alive_and_lead_on(page: Page, report: Report, watch: Watch) -> None:
    for norm in ("baseline", "absolute"):
        page.goto(report.at(f"b=7z&sel=host,vm,cvm&norm={norm}"), wait_until="load")
        page.reload(wait_until="load")
        figure = page.locator("figure.chart").first
        figure.hover()
        expect(figure).to_have_attribute("data-live", "1")
        drawn = figure.locator("svg.ch title").evaluate_all("all => all.map(t => t.textContent)")
        says = figure.locator(".live").evaluate(_LIVE_SAYS)
        assert sorted(" ".join(one.split()) for one in drawn) == sorted(says) != []
        figure.get_by_role("button", name="CVM").click()
        expect(figure.locator(".live .textpoint")).to_have_count(
            len(drawn) - len(drawn) // (3 if norm == "absolute" else 2)
        )
        figure.get_by_text("Save").click()
        with page.expect_download() as waiting:
            figure.get_by_role("button", name="SVG", exact=True).click()
        assert waiting.value.suggested_filename.startswith("compare-rating-cvm-vs-")
        assert waiting.value.suggested_filename.endswith("-vs-host-2026-03-05.svg")
    assert watch.complaints == []


def test_it_works_from_a_disk(page: Page, report: Report, watch: Watch) -> None:
    run = next(r.id for r in report.runs if r.benchmark == "7z" and r.environment == "cvm")
    page.goto(report.at(f"b=7z&sel=host,cvm,{run}&norm=baseline", file=True), wait_until="load")
    assert len(rows(page)) == MOST_HEADLINES
    assert watch.complaints == []
    assert all(url.startswith("file:") for url in watch.requests)


def test_what_is_not_there_is_said(page: Page, report: Report) -> None:
    chosen = "host,vm,cvm,nobody,20260301t000000z-7z-aaaaaaaa"
    page.goto(report.at(f"b=7z&sel={chosen}&norm=sideways&m=7z.nothing"), wait_until="load")
    said = page.get_by_role("status")
    expect(said).to_contain_text("no run nobody, 20260301t000000z-7z-aaaaaaaa")
    expect(said).to_contain_text("sideways")
    expect(said).to_contain_text("no metric here is called 7z.nothing")
    assert len(rows(page)) == MOST_HEADLINES
    page.goto(report.at("b=nothing&sel=x"), wait_until="load")
    page.reload(wait_until="load")
    expect(said).to_contain_text("no benchmark is called nothing")


def test_a_file_that_does_not_come_is_said(page: Page, report: Report) -> None:
    page.route("**/data-7z.js*", lambda route: route.abort())
    page.goto(report.at("b=7z&sel=host,cvm"), wait_until="load")
    expect(page.get_by_role("status")).to_contain_text("the figures of CPU did not load")
    page.unroute("**/data-7z.js*")
    page.get_by_label("Shown").select_option("absolute")
    assert len(rows(page)) == MOST_HEADLINES


def test_no_more_than_five_at_once(page: Page, report: Report) -> None:
    ids = [r.id for r in report.runs if r.benchmark == "7z" and r.environment == "host"][:3]
    page.goto(report.at(f"b=7z&sel={','.join(('host', 'vm', 'cvm', *ids))}"), wait_until="load")
    expect(page.get_by_role("status")).to_contain_text("at most 5 at once: left out Host, 2026-")
    expect(page.locator(".chosen li")).to_have_count(5)
    expect(page.get_by_role("button", name="Add")).to_be_disabled()


def test_what_must_not_be_compared_is_refused(page: Page, report: Report) -> None:
    page.goto(report.at("b=fio&sel=vm,cvm&norm=baseline"), wait_until="load")
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_contain_text("not comparable, because engine is io_uring here and libaio")
    for cells in rows(page).values():
        assert "not comparable" in cells[1]
    differs = page.get_by_role("region", name="Table: what differs").locator("tbody tr").first
    expect(differs).to_contain_text("engine")
    expect(differs).to_contain_text("io_uring")
    quick = next(run.id for run in report.runs if run.preset == "quick")
    page.goto(report.at(f"b=7z&sel=host,{quick}"), wait_until="load")
    page.reload(wait_until="load")
    expect(heading).to_contain_text("not comparable, because a quick run against a full one")


def test_a_run_is_not_compared_with_the_environment_that_it_stands_for(
    page: Page, report: Report
) -> None:
    run = report.analysis.selections["7z", "cvm"].runs[0].id
    heading = page.get_by_role("heading", level=1)
    for chosen in (f"cvm,{run}", f"{run},cvm"):
        page.goto(report.at(f"b=7z&sel={chosen}"), wait_until="load")
        page.reload(wait_until="load")
        expect(heading).to_contain_text("because the run is one of those that stand for its env")
    other = next(r.id for r in report.runs if r.benchmark == "7z" and r.preset == "quick")
    page.goto(report.at(f"b=7z&sel={run},{other}"), wait_until="load")
    page.reload(wait_until="load")
    expect(heading).to_contain_text("a quick run against a full one")


def test_hostile_names_stay_words(page: Page, report: Report, watch: Watch) -> None:
    page.goto(report.at("b=7z&sel=vm,cvm&norm=baseline"), wait_until="load")
    expect(page.get_by_role("heading", level=1)).to_contain_text("<script>alert(1)</script>")
    expect(page.get_by_role("region", name="Table: what differs")).to_contain_text("</svg>")
    assert page.locator("main script:not([src])").count() == 0
    expect(page.locator("main b", has_text="%{x}")).to_have_count(0)
    page.goto(report.at("b=7z&sel=<img/src=x>,%3Cb%3Ebold%3C/b%3E&m=<i>"), wait_until="load")
    page.reload(wait_until="load")
    expect(page.get_by_role("status")).to_contain_text("<b>bold</b>")
    expect(page.locator("main :is(img, i)")).to_have_count(0)
    assert watch.complaints == []


def test_a_keyboard_is_enough(page: Page, report: Report) -> None:
    page.goto(report.at("b=7z"), wait_until="load")
    adding = page.get_by_label("Environment or run", exact=True)
    for _ in range(2):
        adding.focus()
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Add")).to_be_focused()
        page.keyboard.press("Enter")
    expect(page.locator(".chosen li")).to_have_count(2)
    assert len(rows(page)) == MOST_HEADLINES
    page.get_by_role("button", name="remove").last.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".chosen li")).to_have_count(1)
    expect(page.get_by_role("list", name="Chosen")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator(".chosen li a")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_is_accessible_and_fits(
    page: Page,
    report: Report,
    axe: str,  # noqa: F811 - a fixture
    scheme: str,
    width: int,
) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 844})
    for norm in ("baseline", "absolute"):
        page.goto(report.at(f"b=7z&sel=host,vm,cvm&norm={norm}"), wait_until="load")
        page.reload(wait_until="load")
        assert len(rows(page)) == MOST_HEADLINES
        page.locator("figure.chart").first.hover()
        expect(page.locator("figure.chart").first).to_have_attribute("data-live", "1")
        assert violations(page, axe, colours=scheme == "dark") == {}
        room = page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
        assert room <= 0


def test_without_scripts_it_says_where_to_go(
    browser: Browser, report: Report, watch: Watch
) -> None:
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    watch.on(plain)
    plain.goto(report.at(), wait_until="load")
    expect(plain.get_by_role("heading", name="Choosing needs JavaScript")).to_be_visible()
    plain.get_by_role("link", name="CPU", exact=True).last.click()
    expect(plain.locator("h1")).to_be_visible()
    assert plain.url.endswith("/7z/index.html")
    expect(plain.locator("table").first).to_be_visible()
    assert watch.complaints == []
    context.close()


def test_the_first_view_is_light(page: Page, report: Report, watch: Watch) -> None:
    page.goto(report.at("b=7z&sel=host,vm,cvm"), wait_until="load")
    rows(page)
    paths = {url.partition("#")[0].partition("?")[0].removeprefix(report.root + "/") for url in
             watch.requests}  # fmt: skip
    assert not any("runs-7z" in path for path in paths)
    asked = [path for path in paths if "plotly" not in path]
    sizes = [len(gzip.compress((report.folder / "site" / path).read_bytes(), 6)) for path in asked]
    assert sum(sizes) < _FIRST_VIEW


def test_the_page_is_as_every_page_must_be(report: Report) -> None:
    assert check.faults(report.folder / "site", "compare/index.html") == []
