"""Web serving: ApacheBench over http and https, by concurrency, and many of them at once."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import resource
import socket
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from collectors.ab import logs, output, target
from collectors.ab.readers import BUNDLES, READERS
from collectors.ab.rows import expected
from sitegen.collect import Host, Missing, Plan, RawOutput, Reading, Request, Step, timestamp
from sitegen.errors import SitegenError
from sitegen.model import (
    Comparability,
    Parameter,
    ToolIdentity,
    params,
)

__all__ = ["BENCHMARK", "BUNDLES", "READERS", "SETTINGS", "detect", "parse", "plan", "run"]

BENCHMARK = "ab"
SETTINGS = {
    "url": "address to measure instead of the server that is started on loopback",
    "server": "nginx or python, the server to start (default: nginx where it is installed)",
    "access": "how that address is reached, such as tproxy (default: direct)",
    "insecure": "yes: measure an https address whose certificate cannot be verified",
    "concurrency": "comma-separated connections at once (default: 200,500,1000,2000)",
    "requests": "requests of each step (default: 5000)",
    "processes": "ab processes of the multi-process step, 0 for none (default: 51)",
    "tls": "TLS version of the started server: TLSv1.3 (default) or TLSv1.2",
}

_MULTI_CONCURRENCY = 40
#: Descriptors that ab or nginx hold beside one for each connection.
_SPARE_DESCRIPTORS = 64
_LIMIT_S = 900.0
_POLL_S = 0.005
_KILLED = -9


@dataclass(frozen=True, slots=True)
class Size:
    """How much work a preset does."""

    concurrencies: tuple[int, ...]
    requests: int
    handshakes: int  # requests of a step that pays a TLS handshake for each, or for most
    processes: int
    process_requests: int


_SIZES = {
    "quick": Size((200, 1000), 5000, 500, 8, 1000),
    "standard": Size((200, 500, 1000, 2000), 5000, 5000, 51, 5000),
    "thorough": Size((200, 500, 1000, 2000), 20000, 20000, 51, 5000),
}


def detect(host: Host) -> ToolIdentity | Missing:
    """Return ApacheBench with its version and, where it prints one, its revision."""
    path = host.find("ab")
    if path is None:
        return Missing("ApacheBench (ab)", "apt install apache2-utils")
    said = host.run([path, "-V"], timeout_s=20).stdout.decode("utf-8", "replace")
    match = re.search(r"Version (\S+)(?: <\$Revision: (\d[\d.]*) \$>)?", said)
    version = " r".join(part for part in match.groups() if part) if match else "unknown"
    return host.identify("ab", path, version)


def plan(tool: ToolIdentity, request: Request) -> Plan:
    """Return the sweep over concurrencies and the multi-process step.

    Raises SitegenError for a setting that cannot be met.
    """
    given = request.settings
    size = _size(given, _SIZES[request.preset])
    tls = given.get("tls", "TLSv1.3")
    if tls not in {"TLSv1.2", "TLSv1.3"}:
        raise SitegenError(
            f"{tls!r} is no TLS version that ab is measured with", where="--set ab.tls"
        )
    context, prepare = [("folder", str(request.scratch))], []
    if "url" in given:
        url, scheme = _url(given["url"])
        access = given.get("access", "direct")
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,31}", access):
            raise SitegenError(f"{access!r} is not a usable name", where="--set ab.access")
        addresses = {scheme: url}
        server, body, key = "given", "unknown", "unknown"
        tls = "negotiated"
        if scheme == "https" and given.get("insecure") != "yes":
            prepare.append(_check_step(url, context))
    else:
        machine = Host()
        openssl, nginx = machine.find("openssl"), machine.find("nginx")
        server = given.get("server", "nginx" if nginx else "python")
        if server not in {"nginx", "python"} or (server == "nginx" and nginx is None):
            raise SitegenError(
                f"there is no server {server!r} here",
                where="--set ab.server",
                fix="use python, or nginx after `apt install nginx`",
            )
        if openssl is None:
            raise SitegenError(
                "openssl is needed once for a certificate", where="ab", fix="apt install openssl"
            )
        prepare.append(_certificate_step(openssl, context))
        http, https = target.free_ports(2)
        access, body, key = "loopback", str(len(target.BODY)), "RSA-2048"
        addresses = {
            "http": f"http://{target.LOOPBACK}:{http}/",
            "https": f"https://{target.LOOPBACK}:{https}/",
        }
        context += [
            ("server", server),
            ("server_path", (nginx if server == "nginx" else None) or sys.executable),
            ("http", str(http)),
            ("https", str(https)),
            ("tls", tls),
            ("workers", str(request.cpus)),
        ]
    steps = _steps(tool, addresses, access, size, tuple(context))
    must = Comparability.MUST_MATCH
    return Plan(
        steps=steps,
        prepare=tuple(prepare),
        parameters=(
            Parameter("server", server, must),
            Parameter("tls", tls, must),
            Parameter("server_key", key, must),
            Parameter("body_bytes", body, must),
            Parameter("tool_version", tool.version, Comparability.CAVEAT),
        ),
        about_s=sum(_about_s(step) for step in steps),
    )


def run(step: Step, host: Host) -> RawOutput:
    """Run one step: start the server where there is none, then ab, one or many of them."""
    if step.name == "certificate":
        return host.run(step.argv, timeout_s=step.timeout_s, cwd=Path(step.get("folder")))
    started = datetime.now(UTC)
    try:
        if step.name == "check-certificate":
            _check_certificate(step.argv[1], int(step.argv[2]))
            return RawOutput(started_at=timestamp(started))
        with _descriptors(step):
            return _measure(step, host)
    except (SitegenError, OSError) as error:
        return RawOutput(stderr=f"{error}\n".encode(), exit_code=1, started_at=timestamp(started))


def parse(step: Step, raw: RawOutput) -> Reading:
    """Return what ab reported, of one process or of all.

    Raises SitegenError when ab gave up, or nothing at all was answered.
    """
    return output.read(step, raw)


def _measure(step: Step, host: Host) -> RawOutput:
    with contextlib.ExitStack() as stack:
        server = None
        if step.get("server"):
            wanted = target.Target(
                server=step.get("server"),
                path=step.get("server_path"),
                folder=Path(step.get("folder")),
                http=int(step.get("http")),
                https=int(step.get("https")),
                tls=step.get("tls"),
                workers=int(step.get("workers")),
            )
            server = stack.enter_context(target.serving(wanted, host))
        overflows = _listen_overflows(host)
        busy = target.cpu_seconds(server) if server else 0.0
        raw = _run_many(step, host) if step.workload == "multi" else _run_one(step, host)
        values = []
        if server:
            values.append(("server_cpu_s", f"{target.cpu_seconds(server) - busy:.3f}"))
        after = _listen_overflows(host)
        if overflows is not None and after is not None:
            values.append(("listen_overflows", str(after - overflows)))
        with contextlib.suppress(SitegenError):
            report = output.report_in(raw.stdout.decode("utf-8", "replace"))
            values += sorted(report.about.items())
        return dataclasses.replace(raw, values=(*raw.values, *values))


def _run_one(step: Step, host: Host) -> RawOutput:
    folder = Path(step.get("folder"))
    raw = host.run(step.argv, timeout_s=step.timeout_s, cwd=folder)
    files = {}
    percentiles, requests = folder / "percentiles.csv", folder / "requests.tsv"
    if percentiles.exists():
        files[percentiles.name] = percentiles.read_bytes()
        percentiles.unlink()
    if requests.exists():
        counts = logs.count_requests(requests.read_bytes())
        files["latency.tsv"] = logs.write_counts(counts)
        requests.unlink()
    return dataclasses.replace(raw, files=files)


def _run_many(step: Step, host: Host) -> RawOutput:
    """Run as many ab as the step says, at once, and keep when each began and ended."""
    folder = Path(step.get("folder"))
    count = int(dict(step.params)["processes"])
    places = [folder / f"process-{index}" for index in range(count)]
    for place in places:
        place.mkdir(exist_ok=True)
    started = datetime.now(UTC)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.monotonic()
    with contextlib.ExitStack() as stack:
        starts, running = [], []
        for place in places:
            starts.append(time.monotonic() - begin)
            running.append(stack.enter_context(host.start(step.argv, cwd=place)))
        ends = _wait_all(running, begin, step.timeout_s)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        codes, said = [], []
        for process in running:
            finished = process.poll() is not None
            codes.append(process.returncode if finished else _KILLED)
            # What one ab prints with -q fits into the pipe, so it never waited for a reader.
            said.append(process.communicate() if finished else (b"", b""))
    duration = max(ends)
    counts: Counter[int] = Counter()
    for place in places:
        if (place / "requests.tsv").exists():
            counts.update(logs.count_requests((place / "requests.tsv").read_bytes()))
            (place / "requests.tsv").unlink()
    rows = [
        f"{index}\t{start:.4f}\t{end:.4f}\t{code}\n"
        for index, (start, end, code) in enumerate(zip(starts, ends, codes, strict=True))
    ]
    failed = sum(code != 0 for code in codes)
    return RawOutput(
        stdout=b"\n".join(out for out, _ in said),
        stderr=b"\n".join(err for _, err in said if err.strip()),
        exit_code=0 if failed < count else 1,
        started_at=timestamp(started),
        duration_s=duration,
        cpu_s=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        files={
            "processes.tsv": "".join(["process\tstart_s\tend_s\tcode\n", *rows]).encode(),
            "latency.tsv": logs.write_counts(counts),
        },
        values=(("processes_failed", str(failed)),),
    )


def _wait_all(running: list[subprocess.Popen[bytes]], begin: float, limit_s: float) -> list[float]:
    """Return when each process ended; one that runs past the limit counts until then."""
    ends: dict[int, float] = {}
    while len(ends) < len(running) and time.monotonic() - begin < limit_s:
        for process in running:
            if process.pid not in ends and process.poll() is not None:
                ends[process.pid] = time.monotonic() - begin
        time.sleep(_POLL_S)
    return [ends.get(process.pid, limit_s) for process in running]


@contextlib.contextmanager
def _descriptors(step: Step) -> Iterator[None]:
    """Allow as many open files as the step's connections need; children inherit it."""
    concurrency = int(dict(step.params)["concurrency"])
    processes = int(dict(step.params)["processes"])
    needed = concurrency * (processes if step.get("server") else 1) + _SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = hard if hard != resource.RLIM_INFINITY else max(soft, needed)
    if needed > enough:
        raise SitegenError(
            f"{needed} open files are needed and the limit is {hard}",
            where=step.name,
            fix="raise it (`ulimit -Hn`, LimitNOFILE) or use a lower `--set ab.concurrency=`",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _listen_overflows(host: Host) -> int | None:
    """Return how often the kernel dropped a connection because an accept queue was full."""
    lines = [line.split() for line in (host.read("/proc/net/netstat") or "").splitlines()]
    for names, numbers in zip(lines[::2], lines[1::2], strict=False):
        if names[:1] == ["TcpExt:"] and "ListenOverflows" in names:
            return int(numbers[names.index("ListenOverflows")])
    return None


def _steps(
    tool: ToolIdentity,
    addresses: Mapping[str, str],
    access: str,
    size: Size,
    context: tuple[tuple[str, str], ...],
) -> tuple[Step, ...]:
    kinds = [(scheme, keep) for scheme in addresses for keep in (False, True)]
    steps = []
    for scheme, keep in kinds:
        if scheme == "http" and keep:
            continue
        for concurrency in size.concurrencies:
            least = size.requests if scheme == "http" else size.handshakes
            # ab refuses fewer requests than connections.
            requests = max(least, concurrency)
            where = params(
                access=access,
                concurrency=concurrency,
                keepalive="true" if keep else None,
                processes=1,
                requests=requests,
                scheme=scheme,
            )
            options = ("-k",) if keep else ()
            steps.append(
                Step(
                    name=f"{scheme}{'-keepalive' if keep else ''}-c{concurrency}",
                    workload="sweep",
                    argv=(
                        *(tool.path, "-q", "-n", str(requests), "-c", str(concurrency), *options),
                        *("-e", "percentiles.csv", "-g", "requests.tsv", addresses[scheme]),
                    ),
                    timeout_s=_LIMIT_S,
                    params=where,
                    expects=expected("sweep", "mean", where),
                    context=context,
                )
            )
    if size.processes:
        scheme, address = next(iter(addresses.items()))
        concurrency = min(_MULTI_CONCURRENCY, size.process_requests)
        where = params(
            access=access,
            concurrency=concurrency,
            processes=size.processes,
            requests=size.process_requests,
            scheme=scheme,
        )
        steps.append(
            Step(
                name=f"multi-{scheme}",
                workload="multi",
                argv=(
                    *(tool.path, "-q", "-n", str(size.process_requests), "-c", str(concurrency)),
                    *("-g", "requests.tsv", address),
                ),
                timeout_s=_LIMIT_S,
                params=where,
                expects=expected("multi", "total", where),
                context=context,
            )
        )
    return tuple(steps)


def _certificate_step(openssl: str, context: list[tuple[str, str]]) -> Step:
    return Step(
        name="certificate",
        workload="certificate",
        argv=(
            *(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"),
            *("-keyout", target.KEY, "-out", target.CERTIFICATE, "-subj", "/CN=localhost"),
        ),
        timeout_s=120.0,
        context=tuple(context),
    )


def _check_step(url: str, context: list[tuple[str, str]]) -> Step:
    parts = urlsplit(url)
    return Step(
        name="check-certificate",
        workload="check-certificate",
        argv=("check-certificate", str(parts.hostname), str(parts.port or 443)),
        timeout_s=30.0,
        context=tuple(context),
    )


def _check_certificate(name: str, port: int) -> None:
    """Verify the server's certificate, which ab never does."""
    try:
        with (
            socket.create_connection((name, port), 20.0) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=name),
        ):
            return
    except ssl.SSLCertVerificationError as error:
        raise SitegenError(
            f"the certificate cannot be verified: {error.verify_message}",
            where="ab",
            fix="add `--set ab.insecure=yes` to measure it all the same",
        ) from error


def _size(given: Mapping[str, str], size: Size) -> Size:
    concurrencies = size.concurrencies
    if "concurrency" in given:
        words = given["concurrency"].split(",")
        concurrencies = tuple(sorted({_whole(word, "concurrency", 1, 20000) for word in words}))
    if "requests" in given:
        count = _whole(given["requests"], "requests", 1, 10_000_000)
        size = dataclasses.replace(size, requests=count, handshakes=count, process_requests=count)
    processes = size.processes
    if "processes" in given:
        processes = _whole(given["processes"], "processes", 0, 1000)
    return dataclasses.replace(size, concurrencies=concurrencies, processes=processes)


def _whole(text: str, name: str, least: int, most: int) -> int:
    word = text.strip()
    if word.isascii() and word.isdigit() and len(word) < 10 and least <= int(word) <= most:  # noqa: PLR2004 - keeps int() short
        return int(word)
    raise SitegenError(f"{text!r} is not from {least} to {most}", where=f"--set ab.{name}")


def _url(text: str) -> tuple[str, str]:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"[\s\x00-\x1f]", text):
        raise SitegenError(
            f"{text!r} is not an http or https address",
            where="--set ab.url",
            fix="write for example https://192.0.2.1:8443/",
        )
    # ab does not accept an address without a path.
    return (text if parts.path else parts._replace(path="/").geturl()), parts.scheme


def _about_s(step: Step) -> float:
    """Estimate by requests and whether each pays a handshake (2 slow cores)."""
    place = dict(step.params)
    total = int(place["requests"]) * int(place["processes"])
    handshakes = 0 if place["scheme"] == "http" else total
    if "keepalive" in place:
        handshakes = int(place["concurrency"])
    return 0.5 + total / 12000 + handshakes / 600
