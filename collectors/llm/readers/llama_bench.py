"""What llama.cpp's ``llama-bench`` and ``llama-batched-bench`` print.

Fields as in tools/llama-bench/llama-bench.cpp and tools/batched-bench/batched-bench.cpp; they
grow from build to build and are read by name.
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from collectors.asked import agreed
from collectors.llm.readers import documents
from collectors.llm.readers.documents import Fields
from collectors.llm.readers.finding import ASKS, Finding, given, near
from sitegen.collect import Reader, Reading
from sitegen.errors import SitegenError
from sitegen.model import Comparability, MetricDefinition, ToolIdentity

BENCH_ASKS = {name: ASKS[name] for name in ("model", "weights", "threads", "cpus")}
BATCHED_ASKS = {name: ASKS[name] for name in ("model", "weights", "threads", "cpus")}
_BOTH = "llm.llama-bench.prompt_and_eval_rate"
DEFINITIONS: Mapping[str, MetricDefinition] = {
    _BOTH: MetricDefinition(
        _BOTH,
        "Prompt and output tokens a second",
        "tokens/s",
        "higher",
        "Tokens of a prompt and of the output after it divided by the time of both "
        "(`llama-bench -pg`).",
    )
}
_ENGINE = "llama.cpp"
_BYTES = {
    "json": (rb'"avg_ts"\s*:', rb'"n_prompt"\s*:', rb'"n_gen"\s*:'),
    "csv": (rb"(?m)^\"?build_commit\"?,", rb"\bavg_ts\b", rb"\bn_prompt\b"),
    "markdown": (rb"(?m)^\|\s*model\s*\|.*\|\s*t/s\s*\|",),
    "sql": (rb"(?i)INSERT INTO (?:test|llama_bench)\b", rb"\bavg_ts\b"),
}
_BATCHED = (rb'"speed_pp"\s*:', rb'"speed_tg"\s*:', rb'"pl"\s*:')
_BATCHED_TABLE = re.compile(rb"(?m)^\|\s*PP\s*\|\s*TG\s*\|\s*B\s*\|")
_MAX_ROWS = 100_000
_MAX_LINE = 20_000
_NANO = 1e9
_SAME = 0.02
_NOTE = "llama-bench leaves out the time for tokenisation and for sampling: no server's rate."
#: What tells one test of a file from another wherever it does, and is a setting where not.
_SETTINGS = {
    "n_batch": "batch",
    "n_ubatch": "ubatch",
    "type_k": "type_k",
    "type_v": "type_v",
    "flash_attn": "flash_attn",
    "use_mmap": "mmap",
    "split_mode": "split_mode",
    "no_kv_offload": "no_kv_offload",
    "n_cpu_moe": "cpu_moe",
    "main_gpu": "main_gpu",
    "tensor_split": "tensor_split",
    "embeddings": "embeddings",
}
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
    "backend": "backends",
    "model": "model_type",
}
_TEST = re.compile(
    r"(?:pp ?(?P<pp>\d{1,9}))?\s*\+?\s*(?:tg ?(?P<tg>\d{1,9}))?\s*(?:@ d ?(?P<d>\d{1,9}))?"
)
_SPEED = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)(?:\s*(?:±|\+/-)\s*(\d{1,15}(?:\.\d{1,9})?))?")
_BUILD = re.compile(r"^build: (\w{1,40}) \((\d{1,9})\)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Test:
    """One test: its rates in tokens/s, one a repetition, or their mean and spread alone."""

    prompt: int
    output: int
    depth: int
    rates: tuple[float, ...]
    mean: float
    stddev: float | None
    printed: tuple[str, str] | None
    build: str
    at: str
    about: Mapping[str, str]


def form_of(data: bytes) -> str:
    """Return which of llama-bench's forms ``data`` has, nothing where none."""
    for form, patterns in _BYTES.items():
        if all(re.search(pattern, data) for pattern in patterns):
            return form
    return ""


