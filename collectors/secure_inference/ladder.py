"""The ladder: the same requests over a plain connection, and with each protection added.

Every step serves the same users with the same prompts, one user after the other; each user is
a load client of its own. What the steps differ in is between the client and the model.
"""

from __future__ import annotations

import argparse
import contextlib
import secrets
import socket
import sys
import time
from dataclasses import dataclass, fields
from pathlib import Path

from collectors.llm import server
from collectors.secure_inference import certificate, channel, evidence, timings
from collectors.secure_inference.certificate import LOOPBACK
from sitegen.collect import Host
from sitegen.errors import SitegenError

#: In the order of what is added: nothing, the terminator's hop, its TLS, a verified attestation
#: at the start of each user's session, a server process of each user's own.
STEPS = ("native", "hop", "tls", "attested", "isolated")
ATTESTED = ("attested", "isolated")

#: Not the kernel's ephemeral ports: the clients use those up.
_PORTS, _DRAWS = range(20100, 32000), 20
_SPARE_TOKENS = 256
_TIMEOUT_S = 120.0
_WARM_SEED = 90_000


@dataclass(frozen=True, slots=True)
class Ladder:
    """What all steps of a ladder have in common, and which step this is."""

    step: str
    model: Path
    folder: Path
    users: int
    requests: int  # of each user
    input_tokens: int
    output_tokens: int
    concurrency: int
    threads: int
    connections: str  # "fresh" or "reuse"
    prompt: str  # "unique" or "shared"
    cache: bool  # whether the server keeps a prefix cache
    warmup: int
    bind: bool
    seed: int


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one user's requests go."""

    url: str
    port: int
    model: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what a Ladder is made of to a command line, each under its field's name."""
    parser.add_argument("--step", choices=STEPS, required=True)
    parser.add_argument("--model", type=Path, required=True)
    for name, default in (
        *(("users", 2), ("requests", 4), ("input-tokens", 32), ("output-tokens", 16)),
        *(("concurrency", 1), ("threads", 1), ("warmup", 2), ("seed", 0)),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--connections", choices=("fresh", "reuse"), default="fresh")
    parser.add_argument("--prompt", choices=("unique", "shared"), default="unique")
    parser.add_argument("--cache", action="store_true", help="keep a prefix cache")
    unbound = "evidence of another endpoint"
    parser.add_argument("--unbound", dest="bind", action="store_false", help=unbound)


def chosen(given: argparse.Namespace) -> Ladder:
    """Return the Ladder that a command line says."""
    return Ladder(**{field.name: getattr(given, field.name) for field in fields(Ladder)})


def measure(wanted: Ladder, host: Host) -> str:
    """Carry out one step and return the command's output.

    Raises SitegenError when a server does not come up, a client cannot work, or the evidence
    that an endpoint shows is refused.
    """
    own = wanted.step == "isolated"
    lines: list[str] = []
    with contextlib.ExitStack() as everything:
        contexts = [_Context(wanted, host, index) for index in range(wanted.users if own else 1)]
        for context in contexts:
            everything.callback(context.destroy)
            created = context.create()
            if own:
                lines.append(_context_line("create", created))
            _client(wanted, context.endpoint, host, wanted.warmup, _WARM_SEED, "unique")
            if wanted.step in ATTESTED:
                _session(wanted, context.endpoint)  # the first loads the verifier
        for user in range(wanted.users):
            endpoint = contexts[user % len(contexts)].endpoint
            if wanted.step in ATTESTED:
                took = _session(wanted, endpoint).attestation_s
                lines.append(timings.value("attestation_time", took, part="session"))
            # A prefix that users share comes of one seed; prompts of their own of one each.
            seed = wanted.seed + (user if wanted.prompt == "unique" else 0)
            printed = _client(wanted, endpoint, host, wanted.requests, seed, wanted.prompt)
            lines.append(timings.load(printed))
        version, count = contexts[0].version, len(contexts)
        for context in contexts:
            destroyed = context.destroy()
            if own:
                lines.append(_context_line("destroy", destroyed))
    start = timings.start("step", step=wanted.step, server=version, contexts=count)
    return timings.whole([start, *lines])


def _session(wanted: Ladder, endpoint: Endpoint) -> channel.Session:
    root = evidence.read(wanted.folder).root
    return channel.start_session(endpoint.port, wanted.folder, root, bind=wanted.bind)


def _context_line(part: str, duration_s: float) -> str:
    return timings.value("context_time", duration_s, part=part, context="process")


class _Context:
    """A server process, with the terminator before it where the step has one."""

    def __init__(self, wanted: Ladder, host: Host, index: int) -> None:
        self.wanted = wanted
        self.host = host
        self.folder = wanted.folder / f"context-{index}"
        self.version = ""
        self.endpoint = Endpoint("", 0, "")
        self.serving = contextlib.ExitStack()
        self.before = contextlib.ExitStack()

    def create(self) -> float:
        """Start it; return the seconds until the server answered."""
        wanted = self.wanted
        self.folder.mkdir(exist_ok=True)
        begun = time.perf_counter()
        up = self.serving.enter_context(
            server.serving(
                wanted.model,
                threads=wanted.threads,
                parallel=wanted.concurrency,
                context=2 * wanted.input_tokens + wanted.output_tokens + _SPARE_TOKENS,
                folder=self.folder,
                host=self.host,
                cache_prompt=wanted.cache,
                port=_port(),
            )
        )
        duration = time.perf_counter() - begun
        self.version = up.version
        self.endpoint = Endpoint(up.url, 0, up.model)
        if wanted.step != "native":
            terminating = channel.terminating(wanted.folder, self.host, up.url)
            before = self.before.enter_context(terminating)
            plain = wanted.step == "hop"
            port, scheme = (before.plain, "http") if plain else (before.tls, "https")
            self.endpoint = Endpoint(f"{scheme}://{LOOPBACK}:{port}", port, up.model)
        return duration

    def destroy(self) -> float:
        """Stop it; return the seconds until the server was gone."""
        self.before.close()
        begun = time.perf_counter()
        self.serving.close()
        return time.perf_counter() - begun


def _port() -> int:
    """Return a free port on loopback, drawn so that two collections at once do not meet."""
    draw = secrets.SystemRandom()
    for _ in range(_DRAWS):
        port = draw.choice(_PORTS)
        with (
            contextlib.suppress(OSError),
            socket.create_server((LOOPBACK, port), family=socket.AF_INET),
        ):
            return port
    raise SitegenError(f"no free port in {_DRAWS} draws on loopback", where="secure-inference")


def _client(  # noqa: PLR0913 - a load's own settings
    wanted: Ladder, endpoint: Endpoint, host: Host, requests: int, seed: int, prompt: str
) -> bytes:
    """Run one user's load client and return what it printed."""
    argv = [
        *(sys.executable, "-m", "collectors.llm.client", "--url", endpoint.url),
        *("--api", "openai-chat", "--model", endpoint.model),
        *("--concurrency", str(wanted.concurrency), "--requests", str(requests)),
        *("--input-tokens", str(wanted.input_tokens)),
        *("--output-tokens", str(wanted.output_tokens)),
        *("--prompt", prompt, "--connections", wanted.connections, "--warmup-max", "0"),
        *("--timeout-s", f"{_TIMEOUT_S:.0f}", "--seed", str(seed)),
    ]
    if endpoint.url.startswith("https"):
        argv += ["--ca", str(wanted.folder / certificate.AUTHORITY)]
    limit_s = _TIMEOUT_S + requests * _TIMEOUT_S / 4
    raw = host.run(argv, timeout_s=limit_s, cwd=wanted.folder, environ=channel.ENVIRON)
    if raw.exit_code != 0:
        said = raw.stderr.decode("utf-8", "replace").strip().splitlines() or ["no message"]
        raise SitegenError(f"the load client: {said[-1][:200]}", where=wanted.step)
    return raw.stdout
