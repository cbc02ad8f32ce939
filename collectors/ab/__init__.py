"""Web serving: ApacheBench over http and https, by concurrency, and many of them at once."""

from __future__ import annotations

import contextlib
import re
import resource
import socket
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec
from msgspec import structs

from collectors.ab import target
from collectors.ab.output import parse, report_in
from collectors.ab.readers import BUNDLES, READERS
from collectors.ab.readers.files import count_requests, write_counts
from collectors.ab.readers.params import ACCESS
from collectors.ab.rows import MULTI, SWEEP, expected
from sitegen.collect import Host, Missing, Plan, RawOutput, Request, Step, servers, timestamp
from sitegen.collect.settings import Settings, described
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Parameter, ToolIdentity, params

__all__ = ["BENCHMARK", "BUNDLES", "READERS", "SETTINGS", "detect", "parse", "plan", "run"]

BENCHMARK = "ab"
_Count = Annotated[int, msgspec.Meta(ge=1, le=20_000)]
_Tls = Literal["TLSv1.3", "TLSv1.2"]
_URL = "address to measure in place of a server started on loopback"
_SERVER = "the server to start (default: nginx where installed)"
_ACCESS = "how that address is reached, as tproxy"
_INSECURE = "measure https whose certificate cannot be verified"
_COUNTS = "connections at once (default: 200,500,1000,2000)"
_REQUESTS = "of each step (default: 5000)"
_PROCESSES = "ab processes of the multi-process step (default: 51)"


class SETTINGS(Settings, frozen=True):
    """What ``--set`` may change."""

    url: Annotated[str, described(_URL)] = ""
    server: Annotated[Literal["nginx", "python"], described(_SERVER)] | None = None
    access: Annotated[str, described(_ACCESS, pattern=ACCESS)] = "direct"
    insecure: Annotated[bool, described(_INSECURE)] = False
    concurrency: Annotated[tuple[_Count, ...], described(_COUNTS)] = ()
    requests: Annotated[int, described(_REQUESTS, ge=1, le=10_000_000)] | None = None
    processes: Annotated[int, described(_PROCESSES, ge=0, le=1000)] | None = None
    tls: Annotated[_Tls, described("TLS version of the started server")] = "TLSv1.3"


class Preset(NamedTuple):
    """How much work it does."""

    concurrencies: tuple[int, ...]
    requests: int
    handshakes: int  # requests of a step that pays a TLS handshake for each, or for most
    processes: int
    process_requests: int


_PRESETS = {
    "quick": Preset((200, 1000), 5000, 500, 8, 1000),
    "standard": Preset((200, 500, 1000, 2000), 5000, 5000, 51, 5000),
    "thorough": Preset((200, 500, 1000, 2000), 20000, 20000, 51, 5000),
}
_MULTI_CONCURRENCY = 40
#: Descriptors that ab or nginx hold beside one for each connection.
_SPARE_DESCRIPTORS = 64
_LIMIT_S = 900.0
_POLL_S = 0.005
_KILLED = -9
#: What is known of a server at an address.
_UNKNOWN = {
    "server": "given",
    "tls": "negotiated",
    "server_key": "unknown",
    "body_bytes": "unknown",
}
_CHECK, _CERTIFICATE = "check-certificate", "certificate"


def detect(host: Host) -> ToolIdentity | Missing:
    """Return ApacheBench with its version and, where it prints one, its revision."""
    path = host.find("ab")
    if path is None:
        return Missing("ApacheBench (ab)", "apt install apache2-utils")
    banner = host.run([path, "-V"], timeout_s=20).stdout.decode("utf-8", "replace")
    match = re.search(r"Version (\S+)(?: <\$Revision: (\d[\d.]*) \$>)?", banner)
    version = " r".join(part for part in match.groups() if part) if match else "unknown"
    return host.identify("ab", path, version)


