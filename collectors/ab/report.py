"""Reading ab's report: every age and every layout that people keep it in, line by line.

Lines are found by their label and never by their column: reports come with spaces lost, in
tables of Markdown or HTML, with a number on the next line, without their head or their end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from collectors.ab.lines import lines, tidy
from sitegen.errors import SitegenError

MAX_REPORTS = 20_000
#: Two spellings of a column: as ab sets its table, and with ``-S`` or in HTML.
_COLUMNS = {5: ("min", "mean", "stddev", "p50", "max"), 3: ("min", "mean", "max")}
_TABLE = {
    "Connect": "connect_time",
    "Processing": "processing_time",
    "Waiting": "waiting_time",
    "Total": "latency",
}
_PERCENTS = {"50", "66", "75", "80", "90", "95", "98", "99", "100"}
_NUMBERS = {
    "Server Port": "port",
    "Number of workers": "workers",
    "Concurrency Level": "concurrency",
    "Concurrency achieved": "concurrency_achieved",
    "Rampup delay": "rampup_ms",
    "Time taken for tests": "time_taken",
    "Number of requests": "requests",
    "Complete requests": "complete",
    "Failed requests": "failed",
    "Write errors": "write_errors",
    "Broken pipe errors": "broken_pipes",
    "Non-2xx responses": "non_2xx",
    "Keep-Alive requests": "keepalive",
    "Total transferred": "total_transferred",
    "Total body sent": "body_sent",
    "Total POSTed": "body_sent",
    "Total PUT": "body_sent",
    "HTML transferred": "html_transferred",
    "Requests per second": "requests_per_second",
    "Time per request": "time_per_request",
    "Transfer rate": "transfer_rate",
}
#: What may have a fraction; the rest are whole numbers.
_FRACTIONS = {"time_taken", "requests_per_second", "time_per_request", "transfer_rate"}
#: What follows a number that was printed whole, where something does.
_UNITS = {
    "time_taken": "seconds",
    "total_transferred": "bytes",
    "html_transferred": "bytes",
    "requests_per_second": "[#/sec]",
    "time_per_request": "[ms]",
    "transfer_rate": "[Kbytes/sec]",
    "rampup_ms": "[ms]",
}
_WORDS = {
    "Server Software": "server_software",
    "Server Hostname": "host",
    "SSL/TLS Protocol": "tls",
    "Server Temp Key": "tls_key_exchange",
    "TLS Server Name": "sni",
    "Document Path": "path",
    "Document Length": "document_length",
}
_ALL = "|".join(re.escape(label) for label in (*_NUMBERS, *_WORDS))
_LABEL = re.compile(rf"({_ALL})( ?: ?| |$)(.{{0,1000}})$")
_NUMBER = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)(?=[ \[(]|bytes|seconds|kb/s|$)(.*)$")
_LIKE_A_NUMBER = re.compile(r"[-+.]?\d|[-+]?(?:nan|inf)", re.IGNORECASE)
_MORE_DIGITS = re.compile(r"(\.?\d{1,15}(?:\.\d{1,9})?) ?(\[#/sec\]|\[ms\]|\[Kbytes|seconds|bytes)")
_RATE = re.compile(r"(\d{1,15}\.\d{1,9}) ?(?:kb/s|\[Kbytes/sec\]) (sent|total)$")
_FAILURES = re.compile(
    r"\(?Connect: (\d{1,12}), (?:Receive: (\d{1,12}), )?Length: (\d{1,12})"
    r", Exceptions: (\d{1,12})\)?$"
)
_BANNER = re.compile(
    r"This is ApacheBench, Version (\S{1,40})(?: <\$Revision(?:: (\d[\d.]{0,20}))? ?\$>?)?"
)
_ROW = re.compile(
    r"(Connect|Processing|Waiting|Total) ?: ?((?:\d{1,12}(?:\.\d{1,9})?(?: |$)){2,5})$"
)
_ROW_LABEL = re.compile(r"(?:Connect|Processing|Waiting|Total) ?: ?[-\d]")
_PERCENT = re.compile(
    r"(\d{1,3}) ?% (\d{1,12}(?:\.\d{1,9})?)( \((?:longest|last) request\))?"
    r"(?: [(\u2190-\uffef].*)?$"  # and what somebody says of it
)
_PERCENT_LABEL = re.compile(r"\d{1,3} ?% [-\d]")
_WARNING = re.compile(r"(?:WARN?ING|ERROR): The median and mean for (.{3,40}?) are (?:not|more) ")
_PERCENTILES = ("Percentage of the requests served", "Percentage of requests served")
_TABLE_HEADS = ("Connection Times", "Connnection Times", "min mean", "min avg")
_STARTED = re.compile(r"\(be patient\)(\.\.\.)?(.*)$")
_DONE = re.compile(r"\.{0,5}\.\.done$|Finished \d{1,12} requests$")
_PROGRESS = re.compile(r"Completed (\d{1,12}) requests$")
_SO_FAR = re.compile(r"Total of (\d{1,12}) requests completed")
_ABORT = re.compile(
    r"(?:apr_\w{1,40}|socket|send|recv|connect)(?:\(\)(?: for \S{1,255})?)?"
    r": ?[A-Z][^()\n]{3,90}\(\d{1,6}\)"
    r"|Test aborted after \d{1,3} failures|^ab: [A-Z][^:\n]{5,90}$",
    re.MULTILINE,
)
_HOST = re.compile(r"\(\) for \S{1,255}(?=:)")
_CHATTER = re.compile(r"LOG: header received|INFO: \w{1,16} header ==")
_NUMBERS_ONLY = re.compile(r"(?:\d{1,12}(?:\.\d{1,9})?(?: |$)){1,5}$")


@dataclass(slots=True)
class Report:
    """One report of ab, its numbers as printed. What it does not say is absent.

    ``line`` is where it begins. ``numbers`` and ``words`` are by our own keys, ``table`` is
    metric -> statistic -> milliseconds, ``failures`` the parts of the failed requests.
    ``aborted`` says why ab gave up; ``so_far`` how many requests it had made by then.
    """

    line: int
    banner: bool = False
    version: str = ""
    numbers: dict[str, str] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    table: dict[str, dict[str, str]] = field(default_factory=dict)
    percentiles: dict[str, str] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    merged_rows: list[str] = field(default_factory=list)
    started: bool = False
    stopped: bool = False
    aborted: str = ""
    so_far: int | None = None

    def count(self, key: str) -> int | None:
        """Return a whole number, or None where the report does not have it."""
        digits = self.numbers.get(key)
        return None if digits is None else int(digits)

    def value(self, key: str) -> float | None:
        """Return a number, or None where the report does not have it."""
        digits = self.numbers.get(key)
        return None if digits is None else float(digits)

    @property
    def measured(self) -> bool:
        """Whether any figure is there."""
        figures = ("complete", "failed", "requests_per_second", "transfer_rate")
        return bool(self.table or self.percentiles or any(key in self.numbers for key in figures))

    @property
    def in_html(self) -> bool:
        """Whether it has the form of ``-w``: its table has no row of waiting times."""
        row = self.table.get("latency", {})
        waits = "waiting_time" in self.table or "Waiting" in self.merged_rows
        return bool(row) and "p50" not in row and not waits

    @property
    def kilobyte(self) -> float:
        """How many bytes are a kilobyte of its rates: ab of httpd 1.3 divides by milliseconds."""
        return 1000.0 if self.version.startswith("1.") or "broken_pipes" in self.numbers else 1024.0

    @property
    def least_good(self) -> int | None:
        """Return how many requests surely succeeded: a failed one may also be non-2xx."""
        complete, failed = self.count("complete"), self.count("failed")
        if complete is None or failed is None:
            return None
        return max(complete - failed - (self.count("non_2xx") or 0), 0)

    @property
    def most_good(self) -> int | None:
        """Return how many requests succeeded if all that failed also were non-2xx."""
        complete, failed = self.count("complete"), self.count("failed")
        if complete is None or failed is None:
            return None
        return max(complete - max(failed, self.count("non_2xx") or 0), 0)

    @property
    def about(self) -> Mapping[str, str]:
        """Return what it says of the server and of the failures, where it does."""
        protocol, _, rest = self.words.get("tls", "").partition(",")
        kinds = ", ".join(f"{kind.capitalize()}: {n}" for kind, n in self.failures.items())
        told = {
            "server_software": self.words.get("server_software", ""),
            "document_length": self.words.get("document_length", "").removesuffix(" bytes"),
            "tls_protocol": protocol,
            "tls_cipher": rest.partition(",")[0],
            "tls_key_exchange": self.words.get("tls_key_exchange", ""),
            "failure_kinds": kinds,
        }
        return {key: value for key, value in told.items() if value}


def reports(text: str) -> list[Report]:
    """Return the reports in ``text`` in order, those of an ab that gave up included.

    Raises SitegenError with the line where a number should stand and none can.
    """
    found = _Reading(text).reports()
    return [r for r in found if r.banner or r.measured or "concurrency" in r.numbers]


class _Reading:
    """Goes through the lines of a text once; a banner or a label met again begins a report."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.line = ""
        self.following: str | None = ""
        self.found: list[Report] = []
        self.in_table = self.in_percentiles = self.in_chatter = self.awaits_done = False

    def reports(self) -> list[Report]:
        for index, line, following in lines(self.text):
            self.line, self.following = line, following
            # Without its end a line may have lost digits.
            self._read(index, tidy(line), whole=following is not None)
        self._close()
        return self.found

    def _begin(self, index: int) -> Report:
        self._close()
        if len(self.found) >= MAX_REPORTS:
            raise SitegenError(f"holds more than {MAX_REPORTS} reports", where=f"line {index + 1}")
        self.in_table = self.in_percentiles = self.in_chatter = self.awaits_done = False
        self.found.append(Report(index + 1))
        return self.found[-1]

    def _close(self) -> None:
        if self.found and self.awaits_done:
            self.found[-1].stopped = True

    def _read(self, index: int, line: str, *, whole: bool) -> None:
        if not line:
            return
        if banner := _BANNER.search(line):
            report = self._begin(index)
            report.banner = True
            report.version = " r".join(part.rstrip(".") for part in banner.groups() if part)
            return
        # What -v prints of the answers may hold anything, other people's reports included.
        if self.in_chatter and not (_DONE.search(line) or line.startswith("Server Software")):
            return
        self.in_chatter = bool(_CHATTER.search(line))
        label = _LABEL.match(line)
        if label and self._label(index, label, whole=whole):
            return
        if self.found:
            self._beside(index, line, self.found[-1], whole=whole)

    def _label(self, index: int, match: re.Match[str], *, whole: bool) -> bool:
        """Read a labelled line; say whether it was one."""
        label, colon, rest = match.groups()
        if label in _WORDS:
            if ":" not in colon and "|" not in self.line:
                return False
            self._report_for(index, label).words.setdefault(_WORDS[label], rest.strip())
            return True
        key = _NUMBERS[label]
        if key == "time_per_request" and ("(mean," in rest or self._second(key, "time_across_all")):
            key = "time_across_all"
        if (digits := self._digits(index, key, rest, whole=whole)) is None:
            return False
        if label == "Total PUT":
            self._report_for(index, key).words["method"] = "PUT"
        self._report_for(index, key).numbers[key] = digits
        if key == "requests" and "(window)" in rest:
            self.found[-1].numbers["window"] = self.found[-1].numbers.pop("requests")
        return True

    def _second(self, first: str, second: str) -> bool:
        """Say whether the report has ``first`` and still lacks ``second``, of the same label."""
        numbers = self.found[-1].numbers if self.found else {}
        return first in numbers and second not in numbers

    def _report_for(self, index: int, name: str) -> Report:
        """Return the report that a line belongs to: a new one where it has such a line already."""
        if self.found:
            last = self.found[-1]
            fresh = not (last.numbers or last.table or last.words)
            # The name of a server may stand in a heading between two reports.
            again = name in last.numbers or _WORDS.get(name, "") in last.words
            first = name == "Server Software" and not fresh
            if not (again or first):
                return last
        return self._begin(index)

    def _digits(self, index: int, key: str, rest: str, *, whole: bool) -> str | None:
        match = _NUMBER.match(rest)
        following = self._next()
        unit = _UNITS.get(key, "")
        if match and unit and not match[2].strip() and (more := _MORE_DIGITS.match(following)):
            match = _NUMBER.match(f"{match[1]}{more[1]} {unit}")  # wrapped within its digits
        elif rest in {"", "."} and (more := re.match(r"\d{1,15}(?:\.\d{1,9})?(?= |$)", following)):
            match = _NUMBER.match(more[0])  # wrapped before them
        elif not match and re.fullmatch(r"\d{1,15}\.", rest):
            match = _NUMBER.match(f"{rest}{following}")  # or at their point
        if match is None:
            if rest and whole and _LIKE_A_NUMBER.match(rest):
                raise _no_number(index)
            return None
        if not whole and not match[2].strip():
            return None
        if "." in match[1] and key not in _FRACTIONS and key != "time_across_all":
            raise _no_number(index)
        return match[1]

    def _next(self) -> str:
        return tidy(self.following or "")

    def _beside(self, index: int, line: str, report: Report, *, whole: bool) -> None:
        """Read a line without a label of its own: a head, a row, or what ab remarks."""
        if (start := _STARTED.search(line)) and not report.measured:
            report.started = True
            # Progress goes to standard error; only with dots does "done" follow on this one.
            self.awaits_done = bool(start[1]) and not _DONE.search(start[2])
            self.in_chatter = bool(_CHATTER.search(line))
        elif line.startswith(_TABLE_HEADS):
            self.in_table = True
        elif line.startswith(_PERCENTILES):
            self.in_percentiles = True
        elif not self._cells(index, line, report, whole=whole):
            self._remark(line, report, whole=whole)
        self._course(line, report)

    def _cells(self, index: int, line: str, report: Report, *, whole: bool) -> bool:
        """Read a row of the table or of the list of percentiles; say whether it was one."""
        if self.in_table and (line := self._wrapped(line)) and _ROW_LABEL.match(line):
            if whole and (row := _ROW.match(line)) is None:
                raise _no_number(index)
            if whole and row:
                self._row(row, report)
            return True
        if self.in_percentiles and _PERCENT_LABEL.match(line):
            percent = _PERCENT.match(line)
            if percent is None and whole:
                raise _no_number(index)
            if percent and percent[1] in _PERCENTS and (whole or percent[3]):
                name = "max" if percent[1] == "100" else f"p{percent[1]}"
                report.percentiles.setdefault(name, percent[2])
            return True
        return False

    def _wrapped(self, row: str) -> str:
        """Return a row of the table with the rest of its numbers, where the next line has them."""
        if _NUMBERS_ONLY.match(following := self._next()):
            joined = _ROW.match(f"{row} {following}")
            if joined and len(joined[2].split()) in _COLUMNS:
                return joined[0]
        return row

    def _remark(self, line: str, report: Report, *, whole: bool) -> None:
        if match := _FAILURES.match(line):
            kinds = ("connect", "receive", "length", "exceptions")
            parts = zip(kinds, match.groups(), strict=True)
            report.failures = {kind: int(n) for kind, n in parts if n is not None}
        elif (match := _RATE.match(line)) and whole:
            report.numbers.setdefault(f"{match[2]}_rate", match[1])
        elif match := _WARNING.match(line):
            report.warnings.append(match[1])

    def _row(self, row: re.Match[str], report: Report) -> None:
        cells = row[2].split()
        if columns := _COLUMNS.get(len(cells)):
            report.table.setdefault(_TABLE[row[1]], dict(zip(columns, cells, strict=True)))
        else:
            report.merged_rows.append(row[1])

    def _course(self, line: str, report: Report) -> None:
        """Read what ab says of its own course: progress, the end, or why there is none."""
        if _DONE.search(line):
            self.awaits_done = False
        elif match := _PROGRESS.match(line):
            report.so_far, self.awaits_done = int(match[1]), True
        if match := _SO_FAR.search(line):
            report.so_far = int(match[1])
        # Once there are figures, what follows is about something else.
        if not report.measured and (match := _ABORT.search(line)):
            report.aborted = report.aborted or abort_reason(match[0])


def abort_reason(text: str) -> str:
    """Return why ab gave up, without the name of the host, or nothing."""
    match = _ABORT.search(text)
    return _HOST.sub("()", match[0]).strip() if match else ""


def _no_number(index: int) -> SitegenError:
    return SitegenError("holds no number that ab could have printed", where=f"line {index + 1}")
