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
from pathlib import Path
from typing import Literal

from collectors.llm import server
from collectors.secure_inference import certificate, channel, evidence, timings
from collectors.secure_inference.certificate import LOOPBACK
from collectors.secure_inference.timings import Line, Load, Value
from sitegen.collect import Host, Settings
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
_PROCESS = {"context": "process"}


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
    warmup: int = 2
    unbound: bool = False  # whether the evidence is of another endpoint
    seed: int = 0

    @property
    def place(self) -> Path:
        """Return the folder as a path."""
        return Path(self.folder)


def measure(wanted: Ladder, host: Host) -> str:
    """Carry out one step and return the command's output.

    Raises SitegenError when a server does not come up, a client cannot work, or the evidence
    that an endpoint shows is refused.
    """
    own = wanted.step == "isolated"
    lines: list[Line] = []
    with contextlib.ExitStack() as everything:
        contexts = [_Context(wanted, host, index) for index in range(wanted.users if own else 1)]
        for context in contexts:
            everything.callback(context.destroy)
            created = context.create()
            if own:
                lines.append(Value("context_time", {"part": "create", **_PROCESS}, created))
            _client(context, wanted.warmup, _WARM_SEED, "unique")
            if wanted.step in ATTESTED:
                context.session()  # the first loads the verifier
        for user in range(wanted.users):
            context = contexts[user % len(contexts)]
            if wanted.step in ATTESTED:
                took = context.session().attestation_s
                lines.append(Value("attestation_time", {"part": "session"}, took))
            # A prefix that users share comes of one seed; prompts of their own of one each.
            seed = wanted.seed + (user if wanted.prompt == "unique" else 0)
            printed = _client(context, wanted.requests, seed, wanted.prompt)
            lines.append(Load(printed.decode("utf-8", "replace")))
        version, count = contexts[0].version, len(contexts)
        for context in contexts:
            destroyed = context.destroy()
            if own:
                lines.append(Value("context_time", {"part": "destroy", **_PROCESS}, destroyed))
    start = timings.start("step", step=wanted.step, server=version, contexts=count)
    return timings.whole([start, *lines])


class _Context:
    """A server process, with the terminator before it where the step has one."""

    def __init__(self, wanted: Ladder, host: Host, index: int) -> None:
        self.wanted = wanted
        self.host = host
        self.folder = wanted.place / f"context-{index}"
        self.version = self.url = self.served = ""
        self.port = 0
        self.serving = contextlib.ExitStack()
        self.before = contextlib.ExitStack()

    def create(self) -> float:
        """Start it; return the seconds until the server answered."""
        wanted = self.wanted
        self.folder.mkdir(exist_ok=True)
        begun = time.perf_counter()
        up = self.serving.enter_context(
            server.serving(
                Path(wanted.model),
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
        self.version, self.url, self.served = up.version, up.url, up.model
        if wanted.step != "native":
            terminating = channel.terminating(wanted.place, self.host, up.url)
            before = self.before.enter_context(terminating)
            plain = wanted.step == "hop"
            self.port, scheme = (before.plain, "http") if plain else (before.tls, "https")
            self.url = f"{scheme}://{LOOPBACK}:{self.port}"
        return duration

    def session(self) -> channel.Session:
        """Start a session of one user."""
        wanted, root = self.wanted, evidence.read(self.wanted.place).root
        return channel.start_session(self.port, wanted.place, root, bind=not wanted.unbound)

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


def _client(context: _Context, requests: int, seed: int, prompt: str) -> bytes:
    """Run one user's load client and return what it printed."""
    wanted = context.wanted
    argv = [
        *(sys.executable, "-m", "collectors.llm.client", "--url", context.url),
        *("--api", "openai-chat", "--model", context.served),
        *("--concurrency", str(wanted.concurrency), "--requests", str(requests)),
        *("--input-tokens", str(wanted.input_tokens)),
        *("--output-tokens", str(wanted.output_tokens)),
        *("--prompt", prompt, "--connections", wanted.connections, "--warmup-max", "0"),
        *("--timeout-s", f"{_TIMEOUT_S:.0f}", "--seed", str(seed)),
    ]
    if context.url.startswith("https"):
        argv += ["--ca", str(wanted.place / certificate.AUTHORITY)]
    limit_s = _TIMEOUT_S + requests * _TIMEOUT_S / 4
    raw = context.host.run(argv, timeout_s=limit_s, cwd=wanted.place, environ=channel.ENVIRON)
    if raw.exit_code != 0:
        said = raw.stderr.decode("utf-8", "replace").strip().splitlines() or ["no message"]
        raise SitegenError(f"the load client: {said[-1][:200]}", where=wanted.step)
    return raw.stdout
