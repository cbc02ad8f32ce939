from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import hardware
from collectors.hardware import bandwidth
from collectors.hardware.bandwidth import KERNELS, Memory
from sitegen.collect import LEFT_OUT, Host, RawOutput, Request, Step
from sitegen.collect.installed import make_plan
from sitegen.errors import SitegenError
from sitegen.model import Measurement, Status, ToolIdentity, params

RAW = Path(__file__).parents[2] / "raw" / "hardware"
TOOL = ToolIdentity("likwid-bench", "5.2.2", "/usr/bin/likwid-bench")
PLENTY = Memory(64 * 10**9, 32 << 20)
NONE: Mapping[str, str] = {}

needs_likwid = pytest.mark.skipif(
    shutil.which("likwid-bench") is None, reason="likwid is not installed"
)


def request(
    preset: str = "standard", settings: Mapping[str, str] = NONE, cpus: int = 16
) -> Request:
    scratch = Path("/nowhere")
    return Request(preset, 3, settings, cpus, scratch, scratch / "cache", 1 << 40)


def step(kernel: str, threads: int, size: int = 10**9, caches: int | None = 32 << 20) -> Step:
    where = params(kernel=kernel, threads=threads, size=size, source="measured")
    context = () if caches is None else (("caches", str(caches)),)
    return Step("x", "memory-bandwidth", ("likwid-bench",), 60.0, where, context=context)


def text(name: str) -> str:
    return (RAW / f"{name}.out").read_text()


def output(text: str, errors: str = "", exit_code: int = 0, duration_s: float = 6.0) -> RawOutput:
    return RawOutput(text.encode(), errors.encode(), exit_code, duration_s=duration_s)


def only(step: Step, raw: RawOutput) -> Measurement:
    [row] = bandwidth.parse(step, raw).measurements
    return row


@pytest.mark.parametrize(
    ("name", "kernel", "threads"), [("load-1", "load", 1), ("copy-2", "copy", 2)]
)
def test_the_rate_is_recorded_in_bytes_a_second_with_its_digits(
    name: str, kernel: str, threads: int
) -> None:
    match = re.search(r"^MByte/s:\s+(\S+)$", text(name), re.MULTILINE)
    assert match is not None
    row = only(step(kernel, threads), output(text(name)))
    assert (row.metric, row.unit, row.statistic) == ("hardware.memory_bandwidth", "B/s", "value")
    assert row.printed == match[1]
    # A megabyte is 10^6 bytes here: two decimals of it are whole tens of thousands of bytes.
    assert row.value == int(match[1].replace(".", "")) * 10_000
    assert row.status == Status.OK
    assert dict(row.params) == {
        "kernel": kernel,
        "size": "1000000000",
        "source": "measured",
        "threads": str(threads),
    }


def test_triad_is_the_one_of_stream() -> None:
    assert KERNELS["triad"] == "stream"
    assert only(step("triad", 2), output(text("triad-2"))).status == Status.OK
    four_arrays = text("triad-2").replace("Test: stream", "Test: triad")
    with pytest.raises(SitegenError, match="the report is of triad"):
        only(step("triad", 2), output(four_arrays))


@pytest.mark.parametrize(
    ("name", "planned", "status"),
    [
        # 999,999,936 bytes: likwid rounds each array down to whole loops of each thread.
        ("triad-2", step("triad", 2), Status.OK),
        ("triad-2", step("triad", 2, size=2 * 10**9), Status.SUSPECT),
        # Four threads on two hardware threads take turns.
        ("too-many", step("load", 4), Status.SUSPECT),
        # A pass over arrays below twice the caches still hits in them.
        ("load-1", step("load", 1, caches=499_999_999), Status.OK),
        ("load-1", step("load", 1, caches=500_000_001), Status.SUSPECT),
        ("load-1", step("load", 1, caches=None), Status.OK),
    ],
)
def test_a_rate_that_is_not_that_of_memory_is_suspect(
    name: str, planned: Step, status: Status
) -> None:
    assert only(planned, output(text(name))).status == status


def test_a_time_longer_than_the_program_ran_or_too_short_to_mean_anything_is_suspect() -> None:
    printed, report = text("load-1"), bandwidth.report_in(text("load-1"))
    for ran, status in ((0.99, Status.SUSPECT), (1.01, Status.OK)):
        raw = output(printed, duration_s=float(report.time_s) * ran)
        assert only(step("load", 1), raw).status == status
    short = printed.replace(report.time_s, "1.000000e-02").replace(report.rate, "3200000.00")
    assert only(step("load", 1), output(short)).status == Status.SUSPECT


