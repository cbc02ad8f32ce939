"""Tables of prices and instances in a README: Markdown or HTML, a machine or a GPU a row.

A table counts where its headings name both what is rented and a price in a currency; how many are
left out is said. A figure is the price of an hour. Where only a month's is stated it is divided by
the 730 hours that clouds bill, stands apart, and a note says so; where both are, they are held
against each other. What is not one price in US dollars is left out with its reason: a range,
"from", another currency, one for several machines. Nothing is converted and nothing guessed.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import chain
from typing import Annotated, Literal, NamedTuple

from msgspec import Struct

from collectors import text_tables
from collectors.hardware import headings
from collectors.hardware.headings import Columns, Price
from collectors.text_tables import Row, Table
from sitegen.collect import Reader, Reading, Recorder, Settings, described
from sitegen.collect.text import decoded
from sitegen.errors import SitegenError
from sitegen.model import Doubt, Params, Status, check_time, is_plain, params

_WORKLOAD = "price-table"
_PERIODS, _SHORT = {"h": "hour", "m": "month"}, {"hour": "h", "month": "month"}
_HOURS, _MOST_BYTES, _MOST_PRICE = 730, 1_000_000, 10**6
#: A month has 672 to 744 hours, and tables round.
_LEAST_HOURS, _MOST_HOURS = 660, 756
_AMOUNT = re.compile(r"(?:[0-9]{1,3}(?:,[0-9]{3}){1,2}|[0-9]{1,7})(?:\.[0-9]{1,9})?|\.[0-9]{1,9}")
#: One price: signs of the currency, the number, for what time, and the mark of a note.
_ONE = re.compile(
    rf"(?:US ?)?\$?\s?({_AMOUNT.pattern})\s?(?:US ?\$|\$|USD)?\s?"
    r"(?:(?:/|per|an?|USD/)\s?(hour|hr|h|month|mo|mth))?\s?\*{0,3}|"
    rf"USD\s?({_AMOUNT.pattern})\s?(?:(?:/|per|an?)\s?(hour|hr|h|month|mo|mth))?",
    re.IGNORECASE,
)
_SIZE = re.compile(rf"({_AMOUNT.pattern})\s?(GB|GiB|TB|TiB|MB|MiB)?", re.IGNORECASE)
_UNIT = re.compile(r"\b(GB|GiB|TB|TiB|MB|MiB)\b", re.IGNORECASE)
_BYTES = {
    f"{prefix}{suffix}": base**power
    for power, prefix in enumerate("mgt", 2)
    for suffix, base in (("b", 1000), ("ib", 1024))
}
_COUNTED = re.compile(
    r"([0-9]{1,4})\s?[x×]\s?(\D.{0,60})|(.{1,60}?)\s?[x×]\s?([0-9]{1,4})", re.IGNORECASE
)
_SYMBOL = re.compile(r"[^\w .,:/+()×&#$€£¥~<>≈±%*–—-]")
_SUM = re.compile(r"\b(?:sub)?totals?\b|\bsum\b|\baverage\b", re.IGNORECASE)
_NOTHING = {"", "-", "--", "–", "—", "none", "n/a", "na", "no"}
_DATED = re.compile(
    r"\b(?:pric(?:e|es|ing)|costs?|checked|updated|retrieved|accessed|as of|verified)\b"
    r"[^\n]{0,80}?\b(20[0-9]{2}-[01][0-9]-[0-3][0-9])\b",
    re.IGNORECASE,
)
_PAID = re.compile(rb"\$|\xe2\x82\xac|USD|EUR|(?i:price|cost|hourly|monthly)")
_USUAL = ("", "on-demand")
_NO_TIME = "for a time that is not said"


class Asks(Settings, frozen=True):
    """What a table does not say."""

    per: (
        Annotated[
            Literal["hour", "month"], described("for what time prices are that do not say it")
        ]
        | None
    ) = None
    provider: Annotated[str, described("whose prices they are, as in aws")] = ""
    region: Annotated[str, described("where they hold, as in us-east-1")] = ""


class _Offer(NamedTuple):
    """A price as a cell has it, for an hour or a month, and as it is printed."""

    amount: Fraction
    period: str
    printed: str


class _Prices(Struct):
    """What the tables of a file say, by what is rented; and what of it is left out, and why."""

    offers: dict[Params, dict[str, set[_Offer]]] = {}
    memory: dict[Params, set[tuple[int, str]]] = {}
    left: Counter[str] = Counter()
    tables: int = 0
    first: int = 0


def knows(data: bytes) -> bool:
    """Say whether one of its tables names machines or GPUs with prices in a currency."""
    data = data[:_MOST_BYTES]
    tabled = b"|" in data or b"<t" in data or b"<T" in data
    return bool(tabled and _PAID.search(data)) and any(map(headings.columns, _tables(data)))


def _tables(data: bytes) -> Iterator[Table]:
    text = _whole_lines(decoded(data[:_MOST_BYTES]))
    return chain(text_tables.in_markdown(text), text_tables.in_html(text))


def _whole_lines(text: str) -> str:
    """Return a text without the row that it breaks off in: digits of a cell may be missing."""
    before, _, last = text.rpartition("\n")
    return before if "|" in last and not last.rstrip().endswith("|") else text


def read(data: bytes, asks: Asks) -> tuple[Reading, ...]:
    """Return one run with the prices of all tables in a file."""
    if len(data) > _MOST_BYTES:
        raise SitegenError(f"is larger than any README: {len(data):,} bytes")
    found = _Prices(offers={}, memory={}, left=Counter())
    for table in _tables(data):
        columns = headings.columns(table)
        if columns is None:
            found.tables += 1
            continue
        found.first = found.first or table.line
        _table(found, table, columns, asks)
    recorder = Recorder()
    _write(recorder, found)
    if not any(row.metric == "hardware.price" for row in recorder.measurements):
        raise _nothing(found)
    text = decoded(data)
    if _whole_lines(text) != text:
        recorder.doubt(Doubt.CUT_OFF, "the file ends within a row, which is left out")
    _remark(recorder, found, text)
    return (recorder.reading(),)


def _table(found: _Prices, table: Table, columns: Columns, asks: Asks) -> None:
    """Take the prices of one table."""
    if not table.regular:
        found.left["in a table whose cells span others"] += len(table.rows)
        return
    if "several" in columns.roles:
        found.left["of several machines together"] += len(table.rows)
        return
    for row in table.rows:
        if len(row.cells) != len(table.header):
            found.left["in a row that does not fit its headings"] += 1
        elif about := _about(row, columns, asks):
            _row(found, row, table, columns, about, asks)
        else:
            found.left["in a row that names no machine"] += 1


def _about(row: Row, columns: Columns, asks: Asks) -> dict[str, str]:
    """Return what a row says of what is rented; nothing where it names no machine."""
    cells = {role: _clean(row.cells[place]) for role, place in columns.roles.items()}
    sku = _clean(row.cells[columns.rented])
    if sku.lower() in _NOTHING or _SUM.search(sku) or not is_plain(sku):
        return {}
    about = {"sku": sku}
    for role, said in (("provider", asks.provider), ("region", asks.region)):
        text = cells.get(role, "") or said
        if text.lower() not in _NOTHING:
            about[role] = text
    vcpus = cells.get("vcpus", "")
    if re.fullmatch(r"[0-9]{1,5}(?:\.[0-9]{1,3})?", vcpus):
        about["vcpus"] = vcpus
    gpu = cells.get("gpu", "")
    if gpu.lower() not in _NOTHING:
        count, name = _counted(gpu)
        about |= {key: value for key, value in (("gpu", name), ("gpus", count)) if value}
    if bought := cells.get("billing", ""):
        about["billing"] = headings.kind(bought) or bought
    return about


def _counted(text: str) -> tuple[str, str]:
    """Return how many GPUs of which name a cell is of: "8x H200", "H200 x8", "8", "T4"."""
    if text.isdecimal() and text.isascii():
        return str(int(text)), ""
    if match := _COUNTED.fullmatch(text):
        count, name = match[1] or match[4], match[2] or match[3]
        return str(int(count)), name.strip()
    return "", text


def _clean(cell: str) -> str:
    """Return a cell without what Markdown and readers' eyes are for."""
    text = headings.LINK.sub(r"\1", cell).replace("**", "").replace("`", "").replace("__", "")
    return " ".join(_SYMBOL.sub(" ", text).split())[:80].strip(" *")


