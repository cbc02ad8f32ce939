"""The ladder: the same requests over a plain connection, and with each protection added.

Every step serves the same users with the same prompts, one user after the other; each user is
a load client of its own. What the steps differ in is between the client and the model.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from collectors.llm import server
from collectors.secure_inference import channel, evidence, timings
from collectors.secure_inference.timings import Line, Load, Value
from sitegen.collect import Host, Settings
from sitegen.errors import SitegenError

#: In the order of what is added: nothing, the terminator's hop, its TLS, a verified attestation
#: at the start of each user's session, a server process of each user's own.
ISOLATED = "isolated"
ATTESTED = ("attested", ISOLATED)
STEPS = ("native", "hop", "tls", *ATTESTED)

#: Not the kernel's ephemeral ports: the clients use those up.
_PORTS, _DRAWS = range(20100, 32000), 20
_SPARE_TOKENS = 256
_TIMEOUT_S = 120.0
_WARM_REQUESTS, _WARM_SEED = 2, 90_000


class Ladder(Settings, frozen=True):
    """What all steps of a ladder have in common, and which step this is."""

    folder: str = ""  # certificate and evidence
    model: str = ""
    step: str = "native"
    users: int = 2
    requests: int = 4  # of each user
    input_tokens: int = 32
    output_tokens: int = 16
    concurrency: int = 1
    threads: int = 1
    connections: Literal["fresh", "reuse"] = "fresh"
    prompt: Literal["unique", "shared"] = "unique"
    cache: bool = False  # whether the server keeps a prefix cache
    unbound: bool = False  # whether the evidence is of another endpoint

    @property
    def place(self) -> Path:
        """Return the folder as a path."""
        return Path(self.folder)


def measure(options: Ladder, host: Host) -> list[Line]:
    """Carry out one step and return the lines of the command's output.

    Raises SitegenError when a server does not come up, a client cannot work, or the evidence
    that an endpoint shows is refused.
    """
    lines: list[Line] = []
    attested = options.step in ATTESTED
    with contextlib.ExitStack() as everything:
        contexts = []
        for index in range(options.users if options.step == ISOLATED else 1):
            context = everything.enter_context(_context(options, host, index, lines))
            contexts.append(context)
            _client(context, options, host, _WARM_REQUESTS, _WARM_SEED, "unique")
            if attested:
                _session(context, options)  # the first loads the verifier
        for user in range(options.users):
            context = contexts[user % len(contexts)]
            if attested:
                duration = _session(context, options)
                lines.append(Value("attestation_time", {"part": "session"}, duration))
            # A prefix that users share comes of one seed; prompts of their own of one each.
            seed = user if options.prompt == "unique" else 0
            printed = _client(context, options, host, options.requests, seed, options.prompt)
            lines.append(Load(printed.decode("utf-8", "replace")))
    version, count = contexts[0].version, len(contexts)
    start = timings.start("step", step=options.step, server=version, contexts=count)
    return [start, *lines]


class _Context(NamedTuple):
    """A server process that is up, behind the terminator's port where the step has one."""

    url: str
    port: int
    model: str
    version: str


@contextlib.contextmanager
def _context(options: Ladder, host: Host, index: int, lines: list[Line]) -> Iterator[_Context]:
    """Run a server for the length of the block; ``lines`` say how long start and end took."""
    folder = options.place / f"context-{index}"
    folder.mkdir(exist_ok=True)
    begun = time.perf_counter()
    tokens = 2 * options.input_tokens + options.output_tokens + _SPARE_TOKENS
    slots, cache = options.concurrency, options.cache
    launch = server.Launch(options.model, options.threads, slots, tokens, cache, _port())
    with server.serving(launch, folder, host) as up:
        created = time.perf_counter() - begun
        if options.step == "native":
            yield _Context(up.url, 0, up.model, up.version)
        else:
            with channel.terminating(options.place, host, up.url) as before:
                hop = options.step == "hop"
                scheme, port = ("http", before.plain) if hop else ("https", before.tls)
                url = f"{scheme}://{channel.LOOPBACK}:{port}"
                yield _Context(url, port, up.model, up.version)
        begun = time.perf_counter()
    destroyed = time.perf_counter() - begun
    if options.step == ISOLATED:
        for part, duration in (("create", created), ("destroy", destroyed)):
            lines.append(Value("context_time", {"part": part, "context": "process"}, duration))


def _session(context: _Context, options: Ladder) -> float:
    """Start a session of one user; return what it took beside the handshake."""
    place, root = options.place, evidence.read(options.place).root
    return channel.start_session(context.port, place, root, bind=not options.unbound)["session"]


def _port() -> int:
    """Return a free port on loopback, drawn so that two collections at once do not meet."""
    for port in secrets.SystemRandom().sample(_PORTS, _DRAWS):
        with contextlib.suppress(OSError), socket.create_server((channel.LOOPBACK, port)):
            return port
    raise SitegenError(f"no free port in {_DRAWS} draws on loopback", where="secure-inference")


def _client(  # noqa: PLR0913 - a load has as many sides
    context: _Context, options: Ladder, host: Host, requests: int, seed: int, prompt: str
) -> bytes:
    """Run one user's load client and return what it printed."""
    argv = [
        *(sys.executable, "-m", "collectors.llm.client", "--url", context.url),
        *("--api", "openai-chat", "--model", context.model),
        *("--concurrency", str(options.concurrency), "--requests", str(requests)),
        *("--input-tokens", str(options.input_tokens)),
        *("--output-tokens", str(options.output_tokens)),
        *("--prompt", prompt, "--connections", options.connections, "--warmup-max", "0"),
        *("--timeout-s", f"{_TIMEOUT_S:.0f}", "--seed", str(seed)),
    ]
    if context.url.startswith("https"):
        argv += ["--ca", str(options.place / channel.AUTHORITY)]
    limit_s = _TIMEOUT_S + requests * _TIMEOUT_S / 4
    raw = host.run(argv, timeout_s=limit_s, cwd=options.place, environ=channel.ENVIRON)
    if raw.exit_code != 0:
        raise SitegenError(f"the load client: {raw.reason}", where=options.step)
    return raw.stdout
