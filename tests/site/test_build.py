"""Whole sites: the same bytes each time, only what changed, and nothing that does not belong."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from msgspec import structs
from msgspec.structs import replace

from benchmarks import synthetic
from sitegen import config
from sitegen.archive import Archive
from sitegen.catalogue.families import FAMILIES
from sitegen.errors import SitegenError
from sitegen.intake import tidy
from sitegen.model import (
    RESERVED,
    Fact,
    Fingerprint,
    Measurement,
    MetricDefinition,
    Parameter,
    Provenance,
    Run,
    Source,
    TeeVerdict,
    params,
    run_id,
)
from sitegen.report import benchmark
from sitegen.site.build import build
from tests import site_checks as check


@pytest.fixture(scope="module")
def report_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository's own archive, without what `make site` has added to it here."""
    folder = tmp_path_factory.mktemp("own") / "archive"
    shutil.copytree(check.ROOT / "archive", folder, ignore=shutil.ignore_patterns("local"))
    return folder


@pytest.fixture(scope="module")
def report_site(report_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository's own report, built once, without what was measured on this machine."""
    folder = tmp_path_factory.mktemp("published")
    settled = replace(
        config.load(check.ROOT / "sitegen.toml"),
        archive=report_archive,
        output=folder / "site",
        cache=folder / "cache",
        base_url="https://example.org/report",
    )
    build(settled)
    return folder / "site"


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Synthetic sites of 100 and of 1,000 runs, by their number of runs."""
    sites = {}
    for runs in (100, 1000):
        folder = tmp_path_factory.mktemp(f"runs-{runs}")
        synthetic.write(folder, synthetic.Shape(runs))
        build(config.load(folder / "sitegen.toml"))
        sites[runs] = folder / "site"
    return sites


# Same archive, same bytes


def test_another_machine_builds_the_same_bytes(tmp_path: Path) -> None:
    here = check.report(tmp_path / "here", *check.three_a_side())
    build(here)
    there = tmp_path / "elsewhere" / "deeper"
    shutil.copytree(tmp_path / "here" / "archive", there / "archive")
    shutil.copy(tmp_path / "here" / "sitegen.toml", there)
    for number, path in enumerate(sorted(there.rglob("*"))):
        os.utime(path, (1_000_000_000 + number, 1_500_000_000 - 60 * number))
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "TZ": "Pacific/Auckland", "LANG": "C"}
    argv = [sys.executable, "-m", "sitegen.cli", "build", "--config", str(there / "sitegen.toml")]
    subprocess.run(argv, cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert check.differing(check.tree(tmp_path / "here/site"), check.tree(there / "site")) == []


def test_one_run_added_gives_what_a_full_build_gives_and_writes_only_what_changed(
    tmp_path: Path,
) -> None:
    runs = check.three_a_side()
    newest = check.storage_run(90)
    check.built(tmp_path / "grown", *runs)
    before = check.touched(tmp_path / "grown/site")
    old = check.tree(tmp_path / "grown/site")
    result = check.built(tmp_path / "grown", newest)
    check.built(tmp_path / "whole", *runs, newest)
    new = check.tree(tmp_path / "grown/site")
    assert check.differing(new, check.tree(tmp_path / "whole/site")) == []
    after = check.touched(tmp_path / "grown/site")
    changed = {path for path, mark in after.items() if mark != before.get(path)}
    assert changed == set(check.differing(old, new))
    assert result.written == len(changed)
    assert result.pages - result.rendered >= len(runs)
    of_runs = {path.split("/")[1] for path in changed if path.startswith("runs/2")}
    # The run before it leads to it; no other page of a run knows of it.
    before_it = max(run.id for run in runs if run.environment == newest.environment)
    assert of_runs == {newest.id, before_it}


def test_a_run_of_another_benchmark_that_moves_the_window_makes_kept_pages_anew(
    tmp_path: Path,
) -> None:
    runs = check.three_a_side()
    far = check.storage_run(0)
    late = replace(
        far,
        id=run_id("2026-12-01T00:00:00Z", "7z", b"late"),
        benchmark="7z",
        started_at="2026-12-01T00:00:00Z",
        measurements=tuple(
            row._replace(metric="7z.rating", unit="MIPS", params=params(threads=1))
            for row in far.measurements[:1]
        ),
        steps=(),
        samples=(),
    )
    check.built(tmp_path / "grown", *runs)
    check.built(tmp_path / "grown", late)
    check.built(tmp_path / "whole", *runs, late)
    grown, whole = (check.tree(tmp_path / name / "site") for name in ("grown", "whole"))
    assert check.differing(grown, whole) == []
    assert "older than 90 days" in (tmp_path / "grown/site/fio/index.html").read_text()


def test_nothing_changed_renders_and_writes_nothing(tmp_path: Path) -> None:
    check.built(tmp_path, *check.three_a_side())
    before = check.touched(tmp_path / "site")
    result = check.built(tmp_path)
    assert (result.rendered, result.written, result.removed) == (0, 0, 0)
    assert check.touched(tmp_path / "site") == before
    assert result.pages == len(check.pages(tmp_path / "site"))
    assert result.runs == len(check.three_a_side())


def test_a_removed_run_takes_its_page_with_it(tmp_path: Path) -> None:
    runs = check.three_a_side()
    check.built(tmp_path / "shrunk", *runs)
    shutil.rmtree(Archive(tmp_path / "shrunk/archive").path(runs[0]))
    check.built(tmp_path / "shrunk")
    assert not (tmp_path / "shrunk/site/runs" / runs[0].id).exists()
    check.built(tmp_path / "whole", *runs[1:])
    assert (
        check.differing(check.tree(tmp_path / "shrunk/site"), check.tree(tmp_path / "whole/site"))
        == []
    )


def test_without_its_cache_a_site_is_brought_to_what_a_full_build_gives(tmp_path: Path) -> None:
    runs = check.three_a_side()
    check.built(tmp_path / "old", *runs)
    shutil.rmtree(tmp_path / "old/.sitegen")
    shutil.rmtree(Archive(tmp_path / "old/archive").path(runs[0]))
    check.built(tmp_path / "old")
    check.built(tmp_path / "new", *runs[1:])
    assert (
        check.differing(check.tree(tmp_path / "old/site"), check.tree(tmp_path / "new/site")) == []
    )


def test_a_damaged_cache_is_made_again(tmp_path: Path) -> None:
    runs = check.three_a_side()
    check.built(tmp_path / "one", *runs)
    for path in (tmp_path / "one/.sitegen").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    newest = check.storage_run(90)
    check.built(tmp_path / "one", newest)
    check.built(tmp_path / "other", *runs, newest)
    assert (
        check.differing(check.tree(tmp_path / "one/site"), check.tree(tmp_path / "other/site"))
        == []
    )


def test_a_page_that_is_missing_or_cut_is_written_again(tmp_path: Path) -> None:
    runs = check.three_a_side()
    check.built(tmp_path, *runs)
    whole = check.tree(tmp_path / "site")
    (tmp_path / "site/index.html").unlink()
    cut = tmp_path / "site/runs" / runs[0].id / "index.html"
    cut.write_bytes(cut.read_bytes()[:100])
    check.built(tmp_path)
    assert check.differing(check.tree(tmp_path / "site"), whole) == []


def test_settings_that_change_change_the_site(tmp_path: Path) -> None:
    check.built(tmp_path / "one", *check.three_a_side())
    renamed = check.TOML.replace('title = "CVM"', 'title = "Confidential"')
    check.built(tmp_path / "one", toml=renamed)
    check.built(tmp_path / "other", *check.three_a_side(), toml=renamed)
    assert (
        check.differing(check.tree(tmp_path / "one/site"), check.tree(tmp_path / "other/site"))
        == []
    )


# What is refused


def test_an_archive_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "sitegen.toml").write_text(check.TOML)
    with pytest.raises(SitegenError, match="sitegen collect"):
        build(config.load(tmp_path / "sitegen.toml"))


def test_an_archive_without_runs_builds_a_site_that_says_so(tmp_path: Path) -> None:
    result = check.built(tmp_path)
    assert result.runs == 0
    assert "Nothing has been measured yet" in (tmp_path / "site/index.html").read_text()
    for page in check.pages(tmp_path / "site"):
        assert check.faults(tmp_path / "site", page) == [], page


def test_a_broken_link_fails_the_build_and_names_the_page(tmp_path: Path) -> None:
    check.built(tmp_path, *check.three_a_side())
    old = check.tree(tmp_path / "site")
    check.note(tmp_path, "See [the other page](../nowhere/index.html).")
    with pytest.raises(SitegenError, match=r"fio/index\.html.*nowhere"):
        check.built(tmp_path)
    assert check.differing(check.tree(tmp_path / "site"), old) == []


def test_a_link_to_an_id_that_is_not_there_fails_the_build(tmp_path: Path) -> None:
    settled = check.report(tmp_path, *check.three_a_side())
    check.note(tmp_path, "See [the metric](../methodology/index.html#fio.nonsense).")
    with pytest.raises(SitegenError, match=r"fio\.nonsense"):
        build(settled)
    assert not (tmp_path / "site").exists()


def test_a_note_that_quotes_what_is_not_there_fails_with_its_line(tmp_path: Path) -> None:
    check.built(tmp_path, *check.three_a_side())
    old = check.tree(tmp_path / "site")
    check.note(tmp_path, "First line.\n\nThe CVM does {{ value('fio.iops', 'no-such-place') }}.\n")
    with pytest.raises(SitegenError, match=r"fio\.md:3: no figure is fio\.iops in no-such-place"):
        check.built(tmp_path)
    assert check.differing(check.tree(tmp_path / "site"), old) == []


def test_a_note_that_quotes_two_figures_at_once_fails(tmp_path: Path) -> None:
    settled = check.report(tmp_path, *check.three_a_side())
    check.note(tmp_path, "{{ value('fio.iops', 'cvm') }}")
    with pytest.raises(SitegenError, match=r"fio\.md:1: 2 figures"):
        build(settled)


def test_a_note_that_changes_changes_its_page(tmp_path: Path) -> None:
    settled = check.report(tmp_path, *check.three_a_side())
    check.note(tmp_path, "The CVM reads {{ value('fio.iops', 'cvm', direction='read') }}.")
    build(settled)
    page = (tmp_path / "site/fio/index.html").read_text()
    assert re.search(r'The CVM reads <a href="\.\./runs/[^"]+"[^>]*>\d', page)
    check.note(tmp_path, "It writes {{ value('fio.iops', 'cvm', direction='write') }}.")
    build(settled)
    assert "It writes <a" in (tmp_path / "site/fio/index.html").read_text()
    check.note(tmp_path, "")
    build(settled)
    assert "It writes" not in (tmp_path / "site/fio/index.html").read_text()


def test_the_page_of_a_benchmark_is_made_again_for_its_own_runs_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check.built(tmp_path, *check.three_a_side())
    made, page = [], benchmark.page

    def watched(*given: Any, **more: Any) -> benchmark.BenchmarkPage:  # noqa: ANN401 - as page
        made.append(given[1])
        return page(*given, **more)

    monkeypatch.setattr(benchmark, "page", watched)
    check.built(tmp_path, check.storage_run(90))
    assert made == ["fio"]
    check.built(tmp_path, check.cited_run("vm", 41_000.0, "41000"))
    assert made == ["fio", "7z"]


@pytest.mark.parametrize("name", ["data", "methodology", "environments", "runs"])
def test_a_benchmark_may_not_take_the_place_of_another_page(tmp_path: Path, name: str) -> None:
    run = check.storage_run(0)
    taken = replace(run, id=run.id.replace("-fio-", f"-{name}-"), benchmark=name)
    check.write_foreign(tmp_path, taken)
    result = check.built(tmp_path, check.storage_run(1), toml=check.ALONE)
    [damaged] = result.damaged
    assert name in damaged.path
    check.built(tmp_path / "without", check.storage_run(1), toml=check.ALONE)
    pages_without = check.tree(tmp_path / "without/site")
    changed = check.differing(check.tree(tmp_path / "site"), pages_without)
    assert changed == ["data/index.html", "sitegen.json"]  # which names what was set aside


@pytest.mark.parametrize("label", ["index.html", "page-2.html", "a.b", "0"])
def test_no_label_brings_the_build_down(tmp_path: Path, label: str) -> None:
    check.write_foreign(tmp_path, check.storage_run(0, label))
    result = check.built(tmp_path, check.storage_run(1), toml=check.ALONE)
    assert result.runs + len(result.damaged) == 2
    assert check.dead_links(tmp_path / "site") == []


def test_a_declared_baseline_that_has_no_run_yet_is_no_obstacle(tmp_path: Path) -> None:
    check.built(tmp_path, check.storage_run(0))
    assert check.dead_links(tmp_path / "site") == []


# Hostile text

MARK = "<img src=x onerror=alert(1)>"
EVIL = (
    f"{MARK}</script><script>alert(1)</script>\"'`{{{{ 7*7 }}}}{{% raw %}} javascript:alert(1)"
    " ]]> <!-- &lt;b&gt; &amp; \u202e\u2028 "
)


def hostile_run() -> Run:
    run = check.storage_run(0)
    row = "".join(letter for letter in EVIL if letter.isprintable())
    rows = [
        Measurement("w", "fio.own", "value", row[:40], 1.0, (("key" + row[:60], row),)),
        Measurement("w", "fio.iops", "value", "1/s", 2.0, (("direction", row),), 0, "ok",
                    f"2 {row[:90]}"),
        Measurement("w", "fio.iops", "value", "1/s", 3.0, (("direction", row),), 1),
        *run.measurements,
    ]  # fmt: skip
    return replace(
        run,
        measurements=tuple(rows),
        preset=EVIL,
        session=EVIL,
        boot=EVIL,
        note=EVIL,
        tool=structs.replace(run.tool, name=EVIL, version=EVIL, path=EVIL) if run.tool else None,
        parameters=(Parameter(EVIL, EVIL), *run.parameters),
        fingerprint=structs.replace(
            run.fingerprint,
            facts=tuple(structs.replace(f, name=EVIL, value=EVIL, source=EVIL)
                        for f in run.fingerprint.facts),
            tee=structs.replace(run.fingerprint.tee, kind=EVIL, reasons=(EVIL,)),
        ),
        steps=tuple(
            replace(step, name=EVIL, workload=f"w{EVIL}", argv=("fio", EVIL)) for step in run.steps
        ),
        source=Source(EVIL, EVIL, EVIL, EVIL, "javascript:alert(1)//" + EVIL, EVIL, EVIL),
        definitions=(
            MetricDefinition("fio.own", EVIL, EVIL, "higher", EVIL),
            MetricDefinition("other.own", EVIL, EVIL, EVIL, EVIL),
        ),
        redactions=((EVIL, 1),),
    )  # fmt: skip


def hostile_toml() -> str:
    quoted = json.dumps(EVIL.replace("\u2028", ""))
    text = check.TOML.replace('"A small report"', quoted).replace('"CVM"', quoted)
    return text.replace("[environments.cvm]", f"[environments.cvm]\nnote = {quoted}")


@pytest.mark.parametrize("metric", ["fio.a&b", 'fio."quoted"', "fio.two words", "fio.<i>", EVIL])
def test_a_metric_id_that_is_no_word_stops_no_build(tmp_path: Path, metric: str) -> None:
    run = check.storage_run(0)
    row = Measurement("read", metric, "value", "s", 1.0)
    own = replace(
        check.with_rows(run, row, *run.measurements),
        definitions=(MetricDefinition(metric, "Own", "s", "lower", "A definition."),),
    )
    check.write_foreign(tmp_path, own)
    result = check.built(tmp_path, check.storage_run(1), toml=check.ALONE)
    assert result.runs + len(result.damaged) == 2
    assert check.dead_links(tmp_path / "site") == []
    for page in check.pages(tmp_path / "site"):
        assert check.faults(tmp_path / "site", page) == [], page


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site in which every text that somebody else may choose tries to be markup."""
    folder = tmp_path_factory.mktemp("hostile")
    run = hostile_run()
    settled = check.report(
        folder, check.storage_run(0, "vm"), check.storage_run(0, "host"), toml=hostile_toml()
    )
    raw = {name: EVIL.encode()
           for step in run.steps for name in step.raw}  # fmt: skip
    Archive(folder / "archive").write(run, raw)
    Archive(folder / "archive").write(
        replace(
            check.cited_run("cvm", 5.0, f"5 {MARK}"),
            source=Source("s" + EVIL, EVIL, EVIL, EVIL, '//evil.example/" onclick="x', EVIL),
        )
    )
    text = EVIL.replace("{{", "{ {")
    tricks = "<iframe src='https://evil.example'></iframe><a href='../index.html' onclick='y'>y</a>"
    links = "[x](javascript:alert(1)) ![i](https://evil.example/i.png)"
    check.note(folder, f"# {text}\n\n{MARK} {links}\n\n{tricks}\n")
    build(replace(settled, base_url="https://example.org/r"))
    return folder / "site"


def test_hostile_text_becomes_text(hostile: Path) -> None:
    for page in check.pages(hostile):
        assert check.faults(hostile, page) == [], page
        root = check.parse((hostile / page).read_text())
        tags = {element.tag for element in root.iter() if isinstance(element.tag, str)}
        assert not tags & {"iframe", "object", "embed", "form", "base"}, page
        assert all("../data/badges/" in image.get("src") for image in root.iter("img")), page
        for script in root.iter("script"):
            if script.get("src") is None:
                json.loads(script.text)


def test_control_characters_in_an_output_leave_the_page_whole(tmp_path: Path) -> None:
    run = replace(check.storage_run(0), note="bell \x07 and escape \x1b[1m")
    settled = check.report(tmp_path, toml=check.ALONE)
    raw = {
        name: b"\x1b[31mred\x1b[0m \x00\x07\x7f\x85\xff end\n"
        for step in run.steps
        for name in step.raw
    }
    Archive(tmp_path / "archive").write(run, raw)
    build(settled)
    page = f"runs/{run.id}/index.html"
    assert check.faults(tmp_path / "site", page) == []
    assert " end" in (tmp_path / "site" / page).read_text()


def test_hostile_text_is_shown_as_it_is(hostile: Path) -> None:
    run = hostile_run()
    shown = check.text_of(check.parse((hostile / "runs" / run.id / "index.html").read_text()))
    # Once as note, fact, parameter, argv, raw output, reason of the TEE verdict.
    assert shown.count(MARK) >= 6
    assert "49" not in re.findall(r"`(\d+)", shown)


def test_hostile_text_breaks_no_link(hostile: Path) -> None:
    assert check.dead_links(hostile) == []


def test_no_link_leads_where_a_source_says_without_https(hostile: Path) -> None:
    for page in check.pages(hostile):
        for link in check.parse((hostile / page).read_text()).iter("a"):
            target = (link.get("href") or "").strip().lower()
            assert not target.startswith(("javascript:", "data:", "//", "http:")), page


def test_the_feed_and_the_sitemap_survive_hostile_text(hostile: Path) -> None:
    ET.fromstring((hostile / "feed.xml").read_bytes())  # noqa: S314 - we wrote it
    ET.fromstring((hostile / "sitemap.xml").read_bytes())  # noqa: S314 - we wrote it


# Every page


def test_every_page_of_the_report_is_whole(report_site: Path) -> None:
    found = {page: check.faults(report_site, page) for page in check.pages(report_site)}
    assert {page: faults for page, faults in found.items() if faults} == {}


def test_every_link_of_the_report_leads_somewhere(report_site: Path) -> None:
    assert check.dead_links(report_site) == []


def test_every_kind_of_page_is_there(report_site: Path, report_archive: Path) -> None:
    runs = [run.run_id for run in Archive(report_archive).scan()]
    found = set(check.pages(report_site))
    assert {f"runs/{run}/index.html" for run in runs} <= found
    benchmarks = {"fio", "ab", "7z", "llm", "zktls", "hardware"}
    assert {f"{name}/index.html" for name in benchmarks} <= found
    # No benchmark may be called as a folder of pages is.
    assert {page.split("/")[0] for page in found if "/" in page} <= RESERVED | set(FAMILIES)
    assert {
        "index.html", "404.html", "data/index.html", "methodology/index.html", "runs/index.html",
        "environments/index.html", "environments/h200-cvm/index.html",
    } <= found  # fmt: skip


def test_titles_tell_pages_apart(report_site: Path) -> None:
    titles: dict[str, list[str]] = {}
    for page in check.pages(report_site):
        root = check.parse((report_site / page).read_text())
        titles.setdefault(check.text_of(root.find("head/title")), []).append(page)
    assert {title: found for title, found in titles.items() if len(found) > 1} == {}


def test_nothing_in_a_site_says_where_it_was_built(report_site: Path) -> None:
    telling = [str(check.ROOT), str(report_site.parent), str(Path.home())]
    for path, data in check.tree(report_site).items():
        if "/assets/" in f"/{path}" or path.endswith((".tar", ".parquet", ".png")):
            continue
        text = data.decode()
        for word in telling:
            assert not re.search(rf"(?<![\w/-]){re.escape(word)}(?![\w-])", text), (path, word)


def test_metrics_are_linked_to_their_definitions(report_site: Path) -> None:
    defined = {
        e.get("id")
        for e in check.parse((report_site / "methodology/index.html").read_text()).iter("tr")
    }
    for name in ("fio", "ab", "7z", "llm", "zktls", "hardware"):
        with (report_site / f"data/{name}.csv").open(newline="") as file:
            assert {row["metric"] for row in csv.DictReader(file)} <= defined


# Budgets


def too_heavy(site: Path, most: int) -> dict[str, int]:
    sizes = {page: check.first_view_bytes(site, page) for page in check.pages(site)}
    return {page: size for page, size in sizes.items() if size > most}


def test_every_page_of_the_report_is_light(report_site: Path) -> None:
    assert too_heavy(report_site, 40_000) == {}


def test_every_page_of_a_thousand_runs_is_light(grown: dict[int, Path]) -> None:
    assert too_heavy(grown[1000], 40_000) == {}


def test_pages_do_not_grow_with_the_number_of_runs(grown: dict[int, Path]) -> None:
    compared = [
        "index.html", "fio/index.html", "ab/index.html", "7z/index.html", "methodology/index.html",
        "data/index.html", "environments/index.html",
        *(f"environments/{label}/index.html" for label in ("metal", "vm", "cvm", "gpu-cvm")),
    ]  # fmt: skip
    sizes = {
        page: (check.first_view_bytes(grown[100], page), check.first_view_bytes(grown[1000], page))
        for page in compared
    }
    assert {page: both for page, both in sizes.items() if both[1] > 1.2 * both[0]} == {}


def test_a_thousand_runs_make_whole_pages(grown: dict[int, Path]) -> None:
    site = grown[1000]
    kinds = [page for page in check.pages(site) if not page.startswith("runs/2")]
    runs = [page for page in check.pages(site) if page.startswith("runs/2")]
    assert len(runs) == 1000
    assert {p: f for p in (*kinds, *runs[:3]) if (f := check.faults(site, p))} == {}


# Data


def test_the_export_imports_again_to_the_same_figures(
    report_site: Path, report_archive: Path, tmp_path: Path
) -> None:
    archive = Archive(report_archive)
    wanted: dict[str, list[Measurement]] = {}
    for entry in archive.scan():
        run = archive.read(entry)
        wanted.setdefault(run.benchmark, []).extend(run.measurements)
    for name, rows in wanted.items():
        copy = tmp_path / f"{name}.csv"
        shutil.copy(report_site / f"data/{name}.csv", copy)
        again = tidy.read_runs(copy, Provenance.IMPORTED)
        found = [row for run in again for row in run.measurements]
        assert sorted(map(repr, found)) == sorted(
            repr(row._replace(status=str(row.status))) for row in rows
        )


def test_the_three_forms_of_the_data_agree(report_site: Path) -> None:
    from pyarrow import parquet

    for name in ("fio", "7z"):
        text = (report_site / f"data/{name}.csv").read_text()
        rows = [list(row.values()) for row in csv.DictReader(io.StringIO(text))]
        packed = json.loads((report_site / f"data/{name}.json").read_bytes())
        table = parquet.read_table(report_site / f"data/{name}.parquet")
        columns = table.to_pydict()
        assert packed["columns"] == list(columns)
        assert packed["data"] == [list(row) for row in zip(*columns.values(), strict=True)]
        assert len(rows) == len(packed["data"]) == table.num_rows
        for written, row in zip(rows, packed["data"], strict=True):
            for one, other in zip(written, row, strict=True):
                same = float(one) == other if isinstance(other, float) else one == str(other or "")
                assert same or (one, other) == ("0", 0)


def test_a_run_publishes_the_bytes_that_its_manifest_lists(
    report_site: Path, report_archive: Path
) -> None:
    archive = Archive(report_archive)
    for entry in archive.scan():
        _, files, manifest = archive.manifest(entry)
        bundle = report_site / "runs" / entry.run_id / f"{entry.run_id}.tar"
        with tarfile.open(bundle) as packed:
            found = {
                member.name.removeprefix(f"{entry.run_id}/"): content.read()
                for member in packed
                if (content := packed.extractfile(member))
            }
        wanted = {file.name: archive.checked(entry, file) for file in files}
        assert check.differing(found, {"run.json": manifest, **wanted}) == []


def test_raw_output_beyond_the_limit_stays_in_the_archive(tmp_path: Path) -> None:
    toml = check.ALONE.replace("[site]", "[site]\nmax_bytes = 1")
    run = check.storage_run(0)
    check.built(tmp_path, run, toml=toml)
    assert not (tmp_path / "site/runs" / run.id / "raw").exists()
    page = check.text_of(check.parse((tmp_path / "site/runs" / run.id / "index.html").read_text()))
    assert page.count("in the archive only") == sum(len(step.raw) for step in run.steps)
    assert check.dead_links(tmp_path / "site") == []


# The address of the site


def test_feed_sitemap_and_canonical_links_need_an_address(tmp_path: Path) -> None:
    settled = check.report(tmp_path, *check.three_a_side())
    build(settled)
    found = check.tree(tmp_path / "site")
    assert not {"feed.xml", "sitemap.xml"} & set(found)
    assert b"canonical" not in found["index.html"]
    assert b"Sitemap" not in found["robots.txt"]


def test_the_sitemap_names_every_page_at_its_address(report_site: Path) -> None:
    root = ET.fromstring((report_site / "sitemap.xml").read_bytes())  # noqa: S314 - we wrote it
    named = {element.text for element in root.iterfind(".//{*}loc")}
    wanted = {
        "https://example.org/report/" + page.removesuffix("index.html")
        for page in check.pages(report_site)
        if page != "404.html" and not page.startswith("data/embed/")
    }
    assert named == wanted
    assert (
        "Sitemap: https://example.org/report/sitemap.xml"
        in (report_site / "robots.txt").read_text().splitlines()
    )


def test_every_page_names_its_own_address(report_site: Path) -> None:
    for page in check.pages(report_site):
        if page == "404.html":
            continue
        root = check.parse((report_site / page).read_text())
        canonical = root.find("head/link[@rel='canonical']").get("href")
        place = page.removesuffix("index.html")
        if page.startswith("data/embed/"):
            place = f"{page.split('/')[2]}/"  # the page that the chart is part of
        assert canonical == f"https://example.org/report/{place}", page


def test_the_feed_lists_the_newest_runs_of_our_own(tmp_path: Path) -> None:
    runs = check.three_a_side()
    settled = replace(check.report(tmp_path, *runs), base_url="https://example.org/r")
    build(settled)
    root = ET.fromstring((tmp_path / "site/feed.xml").read_bytes())  # noqa: S314 - we wrote it
    updated = [e.text for e in root.iterfind("{*}entry/{*}updated")]
    assert updated == sorted(
        (run.started_at for run in runs if run.provenance == Provenance.COLLECTED), reverse=True
    )
    ids = [e.text for e in root.iterfind("{*}entry/{*}id")]
    assert len(set(ids)) == len(updated)
    assert root.find("{*}updated") is not None


def test_the_page_for_lost_readers_links_from_the_root_of_the_site(report_site: Path) -> None:
    root = check.parse((report_site / "404.html").read_text())
    for element in root.iter():
        target = element.get("href") or element.get("src")
        if target and not target.startswith(("#", "https:")):
            assert target.startswith("/report/"), target
            assert (report_site / target.removeprefix("/report/")).is_file(), target


def test_nothing_that_is_served_starts_with_a_dot(report_site: Path) -> None:
    hidden = [p for p in check.tree(report_site) if any(x.startswith(".") for x in p.split("/"))]
    assert hidden == [".nojekyll"]


def test_parameters_in_a_file_name_do_not_matter(tmp_path: Path) -> None:
    row = Measurement("read", "fio.iops", "value", "1/s", 5.0, params(path="../../etc/passwd"))
    check.built(tmp_path, check.with_rows(check.storage_run(0), row), toml=check.ALONE)
    assert check.dead_links(tmp_path / "site") == []


def test_notes_and_claims_on_nothing_here_are_named(tmp_path: Path) -> None:
    report = check.report(tmp_path, check.storage_run(0), toml=check.TOML)
    (report.notes / "reports").mkdir(parents=True)
    for name in ("fio.md", "README.md", "nope.md", "reports/nowhere.md"):
        (report.notes / name).write_text("Words.")
    report.claims.mkdir()
    (report.claims / "own.toml").write_text(
        '[[claim]]\nid = "a"\nsource = "gone"\nstatement = "S."\nkind = "statement"\n'
    )
    hints = [hint for hint in build(report).hints if "page" in hint]
    assert [hint.partition(":")[0] for hint in hints[:2]] == [
        "notes/nope.md is on no page",
        "notes/reports/nowhere.md is on no page",
    ]
    assert hints[2].startswith("claims of gone have no page of their publication")
    assert len(hints) == 3


@pytest.mark.parametrize(
    ("toml", "labels", "said"),
    [
        # Called as a TEE is, on a machine that shows none.
        (
            "[environments.vm]\nrole = 'vm'\n",
            ("vm", "tdx-1"),
            'write `role = "cpu-tee"` and `tee = "tdx"` under [environments.tdx-1] in sitegen.toml',
        ),
        ("", ("cvm",), 'write `role = "cpu-tee"` under [environments.cvm] in sitegen.toml'),
        ("", ("a", "b"), "`sitegen baseline b=a` or the other way round"),
        # What `make site` makes in a clone: nothing is a TEE, and that is declared.
        ("[environments.dev-vm]\nrole = 'vm'\ntee = 'none'\n", ("dev-vm", "local"), ""),
    ],
)
def test_a_hint_says_what_to_write(
    tmp_path: Path, toml: str, labels: tuple[str, ...], said: str
) -> None:
    plain = Fingerprint((Fact("virtualisation", "kvm", "cpuid"),), TeeVerdict("none"))
    runs = [
        replace(check.storage_run(place, label), fingerprint=plain)
        for place, label in enumerate(labels)
    ]
    hints = check.built(tmp_path, *runs, toml=toml).hints
    assert said in " ".join(hints)
    assert bool(hints) == bool(said)


def test_a_front_page_without_a_tee_says_so_beside_what_was_compared(tmp_path: Path) -> None:
    toml = '[environments.guest]\nrole = "vm"\nbaselines = { metal = "metal" }\n'
    sides = [check.storage_run(9 * n, label) for label in ("metal", "guest") for n in range(3)]
    check.built(tmp_path, *sides, toml=toml)
    front = (tmp_path / "site" / "index.html").read_text()
    assert "None of them is a TEE." in front
    assert "has a baseline yet" not in front
