"""What several test modules stand on: this repository's report, and a collector to install."""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from sitegen import config
from sitegen.analysis.compare import Analysis, analyse
from sitegen.collect import installed
from sitegen.config import Config
from sitegen.intake import tidy
from sitegen.model import Provenance, Run

ROOT = Path(__file__).parents[1]

# A shell ignores Ctrl-C for what it runs in the background, and whoever is started then inherits
# that: the tests and the programs that they start take it all the same.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples each time, and none fails for being slow on a busy machine.
settings.register_profile("sitegen", derandomize=True, deadline=None)
settings.load_profile("sitegen")


@pytest.fixture(scope="session", autouse=True)
def _users_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Leave nothing in the cache of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


#: A whole collector: its steps are shell programs that print one number.
SHELL_COLLECTOR = '''
"""Times nothing; prints numbers."""
from sitegen.collect import Missing, Plan, Reading, Step
from sitegen.errors import SitegenError
from sitegen.model import Measurement

BENCHMARK = "{name}"
SETTINGS = {{"program": "what the shell runs", "directory": "the folder that it gets"}}

def detect(host):
    path = host.find("{tool}")
    if path is None:
        return Missing("{tool}", "apt-get install {tool}")
    return host.identify("{tool}", path, "1.0")

def plan(tool, request):
    program = request.settings.get("program", "echo 7")
    expects = (Measurement("w", "{name}.x", "value", "s", None),)
    return Plan(tuple(
        Step(f"s-{{i}}", "w", (tool.path, "-c", program, str(request.scratch)), 30, (), expects)
        for i in range(2)
    ), about_s=1)

def run(step, host):
    return host.run(step.argv, timeout_s=step.timeout_s)

def parse(step, raw):
    try:
        value = float(raw.stdout)
    except ValueError:
        raise SitegenError("no number", where=step.name) from None
    return Reading((step.expects[0]._replace(value=value),))
'''

Install = Callable[..., str]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Return a function that installs a collector under a name, as a package would."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    modules: list[str] = []

    def write(name: str, *, tool: str = "sh", source: str = SHELL_COLLECTOR) -> str:
        module = f"collector_{name.replace('-', '_')}"
        modules.append(module)
        (folder / f"{module}.py").write_text(source.format(name=name, tool=tool))
        metadata = folder / f"{module}-1.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1\n")
        (metadata / "entry_points.txt").write_text(f"[sitegen.collectors]\n{name} = {module}\n")
        importlib.invalidate_caches()
        installed._forms.cache_clear()  # noqa: SLF001 - it knows a process's modules, not their changes
        return name

    yield write
    for module in modules:
        sys.modules.pop(module, None)


@pytest.fixture(scope="session")
def report() -> Config:
    return config.load(ROOT / "sitegen.toml")


@pytest.fixture(scope="session")
def cited() -> list[Run]:
    folder = ROOT / "archive"
    sources = tidy.read_sources(folder / "published-sources.csv")
    files = (folder / name for name in ("published-results.csv", "phala-h200-raw.csv"))
    return [
        run for file in files for run in tidy.read_runs(file, Provenance.CITED, sources=sources)
    ]


@pytest.fixture(scope="session")
def published(cited: list[Run], report: Config) -> Analysis:
    return analyse(cited, report)
