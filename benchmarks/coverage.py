"""How often a comparison says what is not so: `python -m benchmarks.coverage`.

Two environments are drawn whose difference is known, in six headline series, and given to the
comparison itself: levels, turns, margins, and words that hold together are those of the pages.
`--write` keeps the result, which the methodology page shows. The same seed gives the same figures.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct, to_builtins
from msgspec.structs import replace
from numpy.typing import NDArray

from sitegen.analysis.compare import Comparison, measured, worded
from sitegen.analysis.replicates import Origin
from sitegen.analysis.series import Cell
from sitegen.analysis.stats import DECIDED, Interval, Word, summarise
from sitegen.catalogue.families import family
from sitegen.catalogue.metrics import METRICS
from sitegen.model import Provenance, Series

Values = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Values]

RESULT = Path(__file__).resolve().parents[1] / "templates" / "coverage.json"
DRAWS, SEED = 10_000, 20_261_130
METRIC = METRICS["7z.rating"]
#: As many as get a word.
SERIES = tuple(
    Series("7z", "w", METRIC.id, "value", (("operation", "total"), ("threads", str(n))))
    for n in range(1, 7)
)
#: Standard deviation of a replicate's logarithm: wide beside the margin, which so protects little.
SPREAD = 0.05
#: Of a session, and of a run within it.
SESSION, RUN = 0.03, 0.01
#: How far the machine drifts while all is taken, in spreads.
DRIFT = 2.0
RHO, OUTLIERS = 0.6, 0.1
#: The effect that is to be found.
EFFECT = 0.03
_HOUR_S, _RUN_S = 3600.0, 60.0


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Values:
    """Return standard normal deviates."""
    return rng.standard_normal(shape)


def skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> Values:
    """Return log-normal deviates, shape 1, with mean 0 and variance 1."""
    values = np.exp(rng.standard_normal(shape))
    return (values - math.exp(0.5)) / math.sqrt((math.e - 1) * math.e)


def with_outliers(rng: np.random.Generator, shape: tuple[int, ...]) -> Values:
    """Return normal deviates of which one in ten lies five times as far off."""
    return rng.standard_normal(shape) * np.where(rng.random(shape) < OUTLIERS, 5.0, 1.0)


def autocorrelated(rng: np.random.Generator, shape: tuple[int, ...]) -> Values:
    """Return normal deviates of which each follows the one before it, with variance 1."""
    values = rng.standard_normal(shape)
    for place in range(1, shape[-1]):
        values[..., place] *= math.sqrt(1 - RHO**2)
        values[..., place] += RHO * values[..., place - 1]
    return values


class Case(Struct, frozen=True):
    """One kind of data: how replicates deviate, how much more the side spreads, in which order.

    With ``sessions`` as many of so many ``runs`` are taken a side; otherwise the replicates are
    boots of one run. ``order``: the platforms take turns, or one comes after the other; ``drift``
    moves the machine meanwhile, in spreads. Of the series as many as are ``moved`` have the
    ``effect``, so much more time.
    """

    title: str
    draw: Draw = normal
    times: float = 1.0
    order: str = "mixed"
    drift: float = 0.0
    sessions: int = 0
    runs: int = 1
    spread: float = SPREAD
    effect: float = 0.0
    moved: int = len(SERIES)


#: What the arithmetic must stand: any false word in a comparison in at most 6 of 100.
SOUND = (
    Case("Normal"),
    Case("Normal, one side spreads 4 times as much", times=4),
    Case("One value in ten lies five times as far off", with_outliers),
    Case("Platforms in turns", order="turns"),
    Case("Platforms in turns on a drifting machine", order="turns", drift=DRIFT),
)
#: What it cannot save.
UNSOUND = (
    Case("Skewed, one side spreads 3 times as much", skewed, 3),
    Case("Each value follows the one before it (correlation 0.6)", autocorrelated),
    Case("One platform after the other on a drifting machine", order="row", drift=DRIFT),
)
COUNTS, RUNS = (3, 5, 10), (1, 2, 3)
SESSIONS = tuple(
    Case(f"{count} session{'s' * (count > 1)} a side", sessions=count) for count in (1, 2, 3, 5)
)
_STILL = Case("", spread=0.005, effect=EFFECT)
POWER = (
    replace(_STILL, title="All series, spread 0.5 %"),
    replace(_STILL, title="One series of six, spread 0.5 %", moved=1),
    replace(_STILL, title="All series, spread 1 %", spread=0.01),
    replace(_STILL, title="All series, spread 3 %", spread=0.03),
    replace(
        _STILL, title="All series, spread 0.5 %, drift of 2 %, in turns", order="turns", drift=4
    ),
)


def origins(case: Case, count: int, which: int) -> tuple[Origin, ...]:
    """Return where the runs of one side come from, by the order of the case."""
    if case.sessions:
        return tuple(
            Origin(f"{name}-{r}", name, name, (2 * s + which) * _HOUR_S + r * _RUN_S)
            for s, name in enumerate(f"{which}-{n}" for n in range(case.sessions))
            for r in range(case.runs)
        )
    return tuple(
        Origin(f"{which}{n}", f"{which}{n}", f"{which}{n}", _HOUR_S * _place(case, n, which, count))
        for n in range(count)
    )


def _place(case: Case, n: int, which: int, count: int) -> int:
    """Return the place of a replicate in the order of all; in mixed order two neighbours share."""
    if case.order == "turns":
        return 2 * n + (which if n % 2 else 1 - which)
    if case.order == "row":
        return n + which * count
    # Overlapping, and neither in turns nor in a row: a pair of each side after the other.
    return 4 * (n // 2) + 2 * which + n % 2


def sides(case: Case, rng: np.random.Generator, draws: int, count: int) -> list[Values]:
    """Return logarithms of run values of both sides: draws, series, runs."""
    drawn = []
    for which, times in enumerate((case.times, 1.0)):
        if case.sessions:
            shape = (draws, len(SERIES), case.sessions, case.runs)
            values = SESSION * case.draw(rng, shape[:-1])[..., None] + RUN * case.draw(rng, shape)
            drawn.append(values.reshape(draws, len(SERIES), -1))
            continue
        values = case.spread * times * case.draw(rng, (draws, len(SERIES), count))
        places = np.array([_place(case, n, which, count) for n in range(count)])
        drawn.append(values + case.drift * case.spread * places / (2 * count - 1))
    drawn[0][:, : case.moved] -= math.log1p(case.effect)
    return drawn


def comparisons(
    case: Case, count: int, draws: int, seed: tuple[int, ...]
) -> Iterator[list[Comparison]]:
    """Yield comparisons of the side with the baseline, all series of each draw together."""
    rng = np.random.default_rng([SEED, *seed])
    drawn = sides(case, rng, draws, count)
    taken = [origins(case, count, which) for which in (0, 1)]
    for draw in range(draws):
        pairs = []
        for place, series in enumerate(SERIES):
            cells = []
            for name, values, runs in zip("ab", drawn, taken, strict=True):
                by_run = [(math.exp(value),) for value in values[draw, place]]
                summary = summarise(by_run, ratio=True, origins=runs)
                ids = tuple(run.run for run in runs)
                provenance = Provenance.COLLECTED
                cells.append(Cell(series, name, summary, tuple(by_run), ids, provenance))
            pair = Comparison(series, METRIC, cells[0], cells[1], "vm")
            pairs.append(measured(pair, {}, 30))
        yield worded(family(series.benchmark).headlines, pairs)


class Rates(Struct, frozen=True):
    """Shares of draws with any false word, and with one beside which no doubt stands.

    ``covered`` and ``found`` are shares of series: whose interval, by itself, holds the truth, and
    whose word says it.
    """

    count: int
    false: float
    undoubted: float
    covered: float
    found: float


def rates(case: Case, count: int, draws: int = DRAWS, seed: tuple[int, ...] = (0,)) -> Rates:
    """Return what a case comes to with ``count`` replicates a side (or its sessions)."""
    false = undoubted = covered = found = 0
    for pairs in comparisons(case, count, draws, seed):
        truths = [case.effect if place < case.moved else 0.0 for place in range(len(pairs))]
        said = [*zip(pairs, truths, strict=True)]
        wrong = [pair for pair, truth in said if pair.word in DECIDED and pair.word != _word(truth)]
        false += bool(wrong)
        undoubted += any(not (pair.doubt or pair.named) for pair in wrong)
        covered += sum(_holds(pair.interval, 1 + truth) for pair, truth in said)
        found += sum(pair.word == _word(truth) for pair, truth in said[: case.moved])
    every, moved = draws * len(SERIES), draws * case.moved
    shares = (false / draws, undoubted / draws, covered / every, found / moved)
    return Rates(count, *(round(share, 4) for share in shares))


def _word(truth: float) -> Word:
    return Word.SLOWER if truth else Word.NO_DIFFERENCE


def _holds(interval: Interval | None, factor: float) -> bool:
    return interval is not None and interval.low <= factor <= interval.high


def result(draws: int) -> Mapping[str, Any]:
    """Return everything that the methodology page shows."""
    groups = {"sound": SOUND, "unsound": UNSOUND, "sessions": SESSIONS, "power": POWER}
    tables = {
        name: [
            {
                "title": case.title,
                "rates": [rates(*at, draws, (group, row, column)) for column, at in enumerate(ats)],
            }
            for row, (case, ats) in enumerate((case, columns(case)) for case in cases)
        ]
        for group, (name, cases) in enumerate(groups.items())
    }
    about = {
        "draws": draws, "seed": SEED, "series": len(SERIES), "spread": SPREAD, "drift": DRIFT,
        "margin": METRIC.margin, "session": SESSION, "run": RUN, "effect": EFFECT,
        "counts": COUNTS, "runs": RUNS,
    }  # fmt: skip
    return {**about, **tables}


def columns(case: Case) -> list[tuple[Case, int]]:
    """Return what a row's columns are: counts of replicates, or of runs in each session."""
    if case.sessions:
        return [(replace(case, runs=runs), case.sessions) for runs in RUNS]
    return [(case, count) for count in COUNTS]


def main() -> None:
    """Print the result, or keep it for the methodology page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage", description=__doc__)
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--write", action="store_true", help=f"write {RESULT.name}")
    options = parser.parse_args()
    text = json.dumps(to_builtins(result(options.draws)), indent=1) + "\n"
    if options.write:
        RESULT.write_text(text, "utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