def knows_bench(data: bytes) -> bool:
    """Tell whether ``data`` is llama-bench's, also as SQL, which `read_bench` refuses."""
    return bool(form_of(data))


def read_bench(data: bytes, settings: Mapping[str, str]) -> tuple[Reading, ...]:
    """Return the tests in ``data``: one run for each build of llama.cpp that is in it."""
    answers = given(BENCH_ASKS, settings)
    form = form_of(data)
    if form == "sql":
        raise SitegenError("SQL is not read", fix="run llama-bench with -o jsonl")
    if form == "json":
        tests = [_of_fields(row) for row in documents.objects(data, noise=True)]
    else:
        text = documents.decoded(data)
        tests = list(_csv(text) if form == "csv" else _table(text))
    if not tests:
        raise SitegenError("there is no test in it")
    builds: defaultdict[str, list[_Test]] = defaultdict(list)
    for test in tests:
        builds[test.build].append(test)
    return tuple(_run(build, group, answers) for build, group in builds.items())


def _run(build: str, tests: Sequence[_Test], answers: Mapping[str, str]) -> Reading:
    finding = Finding(ToolIdentity("llama-bench", build), DEFINITIONS)
    times = [test.at for test in tests if test.at]
    finding.started_at = min(times, default="")
    finding.note(_NOTE)
    seen = {name: {test.about.get(name) for test in tests} for name in _SETTINGS}
    varies = {name for name, values in seen.items() if len(values) > 1}
    for name, values in seen.items():
        if name not in varies:
            finding.set(_SETTINGS[name], values.pop())
    for name, fact in (("cpu_info", "cpu"), ("gpu_info", "gpu")):
        for value in sorted({test.about[name] for test in tests if name in test.about}):
            finding.fact(fact, value, f"llama-bench, {name}")
    for name, setting in (("model_filename", "model_file"), ("model_size", "model_size")):
        found = sorted({test.about[name] for test in tests if name in test.about})
        finding.set(setting, ", ".join(found)[:200] or None, Comparability.CAVEAT)
    finding.set("cpu_quota", answers.get("cpus"))
    for test in tests:
        _write(finding, test, answers, varies)
    return finding.found()


def _write(finding: Finding, test: _Test, answers: Mapping[str, str], varies: set[str]) -> None:
    about = test.about
    threads = agreed(answers, "threads", about.get("n_threads"))
    cpus = answers.get("cpus")
    if threads and cpus and float(threads) > float(cpus):
        finding.note(
            f"{threads} threads with {cpus} CPU(s) to use: under a quota they wait for one "
            "another, and the rate says more of that than of the machine."
        )
    backend = about.get("backends")
    series = finding.series(
        "llama-bench",
        model=agreed(answers, "model", about.get("model_type")),
        engine=_ENGINE,
        weights=answers.get("weights"),
        backend=backend,
        threads=threads,
        n_gpu_layers=about.get("n_gpu_layers") if backend != "CPU" else None,
        input_tokens=test.prompt or None,
        output_tokens=test.output or None,
        depth=test.depth or None,
        **{_SETTINGS[name]: about.get(name) for name in varies},
    )
    if test.prompt and test.output:
        metric, name = _BOTH, "pg"
    elif test.output:
        metric, name = "llm.eval_rate", "tg"
    else:
        metric, name = "llm.prompt_eval_rate", "pp"
    if test.rates:
        for rate in test.rates:
            series.add(metric, "mean", rate, f"{name}: samples_ts")
        return
    printed = test.printed or (None, None)
    series.add(metric, "mean", test.mean, f"{name}: avg_ts", printed=printed[0])
    # A single repetition has no spread, and 0 is written for it.
    series.add(metric, "stddev", test.stddev or None, f"{name}: stddev_ts", printed=printed[1])