def _row(  # noqa: PLR0913 - a row, where it stands and what it says
    found: _Prices, row: Row, table: Table, columns: Columns, about: Mapping[str, str], asks: Asks
) -> None:
    """Take the prices of one row, and the memory of the machine."""
    offers = []
    for column in columns.prices:
        offer = _offer(row.cells[column.place], column, asks)
        if isinstance(offer, str):
            found.left[offer] += bool(offer)
        else:
            offers.append((column, offer))
    plain = [c.kind for c, offer in offers if offer.period == "hour" and c.kind in _USUAL]
    for column, offer in offers:
        # A month's price beside an hour's is of the same offer.
        bought = column.kind or (plain[0] if plain and offer.period == "month" else "")
        extra = {"billing": bought} if bought else {}
        extra |= {"per": "gpu"} if column.per_gpu else {}
        key = params(**{**about, **extra})
        found.offers.setdefault(key, {}).setdefault(offer.period, set()).add(offer)
    if (place := columns.roles.get("memory")) is not None:
        match = _SIZE.fullmatch(_clean(row.cells[place]))
        unit = match and (match[2] or next(iter(_UNIT.findall(table.header[place])), ""))
        if match and unit:
            size = _number(match[1]) * _BYTES[unit.lower()]
            key = params(**{k: v for k, v in about.items() if k != "billing"})
            if size and size == int(size):
                found.memory.setdefault(key, set()).add((int(size), f"{match[1]} {unit}"))


