from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import sevenzip
from sitegen.collect import RawOutput, Request, Step
from sitegen.errors import SitegenError
from sitegen.model import Measurement, Status, ToolIdentity, params

RAW = Path(__file__).parents[2] / "raw" / "7z"
TOOL = ToolIdentity("7-Zip", "26.02 (x64)", "/usr/bin/7zz")

Settings = Mapping[str, str]
NONE: Settings = {}


def request(preset: str = "standard", cpus: int = 2, settings: Settings = NONE) -> Request:
    return Request(
        preset, 3, settings, cpus, Path("/nowhere"), Path("/nowhere/cache"), 1 << 40, "7z"
    )


def step(threads: int, dictionary: int, cpus: int = 2) -> Step:
    name, about = f"threads-{threads}", params(threads=threads, dictionary=dictionary)
    return Step(name, name, ("7zz", "b"), 60.0, about, context=(("cpus", str(cpus)),))


def parse(name: str, threads: int, dictionary: int, cpus: int = 2) -> tuple[Measurement, ...]:
    raw = RawOutput(stdout=(RAW / f"{name}.out").read_bytes())
    return sevenzip.parse(step(threads, dictionary, cpus), raw).measurements


def one(rows: tuple[Measurement, ...], metric: str, operation: str | None = None) -> Measurement:
    [match] = [
        m for m in rows if m.metric == metric and dict(m.params).get("operation") == operation
    ]
    return match


def test_every_number_of_the_average_and_total_rows_is_recorded_in_base_units() -> None:
    rows = parse("mmt1", 1, 1 << 18)
    text = (RAW / "mmt1.out").read_text()
    [row] = [line for line in text.splitlines() if line.startswith("Avr:")]
    left, right = row.removeprefix("Avr:").split("|")
    for operation, side in (("compress", left), ("decompress", right)):
        speed, usage, per_usage, rating = side.split()
        assert one(rows, "7z.speed", operation).value == int(speed) * 1024
        assert one(rows, "7z.cpu_usage", operation).value == int(usage) / 100
        assert one(rows, "7z.rating_per_usage", operation).value == int(per_usage)
        assert one(rows, "7z.rating", operation).value == int(rating)
        assert one(rows, "7z.rating", operation).printed == rating
    assert {m.status for m in rows} == {Status.OK}


def test_cpu_frequency_is_the_median_of_the_one_thread_line() -> None:
    row = one(parse("mmt1", 1, 1 << 18), "7z.cpu_frequency")
    text = (RAW / "mmt1.out").read_text()
    [line] = [line for line in text.splitlines() if line.startswith("1T CPU Freq")]
    values = sorted(int(word) for word in line.split(":")[1].split())
    assert row.value == values[3] * 1e6
    assert row.unit == "Hz"


def test_the_reference_spelling_of_params_and_statistics_is_kept() -> None:
    rows = parse("mmt1", 1, 1 << 18)
    rating = one(rows, "7z.rating", "total")
    assert rating.statistic == "value"
    assert one(rows, "7z.speed", "compress").statistic == "mean"
    assert dict(rating.params) == {"operation": "total", "threads": "1", "dictionary": "262144"}
    assert rating.workload == "threads-1"


def test_a_table_of_another_dictionary_or_thread_count_is_suspect() -> None:
    assert {m.status for m in parse("mmt1", 1, 1 << 22)} == {Status.SUSPECT}
    assert {m.status for m in parse("mmt1", 2, 1 << 18)} == {Status.SUSPECT}


def test_several_threads_are_judged_by_decompression_against_what_the_cpus_allow() -> None:
    for cpus in (1, 2, 4):
        assert {m.status for m in parse("p7zip-16.02", 2, 1 << 22, cpus)} == {Status.OK}
    text = (RAW / "p7zip-16.02.out").read_text().replace(" 199 ", " 120 ")
    reading = sevenzip.parse(step(2, 1 << 22), RawOutput(stdout=text.encode()))
    assert {m.status for m in reading.measurements} == {Status.SUSPECT}


def test_a_lost_digit_is_an_error_and_not_a_number() -> None:
    whole = (RAW / "mmt1.out").read_text().rstrip()
    with pytest.raises(SitegenError, match="Tot: says"):
        sevenzip.parse(step(1, 1 << 18), RawOutput(stdout=whole[:-1].encode()))


def test_a_refused_option_says_so() -> None:
    raw = RawOutput(
        stdout=(RAW / "bad-option.out").read_bytes(),
        stderr=(RAW / "bad-option.err").read_bytes(),
        exit_code=2,
    )
    with pytest.raises(SitegenError, match="code 2: E_INVALIDARG"):
        sevenzip.parse(step(1, 1 << 18), raw)


@given(st.sampled_from(["mmt1", "mmt2-md20", "p7zip-16.02", "p7zip-9.20"]), st.data())
def test_damaged_output_raises_only_expected_errors(name: str, data: st.DataObject) -> None:
    whole = (RAW / f"{name}.out").read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    filler = data.draw(st.binary(max_size=8))
    tail = data.draw(st.integers(cut, len(whole)))
    raw = RawOutput(stdout=whole[:cut] + filler + whole[tail:])
    try:
        rows = sevenzip.parse(step(1, 1 << 18), raw).measurements
    except SitegenError:
        return
    assert all(m.value is not None and m.value >= 0 for m in rows)


def test_the_default_plan_is_the_same_on_every_machine_but_for_all_cpus() -> None:
    small = sevenzip.plan(TOOL, request(cpus=2))
    large = sevenzip.plan(TOOL, request(cpus=64))
    assert [s.name for s in small.steps] == [f"threads-{n}" for n in (1, 2, 4, 8)]
    assert [s.name for s in large.steps] == [f"threads-{n}" for n in (1, 2, 4, 8, 64)]
    assert small.parameters == large.parameters
    assert small.steps[0].argv == ("/usr/bin/7zz", "b", "1", "-mmt1", "-md22")
    assert dict(small.steps[0].params) == {"threads": "1", "dictionary": "4194304"}


def test_thorough_leaves_the_dictionaries_to_7_zip() -> None:
    [first, *_] = sevenzip.plan(TOOL, request("thorough")).steps
    assert first.argv[-1] == "-mmt1"
    assert dict(first.params)["dictionary"] == str(1 << 25)


def test_settings_choose_threads_dictionary_and_iterations() -> None:
    plan = sevenzip.plan(
        TOOL, request(settings={"threads": "32,1", "dictionary": "20", "iterations": "3"})
    )
    assert [s.argv[2:] for s in plan.steps] == [("3", f"-mmt{n}", "-md20") for n in (1, 32)]


@pytest.mark.parametrize(
    "settings",
    [
        *({"threads": threads} for threads in ("0", "two", "", "1,-2", "99999")),
        *({"dictionary": "17"}, {"dictionary": "22m"}, {"iterations": "0"}),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, str]) -> None:
    with pytest.raises(SitegenError, match="--set 7z"):
        sevenzip.plan(TOOL, request(settings=settings))
