"""Reading ab's report line by line: by its labels, and never by its columns.

So reports are read with spaces lost, as ab's own HTML, and without their head or their end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from getopt import GetoptError, getopt

from msgspec import Struct, field

from sitegen.collect.text import lines
from sitegen.errors import SitegenError

MAX_REPORTS, _MAX_LINE = 20_000, 2_000
#: The rows of ab's table of times, and the metric of each.
TABLE = {
    "Connect": "connect_time",
    "Processing": "processing_time",
    "Waiting": "waiting_time",
    "Total": "latency",
}
#: As ab sets it, and with ``-S`` or in HTML.
_COLUMNS = {5: ("min", "mean", "stddev", "p50", "max"), 3: ("min", "mean", "max")}
_PERCENTS = {**{p: f"p{p}" for p in ("50", "66", "75", "80", "90", "95", "98", "99")}, "100": "max"}
#: What every whole report has; the last two only where the time is not 0.
WHOLE = (
    *("Concurrency Level", "Time taken for tests", "Complete requests", "Failed requests"),
    *("Total transferred", "HTML transferred", "Requests per second", "Transfer rate"),
)
BODY = "Total body sent"
_COUNTS = ("Server Port", "Write errors", "Non-2xx responses", "Keep-Alive requests")
_NUMBERS = (*WHOLE, BODY, *_COUNTS, "Time per request")
#: The second time per request: the first is of one connection.
ACROSS = "Time per request, across all"
#: What may have a fraction; the rest are whole numbers.
_FRACTIONS = {*WHOLE[-2:], "Time taken for tests", "Time per request"}
_WORDS = (
    *("Server Software", "Server Hostname", "SSL/TLS Protocol", "Server Temp Key"),
    *("TLS Server Name", "Document Path", "Document Length"),
)
_ALL = "|".join(re.escape(label) for label in (*_NUMBERS, *_WORDS))
_LABEL = re.compile(rf"({_ALL}) ?: ?(.{{0,1000}})$")
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
#: Only the spread has a fraction.
_ROW = re.compile(
    rf"({_ROWS}) ?: ?" + r"((?:\d{1,12}(?:\.\d{1,9})?(?: |$)){5}|(?:\d{1,12}(?: |$)){3})$"
)
_ROW_LABEL = re.compile(rf"(?:{_ROWS}) ?: ?[-\d]")
_PERCENT = re.compile(r"(\d{1,3}) ?% (\d{1,12}(?:\.\d{1,9})?)( \((?:longest|last) request\))?$")
_PERCENT_LABEL = re.compile(r"\d{1,3} ?% [-\d]")
_WARNING = re.compile(r"(?:WARN?ING|ERROR): The median and mean for (.{3,40}?) are (?:not|more) ")
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
#: ab's own options; those with a colon take a value.
_OPTIONS = "n:c:t:s:b:T:p:u:v:lrkVhwiIx:y:z:C:H:P:A:g:X:de:SqB:m:Z:f:E:"
_COMMAND = re.compile(r"(?:^|[\s`'\"/(>$#:+])ab(?:\.exe)? (-.{1,400})$")
_VERBOSE = ("LOG: header received", "INFO: GET header ==", "INFO: POST header ==")


class Report(Struct):
    """One report of ab, its numbers as printed. What it does not say is absent.

    ``line`` is where it begins; 0 is for what a file says without its report. ``numbers`` and
    ``words`` are by ab's labels, ``table`` is row -> statistic -> milliseconds, ``failures`` are
    the parts of the failed requests. ``aborted`` says why ab gave up. ``command`` are the options
    of the command line above it, its address as ``url``.
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
    stopped: bool = False
    aborted: str = ""
    command: Mapping[str, str] = field(default_factory=dict)

    def count(self, label: str) -> int | None:
        """Return a whole number, or None where the report does not have it."""
        return int(digits) if (digits := self.numbers.get(label)) else None

    def value(self, label: str) -> float | None:
        """Return a number, or None where the report does not have it."""
        return float(digits) if (digits := self.numbers.get(label)) else None

    @property
    def complete(self) -> int | None:
        """Return how many requests were completed."""
        return self.count("Complete requests")

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
    def figures(self) -> int:
        """Return how many numbers it has."""
        cells = sum(map(len, self.table.values()))
        return cells + len(self.numbers) + len(self.percentiles) + len(self.failures)

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
    def good(self) -> tuple[int, int] | None:
        """Return how many succeeded at least and at most: one may be counted twice as failed.

        In several parts of the failures, and as not 2xx.
        """
        complete, failed = self.complete, self.count("Failed requests")
        if complete is None or failed is None:
            return None
        other, parts = self.count("Non-2xx responses") or 0, self.failures.values()
        least = max([other, *(parts if sum(parts) == failed else [failed])])
        return max(complete - failed - other, 0), max(complete - least, 0)

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

    A banner, or a label met again, begins a report. Raises SitegenError with the line where a
    number should stand and none can.
    """
    every: list[Report] = []
    commands: list[dict[str, str]] = []
    for number, raw in enumerate(lines(text), 1):
        line, place = " ".join(raw[:_MAX_LINE].split()), f"line {number}"
        if not raw.endswith("\n") and line[-1:].isdigit():
            break  # without its end it may have lost digits
        # A look for a sign costs less than for a pattern, and most lines have neither.
        banner = _BANNER.search(line) if "ApacheBench" in line else None
        labelled = _labelled(line, place) if ":" in line else None
        if banner or (labelled and (not every or _is_another(every[-1], labelled[0]))):
            every.append(_begun(number, commands, banner=bool(banner), before=len(every)))
        if banner:
            every[-1].version = " r".join(part.rstrip(".") for part in banner.groups() if part)
        elif labelled:
            _keep(every[-1], *labelled, line)
        elif " -" in line and (command := _command(line)):
            # Two that differ are as good as many.
            commands = commands if command in commands else [*commands[:1], command]
        elif line and every:
            _read_rest(every[-1], line, place)
    for report in every:
        if "Waiting" not in report.table:
            # In HTML its row is the difference of two others, and no times of requests.
            report.table.pop("Processing", None)
    return [r for r in every if r.banner or r.measured or WHOLE[0] in r.numbers]


def abort_reason(text: str) -> str:
    """Return why ab gave up, without the name of the host, or nothing."""
    match = _ABORT.search(text)
    return _HOST.sub("()", match[0]).strip() if match else ""


def _begun(number: int, commands: list[dict[str, str]], *, banner: bool, before: int) -> Report:
    """Return a new report; of several commands above it nothing says which one it is of."""
    if before >= MAX_REPORTS:
        raise SitegenError(f"holds more than {MAX_REPORTS} reports", where=f"line {number}")
    command = commands[0] if len(commands) == 1 else {}
    commands.clear()
    return Report(number, banner=banner, command=command)


def _command(line: str) -> dict[str, str]:
    """Return the options of ab's command line, nothing where a line holds none."""
    if (match := _COMMAND.search(line)) is None:
        return {}
    try:
        pairs, rest = getopt(match[1].split(), _OPTIONS)
    except GetoptError:
        return {}
    options = {name: value for name, value in pairs if not value or not value.startswith("-")}
    if not options.keys() & {"-c", "-n", "-t"}:
        return {}
    address = next((word.strip("`'\";)") for word in rest if "://" in word), "")
    return options | ({"url": address} if address else {})