def plan(tool: ToolIdentity, request: Request) -> Plan:
    """Return the sweep over concurrencies and the multi-process step."""
    settings = request.read(SETTINGS)
    preset = _preset(settings, _PRESETS[request.preset])
    folder = ("folder", str(request.scratch))
    context, prepare = [folder], dict[str, tuple[str, ...]]()
    if settings.url:
        url, scheme = _url(settings.url)
        addresses, parts = {scheme: url}, urlsplit(url)
        if scheme == "https" and not settings.insecure:
            prepare[_CHECK] = (_CHECK, str(parts.hostname), str(parts.port or 443))
        access, must = settings.access, _UNKNOWN
    else:
        server, paths = _server(settings.server)
        http, https = servers.free_ports(2, "ab")
        ports = {"http": http, "https": https}
        addresses = {s: f"{s}://{servers.LOOPBACK}:{port}/" for s, port in ports.items()}
        options = target.Target(
            server, paths[server], str(request.scratch), http, https, settings.tls, request.cpus
        )
        one = target.nginx(options, paths["openssl"])
        (prepare[_CERTIFICATE],) = one.prepare
        context = [(name, str(value)) for name, value in structs.asdict(options).items()]
        access, must = "loopback", {**one.tells, "server": server}
    steps = tuple(_steps(tool, addresses, access, preset, tuple(context)))
    return Plan(
        steps=steps,
        prepare=tuple(Step(n, n, argv, 120.0, context=(folder,)) for n, argv in prepare.items()),
        parameters=(
            *(Parameter(name, text, Comparability.MUST_MATCH) for name, text in must.items()),
            Parameter("tool_version", tool.version, Comparability.CAVEAT),
        ),
        about_s=sum(_about_s(step) for step in steps),
    )


def run(step: Step, host: Host) -> RawOutput:
    """Run one step: start the server where there is none, then ab, one or many of them."""
    if step.name == _CERTIFICATE:
        return host.run(step.argv, timeout_s=step.timeout_s, cwd=Path(step.get("folder")))
    started = timestamp(datetime.now(UTC))
    try:
        if step.name == _CHECK:
            _check_certificate(step.argv[1], int(step.argv[2]))
            return RawOutput(started_at=started)
        with _descriptors(step):
            return _measure(step, host)
    except (SitegenError, OSError) as error:
        return RawOutput(stderr=f"{error}\n".encode(), exit_code=1, started_at=started)


def _measure(step: Step, host: Host) -> RawOutput:
    with contextlib.ExitStack() as stack:
        server = None
        if step.get("server"):
            options = msgspec.convert(dict(step.context), target.Target, strict=False)
            server = stack.enter_context(target.serving(options, host))
        overflows = _listen_overflows(host)
        busy = servers.cpu_seconds(server) if server else 0.0
        raw = _run_many(step, host) if step.workload == MULTI else _run_one(step, host)
        values = list(raw.values)
        if server:
            values.append(("server_cpu_s", f"{servers.cpu_seconds(server) - busy:.3f}"))
        if overflows is not None and (after := _listen_overflows(host)) is not None:
            values.append(("listen_overflows", str(after - overflows)))
        with contextlib.suppress(SitegenError):
            values += sorted(report_in(raw.stdout.decode("utf-8", "replace")).about.items())
        return structs.replace(raw, values=tuple(values))


def _run_one(step: Step, host: Host) -> RawOutput:
    folder = Path(step.get("folder"))
    raw = host.run(step.argv, timeout_s=step.timeout_s, cwd=folder)
    counts, percentiles = _counts(folder), _taken(folder / "percentiles.csv")
    files = {"percentiles.csv": percentiles, "latency.tsv": counts and write_counts(counts)}
    return structs.replace(raw, files={name: data for name, data in files.items() if data})


def _run_many(step: Step, host: Host) -> RawOutput:
    """Run as many ab as the step says, at once, and keep when each began and ended."""
    places = [Path(step.get("folder"), f"process-{n}") for n in range(_number(step, "processes"))]
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
        codes = [_KILLED if (code := process.poll()) is None else code for process in running]
        # What one ab prints with -q fits into the pipe, so it never waited for a reader.
        printed = [process.communicate() for process in running if process.returncode is not None]
    counts = sum(map(_counts, places), Counter[int]())
    rows = enumerate(zip(starts, ends, codes, strict=True))
    table = [f"{n}\t{start:.4f}\t{end:.4f}\t{code}\n" for n, (start, end, code) in rows]
    failed = sum(code != 0 for code in codes)
    return RawOutput(
        stdout=b"\n".join(out for out, _ in printed),
        stderr=b"\n".join(err for _, err in printed if err.strip()),
        exit_code=0 if failed < len(places) else 1,
        started_at=timestamp(started),
        duration_s=max(ends),
        cpu_s=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        files={
            "processes.tsv": "".join(["process\tstart_s\tend_s\tcode\n", *table]).encode(),
            "latency.tsv": write_counts(counts),
        },
        values=(("processes_failed", str(failed)),),
    )


def _taken(file: Path) -> bytes:
    """Return what ab left in a file, and remove it."""
    data = file.read_bytes() if file.exists() else b""
    file.unlink(missing_ok=True)
    return data


