"""What is told of runs and comparisons, as columns of a frame with the types that they promise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sitegen import distribution
from sitegen.archive import frames  # loads pyarrow whole, before a library would load less
from sitegen.errors import SitegenError

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd

    from sitegen.model import AnyRun

#: One name, or several.
Names = str | Iterable[str]
#: What an error names of what there is.
MOST_NAMED = 20
#: What rows and lists say of each run, and which of it is one of few words.
_OF_RUNS = ("environment", "benchmark", "provenance", "source", "session", "boot", "preset")
_CATEGORIES = ("environment", "benchmark", "provenance", "preset", "tee", "tool")


def several(names: Names) -> list[str]:
    """Return one name, or several, as a list."""
    return [names] if isinstance(names, str) and names else list(names)


def moment(run: AnyRun) -> datetime | None:
    """Return when a run was begun, as the beginning of what is known of it; None is undated."""
    from sitegen.analysis import selection

    return None if run.undated else selection.moment(run)


def of_runs(runs: Sequence[AnyRun]) -> dict[str, list[str | None]]:
    """Return what is told of runs in words, one a run; None is what is not known."""
    columns: dict[str, list[str | None]] = {
        name: [str(getattr(run, name) or "") or None for run in runs]
        for name in _OF_RUNS
        if name != "source"
    }
    columns["source"] = [run.source.id if run.source else None for run in runs]
    return {name: columns[name] for name in _OF_RUNS}


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a public value as a row: what has parts as columns, lists as tuples of their ids."""
    found: dict[str, Any] = {}
    params: dict[str, str] = {}
    for name, value in row.items():
        if name == "params":
            params = {f"{frames.PARAM}{key}": text for key, text in value.items()}
        elif name in ("replicates", "runs"):
            found |= {
                f"{name}_{side}": tuple(one) if isinstance(one, list) else one
                for side, one in value.items()
            }
        elif isinstance(value, list):
            found[name] = tuple(one["id"] if name == "caveats" else one for one in value)
        else:
            found[name] = str(value) if isinstance(value, str) else value
    return found | params


def is_param(name: str) -> bool:
    """Say whether a column is one of a parameter, which stand last."""
    return name.startswith(frames.PARAM)


def typed(
    found: pd.DataFrame,
    environments: Sequence[str] = (),
    *,
    numbers: Sequence[str] = (),
    counts: Sequence[str] = (),
    categories: Sequence[str] = _CATEGORIES,
) -> pd.DataFrame:
    """Return a frame whose columns have the types that their names promise."""
    pandas = pandas_here()
    for name in numbers:
        if name in found:
            found[name] = found[name].astype("float64")
    for name in counts:
        if name in found:
            found[name] = found[name].astype("Int64")
    if "started_at" in found:
        found["started_at"] = pandas.to_datetime(found["started_at"], utc=True).astype(
            "datetime64[us, UTC]"
        )
    for name in categories:
        if name in found:
            order = environments if name == "environment" and environments else None
            found[name] = pandas.Categorical(found[name], categories=order)
    return found


def pandas_here() -> Any:  # noqa: ANN401 - the module
    """Return pandas; raises SitegenError with what installs it."""
    try:
        import pandas  # noqa: ICN001 - pd is what the types are called here
    except ModuleNotFoundError as error:
        raise absent(error) from error
    frames.check_numpy()
    return pandas


def absent(error: ModuleNotFoundError) -> SitegenError:
    """Return what is said of a library that is not here."""
    name = (error.name or "").partition(".")[0]
    return SitegenError(distribution.absent(name), fix=distribution.install("report"))
