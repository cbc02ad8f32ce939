"""What llama.cpp's ``llama-bench`` and ``llama-batched-bench`` print.

Fields as in tools/llama-bench/llama-bench.cpp and tools/batched-bench/batched-bench.cpp; they
grow from build to build and are read by name.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec

from collectors.llm.readers import outputs
from sitegen.collect import Reader, Reading, Recorder, Series, decode, settings
from sitegen.collect.decode import Number, Text, Whole
from sitegen.errors import SitegenError
from sitegen.model import Comparability, ToolIdentity

_BOTH = "llm.llama-bench.prompt_and_eval_rate"
DEFINITIONS = outputs.definitions("llama-bench")
_ENGINE = "llama.cpp"
#: Each form by a word that all its files have, and what tells it.
_FORMS = {
    "json": (b'"avg_ts"', re.compile(rb'"n_prompt"\s*:')),
    "csv": (b"avg_ts", re.compile(rb'^"?build_commit"?,', re.MULTILINE)),
    "sql": (b"avg_ts", re.compile(rb"^INSERT INTO \w+ \(", re.MULTILINE)),
    "markdown": (b"t/s", re.compile(rb"^\|\s*model\s*\|.*\|\s*t/s\s*\|", re.MULTILINE)),
}
_NANO = 1e9
_SAME = 0.02
_NOTE = "llama-bench leaves out the time for tokenisation and for sampling: no server's rate."
#: Our names of settings, where they are not the tool's own.
_SETTINGS = {
    name: name.removeprefix("n_").removeprefix("use_")
    for name in ("n_batch", "n_ubatch", "use_mmap", "n_cpu_moe")
}
#: Settings that builds of old know too: where two files differ in one they do not compare.
_OLD = {
    *("n_batch", "n_ubatch", "type_k", "type_v", "flash_attn", "use_mmap", "split_mode"),
    *("no_kv_offload", "n_cpu_moe", "main_gpu", "tensor_split", "embeddings", "load_mode"),
    "devices",
}
#: All that is no setting: what was measured, of what, and by which build. Every other column, also
#: one of a later build, tells tests of a file apart wherever it differs between them.
_KNOWN = {
    *("build_commit", "build_number", "test_time", "avg_ns", "stddev_ns", "avg_ts", "stddev_ts"),
    *("samples_ns", "samples_ts", "n_prompt", "n_gen", "n_depth", "n_threads", "n_gpu_layers"),
    *("backends", "model_type", "test", "t/s", "printed"),
}
#: What a pair of a series is called: a column of that name has another.
_PAIRS = {
    *("model", "engine", "weights", "backend", "threads", "cores", "processes", "workers"),
    *("input_tokens", "output_tokens", "depth", "concurrency", "requests", "rate", "size"),
    *("batch_size", "gpus", "slo", "prompt", "model_file"),
}
#: What is of a file or a machine: it splits tests too, and is a fact where it does not.
_ASIDE = ("model_filename", "model_size", "model_n_params", "cpu_info", "gpu_info")
_NAME = re.compile(r"[^a-z0-9_]+")
_SHORT, _LONGEST, _MOST_SETTINGS = 40, 200, 100
#: Columns of the table, which are shortened, by the name that the other forms have.
_COLUMNS = {
    "ngl": "n_gpu_layers",
    "threads": "n_threads",
    "fa": "flash_attn",
    "mmap": "use_mmap",
    "sm": "split_mode",
    "nkvo": "no_kv_offload",
    "mg": "main_gpu",
    "ts": "tensor_split",
    "embd": "embeddings",
    "lm": "load_mode",
    "dev": "devices",
    "ot": "tensor_buft_overrides",
    "nopo": "no_op_offload",
    "noh": "no_host",
    "fitt": "fit_target",
    "fitc": "fit_min_ctx",
    "backend": "backends",
    "model": "model_type",
    "size": "model_size",
    "params": "model_n_params",
}
_TEST = re.compile(r"(?:pp(?P<pp>\d{1,9}))?\+?(?:tg(?P<tg>\d{1,9}))?(?: @ d(?P<d>\d{1,9}))?")
_SPEED = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)(?:\s*(?:±|\+/-)\s*(\d{1,15}(?:\.\d{1,9})?))?")
_INSERT = re.compile(r"INSERT INTO \w+ \(([^()]*)\) VALUES \((.*)\);?")
_BUILD = re.compile(r"^build: (\w{1,40}) \((\d{1,9})\)\s*$", re.MULTILINE)


class _Test(msgspec.Struct, frozen=True, kw_only=True):
    """One test: its rates in tokens/s, one a repetition, or their mean and spread alone."""

    avg_ts: Annotated[float, msgspec.Meta(gt=0, le=1e100)]
    stddev_ts: Number | None = None
    samples_ts: tuple[Number, ...] = ()
    samples_ns: tuple[Number, ...] = ()
    n_prompt: Whole = 0
    n_gen: Whole = 0
    n_depth: Whole = 0
    n_threads: Whole | None = None
    n_gpu_layers: Text | None = None
    build_commit: Text = ""
    build_number: Whole | None = None
    test_time: datetime | None = None
    model_type: Text = ""
    model_filename: Text = ""
    backends: Text = ""
    cpu_info: Text = ""
    gpu_info: Text = ""
    settings: dict[str, Text] = {}
    printed: tuple[str, str | None] | None = None  # digits of mean and spread in a table

    def __post_init__(self) -> None:
        rates, times, tokens = self.samples_ts, self.samples_ns, self.n_prompt + self.n_gen
        if not tokens:
            raise ValueError("n_prompt and n_gen are missing or 0")
        if rates and not _is_near(sum(rates) / len(rates), self.avg_ts):
            raise ValueError("avg_ts is not the mean of samples_ts")
        again = [tokens * _NANO / ns if ns else 0.0 for ns in times]
        if rates and times and (len(again) != len(rates) or not all(map(_is_near, rates, again))):
            raise ValueError("samples_ts does not fit samples_ns")

    @property
    def build(self) -> str:
        if self.build_number is None or not self.build_commit:
            return self.build_commit
        return f"{self.build_commit} ({self.build_number})"


def _test(fields: Mapping[str, Any], place: str, *, strict: bool = True) -> _Test:
    """Return one test; builds write the same setting as a number, as true or as a text."""
    settings = {}
    for key, value in fields.items():
        name = _NAME.sub("_", str(key).lower())[:_SHORT].strip("_")
        inner = value if isinstance(value, list) else [value]
        if key in _KNOWN or value in (None, "") or not name:
            continue
        if any(isinstance(each, list | dict) for each in inner):
            raise SitegenError(f"{name} is no setting", where=place)
        text = str(int(value)) if isinstance(value, bool) else str(value)
        settings[f"{name}_setting" if name in _PAIRS else name] = text[:_LONGEST]
    if len(settings) > _MOST_SETTINGS:
        raise SitegenError(f"has more than {_MOST_SETTINGS} settings", where=place)
    layers = fields.get("n_gpu_layers")
    named = {"settings": settings, "n_gpu_layers": None if layers in (None, "") else str(layers)}
    return decode.convert({**fields, **named}, _Test, place, strict=strict)


def _is_near(value: float, other: float) -> bool:
    return math.isclose(value, other, rel_tol=_SAME)


def form_of(data: bytes) -> str:
    """Return which of llama-bench's forms ``data`` has, nothing where none."""
    forms = (form for form, (word, sign) in _FORMS.items() if word in data and sign.search(data))
    return next(forms, "")


