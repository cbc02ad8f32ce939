"""Reading ab's report line by line: by its labels, and never by its columns.

So reports are read with spaces lost, as lists and tables of Markdown, as ab's own HTML, and
without their head or their end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from collectors.text import lines
from sitegen.errors import SitegenError

MAX_REPORTS, _MAX_LINE, _DECIMALS = 20_000, 2_000, 2
#: The rows of ab's table of times, and the metric of each.
TABLE = {
    "Connect": "connect_time",
    "Processing": "processing_time",
    "Waiting": "waiting_time",
    "Total": "latency",
}
#: As ab sets it, and with ``-S`` or in HTML.
_COLUMNS = {5: ("min", "mean", "stddev", "p50", "max"), 3: ("min", "mean", "max")}
_PERCENTS = {"50", "66", "75", "80", "90", "95", "98", "99", "100"}
#: What every whole report has; the last two only where the time is not 0.
WHOLE = (
    *("Concurrency Level", "Time taken for tests", "Complete requests", "Failed requests"),
    *("Total transferred", "HTML transferred", "Requests per second", "Transfer rate"),
)
_BODY = ("Total body sent", "Total POSTed", "Total PUT")
_NUMBERS = (
    *(*WHOLE, *_BODY, "Server Port", "Number of workers", "Rampup delay", "Number of requests"),
    *("Write errors", "Non-2xx responses", "Keep-Alive requests", "Time per request"),
)
#: The second time per request: the first is of one connection.
ACROSS = "Time per request, across all"
#: What may have a fraction; the rest are whole numbers.
_FRACTIONS = {*WHOLE[-2:], "Time taken for tests", "Time per request"}
_WORDS = (
    *("Server Software", "Server Hostname", "SSL/TLS Protocol", "Server Temp Key"),
    *("TLS Server Name", "Document Path", "Document Length"),
)
_EDGE = " \t\xa0*_>|•·│+-\r\n`"
_CELLS = re.compile(r"[ \t]*[|│\t][ \t]*|  +")
_ALL = "|".join(re.escape(label) for label in (*_NUMBERS, *_WORDS))
_LABEL = re.compile(rf"({_ALL})( ?: ?| |$)(.{{0,1000}})$")
_NUMBER = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)(?=[ \[(]|bytes|seconds|kb/s|$)(.*)$")
_LIKE_A_NUMBER = re.compile(r"[-+.]?\d|[-+]?(?:nan|inf)", re.IGNORECASE)
_RATE = re.compile(r"(\d{1,15}\.\d{1,9}) ?(?:kb/s|\[Kbytes/sec\]) (sent)$")
_FAILURES = re.compile(
    r"\(?Connect: (?P<connect>\d{1,12}), (?:Receive: (?P<receive>\d{1,12}), )?"
    r"Length: (?P<length>\d{1,12}), Exceptions: (?P<exceptions>\d{1,12})\)?$"
)
_BANNER = re.compile(
    r"This is ApacheBench, Version (\S{1,40})(?: <\$Revision(?:: (\d[\d.]{0,20}))? ?\$>?)?"
)
_ROWS = "|".join(TABLE)
_ROW = re.compile(rf"({_ROWS}) ?: ?" + r"((?:\d{1,12}(?:\.\d{1,9})?(?: |$)){2,5})$")
_ROW_LABEL = re.compile(rf"(?:{_ROWS}) ?: ?[-\d]")
_PERCENT = re.compile(r"(\d{1,3}) ?% (\d{1,12}(?:\.\d{1,9})?)( \((?:longest|last) request\))?$")
_PERCENT_LABEL = re.compile(r"\d{1,3} ?% [-\d]")
_WARNING = re.compile(r"(?:WARN?ING|ERROR): The median and mean for (.{3,40}?) are (?:not|more) ")
_PERCENTILES_HEAD = "Percentage of the requests served"
_TABLE_HEADS = ("Connection Times", "min mean", "min avg")
_STARTED = re.compile(r"\(be patient\)(\.\.\.)?(.*)$")
_DONE = re.compile(r"\.{0,5}\.\.done$|Finished \d{1,12} requests$")
_PROGRESS = re.compile(r"Completed \d{1,12} requests$")
_ABORT = re.compile(
    r"(?:apr_\w{1,40}|socket|send|recv|connect)(?:\(\)(?: for \S{1,255})?)?"
    r": ?[A-Z][^()\n]{3,90}\(\d{1,6}\)"
    r"|Test aborted after \d{1,3} failures|^ab: [A-Z][^:\n]{5,90}$",
    re.MULTILINE,
)
_HOST = re.compile(r"\(\) for \S{1,255}(?=:)")
_ANSWERS = re.compile(r"LOG: header received|INFO: \w{1,16} header ==")


@dataclass(slots=True)
class Report:
    """One report of ab, its numbers as printed. What it does not say is absent.

    ``line`` is where it begins; 0 is for what a file beside it says without it. ``numbers`` and
    ``words`` are by ab's labels, ``table`` is row -> statistic -> milliseconds and empty for a row
    that cannot be read, ``failures`` are the parts of the failed requests. ``aborted`` says why ab
    gave up.
    """

    line: int = 0
    banner: bool = False
    version: str = ""
    numbers: dict[str, str] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    table: dict[str, dict[str, str]] = field(default_factory=dict)
    percentiles: dict[str, str] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    started: bool = False
    stopped: bool = False
    aborted: str = ""

    def count(self, *labels: str) -> int | None:
        """Return the whole number at the first label that is there, or None."""
        return next((int(self.numbers[label]) for label in labels if label in self.numbers), None)

    def value(self, label: str) -> float | None:
        """Return a number, or None where the report does not have it."""
        digits = self.numbers.get(label)
        return None if digits is None else float(digits)

    @property
    def complete(self) -> int | None:
        """Return how many requests were completed."""
        return self.count("Complete requests")

    @property
    def body_sent(self) -> int | None:
        """Return how many bytes were sent, by whichever name."""
        return self.count(*_BODY)

    @property
    def at(self) -> str:
        """Return its place, as it stands before a sentence."""
        return f"line {self.line}: " if self.line else ""

    @property
    def measured(self) -> bool:
        """Whether any figure is there."""
        figures = {"Complete requests", "Failed requests", *WHOLE[-2:]}
        return bool(self.table or self.percentiles or figures & self.numbers.keys())

    @property
    def missing(self) -> str:
        """Return in words what a whole report would have and this one has not, or nothing."""
        # Without a time ab does not divide by it.
        labels = WHOLE[:-2] if self.value("Time taken for tests") == 0 else WHOLE
        absent = [label for label in labels if label not in self.numbers]
        if "Total" not in self.table:
            absent.append("Connection Times")
        if self.percentiles and "max" not in self.percentiles:
            absent.append("end of the percentiles")
        return f"there is no {', no '.join(absent)}" if absent and self.line else ""

    @property
    def in_html(self) -> bool:
        """Whether it has the form of ``-w``: its table has no row of waiting times."""
        row = self.table.get("Total", {})
        return bool(row) and "p50" not in row and "Waiting" not in self.table

    @property
    def good(self) -> tuple[int, int] | None:
        """Return how many succeeded at least and at most: a failed one may also be non-2xx."""
        complete, failed = self.complete, self.count("Failed requests")
        if complete is None or failed is None:
            return None
        other = self.count("Non-2xx responses") or 0
        return max(complete - failed - other, 0), max(complete - max(failed, other), 0)

    @property
    def about(self) -> Mapping[str, str]:
        """Return what it says of the server and of the failures, where it does."""
        protocol, _, rest = self.words.get("SSL/TLS Protocol", "").partition(",")
        texts = {
            "tls_protocol": protocol,
            "tls_cipher": rest.partition(",")[0],
            "tls_key_exchange": self.words.get("Server Temp Key", ""),
            "server_software": self.words.get("Server Software", ""),
            "document_length": self.words.get("Document Length", "").removesuffix(" bytes"),
            "failure_kinds": ", ".join(f"{k.capitalize()}: {n}" for k, n in self.failures.items()),
        }
        return {key: text for key, text in texts.items() if text}


def reports(text: str) -> list[Report]:
    """Return the reports in ``text`` in order, those of an ab that gave up included.

    Raises SitegenError with the line where a number should stand and none can.
    """
    scanner = _Scanner()
    for number, line in enumerate(lines(text), 1):
        scanner.read(number, line)
    scanner.end()
    return [r for r in scanner.reports if r.banner or r.measured or WHOLE[0] in r.numbers]


def abort_reason(text: str) -> str:
    """Return why ab gave up, without the name of the host, or nothing."""
    match = _ABORT.search(text)
    return _HOST.sub("()", match[0]).strip() if match else ""


class _Scanner:
    """Goes through the lines of a text once; a banner or a label met again begins a report."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.number = 0
        self.whole = True  # without its end a line may have lost digits
        self.part = ""  # of a report: its table, percentiles, or answers of the server
        self.awaits_done = False

    def read(self, number: int, raw: str) -> None:
        """Read the next line."""
        self.number, self.whole = number, raw.endswith("\n")
        line = _CELLS.sub(" ", raw[:_MAX_LINE].strip(_EDGE).replace("**", "").replace("`", ""))
        if banner := _BANNER.search(line):
            report = self._begin()
            report.banner = True
            report.version = " r".join(part.rstrip(".") for part in banner.groups() if part)
            return
        if _ANSWERS.search(line):
            self.part = "answers"
        elif self.part == "answers":
            # What -v prints of them may hold anything, other people's reports included.
            if not (_DONE.search(line) or line.startswith("Server Software")):
                return
            self.part = ""
        label = _LABEL.match(line)
        if not (label and self._label(label)) and line and self.reports:
            self._unlabelled(line, self.reports[-1])

    def end(self) -> None:
        """End the last report."""
        if self.reports and self.awaits_done:
            self.reports[-1].stopped = True

    def _begin(self) -> Report:
        self.end()
        if len(self.reports) >= MAX_REPORTS:
            what = f"holds more than {MAX_REPORTS} reports"
            raise SitegenError(what, where=f"line {self.number}")
        self.part, self.awaits_done = "", False
        self.reports.append(Report(self.number))
        return self.reports[-1]

    def _label(self, match: re.Match[str]) -> bool:
        """Read a labelled line; say whether it was one."""
        label, colon, rest = match.groups()
        if label in _WORDS:
            if ":" in colon:
                self._report_with(label).words.setdefault(label, rest.strip())
            return ":" in colon
        if (digits := self._digits(label, rest)) is None:
            return False
        numbers = self.reports[-1].numbers if self.reports else {}
        second = label in numbers and ACROSS not in numbers
        if label == "Time per request" and ("(mean," in rest or second):
            label = ACROSS
        # A window of time decided the number of requests, and not who asked for them.
        report = self._report_with(label)
        report.numbers["window" if "(window)" in rest else label] = digits
        return True

    def _report_with(self, name: str) -> Report:
        """Return the report that a line belongs to: a new one where it has such a line already."""
        if self.reports:
            last = self.reports[-1]
            fresh = not (last.numbers or last.table or last.words)
            # The name of a server may stand in a heading between two reports.
            again = name in last.numbers or name in last.words
            first = name == "Server Software" and not fresh
            if not (again or first):
                return last
        return self._begin()

    def _digits(self, label: str, rest: str) -> str | None:
        match = _NUMBER.match(rest)
        if match is None and self.whole and _LIKE_A_NUMBER.match(rest):
            raise self._no_number()
        if match is None or not (self.whole or match[2].strip()):
            return None
        decimals = len(match[1].partition(".")[2])
        # Of a rate that stands there bare, decimals may have gone to the next line.
        lost = label in _FRACTIONS and decimals < _DECIMALS and not match[2].strip()
        if lost or (decimals and label not in _FRACTIONS):
            raise self._no_number()
        return match[1]

    def _unlabelled(self, line: str, report: Report) -> None:
        """Read a line without a label of its own: a head, a row, or what ab remarks."""
        if (start := _STARTED.search(line)) and not report.measured:
            report.started = True
            # Progress goes to standard error; only with dots does "done" follow on this one.
            self.awaits_done = bool(start[1]) and not _DONE.search(start[2])
        elif line.startswith(_TABLE_HEADS):
            self.part = "table"
        elif line.startswith(_PERCENTILES_HEAD):
            self.part = "percentiles"
        elif self.part == "table" and _ROW_LABEL.match(line):
            self._row(line, report)
        elif self.part == "percentiles" and _PERCENT_LABEL.match(line):
            self._percent(line, report)
        elif match := _FAILURES.match(line):
            report.failures = {kind: int(n) for kind, n in match.groupdict().items() if n}
        elif self.whole and (match := _RATE.match(line)):
            report.numbers.setdefault(match[2], match[1])
        elif match := _WARNING.match(line):
            report.warnings.append(match[1])
        self._course(line, report)

    def _row(self, line: str, report: Report) -> None:
        if not self.whole:
            return
        row = _ROW.match(line)
        cells = row[2].split() if row else []
        columns = _COLUMNS.get(len(cells), ())
        # Only the spread has a fraction: where there is one, the rest is on another line.
        if row is None or ("." in row[2] and "stddev" not in columns):
            raise self._no_number()
        # Where two numbers have grown together there are fewer cells than columns.
        report.table.setdefault(row[1], dict(zip(columns, cells, strict=False)))

    def _percent(self, line: str, report: Report) -> None:
        percent = _PERCENT.match(line)
        if percent is None and self.whole:
            raise self._no_number()
        if percent and percent[1] in _PERCENTS and (self.whole or percent[3]):
            name = "max" if percent[1] == "100" else f"p{percent[1]}"
            report.percentiles.setdefault(name, percent[2])

    def _course(self, line: str, report: Report) -> None:
        """Read what ab says of its own course: progress, the end, or why there is none."""
        if _DONE.search(line):
            self.awaits_done = False
        elif _PROGRESS.match(line):
            self.awaits_done = True
        # Once there are figures, what follows is about something else.
        if not report.measured and not report.aborted:
            report.aborted = abort_reason(line)

    def _no_number(self) -> SitegenError:
        what = "holds no number that ab could have printed"
        return SitegenError(what, where=f"line {self.number}")
