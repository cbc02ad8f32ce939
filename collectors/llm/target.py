"""What is measured: llama.cpp's server, started here with random weights, or one at an address."""

from __future__ import annotations

import importlib.metadata
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from collectors.llm import api
from collectors.llm.settings import OURS, SETTINGS, THEIRS
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Parameter

# `server` and `weights` are also programs (python -m), which the package must not load for
# them: they are imported where they are needed.
_OLLAMA = "http://127.0.0.1:11434"
#: A prompt may be longer than asked: the beginning of a text, and words of two tokens.
_CONTEXT_STEP, _LEAST_CONTEXT, _TEMPLATE_TOKENS = 256, 512, 64


@dataclass(frozen=True, slots=True)
class Target:
    """Where it is, and what is known of it; ``started`` are settings of the server started here."""

    url: str
    shown: str  # as it is archived: without the host of a machine that is not this one
    model: str
    series: Mapping[str, str | None]  # model, engine, weights as they tell series apart
    must_match: Mapping[str, str]
    server_version: str
    options: Mapping[str, str] = field(default_factory=dict)
    started: Mapping[str, str] = field(default_factory=dict)

    def parameters(self) -> Iterator[Parameter]:
        """Yield what a run says of it, and what a difference in that means."""
        from collectors.llm import weights

        shared = {**self.must_match, "weights": str(self.series["weights"])}
        for name, value in shared.items():
            yield Parameter(name, value, Comparability.MUST_MATCH)
        yield Parameter("server_version", self.server_version, Comparability.CAVEAT)
        if self.started:
            count = weights.parameters(self.started["model_size"])
            yield Parameter("model_architecture", weights.ARCHITECTURE)
            yield Parameter("model_parameters", str(count))


def target(given: SETTINGS, names: Mapping[str, str]) -> Target:
    """Return what a user asks to be measured; ``names`` has the settings that were given.

    Raises SitegenError for a setting of the other kind of server, for what cannot be met, and
    without an address when the server that would be started is not installed.
    """
    local = given.url is None and given.api != "ollama"
    for name in THEIRS if local else OURS:
        if name in names:
            kind = "a server at an address" if local else "the server that is started"
            raise SitegenError(
                f"the setting is of {kind}",
                where=f"--set llm.{name}",
                fix="give that address with --set llm.url=" if local else "leave it out",
            )
    return _to_start(given) if local else _at_address(given)


def _to_start(given: SETTINGS) -> Target:
    from collectors.llm import server, weights

    if absent := server.missing():
        raise SitegenError(
            f"without an address llm measures a server of its own, and {absent} is not installed",
            where="llm",
            fix=f"{server.INSTALL}, or give an address with --set llm.url=",
        )
    wanted = given.input_tokens * 5 // 4 + given.output_tokens + _TEMPLATE_TOKENS
    context = max(_LEAST_CONTEXT, -(-wanted // _CONTEXT_STEP) * _CONTEXT_STEP)
    if context > weights.CONTEXT:
        raise SitegenError(
            f"prompt and answer need {context} tokens and the model holds {weights.CONTEXT}",
            where="--set llm.input_tokens",
            fix="ask for fewer tokens, or measure a server of your own with --set llm.url=",
        )
    name = weights.model_name(given.model_size)
    served = {"server_threads": str(given.server_threads), "slots": str(given.slots)}
    return Target(
        url="",  # it has one when it is up
        shown="http://[started-server]",
        model=name,
        series={"model": name, "engine": "llama.cpp", "weights": "random"},
        must_match={
            "api": given.api,
            "access": "loopback",
            "channel": "plain",
            "quantisation": weights.SIZES[given.model_size].quantisation,
            "context_tokens": str(context),
            **served,
        },
        server_version=f"xllamacpp {importlib.metadata.version('xllamacpp')}",
        started={
            "model_size": given.model_size,
            "context": str(context),
            "cache_prompt": "yes" if given.prompt == "shared" else "no",
            **served,
        },
    )


def _at_address(given: SETTINGS) -> Target:
    url = given.url or _OLLAMA
    try:
        api.address(url, given.api)
    except SitegenError as error:
        fix = error.fix.replace("--key-env", "--set llm.key_env=")
        raise SitegenError(error.what, where="--set llm.url", fix=fix) from None
    if given.model is None:
        raise SitegenError(
            "the model is not named",
            where="--set llm.model",
            fix="its name as the server lists it (GET /v1/models, or `ollama list`)",
        )
    scheme, near = urlsplit(url).scheme, api.is_near(url)
    # A model that a server names by its path is known by the last part of it.
    name = given.model.rpartition("/")[2] if given.model.startswith("/") else given.model
    return Target(
        url=url,
        shown=url if near else f"{scheme}://[{api.HIDDEN}]",
        model=given.model,
        series={
            "model": given.name or name,
            "engine": given.engine or ("ollama" if given.api == "ollama" else None),
            "weights": given.weights,
        },
        must_match={
            "api": given.api,
            "access": given.access or ("loopback" if near else "direct"),
            "channel": "tls" if scheme == "https" else "plain",
            "quantisation": given.quantisation,
        },
        server_version=given.engine_version,
        options=_options(given),
    )


def _options(given: SETTINGS) -> dict[str, str]:
    """Return options of the client. Raises SitegenError for a key or file that is not there."""
    options = {}
    if key := given.key_env:
        if not re.fullmatch(r"[A-Za-z_]\w*", key) or key not in os.environ:
            # It may be the key itself, so it is not repeated.
            raise SitegenError(
                "there is no environment variable of that name",
                where="--set llm.key_env",
                fix="put the key into one, and give its name here",
            )
        options["key-env"] = key
    if given.ca:
        if not Path(given.ca).is_file():
            raise SitegenError("there is no such file", where="--set llm.ca")
        options["ca"] = str(Path(given.ca).absolute())
    return options
