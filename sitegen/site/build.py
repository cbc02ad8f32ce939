"""Pages -> files: what is rendered again, the link check, and the only writer of the site.

Everything is rendered and checked before the first file of an existing site is replaced; a
new site appears as a whole. Same archive, same bytes: no clock, no randomness.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import msgspec
import orjson
from msgspec import Struct

from sitegen import __version__, resources
from sitegen.archive import library, quarantine
from sitegen.archive.quarantine import SetAside, Unmade
from sitegen.archive.remote import opened
from sitegen.archive.store import Archive, Damaged, Entry
from sitegen.charts import card
from sitegen.crew import Crew, parts_of
from sitegen.errors import SitegenError, many
from sitegen.site import elsewhere, feeds, keys, standing
from sitegen.site import theme as themes
from sitegen.site.folder import Mark, Output, State, check_folder, is_tidy, workplace
from sitegen.site.run_pages import RunFiles, RunPages, Stale

if TYPE_CHECKING:
    from sitegen.analysis.claims import Checked
    from sitegen.analysis.compare import Analysis
    from sitegen.archive.library import Library
    from sitegen.config import Config
    from sitegen.model import AnyRun, Run, Sample
    from sitegen.report.benchmark import Command
    from sitegen.report.changes import Change
    from sitegen.report.claims import ClaimsPage
    from sitegen.report.compare_page import Offered
    from sitegen.report.costs import CostTable
    from sitegen.report.methodology import MethodologyPage
    from sitegen.report.navigation import DataFile
    from sitegen.report.reports import ReportPage
    from sitegen.report.share import Shared
    from sitegen.site.render import Renderer
    from sitegen.site.theme import Theme

_PAGES_AT_ONCE = 25


class Result(Struct, frozen=True):
    """What a build did. Sizes in bytes, time in CPU seconds."""

    output: Path
    pages: int
    rendered: int
    written: int
    removed: int
    bytes: int
    cpu_s: float
    runs: int
    damaged: tuple[Damaged, ...] = ()
    hints: tuple[str, ...] = ()

    def summary(self) -> str:
        """Return one line for the terminal."""
        return (
            f"{many(self.runs, 'run')}, {many(self.pages, 'page')} ({self.rendered} rendered),"
            f" {many(self.written, 'file')} written, {self.bytes / 1e6:.1f} MB,"
            f" {self.cpu_s:.1f} CPU-s\nopen {self.output / 'index.html'}"
        )


def build(config: Config, say: Callable[[str], None] = lambda _: None) -> Result:
    """Build the site that ``config`` describes and return what was done.

    A build of the same site that is at work is waited for, which ``say`` is told. Raises
    SitegenError when the archive is absent, a note contradicts its data, a link leads nowhere,
    the output folder is not a site, or cannot be written; then the old site is as it was, or
    says itself that it is not whole.
    """
    try:
        return _done(config, say)
    except Exception as error:
        standing.failed(config, error)
        raise


def _done(config: Config, say: Callable[[str], None]) -> Result:
    start = _cpu_s()
    archive = opened(config)
    entries = archive.stamped()
    theme = themes.read(config.theme)
    code = resources.source_digest()
    source = code + theme.digest
    site = config.output.resolve()
    key = keys.of_site(config, entries, code, theme.digest)
    state_file = standing.state_file(config)
    if is_tidy(site) and (done := _unchanged(config, state_file, key, start)):
        return done
    check_folder(config.output, _mark(site, state_file))
    from sitegen.analysis.selection import hints

    with workplace(site, say) as work:
        if done := _unchanged(config, state_file, key, start):
            return done
        mark = _mark(site, state_file)
        check_folder(config.output, mark)
        try:
            built = _built(config, archive, entries, source, theme, state_file, mark, work)
        except Stale:
            # A file is not what it was when the cache was made, which no size or time shows:
            # every run is looked into again.
            library.forget(config.cache / "cache")
            built = _built(config, archive, entries, source, theme, state_file, mark, work)
        runs, damaged = len(built.runs), built.damaged
        state = State(
            key,
            built.mark.digest,
            built.page_keys,
            built.benchmarks,
            built.elsewhere.keys,
            runs,
            [(d.path, d.reason) for d in damaged],
            built.unsaid,
            dict(config.given),
        )
        # On a disk that cannot be written the next build costs as much as this one.
        with contextlib.suppress(OSError):
            state.save(state_file)
    files = built.mark.files or {}
    return Result(
        config.output, _count_pages(files), built.rendered, built.written, built.removed,
        sum(size for _, size in files.values()), _cpu_s() - start, runs,
        tuple(damaged), (*hints(built.runs, config), *built.unsaid, *built.left_out),
    )  # fmt: skip


def _mark(site: Path, state_file: Path) -> Mark | None:
    mark = Mark.read(site)
    return mark and mark.with_list_of(state_file)


def _unchanged(config: Config, state_file: Path, key: str, start: float) -> Result | None:
    """Return what a build comes to when the last one of the same is whole, and nothing otherwise.

    ``start`` is the process's CPU time at which this build began, in seconds.
    """
    state = State.load(state_file)
    if state.key != key:
        return None
    mark = Mark.read(config.output)
    if mark is None or not state.describes(mark) or mark.missing(config.output):
        return None
    if state.failed or state.given != config.given:
        state.failed, state.given = "", dict(config.given)
        with contextlib.suppress(OSError):
            state.save(state_file)
    files = mark.files or {}
    return Result(
        config.output, _count_pages(files), 0, 0, 0, sum(size for _, size in files.values()),
        _cpu_s() - start, state.runs, tuple(Damaged(*pair) for pair in state.damaged),
    )  # fmt: skip


def _built(  # noqa: PLR0913 - what a build is made from, and where
    config: Config,
    archive: Archive,
    entries: list[Entry],
    source: str,
    theme: Theme,
    state_file: Path,
    mark: Mark | None,
    work: Path | None,
) -> _Build:
    """Return a build that is done; a run that it fails on is set aside."""
    from sitegen.analysis.selection import check_baselines

    held = library.load(archive, config.cache / "cache", entries, config.aliases)
    runs = [one.run for one in held.runs.values()]
    labels = {config.aliases.get(each.environment, each.environment) for each in entries}
    check_baselines(labels, config)
    site, state = config.output.resolve(), State.load(state_file)
    old = state if mark and state.describes(mark) else State()
    whole = partial(_Build, config, archive, held, source, theme, old)

    def make(chosen: Sequence[AnyRun], aside: Sequence[SetAside]) -> _Build:
        if work is not None:
            shutil.rmtree(work, ignore_errors=True)  # what an attempt before this one has written
        return whole(chosen, aside, Output(site, mark, work)).run()

    def trial(chosen: Sequence[AnyRun]) -> None:
        whole(chosen, (), Output(site, mark, work, dry=True)).run()

    return quarantine.without_failing(runs, make, trial)[0]


class _Build:
    """One build: gathers, renders, checks, writes.

    A dry one leaves notes and claims out, which are not of the runs.
    """

    def __init__(  # noqa: PLR0913 - what all pages are made from
        self,
        config: Config,
        archive: Archive,
        held: Library,
        source: str,
        theme: Theme,
        old: State,
        runs: Sequence[AnyRun],
        aside: Sequence[SetAside],
        output: Output,
    ) -> None:
        from sitegen.analysis import claims
        from sitegen.analysis.compare import analyse
        from sitegen.analysis.selection import superseded
        from sitegen.report.navigation import Site, navigation
        from sitegen.site.render import Renderer

        self.config, self.archive, self.library, self.old = config, archive, held, old
        self.runs = runs
        self.output, self.prose = output, not output.dry
        self.damaged: list[Damaged] = [
            *held.damaged,
            *held.damages(aside),
        ]
        self.unsaid: list[str] = []
        self.left_out: list[str] = []
        self.analysis: Analysis = analyse(self.runs, config)
        self.left_out += theme.hints
        self.assets = resources.assets(theme.files)
        self.checked: list[Checked]
        self.checked, absent = claims.check_all(
            claims.load_all(config.claims) if self.prose else (),
            self.analysis,
            damaged=bool(self.damaged),
        )
        if absent:
            first, rest = absent[0].partition(":")[0], len(absent) - 1
            more = f" and {rest} more" if rest else ""
            self.unsaid.append(
                f"the claim {first}{more} cannot be recomputed while runs are set aside:"
                " `sitegen claims` says why"
            )
        self.publications = self._publications()
        if self.prose and not self.damaged and config.notes.is_dir():
            from sitegen.report import notes

            self.left_out += notes.unused(config, {r.benchmark for r in runs}, self.publications)
            self.left_out += notes.unpublished(self.checked, self.publications)
        nav = navigation(self.runs, reports=bool(self.publications), claims=bool(self.checked))
        pictures = bool(config.base_url and card.drawn_by())
        if config.base_url and not pictures:
            self.left_out.append(elsewhere.WITHOUT)
        look = (theme.logo, theme.style)
        site = Site(config.title, config.base_url, nav, __version__, pictures, *look)
        own = theme.templates
        compiled = resources.compiled_templates(own=bool(own))
        self.renderer: Renderer = Renderer(site, self.assets.folder, compiled, own)
        self.page_base = keys.short(f"{source}{site}{self.assets.folder}")
        self.elsewhere = elsewhere.Elsewhere(self.renderer, output, source, old.elsewhere)
        self.front: Shared
        self.superseded = superseded(self.runs)
        self.paths: list[str] = []
        self.anchors: dict[str, set[str]] = {}
        self.page_keys: dict[str, str] = {}
        self.benchmarks: dict[str, tuple[Offered, DataFile, tuple[Change, ...], list[str]]] = {}
        self.shards: list[str] = []
        self.reports: list[ReportPage] = []
        self.claims: ClaimsPage | None = None
        self.definitions: MethodologyPage
        self.run_files = RunFiles(archive)
        self.run_pages = RunPages(
            self.run_files, held, self.analysis, self.renderer, runs, self.page_base
        )
        self.rendered = self.written = self.removed = 0
        self.mark = Mark()

    def run(self) -> Self:
        """Render and write everything; raises SitegenError, Unmade for a page that is not whole."""
        output = self.output
        fresh = self.run_pages.fresh(self.config.max_bytes, self.old.pages, output)
        self.page_keys |= self.run_pages.keys
        parts = parts_of(fresh, _PAGES_AT_ONCE)
        self.rendered = sum(map(len, parts))
        with Crew(partial(self.run_pages.made, output), parts, alone=output.dry) as crew:
            self._site_pages()
            for name, data in self.assets.files.items():
                output.add(f"{self.assets.folder}/{name}", data)
            self._data_pages()
            self._claims_page()
            self._report_pages()
            self._compare_page()
            self._search()
            self._whole_site_files()
            for content in crew.results():
                output.take(content)
        self._check_links(output)
        if not output.dry:
            self.mark, self.written, self.removed = output.finish(len(self.runs))
        return self

    def _site_pages(self) -> None:
        from sitegen.report import changes, costs, methodology, overview, share

        analysis, runs, site = self.analysis, self.runs, self.renderer.site
        names = sorted({run.benchmark for run in runs})
        tables = {name: costs.tables(analysis, name) for name in names}
        self.tables = [table for name in names for table in costs.of_tees(tables[name])]
        for name in names:
            self._benchmark(name, tables[name])
        front = overview.page(analysis, runs, tables, self.checked)
        self.front = share.of_overview(site, front, share.newest_day(runs))
        found = changes.newest(self._changes())
        intro = self._introduction()
        shown = {"page": front, "changes": found, "intro": intro}
        self._page("index.html", "overview.html", self.front, **shown)
        by_label: dict[str, list[AnyRun]] = {}
        for run in runs:
            by_label.setdefault(run.environment, []).append(run)
        for label in analysis.config.environments:
            of_label = by_label.get(label, [])
            newest = self._newest_whole(of_label)
            page = overview.environment(analysis, label, of_label, tables, newest)
            shared = share.of_environment(site, page, share.newest_day(of_label))
            self._page(f"environments/{label}/index.html", "environment.html", shared, page=page)
        for alias, label in analysis.config.aliases.items():
            place = f"environments/{label}/"
            shared = share.Shared(picture=f"data/cards/environments/{label}.png", address=place)
            path = f"environments/{alias}/index.html"
            self._page(path, "moved.html", shared, alias=alias, label=label)
        self._page("environments/index.html", "environments.html", coverage=front.coverage)
        self._run_list()
        self.definitions = methodology.page(analysis)
        self._page("methodology/index.html", "methodology.html", page=self.definitions)

    def _run_list(self) -> None:
        from sitegen.report import run_list

        every = run_list.lines(self.analysis, reversed(run_list.newest(self.runs)))
        shards = run_list.shards(every)
        for path, data in shards.items():
            self._take(path, data)
        self.shards = run_list.addresses(shards)
        for listed in run_list.pages(every, self.shards):
            name = f"page-{listed.number}" if listed.number else "index"
            self._page(f"runs/{name}.html", "runs.html", page=listed)

    def _page(
        self,
        path: str,
        template: str,
        shared: Shared | None = None,
        **values: Any,  # noqa: ANN401 - page values
    ) -> None:
        folder = path.removesuffix("index.html")
        if shared:
            self.elsewhere.picture(shared)
            values["shared"] = shared
        self._take(path, self.renderer.page(template, folder, **values))
        self.rendered += 1

    def _take(self, path: str, data: bytes) -> None:
        from sitegen.site.render import anchors, links

        self.output.add(path, data)
        self.paths.append(path)
        if path.endswith(".html") and path != "404.html":
            text = data.decode()
            self.output.refers(path, links(text))
            self.anchors[path] = anchors(text)

    def _benchmark(self, name: str, tables: tuple[CostTable, ...]) -> None:
        """Make the page of a benchmark, its downloads and what the compare page asks for.

        All of it is that of the last build where its runs and the settings are the same.
        """
        from sitegen.analysis import export
        from sitegen.catalogue.families import family
        from sitegen.report import benchmark, changes, citation, compare_page, history, share
        from sitegen.report.navigation import DataFile
        from sitegen.report.scripts import versioned

        note, runs = self._note(name), [run for run in self.runs if run.benchmark == name]
        downloads = {form: f"data/{name}.{form}" for form in citation.FORMS}
        rest = f"{name}/rest.js"
        common = f"{self.page_base}{self.publications}{self.elsewhere.drawn_by}{note}"
        made_from = (runs, self.analysis, self.library, self.superseded, common)
        self.page_keys[name] = key = keys.of_benchmark(name, *made_from)
        if key == self.old.pages.get(name) and name in self.old.benchmarks:
            cached: tuple[Offered, DataFile, tuple[Change, ...], list[str]] = msgspec.convert(
                self.old.benchmarks[name],
                tuple[compare_page.Offered, DataFile, tuple[changes.Change, ...], list[str]],
            )
            *_, pages = cached
            others = self.elsewhere.of_benchmark(name)
            kept = [*pages, rest, *downloads.values(), *compare_page.files(name), *others]
            if self.output.keep_files(kept):
                self.paths += [*pages, *downloads.values()]
                self.benchmarks[name] = cached
                return
        pages = [f"{name}/index.html"]
        commands, samples, again = self._of_newest(name)
        content = benchmark.page(self.analysis, name, tables, samples)
        day, site = share.newest_day(runs), self.renderer.site
        comparisons = share.comparisons(site, content, day)
        badge = share.badge(content.title, content.finding.answer)
        self.elsewhere.benchmark(content, badge, comparisons, day)
        folded, links = self.renderer.rest(content)
        self.output.add(rest, folded)
        self.output.refers(rest, links)
        past = history.history_of(self.analysis, name, runs, self.superseded)
        self._page(
            pages[0],
            "benchmark.html",
            share.of_benchmark(site, content, day),
            page=content,
            comparisons=comparisons,
            badge=badge,
            rest_address=versioned("rest.js", folded),
            history=past,
            commands=commands,
            again=again,
            note=note,
            method=self._method(name),
            collected=family(name).collected,
            publications=self.publications,
        )
        if past.more:
            pages.append(f"{name}/history.html")
            self._page(pages[1], "history.html", page=content, history=past)
        columns = export.columns(self.analysis, runs)
        sizes = dict.fromkeys(citation.FORMS, 0)
        for form, data in export.encoded(columns, citation.FORMS):
            self._take(downloads[form], data)
            sizes[form] = len(data)
        offered, files = compare_page.scripts(self.analysis, name, runs)
        for file, data in files.items():
            self._take(file, data)
        rows = DataFile(family(name).title, name, len(columns["run_id"]), tuple(sizes.items()))
        self.benchmarks[name] = (offered, rows, past.changes, pages)

    def _changes(self) -> tuple[Change, ...]:
        """Return what changed in all benchmarks, the newest first."""
        from sitegen.report.changes import merged

        return merged(one for _, _, told, _ in self.benchmarks.values() for one in told)

    def _data_pages(self) -> None:
        from sitegen.analysis import export

        schema = {"version": export.VERSION, "columns": export.COLUMNS}
        self._take("data/schema.json", orjson.dumps(schema, option=orjson.OPT_INDENT_2))
        listed = tuple(rows for _, rows, *_ in self.benchmarks.values())
        columns = tuple(export.COLUMNS.items())
        values = {"files": listed, "columns": columns, "damaged": self.damaged}
        # Every figure of the report is there, so it is the same set of data.
        shared = self.front._replace(card=None)
        self._page("data/index.html", "data.html", shared, **values)

    def _claims_page(self) -> None:
        """Render the page of claims, where a report has any."""
        if not self.checked:
            return
        from sitegen.analysis.claims import as_json
        from sitegen.report import claims as pages

        self.claims = page = pages.page(self.analysis, self.checked)
        self._page("claims/index.html", "claims.html", page=page, publications=self.publications)
        rows = [as_json(each) for each in self.checked]
        self._take("claims/claims.json", orjson.dumps(rows, option=orjson.OPT_INDENT_2))

    def _publications(self) -> tuple[str, ...]:
        """Return the publications that have a page: a site that cites nothing loads nothing."""
        if not self.prose or not (self.checked or any(run.source for run in self.runs)):
            return ()
        from sitegen.report import reports

        return reports.sources(
            self.runs, self.checked, lambda source: self._review(source).is_file()
        )

    def _review(self, source: str) -> Path:
        return self.config.notes / "reports" / f"{source}.md"

    def _report_pages(self) -> None:
        """Render a page for each publication, and their list."""
        if not self.publications:
            return
        from sitegen.report import notes, reports, share

        pages = self.reports
        for source in self.publications:
            path, note = self._review(source), notes.Note()
            if path.is_file():
                prose = self._prose(path, notes.of_report(self.analysis, self.checked))
                note = notes.cut(path.read_text("utf-8"), prose, str(path)) if prose else note
            page = reports.page(self.analysis, source, self.runs, self.checked, note)
            pages.append(page)
            cited = [run for run in self.runs if run.source and run.source.id == source]
            shared = share.of_report(self.renderer.site, page, share.newest_day(cited))
            self._page(f"reports/{source}/index.html", "report.html", shared, page=page)
            for section in page.sections if page.paged else ():
                self._page(
                    f"reports/{source}/{section.file}",
                    "report_section.html",
                    shared._replace(card=None),
                    page=page,
                    section=section,
                )
        self._page("reports/index.html", "reports.html", page=reports.index(pages))

    def _compare_page(self) -> None:
        """Render the page on which a reader chooses."""
        from sitegen.report import compare_page

        offered = compare_page.listed(one for one, *_ in self.benchmarks.values())
        most, ready = compare_page.MAX_RUNS, compare_page.ready(offered)
        page = ("compare/index.html", "compare.html")
        self._page(*page, offered=offered, ready=ready, max_runs=most)

    def _search(self) -> None:
        """Write what the search box finds."""
        from sitegen.report import search

        counts = Counter((run.benchmark, run.environment) for run in self.runs)
        found = search.entries(
            self.analysis,
            counts,
            self.renderer.site.nav,
            self.definitions,
            self.reports,
            self.claims,
            self.tables,
        )
        self._take(search.FILE, search.file(found, self.shards))
        # They lead to places that other pages must have.
        self.output.refers("index.html", [one.page for one in found])

    def _whole_site_files(self) -> None:
        from sitegen.report import run_list

        base = self.config.base_url
        root = urlsplit(base).path.rstrip("/") + "/" if base else "/"
        # It is served at any depth: only here do links start at the site's root.
        self._take("404.html", self.renderer.page("404.html", "404.html", root=root))
        self._take(".nojekyll", b"")
        sitemap = f"Sitemap: {base}/sitemap.xml\n" if base else ""
        self._take("robots.txt", f"User-agent: *\nAllow: /\n{sitemap}".encode())
        if base:
            self._take("sitemap.xml", feeds.sitemap(base, self.paths, self.runs))
            newest = feeds.newest(self.runs)
            told = zip(newest, run_list.lines(self.analysis, newest), strict=True)
            self._take("feed.xml", feeds.feed(base, self.config.title, told))
            changes = feeds.changes(base, self.config.title, self._changes())
            self._take("changes.xml", changes)

    def _of_newest(
        self, benchmark: str
    ) -> tuple[tuple[Command, ...], dict[str, tuple[Sample, ...]], str]:
        """Return the commands of the newest own run, each environment's newest samples, and more.

        Last comes the command that collects such a run elsewhere.
        """
        from sitegen.report import benchmark as pages
        from sitegen.report.run_steps import collecting

        commands: tuple[Command, ...] = ()
        samples: dict[str, tuple[Sample, ...]] = {}
        newest = again = ""
        for (name, label), selection in self.analysis.selections.items():
            if name != benchmark or not selection.runs:
                continue
            # One that is set aside somewhere would draw what no figure stands for.
            gone = {
                run
                for cell in self.analysis.of(benchmark)
                if cell.environment == label
                for mark in cell.aside
                for run in mark.runs
            }
            clean = [run for run in selection.runs if run.id not in gone] or selection.runs
            held = self.library.runs[clean[-1].id]
            if not held.steps:
                continue
            whole, files, _ = self.run_files.manifest(held.entry)
            if whole.started_at > newest:
                newest, commands = whole.started_at, pages.commands_of(whole)
                again = collecting(whole, "NAME")
            if held.samples:
                samples[label] = self.run_files.samples(held, files)
        return commands, samples, again

    def _newest_whole(self, runs: Sequence[AnyRun]) -> Run | None:
        """Return the newest of ``runs`` that has steps, those that saw the machine first."""
        from sitegen.analysis.selection import saw_machine

        parsed = [run for run in runs if self.library.runs[run.id].steps]
        if not parsed:
            return None
        newest = max(parsed, key=lambda run: (saw_machine(run), run.started_at, run.id))
        return self.run_files.manifest(self.library.runs[newest.id].entry)[0]

    def _introduction(self) -> str:
        from sitegen.report import notes

        path = self.config.notes / f"{notes.FRONT}.md"
        if not self.prose or not path.is_file():
            return ""
        return self._prose(path, notes.of_front(self.analysis, self.checked))

    def _note(self, benchmark: str) -> str:
        from sitegen.report import notes

        path = self.config.notes / f"{benchmark}.md"
        if not self.prose or not path.is_file():
            return ""
        return self._prose(path, notes.of_benchmark(self.analysis, benchmark))

    def _prose(self, path: Path, functions: Mapping[str, Callable[..., object]]) -> str:
        """Return a note as HTML; nothing where the figures that it quotes are set aside.

        A note that the data contradicts stops the build. One that quotes a damaged run says
        nothing wrong: it cannot say anything until the run is whole again.
        """
        from sitegen.site import render

        try:
            return render.note(path, functions)
        except SitegenError as error:
            if not self.damaged:
                raise
            self.unsaid.append(f"{error}; the note is left out while runs are set aside")
            return ""

    def _method(self, benchmark: str) -> str:
        from sitegen.collect.installed import method_note
        from sitegen.site import render

        all_held = self.library.runs.values()
        if not any(held.steps for held in all_held if held.run.benchmark == benchmark):
            return ""
        return render.markdown(method_note(benchmark))

    def _check_links(self, output: Output) -> None:
        """Raise SitegenError for the first link that leads nowhere."""
        for target, path in sorted(output.links.items()):
            place, _, anchor = target.partition("#")
            if place not in output.files:
                raise Unmade(f"a link leads to {place!r}, which is not there", where=path)
            if "=" in anchor:
                continue  # what the compare page keeps there is no id: `#b=fio&sel=a,b`
            if anchor and place in self.anchors and anchor not in self.anchors[place]:
                raise Unmade(f"a link leads to {target!r}, which has no such id", where=path)


def _cpu_s() -> float:
    """Return the CPU time of this process and of the forks that helped it, in seconds."""
    return sum(os.times()[:4])


def _count_pages(files: Mapping[str, Any]) -> int:
    return sum(path.endswith(".html") for path in files)
