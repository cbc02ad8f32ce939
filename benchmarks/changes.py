"""How often a series over time is said to step that does not: `python -m benchmarks.changes`.

Series are drawn of which it is known whether their level steps, and given to `analysis.steps` as a
page gives them. `--write` keeps the result, which the methodology page shows. The same seed gives
the same figures.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct

from benchmarks.coverage import Draw, Values, autocorrelated, normal, skewed, with_outliers
from sitegen.analysis.steps import FOR_STEPS, LEAST, steps
from sitegen.catalogue.metrics import METRICS

RESULT = Path(__file__).resolve().parents[1] / "templates" / "changes.json"
DRAWS, SEED = 10_000, 20_261_130
SPREADS, COUNTS, MOST = (0.005, 0.01, 0.03), (10, 20, 40), 60
#: How much a series moves that steps, and how far a drift goes meanwhile, in spreads.
STEP, DRIFT = 0.05, 4.0
MARGIN = METRICS["7z.rating"].margin


class Kind(Struct, frozen=True):
    """One kind of series: how its values deviate, and whether they drift."""

    title: str
    draw: Draw = normal
    drift: float = 0.0


QUIET = (
    Kind("Normal"),
    Kind("One value in ten lies five times as far off", with_outliers),
    Kind("Skewed", skewed),
    Kind("A drift of four spreads", drift=DRIFT),
    Kind("Each value follows the one before it (correlation 0.6)", autocorrelated),
)
STEPPED = QUIET[:2]
#: Of a series whose level comes and goes the middle third is on another one.
_LASTS = 3


def drawn(kind: Kind, rng: np.random.Generator, count: int, spread: float) -> Values:
    """Return the logarithms of so many values, one after the other."""
    return spread * (kind.draw(rng, (count,)) + np.linspace(0, kind.drift, count))


def false(kind: Kind, spread: float, draws: int, seed: tuple[int, ...] = (0,)) -> float:
    """Return the share of series without a step, of any length, in which one is seen."""
    rng = np.random.default_rng([SEED, *seed])
    seen = 0
    for _ in range(draws):
        count = int(rng.integers(FOR_STEPS, MOST + 1))
        values = drawn(kind, rng, count, spread)
        seen += bool(steps(values.tolist(), math.log1p(MARGIN)))
    return round(seen / draws, 4)


def found(  # noqa: PLR0913 - what a series is drawn by
    kind: Kind,
    count: int,
    spread: float,
    draws: int,
    seed: tuple[int, ...] = (0,),
    *,
    goes: bool = False,
) -> float:
    """Return the share of series with a step in which it is seen, at most one value off.

    One that ``goes`` again must be seen to come and to go.
    """
    rng = np.random.default_rng([SEED, *seed])
    seen = 0
    for _ in range(draws):
        quarter = max(LEAST, count // 4)
        at = int(rng.integers(quarter, count - quarter + 1))
        values = drawn(kind, rng, count, spread)
        ends = (count // _LASTS, count - count // _LASTS) if goes else (at,)
        values[slice(*ends) if goes else slice(at, None)] += math.log1p(STEP)
        places = steps(values.tolist(), math.log1p(MARGIN))
        seen += all(any(abs(place - end) <= 1 for place in places) for end in ends)
    return round(seen / draws, 4)


def result(draws: int) -> Mapping[str, Any]:
    """Return everything that the methodology page shows."""
    quiet = [
        {
            "title": kind.title,
            "shares": [false(kind, one, draws, (0, row, at)) for at, one in enumerate(SPREADS)],
        }
        for row, kind in enumerate(QUIET)
    ]
    stepped = [
        {
            "title": f"{kind.title}, {count} values",
            "shares": [
                found(kind, count, one, draws, (1, row, count, at))
                for at, one in enumerate(SPREADS)
            ],
        }
        for row, kind in enumerate(STEPPED)
        for count in COUNTS
    ]
    gone = [
        {
            "title": f"A third of {count} values",
            "shares": [
                found(QUIET[0], count, one, draws, (2, 0, count, at), goes=True)
                for at, one in enumerate(SPREADS)
            ],
        }
        for count in COUNTS[1:]
    ]
    about = {"draws": draws, "seed": SEED, "spreads": SPREADS, "step": STEP, "margin": MARGIN}
    lengths = {"from": FOR_STEPS, "to": MOST, "least": LEAST}
    return {**about, **lengths, "quiet": quiet, "stepped": stepped + gone}


def main() -> None:
    """Print the result, or keep it for the methodology page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.changes", description=__doc__)
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--write", action="store_true", help=f"write {RESULT.name}")
    options = parser.parse_args()
    text = json.dumps(result(options.draws), indent=1) + "\n"
    if options.write:
        RESULT.write_text(text, "utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
