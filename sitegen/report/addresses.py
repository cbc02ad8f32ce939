"""Ids of rows and figures: made of the names of series alone, so that a link to one stays."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container
from functools import lru_cache

from sitegen.analysis.compare import Cell, Comparison
from sitegen.model import Params, Series

_OTHER = re.compile(r"[^A-Za-z0-9._-]")
_LONGEST, _DIGEST = 160, 10
_NO_WORD = re.compile(r"[^a-z0-9]+")
_LONGEST_FIGURE, _MOST_ALIKE = 60, 1000


@lru_cache(maxsize=65536)
def row(workload: str, params: Params) -> str:
    """Return the id of what was measured with these parameters: a row of a run's tables."""
    # Without parameters it is not the bare word, which a section of the page may have.
    return _id([workload, *(_pairs(params) or ["all"])])


@lru_cache(maxsize=65536)
def series(one: Series) -> str:
    """Return the id of one series: its workload, parameters, metric and statistic."""
    return _id([one.workload, *_pairs(one.params), one.metric, one.statistic])


def comparison(pair: Comparison) -> str:
    """Return the id of a row of costs: the series, and which two environments."""
    base, word = pair.baseline.environment, pair.against
    sides = f"{pair.side.environment}-against-{base}"
    # One environment may be the baseline under two names.
    return f"{series(pair.series)},{sides}{'' if word in ('', base) else f'-as-{_plain(word)}'}"


def behind(cell: Cell) -> str:
    """Return where a value leads, from the site's root: to its row in its run, or to all its runs.

    Those of several stand in a list on the page of the benchmark.
    """
    benchmark, runs = cell.series.benchmark, cell.runs
    if len(runs) > 1:
        return f"{benchmark}/index.html#{runs_of(cell.environment)}"
    return f"runs/{runs[-1]}/index.html#{row(cell.series.workload, cell.series.params)}"


def figure(kind: str, title: str, taken: Container[str] = ()) -> str:
    """Return the id of a chart: kind and words of its title, numbered where that is ``taken``."""
    words = _NO_WORD.sub("-", title.lower()).strip("-")[:_LONGEST_FIGURE].strip("-")
    name = f"{kind}-{words}".strip("-")
    numbers = (name, *(f"{name}-{number}" for number in range(2, _MOST_ALIKE)))
    return next((one for one in numbers if one not in taken), name)


def runs_of(environment: str) -> str:
    """Return the id of the list of an environment's runs on the page of a benchmark."""
    return f"behind-{environment}"


def _pairs(params: Params) -> list[str]:
    return [f"{_plain(key)}:{_plain(value)}" for key, value in params]


def _id(parts: list[str]) -> str:
    """Join parts; what is long is cut and ends in the digest of all of it."""
    text = ",".join([_plain(parts[0]), *parts[1:]])
    if len(text) <= _LONGEST:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:_DIGEST]
    return f"{text[: _LONGEST - _DIGEST - 1]}~{digest}"


def _plain(text: str) -> str:
    """Return a text with nothing in it that an id or an address could not hold, one to one."""
    return _OTHER.sub(lambda found: f"!{ord(found[0]):x}!", text)
