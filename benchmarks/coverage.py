"""How often intervals hold the truth, and verdicts do not: `python -m benchmarks.coverage`.

Two sides are drawn whose difference is known, and given to the formulas of
`sitegen.analysis.stats`, here on whole arrays; a test holds both to each other. `--write` keeps
the result, which the methodology page shows. The same seed gives the same figures.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.polynomial import Chebyshev
from numpy.typing import NDArray

from sitegen.analysis.student import t_quantile
from sitegen.catalogue.metrics import Better, Metric

Values = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int, int], Values]

RESULT = Path(__file__).resolve().parents[1] / "templates" / "coverage.json"
DRAWS, SEED = 100_000, 20_261_121
#: Runs of the side and of the baseline; where they differ, the smaller side spreads more.
RUNS = ((3, 3), (5, 5), (10, 10), (3, 10))
REPETITIONS = 3
#: Standard deviation of a run value's logarithm: wide beside the margin, which so protects little.
SPREAD = 0.05
MARGIN = Metric("", "", "", Better.NONE, "").margin
#: How far the machine drifts while all runs are taken, in spreads.
DRIFT = 3.0
#: The effect that is to be found, and the spreads between runs and within them.
EFFECT, BETWEEN, WITHIN = 0.03, 0.005, 0.01
_DEGREE = 24


def normal(rng: np.random.Generator, draws: int, count: int) -> Values:
    """Return standard normal deviates."""
    return rng.standard_normal((draws, count))


def skewed(rng: np.random.Generator, draws: int, count: int) -> Values:
    """Return log-normal deviates, shape 1, with mean 0 and variance 1."""
    values = np.exp(rng.standard_normal((draws, count)))
    return (values - math.exp(0.5)) / math.sqrt((math.e - 1) * math.e)


def heavy_tailed(rng: np.random.Generator, draws: int, count: int) -> Values:
    """Return Student's t deviates with 3 degrees of freedom, scaled to variance 1."""
    return rng.standard_t(3, (draws, count)) / math.sqrt(3)


class Case(Struct, frozen=True):
    """One kind of data: how run values deviate, and how much more the side spreads.

    ``drift`` says in which order the runs are taken while the machine drifts. ``between`` and
    ``within`` are spreads of two levels; ``pooled`` takes each repetition for a run of its own.
    """

    id: str
    title: str
    draw: Draw = normal
    times: float = 1.0
    drift: str = ""
    between: float = 0.0
    within: float = 0.0
    pooled: bool = False


CASES = (
    Case("normal", "Normal"),
    Case("normal-3", "Normal, one side spreads 3 times as much", times=3),
    Case("normal-10", "Normal, one side spreads 10 times as much", times=10),
    Case("skewed", "Skewed (log-normal)", skewed),
    Case("skewed-3", "Skewed, one side spreads 3 times as much", skewed, 3),
    Case("heavy", "Heavy-tailed (t with 3 degrees of freedom)", heavy_tailed),
    Case("heavy-3", "Heavy-tailed, one side spreads 3 times as much", heavy_tailed, 3),
    Case("alternating", "Drifting machine, platforms taken in turn", drift="alternating"),
    Case("in-a-row", "Drifting machine, one platform after the other", drift="in a row"),
    Case("two-level-1", "Runs spread as much as repetitions", between=1, within=1),
    Case("two-level-2", "Runs spread twice as much as repetitions", between=2, within=1),
    Case(
        "pooled", "The same, each repetition taken for a run: not done here",
        between=2, within=1, pooled=True,
    ),
)  # fmt: skip


@cache
def _quantile() -> Chebyshev:
    """Return t at 97.5 % as a polynomial in 1 / degrees of freedom, from two degrees up."""
    nodes = (np.cos(np.pi * (np.arange(4 * _DEGREE) + 0.5) / (4 * _DEGREE)) + 1) / 4
    values = [t_quantile(1 / float(x)) for x in nodes]
    return Chebyshev.fit(nodes, values, _DEGREE, domain=[0, 0.5])


def welch(side: Values, baseline: Values) -> tuple[Values, Values]:
    """Return the ends of `sitegen.analysis.stats.welch`'s interval for each row of two arrays."""
    n, m = side.shape[1], baseline.shape[1]
    difference = side.mean(axis=1) - baseline.mean(axis=1)
    error_a, error_b = side.var(axis=1, ddof=1) / n, baseline.var(axis=1, ddof=1) / m
    error = error_a + error_b
    share = error_a / error
    half = _quantile()(share**2 / (n - 1) + (1 - share) ** 2 / (m - 1)) * np.sqrt(error)
    return difference - half, difference + half