def read_bench(data: bytes, asks: outputs.Computed) -> tuple[Reading, ...]:
    """Return the tests in ``data``: one run for each build of llama.cpp that is in it."""
    form = form_of(data)
    if form == "json":
        documents = outputs.documents(data, dict[str, Any])
        tests = [_test(fields, f"entry {number}") for number, fields in enumerate(documents, 1)]
    else:
        text = data.decode("utf-8-sig", "replace")
        tests = list({"csv": _csv, "sql": _sql}.get(form, _table)(text))
    if not tests:
        raise SitegenError("there is no test in it")
    builds: defaultdict[str, list[_Test]] = defaultdict(list)
    for test in tests:
        builds[test.build].append(test)
    return tuple(_run(build, group, asks) for build, group in builds.items())


def _run(build: str, tests: Sequence[_Test], asks: outputs.Computed) -> Reading:
    recorder = Recorder(ToolIdentity("llama-bench", build), DEFINITIONS)
    times = [outputs.utc(test.test_time) for test in tests if test.test_time]
    recorder.started_at = min(times, default="")
    recorder.note(_NOTE)
    names = sorted({name for test in tests for name in test.settings})
    if len(names) > _MOST_SETTINGS:
        message = f"has {len(names):,} different columns, and {_MOST_SETTINGS} at most are read"
        raise SitegenError(message)
    by_name = {name: {test.settings.get(name) for test in tests} for name in names}
    varying = [name for name, values in by_name.items() if len(values) > 1]
    for name, values in by_name.items():
        if name not in {*varying, *_ASIDE}:
            meaning = Comparability.MUST_MATCH if name in _OLD else Comparability.CAVEAT
            recorder.parameter(_SETTINGS.get(name, name), next(iter(values)), meaning)
    for name, fact in (("cpu_info", "cpu"), ("gpu_info", "gpu")):
        for value in sorted({getattr(test, name) for test in tests}):
            recorder.fact(fact, value, f"llama-bench, {name}")
    files = {outputs.file_name(test.model_filename) for test in tests if test.model_filename}
    # In bytes; a table rounds it.
    sizes = {size for test in tests if (size := test.settings.get("model_size", "")).isdecimal()}
    for name, texts in (("model_file", files), ("model_size", sizes)):
        recorder.parameter(name, ", ".join(sorted(texts))[:200] or None, Comparability.CAVEAT)
    apart = _apart(tests)
    for test in tests:
        threads = settings.agreed("threads", asks.threads, test.n_threads)
        outputs.note_crowd(recorder, threads, asks.cpus)
        pairs = outputs.about(
            asks,
            test.model_type or None,
            engine=_ENGINE,
            backend=test.backends or None,
            threads=threads,
            n_gpu_layers=test.n_gpu_layers if test.backends != "CPU" else None,
            input_tokens=test.n_prompt or None,
            output_tokens=test.n_gen or None,
            depth=test.n_depth or None,
            **_differing(test, [name for name in varying if name not in _ASIDE or name in apart]),
        )
        series = recorder.series("llama-bench", pairs)
        _write(series, test)
        outputs.unstated(series, asks, "model")
    return recorder.reading()


