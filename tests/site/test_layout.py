"""Run pages that are filled in are those that their template renders, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from markupsafe import Markup
from msgspec.structs import replace

from benchmarks.synthetic import rich
from sitegen import config, resources
from sitegen.analysis.compare import Analysis, analyse
from sitegen.archive import Archive
from sitegen.model import Remark, RemarkKind, Run
from sitegen.report import run as pages
from sitegen.report import share
from sitegen.report.navigation import Site, navigation
from sitegen.site.render import Renderer, cite, ready_made
from tests import site_checks as check
from tests.charts.examples import HOSTILE

_FILES = [pages.download("run.json", 1234, "ab" * 32, published=True)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Return runs of every kind: of the rich report, cited, hostile, withdrawn."""
    folder = tmp_path_factory.mktemp("layouts")
    rich.write(folder, sessions=[0, 1, 3])
    archive = Archive(config.load(folder / "sitegen.toml").archive)
    found = [archive.read(entry) for entry in archive.scan()]
    plain = check.storage_run(0)
    hostile = replace(
        plain, note=f"{HOSTILE} \x01{0}\x02", preset=HOSTILE,
        remarks=(Remark(RemarkKind.WITHDRAWN, "2026-03-02T12:00:00Z", HOSTILE),),
    )  # fmt: skip
    return [*found, plain, hostile, check.cited_run("vm", 1.0, "1")]


def page_of(analysis: Analysis, run: Run, number: int) -> pages.RunPage:
    return pages.page(
        analysis, run, digest=f"{number:064}", bundle=f"{run.id}.tar", downloads=_FILES,
        excerpts={name: f"<{HOSTILE}\x1b[1m{number}" for step in run.steps for name in step.raw},
        samples=run.samples, superseded_by="" if number % 7 else run.id,
    )  # fmt: skip


@pytest.mark.parametrize("base_url", ["", "https://example.org/r"])
def test_a_page_that_is_filled_in_is_the_page_that_is_rendered(
    runs: list[Run], base_url: str
) -> None:
    analysis = analyse(runs, config.Config(Path()))
    site = Site("A & B", base_url, navigation(runs), "1")
    renderer = Renderer(site, "assets/x")
    for number, run in enumerate(runs):
        page = page_of(analysis, run, number)
        filled, _ = renderer.run_page(page)
        made = [Markup(part) for part in ready_made(page)[0]]  # noqa: S704 - our own
        shared = share.of_run(site, page)
        whole = renderer.page(
            "run.html", f"runs/{run.id}/", page=page, made=made, shared=shared,
            cited=cite(shared.citation),
        )  # fmt: skip
        assert filled == whole, run.id


def test_most_runs_of_a_benchmark_share_a_layout_and_each_has_its_own_links(
    runs: list[Run],
) -> None:
    alike = [check.storage_run(number) for number in range(5)]
    # Workloads take turns: the order of the rows says nothing.
    alike[4] = replace(alike[4], measurements=alike[4].measurements[::-1])
    analysis = analyse(alike, config.Config(Path()))
    renderer = Renderer(Site("A", "", navigation(alike), "1"), resources.assets().folder)
    for number, run in enumerate(alike):
        page, links = renderer.run_page(page_of(analysis, run, number + 1))
        assert f"{run.id}.tar" in links
        assert f"../../compare/index.html#b=fio&sel={run.id}" in links
        assert run.id in page.decode()
    assert len(renderer._layouts) == 1  # noqa: SLF001 - that is what it is for
    assert len(runs) > len(alike)