def _of_fields(row: Fields) -> _Test:
    prompt, output = row.count("n_prompt") or 0, row.count("n_gen") or 0
    mean = row.number("avg_ts")
    if mean is None or not mean or not prompt + output:
        key = "avg_ts" if prompt + output else "n_prompt"
        raise SitegenError("is missing or 0", where=row.where(key))
    rates = tuple(row.numbers("samples_ts") or ())
    times = row.numbers("samples_ns") or []
    if rates and not near(sum(rates) / len(rates), mean, _SAME):
        raise SitegenError("is not the mean of samples_ts", where=row.where("avg_ts"))
    if times and rates:
        if len(times) != len(rates):
            raise SitegenError("has another length than samples_ns", where=row.where("samples_ts"))
        for time, rate in zip(times, rates, strict=True):
            if not time or not near(rate, (prompt + output) * _NANO / time, _SAME):
                raise SitegenError("does not fit samples_ns", where=row.where("samples_ts"))
    when = row.text("test_time")
    return _Test(
        prompt=prompt,
        output=output,
        depth=row.count("n_depth") or 0,
        rates=rates,
        mean=mean,
        stddev=row.number("stddev_ts"),
        printed=None,
        build=_build(row),
        at=documents.utc(when, row.where("test_time"))[0] if when else "",
        about=_about(row),
    )


def _build(row: Fields) -> str:
    commit, number = row.text("build_commit") or "", row.count("build_number")
    return f"{commit} ({number})" if commit and number is not None else commit


def _about(row: Fields) -> dict[str, str]:
    """Return what a row says of its test and its machine, each as a short text."""
    found = {}
    names = ("model_type", "model_filename", "backends", "cpu_info", "gpu_info", *_SETTINGS)
    for name in (*names, "n_threads", "n_gpu_layers", "model_size"):
        value = row.values.get(name)
        if isinstance(value, bool):
            found[name] = str(int(value))
        elif isinstance(value, int) and abs(value) < documents.MAX_NUMBER:
            found[name] = str(value)
        elif text := row.text(name):
            found[name] = documents.file_name(text) if name == "model_filename" else text
    return found


def _csv(text: str) -> Iterator[_Test]:
    lines = text.split("\n")
    start = next(n for n, line in enumerate(lines) if re.match(r"\"?build_commit\"?,", line))
    numbers = {"avg_ts", "stddev_ts", "n_prompt", "n_gen", "n_depth", "build_number"}
    if len(lines) > _MAX_ROWS:
        raise SitegenError(f"has more than {_MAX_ROWS} lines")
    try:
        rows = csv.DictReader(io.StringIO("\n".join(lines[start:])), strict=True)
        for number, row in enumerate(rows, start + 2):
            at = f"line {number}"
            if None in row or None in row.values():
                raise SitegenError("has another number of fields than the first", where=at)
            values: dict[str, object] = {
                key: documents.decimal(value, f"{at}: {key}") if key in numbers else value
                for key, value in row.items()
            }
            yield _of_fields(Fields(at, values))
    except csv.Error as error:
        raise SitegenError(f"is not CSV: {error}"[:200]) from error


def _table(text: str) -> Iterator[_Test]:
    match = _BUILD.search(text)
    build = f"{match[1]} ({match[2]})" if match else ""
    header: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()  # noqa: PLW2901 - the same line
        if not line.startswith("|") or len(line) > _MAX_LINE:
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        at = f"line {number}"
        if cells[0] == "model":
            header = cells
        elif header and not all(re.fullmatch(r":?-+:?", cell) for cell in cells):
            if len(cells) != len(header):
                raise SitegenError(f"has {len(cells)} cells under {len(header)}", where=at)
            yield _row(dict(zip(header, cells, strict=True)), at, build)