def _apart(tests: Sequence[_Test]) -> set[str]:
    """Return what of a file or a machine differs between tests of one name."""
    found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for test in tests:
        for name in _ASIDE:
            found[test.model_type, name].add(test.settings.get(name, ""))
    return {name for (_, name), values in found.items() if len(values) > 1}


def _differing(test: _Test, names: Sequence[str]) -> dict[str, str | None]:
    pairs = {_SETTINGS.get(name, name): test.settings.get(name) for name in names}
    if file := pairs.pop("model_filename", None):
        pairs["model_file"] = outputs.file_name(file)
    return pairs


def _write(series: Series, test: _Test) -> None:
    metric, name = ("llm.eval_rate", "tg") if test.n_gen else ("llm.prompt_eval_rate", "pp")
    if test.n_prompt and test.n_gen:
        metric, name = _BOTH, "pg"
    for rate in test.samples_ts:
        series.add(metric, "mean", rate, native=f"{name}: samples_ts")
    if not test.samples_ts:
        mean, stddev = test.printed or (None, None)
        series.add(metric, "mean", test.avg_ts, mean, native=f"{name}: avg_ts")
        # A single repetition has no spread, and 0 is written for it.
        spread = test.stddev_ts or None
        series.add(metric, "stddev", spread, stddev, native=f"{name}: stddev_ts")


def _csv(text: str) -> Iterator[_Test]:
    lines = text.split("\n")
    start = next(n for n, line in enumerate(lines) if re.match(r"\"?build_commit\"?,", line))
    try:
        rows = csv.DictReader(io.StringIO("\n".join(lines[start:])), strict=True)
        for number, row in enumerate(rows, start + 2):
            place = f"line {number}"
            if None in row or None in row.values():
                raise SitegenError("has another number of fields than the first", where=place)
            yield _test(row, place, strict=False)
    except csv.Error as error:
        raise SitegenError(f"is not CSV: {error}"[:200]) from error


def _sql(text: str) -> Iterator[_Test]:
    """Yield the test of each line that inserts one; llama-bench escapes no quotes in them."""
    for number, line in enumerate(text.split("\n"), 1):
        if match := _INSERT.fullmatch(line.strip()):
            columns = [name.strip(' "`') for name in match[1].split(",")]
            cells = match[2].removeprefix("'").removesuffix("'").split("', '")
            place = f"line {number}"
            if len(cells) != len(columns):
                raise SitegenError(f"has {len(cells)} values for {len(columns)}", where=place)
            yield _test(dict(zip(columns, cells, strict=True)), place, strict=False)
        elif line.startswith("INSERT INTO"):
            raise SitegenError("breaks off", where=f"line {number}")


