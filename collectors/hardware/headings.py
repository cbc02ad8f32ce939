"""What the columns of a table of prices are, by their headings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from collectors.text_tables import Table

#: What a link in Markdown is to who reads it, and its address.
LINK = re.compile(r"!?\[([^\][]{0,200})\]\([^()\s]{0,500}\)")
#: Role -> the headings that name it; of several columns of a role the first is meant.
_HEADINGS: Mapping[str, tuple[str, ...]] = {
    "sku": (
        *("instance type", "instance", "instance name", "instance size", "machine type", "vm"),
        *("vm size", "vm type", "sku", "flavor", "flavour", "node type", "server type", "droplet"),
    ),
    # Of anything, unless the other columns or the cells say that it is a machine.
    "plain": (
        "type",
        "size",
        "model",
        "plan",
        "server",
        "machine",
        "slug",
        "hardware",
        "linux plan",
    ),
    "gpu": ("gpu", "gpus", "gpu type", "gpu model", "gpu actual", "accelerator", "accelerators"),
    "vram": ("vram", "gpu memory", "gpu ram"),
    "vcpus": ("vcpu", "vcpus", "cpu", "cpus"),
    "memory": ("memory", "ram", "mem", "system memory", "system ram", "host memory"),
    "provider": ("provider", "cloud", "cloud provider", "vendor"),
    "region": ("region", "location", "zone", "datacenter", "data center"),
    "billing": ("billing", "pricing model", "purchase option", "commitment", "lifecycle"),
    # Their prices are of several machines, or of more hours, together.
    "several": (
        *("count", "qty", "quantity", "nodes", "replicas", "instances", "number", "units"),
        *("hours", "hours month", "node count", "instance count"),
    ),
}
_ROLES = {heading: role for role, headings in _HEADINGS.items() for heading in headings}
_UNITS = {"gb", "gib", "mb", "mib", "tb", "tib"}
_PRICE = re.compile(r"\b(?:prices?|pricing|costs?|rates?|usd|hourly|monthly)\b|\$|€|£|¥|\beur\b")
_HOUR = re.compile(r"\b(?:hourly|hours?|hrs?|h)\b")
_MONTH = re.compile(r"\b(?:monthly|months?|mo|mth)\b")
#: Prices of something else, over another time, or of no single machine.
_OTHER = re.compile(
    r"\b(?:gb|gib|tb|tokens?|requests?|images?|jobs?|runs?|minutes?|seconds?|sec|min|days?|daily"
    r"|weeks?|weekly|years|yearly|yr|annual(?:ly)?|savings?|saved|discount|total|storage|egress"
    r"|transfer|training|vcpu|core|proofs?|users?|setup|delta|performance|perf|ratio|tco"
    r"|limit|interest|success|error|frame|sample)\b|%"
)
_KINDS = {
    "spot": re.compile(r"\b(?:spot|preemptible|interruptible)\b"),
    "reserved-3y": re.compile(r"\b(?:3 ?yr?s?|3 ?years?|three years?)\b"),
    "reserved-1y": re.compile(r"\b(?:1 ?yr?s?|1 ?year|one year)\b"),
    "reserved": re.compile(r"\b(?:reserved|committed|savings plan)\b"),
    "on-demand": re.compile(r"\b(?:on demand|ondemand|pay as you go|payg)\b"),
}
_DOLLAR = re.compile(r"\$|\busd\b", re.IGNORECASE)
_FOREIGN = re.compile(
    r"[€£¥₹₩₽]|\b(?:A|C|NZ|HK|S|AU|CA|SG|R)\$"
    r"|\b(?:EUR|GBP|CNY|RMB|JPY|INR|CHF|AUD|CAD|NZD|SGD|HKD|KRW|BRL|THB|SEK|NOK|DKK|PLN)\b",
    re.IGNORECASE,
)
#: As several clouds name theirs: t4g.micro, n2-standard-8, Standard_D4s_v5.
_MACHINE = re.compile(
    r"[a-z][a-z0-9-]{1,15}\.[a-z0-9-]{2,20}|[a-z][0-9][a-z]?-[a-z]{4,12}-[0-9]{1,3}[a-z]?"
    r"|standard_[a-z0-9_]{2,30}",
    re.IGNORECASE,
)


class Price(NamedTuple):
    """A column of prices: for what time, how it is bought, and of one GPU where it says so.

    ``currency`` is ``USD``, ``other``, or nothing where the cells have to say it.
    """

    place: int
    heading: str
    currency: str
    period: str
    kind: str
    per_gpu: bool


class Columns(NamedTuple):
    """The columns of a table of prices: those of a role by their place, and the prices."""

    roles: Mapping[str, int]
    prices: tuple[Price, ...]

    @property
    def rented(self) -> int:
        """Return the place of the column that names what is rented."""
        return next(self.roles[role] for role in ("sku", "plain", "gpu") if role in self.roles)


def columns(table: Table) -> Columns | None:
    """Return the columns of a table of prices, or None where it is none.

    It names machines or GPUs in one column, and prices with their currency in another.
    """
    roles: dict[str, int] = {}
    prices = []
    for place, heading in enumerate(table.header):
        spoken = words(heading)
        if role := _ROLES.get(" ".join(word for word in spoken.split() if word not in _UNITS)):
            roles.setdefault(role, place)
        elif price := _price(place, heading, spoken):
            prices.append(price)
    if "plain" in roles and not _are_machines(table, roles):
        del roles["plain"]
    named = {"sku", "plain", "gpu"} & roles.keys()
    stated = any(price.currency or _is_paid(table, price.place) for price in prices)
    return Columns(roles, tuple(prices)) if named and stated else None


def words(text: str) -> str:
    """Return a heading in small letters, with the signs of currencies and nothing else."""
    text = LINK.sub(r"\1", text)
    return " ".join(re.sub(r"([$€£¥%])|[^\w]|_", r" \1 ", text.lower()).split())


def currency(text: str) -> str:
    """Return which currency a text names: ``USD``, ``other`` or none."""
    if _FOREIGN.search(text):
        return "other"
    return "USD" if _DOLLAR.search(text) else ""


def kind(text: str) -> str:
    """Return how something is bought by what a text says of it, or nothing."""
    spoken = words(text)
    return next((name for name, pattern in _KINDS.items() if pattern.search(spoken)), "")


def _price(place: int, heading: str, spoken: str) -> Price | None:
    """Return what a column of prices is by its heading, or None where it is none."""
    bought = kind(heading)
    rest = spoken
    for pattern in _KINDS.values():
        rest = pattern.sub(" ", rest)
    if not (_PRICE.search(rest) or bought) or _OTHER.search(rest):
        return None
    hour, month = _HOUR.search(rest), _MONTH.search(rest)
    if hour and month:
        return None
    period = "hour" if hour else "month" if month else ""
    per_gpu = re.search(r"\bgpu\b", rest) is not None
    return Price(place, heading, currency(heading), period, bought, per_gpu)


def _are_machines(table: Table, roles: Mapping[str, int]) -> bool:
    """Say whether a column of types or sizes is one of machines."""
    if {"vcpus", "memory", "gpu", "vram"} & roles.keys():
        return True
    cells = [row.cells[roles["plain"]] for row in table.rows if len(row.cells) > roles["plain"]]
    return any(_MACHINE.fullmatch(cell.strip("*` ")) for cell in cells)


def _is_paid(table: Table, place: int) -> bool:
    return any(currency(cell) for cell in _cells(table, place))


def _cells(table: Table, place: int) -> Sequence[str]:
    return [row.cells[place] for row in table.rows if len(row.cells) > place]