def test_another_unit_a_lost_digit_or_a_comma_is_noticed() -> None:
    rate = bandwidth.report_in(text("load-1")).rate
    for old, news in (
        ("MByte/s:", ("MiB/s:", "GByte/s:", "MB/s:", "kByte/s:")),
        (rate, (rate[1:], rate.replace(".", "1."), rate.replace(".", ","))),
        (rate, ("nan", "inf", f"-{rate}")),
    ):
        for new in news:
            with pytest.raises(SitegenError, match="MByte/s"):
                only(step("load", 1), output(text("load-1").replace(old, new)))


@pytest.mark.parametrize(
    "label", ["Test:", "Using 1 threads", "Time:", "Size (Byte):", "Data volume", "MByte/s:"]
)
def test_a_report_without_one_of_its_lines_is_none(label: str) -> None:
    lines = [line for line in text("load-1").splitlines() if not line.startswith(label)]
    with pytest.raises(SitegenError, match="likwid-bench"):
        only(step("load", 1), output("\n".join(lines)))


def test_two_reports_or_one_of_another_step_are_not_the_one() -> None:
    with pytest.raises(SitegenError, match="likwid-bench"):
        only(step("load", 1), output(text("load-1") * 2))
    for other in (step("copy", 1), step("load", 2)):
        with pytest.raises(SitegenError, match="the report is of load with 1 threads"):
            only(other, output(text("load-1")))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no-memory", "Insufficient memory to fulfill the request"),
        ("unknown-kernel", "Unknown test case nope"),
        ("bad-domain", "Domain Q does not exist"),
    ],
)
@pytest.mark.parametrize("exit_code", [1, 0])
def test_a_failure_says_why_whatever_the_exit_code(name: str, message: str, exit_code: int) -> None:
    errors = (RAW / f"{name}.err").read_text()
    with pytest.raises(SitegenError, match=message):
        only(step("load", 1), output("", errors, exit_code))


def test_a_killed_run_says_so_and_not_what_likwid_always_says() -> None:
    always = (RAW / "load-1.err").read_text()
    killed = f"{always}\nsitegen: killed after 600 s\n"
    with pytest.raises(SitegenError, match="killed after 600 s"):
        only(step("load", 1), output("", killed, -9))
    with pytest.raises(SitegenError, match="code 1: it said nothing"):
        only(step("load", 1), output("", always, 1))


@given(st.sampled_from(["load-1", "copy-2", "triad-2"]), st.data())
def test_damaged_reports_never_give_another_value(name: str, data: st.DataObject) -> None:
    whole = (RAW / f"{name}.out").read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    tail = data.draw(st.integers(cut, len(whole)))
    damaged = whole[:cut] + data.draw(st.binary(max_size=6)) + whole[tail:]
    kernel, threads = name.split("-")
    planned = step(kernel, int(threads))
    right = only(planned, RawOutput(stdout=whole)).value
    assert right is not None
    try:
        row = only(planned, RawOutput(stdout=damaged))
    except SitegenError:
        return
    # Time has seven digits: damage within that, or to what is not read, changes nothing.
    assert row.value == pytest.approx(right, rel=2e-6) or row.status == Status.SUSPECT


def steps(
    preset: str = "standard",
    settings: Mapping[str, str] = NONE,
    cpus: int = 16,
    memory: Memory = PLENTY,
) -> tuple[Step, ...]:
    chosen = request(preset, settings, cpus)
    return bandwidth.steps(TOOL, preset, cpus, chosen.read(hardware.SETTINGS), memory)


def names(preset: str = "standard", settings: Mapping[str, str] = NONE, cpus: int = 16) -> set[str]:
    return {each.name for each in steps(preset, settings, cpus)}


@pytest.mark.parametrize(
    ("cpus", "counts"), [(16, {1, 2, 4, 8, 16}), (6, {1, 2, 4, 6}), (2, {1, 2})]
)
def test_thread_counts_are_fixed_and_never_above_the_cpus(cpus: int, counts: set[int]) -> None:
    assert {int(name.split("-")[-1]) for name in names(cpus=cpus)} == counts


def test_presets_and_settings_choose_what_is_timed() -> None:
    assert names("quick", cpus=6) == {"load-threads-6", "copy-threads-6", "triad-threads-6"}
    chosen = names(settings={"threads": "2,1", "kernels": "triad"})
    assert chosen == {"triad-threads-1", "triad-threads-2"}


def test_commands_do_not_depend_on_the_machine() -> None:
    small, large = (
        {each.name: each.argv for each in steps(cpus=cpus, memory=memory)}
        for cpus, memory in ((4, Memory(8 * 10**9, 8 << 20)), (64, Memory(2 * 10**12, 1 << 30)))
    )
    assert {name: large[name] for name in small} == small
    assert small["triad-threads-4"] == (
        *(TOOL.path, "-t", "stream", "-W", "N:2000MB:4", "-s", "1"),
    )