def _table(text: str) -> Iterator[_Test]:
    match = _BUILD.search(text)
    build = {"build_commit": match[1], "build_number": match[2]} if match else {}
    header: list[str] = []
    for number, line in enumerate(map(str.strip, text.split("\n")), 1):
        if not line.startswith("|"):
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        place = f"line {number}"
        if cells[0] == "model":
            header = cells
        elif header and not all(re.fullmatch(r":?-+:?", cell) for cell in cells):
            if len(cells) != len(header):
                raise SitegenError(f"has {len(cells)} cells under {len(header)}", where=place)
            yield _row({**dict(zip(header, cells, strict=True)), **build}, place)


def _row(cells: Mapping[str, str], place: str) -> _Test:
    speed = _SPEED.fullmatch(cells.get("t/s", ""))
    test = _TEST.fullmatch(cells.get("test", ""))
    if not speed or not test:
        raise SitegenError("is not a test and its rate in tokens/s", where=place)
    named: dict[str, Any] = {_COLUMNS.get(name, name): text for name, text in cells.items() if text}
    named |= {"avg_ts": speed[1], "stddev_ts": speed[2], "printed": speed.groups()}
    named |= {"n_prompt": test["pp"] or 0, "n_gen": test["tg"] or 0, "n_depth": test["d"] or 0}
    return _test(named, place, strict=False)


class _Batch(msgspec.Struct, frozen=True, kw_only=True):
    """One line of llama-batched-bench: rates of all sequences of a batch together."""

    pp: Whole
    tg: Whole
    pl: Annotated[int, msgspec.Meta(ge=1, le=2**31)]
    t_pp: Number | None = None
    t_tg: Number | None = None
    speed_pp: Number | None = None
    speed_tg: Number | None = None
    is_pp_shared: Whole = 0
    n_gpu_layers: Whole | None = None
    n_threads: Whole | None = None
    n_batch: Whole | None = None
    n_ubatch: Whole | None = None
    flash_attn: Whole | None = None
    n_kv_max: Whole | None = None


def read_batched(data: bytes, asks: outputs.Computed) -> tuple[Reading, ...]:
    """Return one run of all the lines of llama-batched-bench in ``data``."""
    recorder = Recorder(ToolIdentity("llama-batched-bench", ""))
    batches = outputs.documents(data, _Batch)
    kept = {"n_batch": "batch", "n_ubatch": "ubatch", "flash_attn": "flash_attn"}
    for key, name in (kept | {"n_kv_max": "context"}).items():
        values = {str(value) for batch in batches if (value := getattr(batch, key)) is not None}
        recorder.parameter(name, ", ".join(sorted(values))[:200] or None)
    recorder.note("Rates are of all sequences of a batch together, without sampling.")
    for batch in batches:
        threads = settings.agreed("threads", asks.threads, batch.n_threads or None)
        outputs.note_crowd(recorder, threads, asks.cpus)
        pairs = outputs.about(
            asks,
            engine=_ENGINE,
            threads=threads,
            n_gpu_layers=batch.n_gpu_layers or None,
            input_tokens=batch.pp,
            output_tokens=batch.tg,
            concurrency=batch.pl,
            prompt="shared" if batch.is_pp_shared else "unique",
        )
        series = recorder.series("llama-batched-bench", pairs)
        outputs.unstated(series, asks, "model")
        prompts = batch.pp if batch.is_pp_shared else batch.pp * batch.pl
        for metric, native, rate, seconds, tokens in (
            ("llm.prompt_eval_rate", "speed_pp", batch.speed_pp, batch.t_pp, prompts),
            ("llm.eval_rate", "speed_tg", batch.speed_tg, batch.t_tg, batch.tg * batch.pl),
        ):
            if tokens and rate:  # or nothing of this kind was asked for
                if seconds and not _is_near(rate, again := tokens / seconds):
                    message = f"is {rate:g}, and {tokens} tokens in {seconds:g} s are {again:g}"
                    raise SitegenError(message, where=native)
                series.add(metric, "mean", rate, native=native)
    return (recorder.reading(),)


_BENCH = "llama-bench (-o json, jsonl, csv, sql or md)"
BENCH = Reader(
    "llama-bench", _BENCH, lambda data: bool(form_of(data)), read_bench, outputs.Computed
)
_BATCHED = outputs.having(b'"speed_pp"', b'"speed_tg"', b'"pl"')
_JSONL = "llama-batched-bench --output-format jsonl"
BATCHED = Reader("llama-batched-bench", _JSONL, _BATCHED, read_batched, outputs.Computed)
