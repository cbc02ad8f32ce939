"""What several test modules stand on: this repository's report and its cited figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from sitegen import config, tidy
from sitegen.compare import Analysis, analyse
from sitegen.config import Config
from sitegen.model import Provenance, Run

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def report() -> Config:
    return config.load(ROOT / "sitegen.toml")


@pytest.fixture(scope="session")
def cited() -> list[Run]:
    folder = ROOT / "archive"
    sources = tidy.read_sources(folder / "published-sources.csv")
    return tidy.read_runs(folder / "published-results.csv", Provenance.CITED, sources=sources)


@pytest.fixture(scope="session")
def published(cited: list[Run], report: Config) -> Analysis:
    return analyse(cited, report)