def _counts(folder: Path) -> Counter[int]:
    return count_requests(_taken(folder / "requests.tsv"))


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
    connections = _number(step, "concurrency")
    if step.get("server"):
        connections *= _number(step, "processes")
    needed = connections + _SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and needed > hard:
        message = f"{needed} open files are needed and the limit is {hard}"
        fix = "raise it (`ulimit -Hn`, LimitNOFILE) or use a lower `--set ab.concurrency=`"
        raise SitegenError(message, where=step.name, fix=fix)
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
    preset: Preset,
    context: tuple[tuple[str, str], ...],
) -> Iterator[Step]:
    def step(name: str, workload: str, options: tuple[str, ...], **values: object) -> Step:
        about = params(access=access, **values)
        texts, statistic = dict(about), "total" if workload == MULTI else "mean"
        argv = (
            *(tool.path, "-q", "-n", texts["requests"], "-c", texts["concurrency"]),
            *(*options, "-g", "requests.tsv", addresses[texts["scheme"]]),
        )
        rows = expected(workload, statistic, about)
        return Step(name, workload, argv, _LIMIT_S, about, rows, context)

    kinds = [(s, keep) for s in addresses for keep in (False, True) if s == "https" or not keep]
    for scheme, keep in kinds:
        least = preset.requests if scheme == "http" else preset.handshakes
        kept = {"keepalive": "true"} if keep else {}
        options = (*("-k",) * keep, "-e", "percentiles.csv")
        for concurrency in preset.concurrencies:
            name = f"{scheme}{'-keepalive' if keep else ''}-c{concurrency}"
            # ab refuses fewer requests than connections.
            counts = {"concurrency": concurrency, "requests": max(least, concurrency)}
            yield step(name, SWEEP, options, processes=1, scheme=scheme, **counts, **kept)
    if preset.processes:
        scheme = next(iter(addresses))
        counts = {"processes": preset.processes, "requests": preset.process_requests}
        counts["concurrency"] = min(_MULTI_CONCURRENCY, preset.process_requests)
        yield step(f"{MULTI}-{scheme}", MULTI, (), scheme=scheme, **counts)


def _server(name: str | None) -> tuple[str, Mapping[str, str]]:
    """Return which server is started, and where it and openssl are; raises SitegenError."""
    machine = Host()
    openssl, nginx = machine.find("openssl"), machine.find("nginx")
    server = name or ("nginx" if nginx else "python")
    if server == "nginx" and nginx is None:
        message, fix = "there is no server 'nginx' here", "use python, or `apt install nginx`"
        raise SitegenError(message, where="--set ab.server", fix=fix)
    if openssl is None:
        message, fix = "openssl is needed once for a certificate", "apt install openssl"
        raise SitegenError(message, where="ab", fix=fix)
    return server, {"openssl": openssl, "nginx": nginx or "", "python": sys.executable}


def _check_certificate(name: str, port: int) -> None:
    """Verify the server's certificate, which ab never does."""
    try:
        with (
            socket.create_connection((name, port), 20.0) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=name),
        ):
            return
    except ssl.SSLCertVerificationError as error:
        message = f"the certificate cannot be verified: {error.verify_message}"
        fix = "add `--set ab.insecure=yes` to measure it all the same"
        raise SitegenError(message, where="ab", fix=fix) from error


def _preset(settings: SETTINGS, preset: Preset) -> Preset:
    return Preset(
        concurrencies=tuple(sorted({*settings.concurrency})) or preset.concurrencies,
        requests=settings.requests or preset.requests,
        handshakes=settings.requests or preset.handshakes,
        processes=preset.processes if settings.processes is None else settings.processes,
        process_requests=settings.requests or preset.process_requests,
    )


def _url(text: str) -> tuple[str, str]:
    """Return an address as ab accepts it, and its scheme."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"[\s\x00-\x1f]", text):
        message, fix = f"{text!r} is not an http or https address", "write https://192.0.2.1:8443/"
        raise SitegenError(message, where="--set ab.url", fix=fix)
    # ab does not accept an address without a path.
    return (text if parts.path else parts._replace(path="/").geturl()), parts.scheme


def _about_s(step: Step) -> float:
    """Estimate by requests and whether each pays a handshake (2 slow cores)."""
    about = dict(step.params)
    total = int(about["requests"]) * int(about["processes"])
    paid = int(about["concurrency"]) if "keepalive" in about else total
    return 0.5 + total / 12000 + (0 if about["scheme"] == "http" else paid / 600)


def _number(step: Step, name: str) -> int:
    return int(dict(step.params)[name])
