"""What all pages share: the report's title, the links to its pages, and its downloads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sitegen.catalogue.families import FAMILIES, family
from sitegen.model import AnyRun


class Site(NamedTuple):
    """What every page says: the report's title and its navigation; whether it has pictures.

    ``logo`` stands in the title's place, and ``style`` is read after the site's own: both are
    names among the assets, or empty.
    """

    title: str
    base_url: str
    nav: tuple[tuple[str, str], ...]
    version: str
    pictures: bool = False
    logo: str = ""
    style: str = ""


class DataFile(NamedTuple):
    """One download: what it holds, in which forms, with their sizes in bytes."""

    title: str
    stem: str
    rows: int
    sizes: tuple[tuple[str, int], ...]


def navigation(
    runs: Sequence[AnyRun], *, reports: bool = False, claims: bool = False
) -> tuple[tuple[str, str], ...]:
    """Return the (path, title) pairs of the navigation."""
    measured = in_order({run.benchmark for run in runs})
    pages = ["Compare", *["Reports"] * reports, *["Claims"] * claims, "Methodology", "Data"]
    return (
        ("", "Overview"),
        *((f"{name}/", family(name).title) for name in measured),
        *((f"{title.lower()}/", title) for title in pages),
    )


def in_order(benchmarks: Iterable[str]) -> list[str]:
    """Return benchmarks in the order of the site: those that sitegen knows first."""
    present = set(benchmarks)
    return [*(name for name in FAMILIES if name in present), *sorted(present - set(FAMILIES))]
