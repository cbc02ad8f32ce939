"""What all pages share: the report's title, the links to its pages, and its downloads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sitegen.catalogue.families import FAMILIES, family
from sitegen.model import AnyRun


class Link(NamedTuple):
    """A page of the navigation, and all those that its link stands for: the tools of one area."""

    path: str
    title: str
    paths: tuple[str, ...]


class Site(NamedTuple):
    """What every page says: the report's title and its navigation; whether it has pictures.

    ``logo`` stands in the title's place, and ``style`` is read after the site's own: both are
    names among the assets, or empty.
    """

    title: str
    base_url: str
    nav: tuple[Link, ...]
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
) -> tuple[Link, ...]:
    """Return the links of the navigation: one for each area, else for each benchmark."""
    measured = {run.benchmark for run in runs}
    areas = {siblings(name, measured): None for name in in_order(measured)}
    pages = ["Compare", *["Reports"] * reports, *["Claims"] * claims, "Methodology", "Data"]
    return (
        Link("", "Overview", ("",)),
        *(_link(names) for names in areas),
        *(Link(f"{title.lower()}/", title, (f"{title.lower()}/",)) for title in pages),
    )


def siblings(benchmark: str, measured: Iterable[str]) -> tuple[str, ...]:
    """Return the benchmarks of one area that were measured, in the order of the site."""
    area = family(benchmark).area
    of_area = (
        name for name in measured if name == benchmark or (area and family(name).area == area)
    )
    return tuple(in_order(of_area))


def _link(names: tuple[str, ...]) -> Link:
    first = family(names[0])
    return Link(f"{names[0]}/", first.area or first.title, tuple(f"{name}/" for name in names))


def in_order(benchmarks: Iterable[str]) -> list[str]:
    """Return benchmarks in the order of the site: those that sitegen knows first."""
    present = set(benchmarks)
    return [*(name for name in FAMILIES if name in present), *sorted(present - set(FAMILIES))]