def _row(cells: Mapping[str, str], at: str, build: str) -> _Test:
    speed = _SPEED.fullmatch(cells.get("t/s", ""))
    if not speed:
        raise SitegenError(f"{cells.get('t/s', '')[:40]!a} is not a rate", where=f"{at}: t/s")
    test = _TEST.fullmatch(cells.get("test", ""))
    if not test or not (test["pp"] or test["tg"]):
        raise SitegenError(f"{cells.get('test', '')[:40]!a} is not a test", where=f"{at}: test")
    about = {
        _COLUMNS.get(name, name): documents.plain(value, f"{at}: {name}")
        for name, value in cells.items()
        if value
    }
    mean = documents.decimal(speed[1], f"{at}: t/s")
    if not mean:
        raise SitegenError("is 0", where=f"{at}: t/s")
    return _Test(
        prompt=int(test["pp"] or 0),
        output=int(test["tg"] or 0),
        depth=int(test["d"] or 0),
        rates=(),
        mean=mean,
        stddev=documents.decimal(speed[2], f"{at}: t/s") if speed[2] else None,
        printed=(speed[1], speed[2] or ""),
        build=build,
        at="",
        about=about,
    )


def knows_batched(data: bytes) -> bool:
    """Tell whether ``data`` is llama-batched-bench's, also its table, which is refused."""
    lines = all(re.search(pattern, data) for pattern in _BATCHED)
    return lines or bool(_BATCHED_TABLE.search(data))


def read_batched(data: bytes, settings: Mapping[str, str]) -> tuple[Reading, ...]:
    """Return one run of all the lines of llama-batched-bench in ``data``."""
    answers = given(BATCHED_ASKS, settings)
    if not all(re.search(pattern, data) for pattern in _BATCHED):
        raise SitegenError("the table is not read", fix="run it with --output-format jsonl")
    finding = Finding(ToolIdentity("llama-batched-bench", ""))
    rows = documents.objects(data, noise=True)
    kept = {
        "n_batch": "batch",
        "n_ubatch": "ubatch",
        "flash_attn": "flash_attn",
        "n_kv_max": "context",
    }
    for key, name in kept.items():
        values = sorted({str(value) for row in rows if (value := row.count(key)) is not None})
        finding.set(name, ", ".join(values)[:200] or None)
    finding.set("cpu_quota", answers.get("cpus"))
    finding.note(
        "Rates are of all sequences of a batch together, without sampling, in one process."
    )
    for row in rows:
        _batch(finding, row, answers)
    return (finding.found(),)


def _batch(finding: Finding, row: Fields, answers: Mapping[str, str]) -> None:
    prompt, output, batch = row.count("pp"), row.count("tg"), row.count("pl")
    if prompt is None or output is None or not batch:
        key = "pp" if prompt is None else "tg" if output is None else "pl"
        raise SitegenError("is missing or 0", where=row.where(key))
    shared = row.count("is_pp_shared")
    layers, threads = row.count("n_gpu_layers"), row.count("n_threads")
    series = finding.series(
        "llama-batched-bench",
        model=answers.get("model"),
        engine=_ENGINE,
        weights=answers.get("weights"),
        threads=agreed(answers, "threads", str(threads) if threads else None),
        n_gpu_layers=layers or None,
        input_tokens=prompt,
        output_tokens=output,
        concurrency=batch,
        prompt="shared" if shared else "unique",
    )
    for metric, speed, time, tokens in (
        ("llm.prompt_eval_rate", "speed_pp", "t_pp", prompt if shared else prompt * batch),
        ("llm.eval_rate", "speed_tg", "t_tg", output * batch),
    ):
        seconds, rate = row.number(time), row.number(speed)
        if not tokens or not rate:
            continue  # nothing of this kind was asked for
        if seconds and not near(rate, tokens / seconds, _SAME):
            raise SitegenError(
                f"is {rate:g}, and {tokens} tokens in {seconds:g} s are {tokens / seconds:g}",
                where=row.where(speed),
            )
        series.add(metric, "mean", rate, speed)


BENCH = Reader(
    "llama-bench",
    "llama-bench (-o json, jsonl, csv or md; SQL is refused)",
    knows_bench,
    read_bench,
    BENCH_ASKS,
)
BATCHED = Reader(
    "llama-batched-bench",
    "llama-batched-bench --output-format jsonl",
    knows_batched,
    read_batched,
    BATCHED_ASKS,
)
