"""What the search finds, and that every entry leads somewhere."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from sitegen.analysis.compare import analyse
from sitegen.catalogue.metrics import METRICS
from sitegen.catalogue.rules import RULES
from sitegen.report import methodology, search
from sitegen.report.navigation import navigation
from sitegen.report.search import Found
from sitegen.site.build import Result
from tests import site_checks as check

from .test_pages import SETTINGS
from .test_run_list import data


@pytest.fixture(scope="module")
def found() -> list[Found]:
    runs = check.three_a_side()
    analysis = analyse(runs, SETTINGS)
    counts = Counter((run.benchmark, run.environment) for run in runs)
    return search.entries(analysis, counts, navigation(runs), methodology.page(analysis))


def test_the_kind_of_tee_finds_what_was_measured_on_it(found: list[Found]) -> None:
    of_tdx = [one for one in found if "TDX" in f"{one.title} {one.about}"]
    told = [(one.kind, one.title, one.page) for one in of_tdx]
    assert ("environment", "CVM", "environments/cvm/index.html") in told
    assert ("measured", "Storage on CVM", "fio/index.html") in told
    assert ("measured", "CPU on CVM", "7z/index.html") in told


def test_every_page_of_the_navigation_is_found_once(found: list[Found]) -> None:
    pages = Counter(one.page for one in found if one.kind in ("benchmark", "page"))
    assert pages.keys() >= {"index.html", "fio/index.html", "runs/index.html", "data/index.html"}
    assert set(pages.values()) == {1}


def test_every_metric_and_caveat_is_found_at_its_definition(found: list[Found]) -> None:
    places = {one.page for one in found if one.kind in ("metric", "caveat")}
    assert places == {f"methodology/index.html#{name}" for name in (*METRICS, *RULES)}


def test_long_definitions_are_cut_at_a_word() -> None:
    long = Found("metric", "T", "word " * 100, "methodology/#t")
    [[_, _, about, page, _]] = data(search.file([long], ["shard-1.js?v=1"]))["entries"]
    assert len(about) < 165
    assert about.endswith("word …")
    assert page == "methodology/index.html#t"


def test_the_shards_of_runs_are_told_from_the_root() -> None:
    assert data(search.file([], ["shard-1.js?v=1"]))["shards"] == ["runs/shard-1.js?v=1"]


def test_a_built_site_has_what_its_search_leads_to(tmp_path: Path) -> None:
    result: Result = check.built(tmp_path, *check.three_a_side())
    told = data((result.output / search.FILE).read_bytes())
    assert len(told["entries"]) > 50
    for _, _, _, address, _ in told["entries"]:
        path, _, place = address.partition("#")
        text = (result.output / path).read_text()
        assert not place or f'id="{place}"' in text, address
    for shard in told["shards"]:
        assert (result.output / shard.partition("?")[0]).is_file()
