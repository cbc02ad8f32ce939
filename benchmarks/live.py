"""What a reader with a slow phone waits for: `python -m benchmarks.live SITE`, of any built site.

In a real browser whose CPU is slowed four times, of each page: from the scroll that
brings a chart into view to the first live chart, and the longest task while the page loads.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, sync_playwright

_SLOWER = 4
_TIMES = 5
_BUDGET_MS = 2000
_BROWSERS = ("chromium-headless-shell", "chromium", "google-chrome")
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
_WATCH = """
    self.longest = 0;
    new PerformanceObserver((list) => list.getEntries().forEach(({ duration }) => {
        self.longest = Math.max(self.longest, duration);
    })).observe({ type: "longtask", buffered: true });
    const live = new MutationObserver(() => {
        if (!document.querySelector("figure[data-live]")) return;
        live.disconnect();
        requestAnimationFrame(() => setTimeout(() => { self.livedAt = performance.now(); }));
    });
    live.observe(document, { subtree: true, attributes: true, attributeFilter: ["data-live"] });
"""

_MEAN = """(plot) => {
    self.meantAt = performance.now();
    plot.scrollIntoView({ block: "center" });
}"""
# The policy of the pages lets no one wait for an expression.
_WAITED = """async () => {
    while (self.livedAt === undefined) await new Promise(requestAnimationFrame);
    return livedAt - meantAt;
}"""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _once(browser: Browser, address: str) -> tuple[float, float]:
    """Return the ms to the first live chart, and the longest task before it, of a new reader."""
    context = browser.new_context(viewport={"width": 412, "height": 823})
    page = context.new_page()
    page.add_init_script(_WATCH)
    slow = context.new_cdp_session(page)
    slow.send("Emulation.setCPUThrottlingRate", {"rate": _SLOWER})
    page.goto(address, wait_until="networkidle")
    longest = page.evaluate("longest")
    figure = page.locator("figure.chart .plot:visible").first
    figure.evaluate(_MEAN)
    figure.hover()
    page.locator("figure[data-live]").first.wait_for(state="attached", timeout=60_000)
    waited = page.evaluate(_WAITED)
    context.close()
    return waited, longest


def figures(site: Path, pages: list[str], times: int) -> dict[str, dict[str, float]]:
    """Return the median figures of each page."""
    found = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    costs = {}
    with _served(site) as root, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=_FLAGS)
        for page in pages:
            taken = [_once(browser, f"{root}/{page}") for _ in range(times)]
            waits, tasks = zip(*taken, strict=True)
            costs[page] = {
                "first_intent_to_live_ms": round(median(waits)),
                "longest_task_at_load_ms": round(median(tasks)),
            }
        browser.close()
    return costs


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live", description=__doc__)
    parser.add_argument("site", type=Path, help="a built site")
    parser.add_argument("--page", action="append", help="one of its pages; else every benchmark's")
    parser.add_argument("--times", type=int, default=_TIMES)
    parser.add_argument("--format", choices=("table", "json"), default="table")
    options = parser.parse_args()
    pages = options.page or [
        str(page.relative_to(options.site))
        for page in sorted(options.site.glob("*/index.html"))
        if 'class="spec"' in page.read_text("utf-8")
    ]
    costs = figures(options.site, pages, options.times)
    if options.format == "json":
        print(json.dumps(costs, indent=2))
        return
    print(f"CPU {_SLOWER} times slower, median of {options.times}; budget {_BUDGET_MS} ms to live")
    for page, cost in costs.items():
        live, task = cost.values()
        print(f"  {page:36}{live:>7.0f} ms to live{task:>7.0f} ms longest task at load")


if __name__ == "__main__":
    main()