def _offer(cell: str, column: Price, asks: Asks) -> _Offer | str:
    """Return the price in a cell, or why it is left out; nothing where there is none."""
    text = _clean(cell)
    if text.lower() in _NOTHING:
        return ""
    match = None if "~~" in cell else _ONE.fullmatch(text)
    digits = (match[1] or match[3]) if match else "0"
    own = ((match[2] or match[4]) if match else "") or ""
    period = (_PERIODS[own[0].lower()] if own else column.period) or asks.per or ""
    currencies = {headings.currency(text), column.currency}
    wrong = {
        "in another currency than US dollars": "other" in currencies,
        "not one price": match is None,
        "without a currency": "USD" not in currencies,
        "for another time than its heading": own and column.period not in ("", period),
        _NO_TIME: not period,
        "free, or beyond any price": not 0 < _number(digits) <= _MOST_PRICE,
    }
    if reason := next((reason for reason, holds in wrong.items() if holds), ""):
        return reason
    return _Offer(_number(digits), period, f"{digits} USD/{_SHORT[period]}")


def _number(digits: str) -> Fraction:
    return Fraction(digits.replace(",", ""))


def _write(recorder: Recorder, found: _Prices) -> None:
    """Write each price once; nothing of what has two that contradict each other."""
    months = 0
    for key, by_period in found.offers.items():
        sku = dict(key)["sku"]
        if several := [each for each in by_period.values() if len({o.amount for o in each}) > 1]:
            printed = ", ".join(sorted(offer.printed for offer in several[0])[:4])
            name = ", ".join(filter(None, (sku, dict(key).get("billing"))))
            recorder.note(f"{name} is left out: it has several prices, {printed}.")
            continue
        hour, month = (min(by_period.get(period, ()), default=None) for period in _SHORT)
        if hour:
            status = _status(recorder, sku, hour, month)
            series = recorder.series(_WORKLOAD, key, status=status)
            series.add("hardware.price", "value", float(hour.amount), hour.printed)
        elif month:
            months += 1
            series = recorder.series(_WORKLOAD, params(**dict(key), billed="month"))
            series.add("hardware.price", "value", float(month.amount / _HOURS), month.printed)
    for key, sizes in found.memory.items():
        if len({size for size, _ in sizes}) == 1:
            size, printed = min(sizes)
            series = recorder.series(_WORKLOAD, key)
            series.add("hardware.memory_capacity", "value", float(size), printed)
    if months:
        prices = f"{months} price is" if months == 1 else f"{months} prices are"
        recorder.note(f"{prices} stated for a month and divided by {_HOURS} hours.")


def _status(recorder: Recorder, sku: str, hour: _Offer, month: _Offer | None) -> Status:
    """Return whether the price of a month can be that of an hour times its hours."""
    if month and not _LEAST_HOURS <= month.amount / hour.amount <= _MOST_HOURS:
        sentence = f"{sku}: {month.printed} is not a month of {hour.printed}"
        recorder.doubt(Doubt.INCONSISTENT, sentence)
        return Status.SUSPECT
    return Status.OK


def _remark(recorder: Recorder, found: _Prices, text: str) -> None:
    """Say what is left out, and date the run where the file dates its prices."""
    if found.tables:
        one = found.tables == 1
        others = "1 table is" if one else f"{found.tables} tables are"
        recorder.note(f"{others} left out: no machine with a price in a currency.")
    if reasons := ", ".join(f"{reason} ({count})" for reason, count in found.left.items() if count):
        recorder.note(f"Prices that are left out: {reasons}.")
    dates = {match[1] for match in _DATED.finditer(text)}
    if len(dates) == 1:
        with contextlib.suppress(SitegenError):
            recorder.started_at = check_time(f"{dates.pop()}T00:00:00Z")


def _nothing(found: _Prices) -> SitegenError:
    """Return the error of a file without a price that can be taken."""
    reasons = ", ".join(reason for reason, _ in found.left.most_common(2)) or "its rows are empty"
    fix = "write them as a tidy CSV"
    if found.left[_NO_TIME]:
        fix = "add --set per=hour, or per=month"
    where = f"line {found.first}" if found.first else ""
    return SitegenError(f"no price in it can be taken: {reasons}", where=where, fix=fix)


READER = Reader("price-table", "prices of instances in a README", knows, read, Asks, text=True)