def _labelled(line: str, place: str) -> tuple[str, str] | None:
    """Return the label of a line and its text or number, None where it has none."""
    if line.startswith(_VERBOSE):
        # What the server answered may hold anything, other people's reports included.
        message = "holds what the server answered, as ab prints it with -v"
        raise SitegenError(message, where=place, fix="run ab without -v")
    match = _LABEL.match(line)
    if match is None or match[1] in _WORDS:
        return (match[1], match[2]) if match else None
    number = _NUMBER.match(match[2])
    whole = number and "." not in number[1]
    if number and (whole or match[1] in _FRACTIONS):
        return match[1], number[1]
    if number or _LIKE_A_NUMBER.match(match[2]):
        raise _no_number(place)
    return None


def _is_another(report: Report, label: str) -> bool:
    """Tell whether a line with this label is of another report than the one before it."""
    if label == "Time per request":
        return ACROSS in report.numbers
    # The name of a server may stand in a heading between two reports.
    first = label == "Server Software" and bool(report.numbers or report.table or report.words)
    return first or label in report.numbers or label in report.words


def _keep(report: Report, label: str, text: str, line: str) -> None:
    if label == "Time per request" and ("(mean," in line or label in report.numbers):
        label = ACROSS
    (report.words if label in _WORDS else report.numbers)[label] = text


def _read_rest(report: Report, line: str, place: str) -> None:
    """Read a line without a label of its own: a row, or what ab remarks of its own course."""
    if ":" in line and _ROW_LABEL.match(line):
        _read_row(report, line, place)
    elif "%" in line and _PERCENT_LABEL.match(line):
        _read_percent(report, line, place)
    elif match := _FAILURES.match(line):
        report.failures = {kind: int(n) for kind, n in match.groupdict().items() if n}
    elif match := _RATE.match(line):
        report.numbers.setdefault(match[2], match[1])
    elif match := _WARNING.match(line):
        report.warnings.append(match[1])
    elif _DONE.search(line) or _PROGRESS.match(line):
        report.stopped = bool(_PROGRESS.match(line))
    elif not report.measured:  # once there are figures, what follows is about something else
        # Progress goes to standard error; only with dots does "done" follow on this line.
        start = _STARTED.search(line)
        report.stopped |= bool(start and start[1])
        report.aborted = report.aborted or abort_reason(line)


def _read_row(report: Report, line: str, place: str) -> None:
    if (row := _ROW.match(line)) is None:
        raise _no_number(place)
    cells = row[2].split()
    report.table.setdefault(row[1], dict(zip(_COLUMNS[len(cells)], cells, strict=True)))


def _read_percent(report: Report, line: str, place: str) -> None:
    if (percent := _PERCENT.match(line)) is None:
        raise _no_number(place)
    if name := _PERCENTS.get(percent[1]):
        report.percentiles.setdefault(name, percent[2])


def _no_number(place: str) -> SitegenError:
    return SitegenError("holds no number that ab could have printed", where=place)
