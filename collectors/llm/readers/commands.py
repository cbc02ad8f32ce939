"""Results of vLLM's benchmarks with the commands that made them, in files beside them.

A result of ``vllm bench latency`` or ``throughput`` names no model and no lengths. What runs them
in bulk writes the command into a ``.commands`` file of the same stem, as JSON or as it was typed.
"""

from __future__ import annotations

import contextlib
import itertools
import shlex
from collections.abc import Iterator, Mapping
from pathlib import PurePath

import msgspec

from collectors.llm.readers import outputs, sglang, vllm
from sitegen.collect import Bundle, Reader, Reading
from sitegen.collect import settings as language
from sitegen.errors import SitegenError

_SUFFIX = ".commands"
_RESULTS: tuple[Reader, ...] = (vllm.LATENCY, vllm.THROUGHPUT, vllm.SERVE, sglang.SERVING)
#: Those that count tokens themselves: what a command asks for may be a range.
_MEASURED = (vllm.SERVE, sglang.SERVING)
#: Setting -> the options of a command that say it.
_OPTIONS = {
    "model": ("--model", "--model-path"),
    "input_tokens": ("--input-len", "--random-input-len"),
    "output_tokens": ("--output-len", "--random-output-len"),
    "batch_size": ("--batch-size",),
}
_LONGEST = 100_000


class Asks(outputs.Judged, frozen=True):
    """What neither the results nor their commands say."""

    batch_size: outputs.BatchSize = None


def _pairs(files: Mapping[str, bytes]) -> Iterator[tuple[str, str, Reader]]:
    """Yield each result, its file of commands and its reader."""
    for name, data in sorted(files.items()):
        beside = str(PurePath(name).with_suffix(_SUFFIX))
        reader = next((each for each in _RESULTS if each.knows(data)), None)
        if reader and beside in files and beside != name:
            yield name, beside, reader


def knows(files: Mapping[str, bytes]) -> bool:
    """Tell whether each result in ``files`` has its file of commands."""
    pairs = list(_pairs(files))
    return bool(pairs) and {name for pair in pairs for name in pair[:2]} == files.keys()


def read(files: Mapping[str, bytes], asks: Asks) -> tuple[Reading, ...]:
    """Return the runs of every result, with what its command says of them."""
    readings: list[Reading] = []
    for name, beside, reader in _pairs(files):
        try:
            said = _said(files[beside])
            if reader in _MEASURED:
                said = {"model": said["model"]} if "model" in said else {}
            known = {
                key: value
                for key, value in (said | _given(asks, said)).items()
                if key in language.helps(reader.asks)
            }
            runs = reader.runs(files[name], known)
        except SitegenError as error:
            place = f"{name}, {error.where}" if error.where else name
            raise SitegenError(error.what, where=place, fix=error.fix) from error
        told = ", ".join(key.replace("_", " ") for key in sorted(said.keys() & known.keys()))
        note = (f"Taken from the command in {beside[:100]}: {told}.",) if told else ()
        readings += [msgspec.structs.replace(run, notes=(*run.notes, *note)) for run in runs]
    return tuple(readings)


def _given(asks: Asks, said: Mapping[str, str]) -> dict[str, str]:
    """Return what a user said, in texts; raises SitegenError where a command says another thing."""
    texts = {
        name: str(value)
        for name, value in msgspec.structs.asdict(asks).items()
        if value is not None
    }
    for name in texts.keys() & said.keys():
        if name == "model":
            texts[name] = outputs.agreed_model(texts[name], said[name]) or texts[name]
        else:
            language.agreed(name, texts[name], said[name])
    return texts


def _said(data: bytes) -> dict[str, str]:
    """Return the settings that the options of a benchmark's command name."""
    text = data[:_LONGEST].decode("utf-8", "replace")
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        entries = msgspec.json.decode(data[:_LONGEST], type=dict[str, str | list[str] | None])
        # The server's command names the server's things.
        own = {k: v for k, v in entries.items() if "server" not in k and v}
        text = "\n".join(v if isinstance(v, str) else " ".join(v) for v in own.values() if v)
    try:
        words = shlex.split(text.replace("\\\n", " "), comments=True)
    except ValueError as error:
        raise SitegenError(f"is no command: {error}".lower(), where=_SUFFIX) from error
    options: dict[str, str] = {}
    for word, after in itertools.pairwise([*words, ""]):
        name, equals, value = word.partition("=")
        options.setdefault(name.replace("_", "-"), value if equals else after)
    found = {
        name: next((options[each] for each in each_of if options.get(each)), "")
        for name, each_of in _OPTIONS.items()
    }
    if "model" in found:
        found["model"] = outputs.model_name(found["model"]) or ""
    return {name: value for name, value in found.items() if value}


_TITLE = "results of vLLM's benchmarks, each with its .commands file"
BUNDLE = Bundle("vllm-commands", _TITLE, knows, read, Asks)
