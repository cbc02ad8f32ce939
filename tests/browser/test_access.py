"""axe-core finds nothing on any kind of page, light or dark, as drawn or live.

The engine comes from npm, pinned in axe.json, and is kept in pytest's cache; without npm or
without a network the tests are skipped and say so.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_site import charts, wake

if TYPE_CHECKING:
    from tests.browser.conftest import Site

pytestmark = pytest.mark.browser

_PINS = json.loads(Path(__file__).with_name("axe.json").read_text())
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_COLOURS = ["color-contrast", "link-in-text-block"]
# One text of each look: a path of the same elements and classes is painted in the same colours.
_LOOKS = """[...new Map([...document.body.querySelectorAll("*")]
    .filter((one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
    .map((one) => {
        const path = [];
        for (let each = one; each; each = each.parentElement) {
            path.push(each.tagName + [...each.attributes].map(({ name, value }) =>
                name === "class" ? `.${value}` : `[${name}]`).join(""));
        }
        return [path.join(), one];
    })).values()]"""


@pytest.fixture(scope="session")
def axe(request: pytest.FixtureRequest) -> str:
    """Return the engine's source, from the cache or from npm."""
    cache = request.config.cache
    if cache is None:
        pytest.skip("pytest has no cache here")
    kept = cache.mkdir("axe-core") / f"{_PINS['version']}.tgz"
    if not kept.is_file() or not _whole(kept.read_bytes()):
        kept.write_bytes(_packed())
    with tarfile.open(fileobj=io.BytesIO(kept.read_bytes())) as packed:
        file = packed.extractfile(f"package/{_PINS['script']}")
        assert file is not None
        return file.read().decode()


def _whole(data: bytes) -> bool:
    digest = base64.b64encode(hashlib.sha512(data).digest()).decode()
    return bool(f"sha512-{digest}" == _PINS["integrity"])


def _packed() -> bytes:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed: axe-core cannot be had")
    name = f"{_PINS['package']}@{_PINS['version']}"
    argv = [npm, "pack", name, "--silent", "--fetch-retries=1", "--fetch-timeout=20000"]
    try:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            subprocess.run(argv, cwd=folder, check=True, capture_output=True, timeout=60)
            data = next(folder.glob("*.tgz")).read_bytes()
    except (subprocess.SubprocessError, OSError, StopIteration) as error:
        pytest.skip(f"`npm pack {name}` did not work ({type(error).__name__})")
    assert _whole(data), f"{name} is not the package that axe.json pins"
    return data


def violations(page: Page, axe: str, *, colours: bool = False) -> dict[str, list[str]]:
    """Return what axe finds: rule -> the elements. Injected past the page's policy.

    With ``colours`` only what a colour can do wrong, in one text of each look: all else is the
    same in the dark.
    """
    session = page.context.new_cdp_session(page)
    session.send("Runtime.evaluate", {"expression": axe + "; undefined"})
    kind, names = ("rule", _COLOURS) if colours else ("tag", _RULES)
    what = f"{{ include: {_LOOKS} }}" if colours else "document"
    # No rule of these needs the style sheets once more.
    options = json.dumps(
        {"runOnly": {"type": kind, "values": names}, "resultTypes": ["violations"],
         "preload": False}
    )  # fmt: skip
    answer: dict[str, Any] = session.send(
        "Runtime.evaluate",
        {
            "expression": f"axe.run({what}, {options})"
            ".then(found => JSON.stringify(found.violations))",
            "awaitPromise": True,
            "returnByValue": True,
        },
    )
    session.detach()
    assert "exceptionDetails" not in answer, answer
    found: list[dict[str, Any]] = json.loads(answer["result"]["value"])
    return {
        f"{rule['id']}: {rule['help']}": [
            f"{node['html'][:120]} {node.get('failureSummary', '')[:160]}"
            for node in rule["nodes"][:4]
        ]
        for rule in found
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_kind_of_page_has_a_violation(page: Page, site: Site, axe: str, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    found = {}
    for kind in (*site.kinds, "404.html"):
        page.goto(f"{site.root}/{kind}", wait_until="load")
        found[kind] = violations(page, axe, colours=scheme == "dark")
    assert {kind: rules for kind, rules in found.items() if rules} == {}


def test_live_charts_have_no_violation(page: Page, site: Site, axe: str) -> None:
    page.goto(f"{site.root}/7z/index.html", wait_until="load")
    wake(page)
    expect(charts(page).first).to_have_attribute("data-live", "1")
    assert violations(page, axe) == {}


def test_a_narrow_page_has_no_violation(page: Page, site: Site, axe: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for kind in ("index.html", "fio/index.html", site.long_run):
        page.goto(f"{site.root}/{kind}", wait_until="load")
        assert violations(page, axe) == {}, kind
