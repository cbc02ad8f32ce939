"""A real browser on the repository's own report, served at a root, under a path, and from disk."""

from __future__ import annotations

import contextlib
import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace
from playwright.sync_api import Browser, BrowserContext, Page, Request, Response, sync_playwright

from benchmarks.synthetic import rich
from sitegen import config
from sitegen.analysis.compare import Analysis, analyse
from sitegen.archive import Archive, library
from sitegen.model import IndexedRun, Run, Sample
from sitegen.site.build import build
from tests import site_checks as check

# The shell is the same engine without what a window needs: the tests take half the time.
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--allow-file-access-from-files",
)
_SUBPATH = "/x/y"


class Site(Struct, frozen=True):
    """A built site, where it is served, and the pages to look at: one of each kind."""

    folder: Path
    root: str
    kinds: tuple[str, ...]
    live: tuple[str, ...]
    long_run: str

    def base(self, place: str) -> str:
        """Return the address of the site at a domain's root, under a path, or on disk."""
        return {"root": self.root, "path": self.root + _SUBPATH, "file": self.folder.as_uri()}[
            place
        ]


class RichReport(Struct, frozen=True):
    """The rich report, on which pages are judged, built and served."""

    folder: Path
    root: str
    settings: config.Config
    runs: tuple[IndexedRun, ...]
    analysis: Analysis


class Watch:
    """What a page complained of, and what it asked for."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.complaints: list[str] = []
        self.requests: list[str] = []

    def on(self, page: Page) -> None:
        """Listen to a page from now on."""
        page.on("console", lambda said: self._console(said.type, said.text))
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("requestfailed", self._failed)
        page.on("response", self._response)

    def _failed(self, request: Request) -> None:
        # Leaving a page ends what it still prefetches: no fault of the page.
        if request.failure != "net::ERR_ABORTED":
            self.complaints.append(f"failed: {request.url} {request.failure}")

    def _response(self, response: Response) -> None:
        if response.status >= HTTPStatus.BAD_REQUEST:
            self.complaints.append(f"{response.status}: {response.url}")

    def _console(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(f"{kind}: {text}")


def long_run() -> Run:
    """Return a storage run with a time series, so that a run page with charts is there."""
    run = check.storage_run(0, "long-run")
    first = run.measurements[0]
    samples = tuple(
        Sample(first.workload, repetition, "time", "fio.iops", float(second),
               240_000.0 + 1_000 * ((7 * second + repetition) % 11), first.params)
        for repetition in range(3)
        for second in range(20)
    )  # fmt: skip
    return replace(run, samples=samples)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The report of this repository and one more run, served on a free port."""
    folder = tmp_path_factory.mktemp("browser")
    shutil.copytree(check.ROOT / "archive", folder / "archive")
    run = long_run()
    check.write(folder, run)
    settled = replace(
        config.load(check.ROOT / "sitegen.toml"),
        archive=folder / "archive",
        output=folder / "site",
        cache=folder / "cache",
    )
    build(settled)
    cited = next(e.run_id for e in Archive(folder / "archive").scan() if "-llm-" in e.run_id)
    benchmarks = ("fio", "ab", "7z", "llm", "zktls", "hardware")
    pages = (
        "index.html",
        *(f"{name}/index.html" for name in benchmarks),
        "environments/index.html",
        "environments/tdx-lab-cvm/index.html",
        "runs/index.html",
        f"runs/{cited}/index.html",
        f"runs/{run.id}/index.html",
        "compare/index.html",
        "claims/index.html",
        "reports/phala-2025/section-ii.html",
        "methodology/index.html",
        "data/index.html",
    )
    live = tuple(page for page in pages if 'class="spec"' in (folder / "site" / page).read_text())
    with served(folder / "site") as root:
        yield Site(folder / "site", root, pages, live, f"runs/{run.id}/index.html")


@pytest.fixture(scope="session")
def rich_report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RichReport]:
    """Three platforms, five sessions each, all benchmarks."""
    folder = tmp_path_factory.mktemp("rich")
    rich.write(folder)
    settings = config.load(folder / "sitegen.toml")
    build(settings)
    runs = tuple(held.run for held in library.of(settings).runs.values())
    with served(settings.output) as root:
        yield RichReport(settings.output, root, settings, runs, analyse(runs, settings))


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on a free port, and say at which address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(folder))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def _handler(folder: Path) -> type[http.server.SimpleHTTPRequestHandler]:
    class Handler(http.server.SimpleHTTPRequestHandler):
        """The site at the root and, for the same files, under a path."""

        def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as its base
            super().__init__(*args, directory=str(folder), **options)

        def translate_path(self, path: str) -> str:
            return super().translate_path(path.removeprefix(_SUBPATH))

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

        def copyfile(self, source: Any, outputfile: Any) -> None:  # noqa: ANN401 - as its base
            # A browser that leaves a page hangs up on what the page still prefetches.
            with contextlib.suppress(ConnectionError):
                super().copyfile(source, outputfile)

    return Handler


# Not for the whole session: a second module with a browser of its own could not start one.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium: the distribution's, or Playwright's own."""
    with sync_playwright() as playwright:
        found = next((path for name in _NAMES if (path := shutil.which(name))), None)
        own = Path(playwright.chromium.executable_path)
        if found is None and not own.exists():
            reason = f"no Chromium: none of {', '.join(_NAMES)} is on the path"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)
        launched = playwright.chromium.launch(executable_path=found, args=list(_FLAGS))
        yield launched
        launched.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser with empty storage."""
    made = browser.new_context()
    made.set_default_timeout(6_000)
    yield made
    made.close()


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def page(context: BrowserContext, watch: Watch) -> Page:
    """A watched page at 1280 px."""
    made = context.new_page()
    made.set_viewport_size({"width": 1280, "height": 900})
    watch.on(made)
    return made