@pytest.mark.parametrize(
    ("free", "size"),
    [
        (None, 2 * 10**9),
        (2_700_000_000, 2 * 10**9),
        (2_600_000_000, 10**9),
        (1_000_000_000, 5 * 10**8),
        (400_000_000, 250 * 10**6),
    ],
)
def test_too_little_memory_lowers_the_size_to_the_next_fixed_one(
    free: int | None, size: int
) -> None:
    planned = steps(memory=Memory(free, None))
    assert {dict(each.params)["size"] for each in planned} == {str(size)}
    assert all(f"N:{size // 10**6}MB:" in each.argv[4] for each in planned)


def test_without_memory_for_the_smallest_size_nothing_is_measured() -> None:
    with pytest.raises(SitegenError, match="300 MB of memory are free and 333 needed"):
        steps(memory=Memory(300 * 10**6, None))


@pytest.mark.parametrize(
    "settings",
    [
        *({"size": size} for size in ("2GiB", "2", "32MB", "999999GB", "65GB", "two")),
        *({"kernels": "stream"}, {"kernels": ""}),
        *({"threads": threads} for threads in ("0", "17", "2,two", "٢")),
    ],
)
def test_a_setting_out_of_range_is_refused(settings: Mapping[str, str]) -> None:
    with pytest.raises(SitegenError, match=f"--set (?:hardware.)?{next(iter(settings))}"):
        steps(settings=settings)


def machine_with(root: Path, files: Mapping[str, str]) -> Host:
    for path, content in files.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
    return Host(root)


def test_free_memory_is_what_the_container_leaves(tmp_path: Path) -> None:
    files = {"proc/meminfo": "MemTotal: 9000000 kB\nMemAvailable:    8000000 kB\n"}
    assert bandwidth.memory_of(machine_with(tmp_path, files)) == Memory(8_192_000_000, None)
    files |= {"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n"}
    assert bandwidth.memory_of(machine_with(tmp_path, files)).free == 8_192_000_000
    files["sys/fs/cgroup/a/memory.max"] = "500000000\n"
    assert bandwidth.memory_of(machine_with(tmp_path, files)).free == 500_000_000
    assert bandwidth.memory_of(Host(tmp_path / "nothing")) == Memory(None, None)


def test_a_cache_that_cpus_share_counts_once(tmp_path: Path) -> None:
    files: dict[str, str] = {}
    for cpu, shared in enumerate(("0-1", "0-1", "2-3", "2-3")):
        base = f"sys/devices/system/cpu/cpu{cpu}/cache/index3"
        files |= {f"{base}/size": "32768K\n", f"{base}/shared_cpu_list": f"{shared}\n"}
    assert bandwidth.memory_of(machine_with(tmp_path, files)).last_level_caches == 64 << 20


def program(folder: Path, help_text: Path) -> Host:
    tool = folder / "likwid-bench"
    tool.write_text(
        f'#!/bin/sh\nif [ "$1" = -v ]; then cat {RAW}/version.out; else cat {help_text}; fi\n'
    )
    tool.chmod(0o755)
    return Host()


def test_the_tool_is_found_with_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    tool = hardware.detect(program(tmp_path, RAW / "help.out"))
    assert (tool.name, tool.version) == ("likwid-bench", "5.2.2")


def test_without_one_that_touches_memory_from_each_thread_only_the_machine_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "old-help"
    old.write_text(re.sub(r"(?m)^-W.*\n", "", (RAW / "help.out").read_text()))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    tool = hardware.detect(program(tmp_path, old))
    assert tool.name != "likwid-bench"
    plan = make_plan(hardware, tool, request())
    assert [step.name for step in plan.steps] == ["machine"]
    [message] = [p.value for p in plan.parameters if p.name == LEFT_OUT]
    assert message.endswith("likwid-bench 5.2 or later: apt install likwid")


@pytest.mark.tools
@needs_likwid
def test_the_real_tool_runs_a_plan_and_is_read(tmp_path: Path) -> None:
    tool = hardware.detect(Host())
    settings = {"size": "64MB", "threads": "1"}
    quick = Request("quick", 1, settings, Host().cpus(), tmp_path, tmp_path / "cache", 1 << 40)
    plan = make_plan(hardware, tool, quick)
    assert [each.name for each in plan.steps] == [
        *("machine", "load-threads-1", "copy-threads-1", "triad-threads-1"),
    ]
    assert "huge_pages" in {parameter.name for parameter in plan.parameters}
    for each in plan.steps[1:]:
        raw = hardware.run(each, Host())
        [row] = hardware.parse(each, raw).measurements
        assert row.value is not None
        assert 1e8 < row.value < 1e13
        assert row[:4] == each.expects[0][:4]
        assert row.params == each.expects[0].params
        assert raw.get("hardware_threads") is not None
        assert hardware.parse(each, raw).measurements == (row,)