def worse(low: Values, high: Values) -> NDArray[np.bool_]:
    """Return where the verdict for an interval of a slowdown's logarithm is *slower*."""
    return np.logical_and(low > 0, (low + high) / 2 > math.log1p(MARGIN))


def within(low: Values, high: Values) -> NDArray[np.bool_]:
    """Return where the verdict is *no difference*."""
    return np.logical_and(low >= -math.log1p(MARGIN), high <= math.log1p(MARGIN))


def sides(case: Case, rng: np.random.Generator, draws: int, n: int, m: int) -> list[Values]:
    """Return the logarithms of run values of two sides between which there is no difference."""
    if case.within:
        drawn = []
        for count in (n, m):
            level = case.between * case.draw(rng, draws, count)[:, :, None]
            noise = case.draw(rng, draws, count * REPETITIONS)
            values = level + case.within * noise.reshape(draws, count, REPETITIONS)
            drawn.append(values.reshape(draws, -1) if case.pooled else values.mean(axis=2))
        return [SPREAD / case.between * values for values in drawn]
    drawn = [SPREAD * case.times * case.draw(rng, draws, n), SPREAD * case.draw(rng, draws, m)]
    if case.drift:
        place = np.arange(n + m) / (n + m - 1) * DRIFT * SPREAD
        orders = (
            (place[::2], place[1::2]) if case.drift == "alternating" else (place[:n], place[n:])
        )
        drawn = [values + order for values, order in zip(drawn, orders, strict=True)]
    return drawn


def rates(case: Case, draws: int, seed: int = SEED) -> list[tuple[float, float] | None]:
    """Return (coverage, false verdicts) of a case for each of RUNS; None where it has no sense."""
    shares: list[tuple[float, float] | None] = []
    for column, (n, m) in enumerate(RUNS):
        if case.drift == "alternating" and n != m:
            shares.append(None)
            continue
        rng = np.random.default_rng([seed, CASES.index(case), column])
        low, high = welch(*sides(case, rng, draws, n, m))
        holds = (low <= 0) & (high >= 0)
        false = worse(low, high) | worse(-high, -low)
        shares.append((float(holds.mean()), float(false.mean())))
    return shares


def found_share(runs: int, draws: int, seed: int = SEED, *, rate: bool = True) -> float:
    """Return in how many cases EFFECT is called *slower*: that much less, or that much longer."""
    rng = np.random.default_rng([seed, len(CASES), runs, rate])
    shift = -math.log1p(-EFFECT) if rate else math.log1p(EFFECT)
    drawn = []
    for _ in range(2):
        noise = rng.standard_normal((draws, runs, REPETITIONS)).mean(axis=2)
        drawn.append(BETWEEN * rng.standard_normal((draws, runs)) + WITHIN * noise)
    return float(worse(*welch(drawn[0] + shift, drawn[1])).mean())


def result(draws: int) -> Mapping[str, object]:
    """Return everything that the methodology page shows."""
    cases = []
    for case in CASES:
        pairs = [
            None if one is None else [round(one[0], 4), round(one[1], 4)]
            for one in rates(case, draws)
        ]
        cases.append({"id": case.id, "title": case.title, "rates": pairs})
    return {
        "draws": draws,
        "seed": SEED,
        "runs": RUNS,
        "spread": SPREAD,
        "drift": DRIFT,
        "repetitions": REPETITIONS,
        "margin": MARGIN,
        "cases": cases,
        "effect": EFFECT,
        "between": BETWEEN,
        "within": WITHIN,
        "found": [
            {
                "runs": runs,
                "rate": round(found_share(runs, draws), 4),
                "time": round(found_share(runs, draws, rate=False), 4),
            }
            for runs in (3, 5, 10)
        ],
    }


def main() -> None:
    """Print the result, or keep it for the methodology page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage", description=__doc__)
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--write", action="store_true", help=f"write {RESULT.name}")
    options = parser.parse_args()
    text = json.dumps(result(options.draws), indent=1) + "\n"
    if options.write:
        RESULT.write_text(text, "utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
