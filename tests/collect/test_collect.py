from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, ClassVar, cast

import psutil
import pytest
from msgspec import Struct, field
from msgspec.structs import replace

from sitegen.collect import (
    Host,
    Missing,
    Plan,
    RawOutput,
    Reading,
    Refused,
    Request,
    Step,
    installed,
)
from sitegen.collect.execute import Collected, Progress, execute, scratch
from sitegen.errors import SitegenError
from sitegen.model import (
    Comparability,
    Fingerprint,
    Measurement,
    MetricDefinition,
    Parameter,
    Sample,
    Status,
    ToolIdentity,
)
from sitegen.redact import Redactor
from tests.machines import written

FOUR = {"a": "echo 1", "b": "echo 2", "c": "echo 3", "d": "echo 4"}


class Shell(Struct):
    """A collector whose steps are shell programs that print one number each.

    A second word is told as a parameter; the word ``cheat`` is what no run survives.
    """

    programs: Mapping[str, str]
    before: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 60.0
    interrupt_at: int = -1  # Ctrl-C is pressed at this execution, counted from 0
    executed: int = 0
    BENCHMARK: ClassVar[str] = "shell"
    SETTINGS: ClassVar[dict[str, str]] = {"size": "how much", "directory": "where"}

    def detect(self, host: Host) -> ToolIdentity | Missing:
        path = host.find("sh")
        return host.identify("sh", path, "1.0") if path else Missing("sh")

    def plan(self, tool: ToolIdentity, request: Request) -> Plan:
        def step(name: str, program: str) -> Step:
            row = Measurement(name, "shell.x", "value", "s", None)
            argv = (tool.path, "-c", program)
            return Step(name, name, argv, self.timeout_s, expects=(row,))

        size = request.settings.get("size", "1")
        return Plan(
            tuple(step(name, program) for name, program in self.programs.items()),
            (Parameter("size", size, Comparability.MUST_MATCH),),
            tuple(step(name, program) for name, program in self.before.items()),
        )

    def run(self, step: Step, host: Host) -> RawOutput:
        if self.executed == self.interrupt_at:
            signal.raise_signal(signal.SIGINT)
        self.executed += 1
        return host.run(step.argv, timeout_s=step.timeout_s)

    def parse(self, step: Step, raw: RawOutput) -> Reading:
        number, _, told = raw.stdout.decode("utf-8", "replace").strip().partition(":")
        if told == "cheat":
            raise Refused("a wrong proof was accepted", where=step.name)
        try:
            value = float(number)
        except ValueError:
            raise SitegenError(f"{raw.stdout!r} is no number", where=step.name) from None
        parameters = (Parameter("server", told, Comparability.MUST_MATCH),) if told else ()
        return Reading((step.expects[0]._replace(value=value),), (), parameters)


def request(repetitions: int = 1, settings: Mapping[str, str] | None = None) -> Request:
    place = Path("/nowhere")
    return Request("standard", repetitions, settings or {}, 2, place, place / "cache", 1 << 30)


def collect(shell: Shell, repetitions: int = 1, **chosen: Any) -> Collected | None:  # noqa: ANN401 - as execute() takes them
    tool = shell.detect(Host())
    assert isinstance(tool, ToolIdentity)
    asked = request(repetitions)
    usual = {
        "host": Host(), "environment": "here", "session": "s1", "machine": Fingerprint(),
        "redactor": Redactor(), "seed": 7,
    }  # fmt: skip
    return execute(
        shell, tool, installed.make_plan(shell, tool, asked), asked, **{**usual, **chosen}
    )


def whole(shell: Shell, repetitions: int = 1, **chosen: Any) -> Collected:  # noqa: ANN401 - the same
    found = collect(shell, repetitions, **chosen)
    assert found is not None
    return found


def whole_and_failures(shell: Shell, repetitions: int = 1) -> tuple[Collected, list[str]]:
    said: list[Progress] = []
    found = whole(shell, repetitions, progress=said.append)
    return found, [each.failed for each in said if each.failed]


def order(collected: Collected) -> list[tuple[int, str]]:
    return [(step.repetition, step.name) for step in collected.run.steps]


def gone(pid: int) -> bool:
    """Wait until a process has ended; one that nobody reaps counts as ended."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False


def test_repetitions_are_interleaved_and_each_holds_every_step_once() -> None:
    found = order(whole(Shell(FOUR), 5))
    assert [repetition for repetition, _ in found] == sorted([*range(5)] * 4)
    for repetition in range(5):
        assert sorted(name for r, name in found if r == repetition) == list("abcd")
    assert len({tuple(name for r, name in found if r == n) for n in range(5)}) > 1


def test_the_order_is_recorded_and_comes_again_from_its_seed() -> None:
    first = whole(Shell(FOUR), 3, seed=42)
    assert first.run.seed == 42
    assert order(whole(Shell(FOUR), 3, seed=42)) == order(first)
    assert order(whole(Shell(FOUR), 3, seed=43)) != order(first)


def test_a_run_records_every_step_its_output_and_what_it_measured() -> None:
    collected = whole(Shell({"a": "echo 1; echo noise >&2"}, {"warm": "echo ready"}), 2)
    run = collected.run
    assert run.complete
    rows = [(m.repetition, m.value, m.status) for m in run.measurements]
    assert rows == [(0, 1.0, Status.OK), (1, 1.0, Status.OK)]
    assert order(collected) == [(-1, "warm"), (0, "a"), (1, "a")]
    assert collected.raw == {
        "warm-prepare.out": b"ready\n", "a-0.out": b"1\n", "a-0.err": b"noise\n",
        "a-1.out": b"1\n", "a-1.err": b"noise\n",
    }  # fmt: skip
    assert run.steps[1].raw == ("a-0.err", "a-0.out")
    assert run.steps[1].argv[1:] == ("-c", "echo 1; echo noise >&2")
    assert run.steps[1].duration_s > 0
    assert run.steps[1].cpu_s is not None
    assert Parameter("size", "1", Comparability.MUST_MATCH) in run.parameters
    assert Parameter("preset", "standard", Comparability.MUST_MATCH) in run.parameters
    assert run.tool is not None
    assert len(run.tool.sha256) == 64
    assert run.id.split("-")[1] == "shell"
    assert run.id != whole(Shell({"a": "echo 1"})).run.id


def test_the_conditions_of_the_machine_are_read_around_every_step(tmp_path: Path) -> None:
    found = whole(Shell({"a": "echo 1"}), host=Host(written.lay_out("tdx-guest", tmp_path)))
    shares = dict(found.run.steps[0].conditions)
    assert shares == {"psi_cpu": 0, "psi_io": 0, "psi_memory": 0, "steal": 0, "load_before": 0.42}
    assert found.run.boot


def test_pressure_of_processes_that_take_turns_is_not_kept(tmp_path: Path) -> None:
    class Turns(Shell):
        def plan(self, tool: ToolIdentity, request: Request) -> Plan:
            whole = super().plan(tool, request)
            return replace(whole, steps=tuple(replace(s, takes_turns=True) for s in whole.steps))

    found = whole(Turns({"a": "echo 1"}), host=Host(written.lay_out("tdx-guest", tmp_path)))
    assert "psi_cpu" not in dict(found.run.steps[0].conditions)
    assert "psi_io" in dict(found.run.steps[0].conditions)


def test_a_step_that_fails_is_kept_as_failed_and_the_others_go_on() -> None:
    found, said = whole_and_failures(Shell({"bad": "echo 5 apples; exit 3", "good": "echo 2"}), 2)
    rows = {(m.workload, m.repetition): (m.value, m.status) for m in found.run.measurements}
    assert rows == {
        (name, n): told
        for n in (0, 1)
        for name, told in (("bad", (None, Status.FAILED)), ("good", (2.0, Status.OK)))
    }
    assert {s.exit_code for s in found.run.steps if s.name == "bad"} == {3}
    assert found.run.complete
    assert found.raw["bad-0.out"] == b"5 apples\n"
    assert said == ["bad: b'5 apples\\n' is no number"] * 2


class Once(Shell):
    """One whose first step says the same in each repetition."""

    def plan(self, tool: ToolIdentity, request: Request) -> Plan:
        plan = super().plan(tool, request)
        return replace(plan, steps=(replace(plan.steps[0], once=True), *plan.steps[1:]))


def test_what_is_the_same_each_time_runs_in_the_first_repetition_and_hides_none_that_is_whole() -> (
    None
):
    run = whole(Once(FOUR), 3).run
    assert [s.repetition for s in run.steps if s.name == "a"] == [0]
    assert [s.repetition for s in run.steps if s.name == "b"] == [0, 1, 2]
    for at, repetitions in ((4, {0}), (6, {0}), (7, {0, 1}), (9, {0, 1})):
        cut = whole(Once(FOUR, interrupt_at=at), 3).run
        assert {m.repetition for m in cut.measurements} == repetitions
        assert not cut.complete
    assert collect(Once(FOUR, interrupt_at=3), 3) is None


class Absent(Shell):
    """One whose steps say why they have nothing."""

    def parse(self, step: Step, raw: RawOutput) -> Reading:  # noqa: ARG002 - as a collector does
        return Reading((), parameters=(Parameter(f"left_out.{step.name}", "not here"),))


def test_a_step_that_says_why_it_has_nothing_did_not_fail() -> None:
    found, failures = whole_and_failures(Absent({"a": "true"}))
    assert found.run.measurements == ()
    assert failures == []
    # One that ended badly failed, whatever it says.
    found, failures = whole_and_failures(Absent({"a": "exit 3"}))
    assert [m.status for m in found.run.measurements] == [Status.FAILED]
    assert failures


def test_a_value_that_is_no_number_is_a_failed_repetition() -> None:
    found, said = whole_and_failures(Shell({"a": "echo nan", "b": "echo inf"}))
    assert {(m.value, m.status) for m in found.run.measurements} == {(None, Status.FAILED)}
    assert sorted(said) == ["shell.x is inf", "shell.x is nan"]


def test_samples_that_a_run_has_no_room_for_cost_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    class Sampling(Shell):
        def parse(self, step: Step, raw: RawOutput) -> Reading:
            rows = super().parse(step, raw).measurements
            return Reading(rows, (Sample(step.workload, 0, "time", "shell.x", 1.0, 2.0),) * 3)

    monkeypatch.setattr("sitegen.bounds.MOST_SAMPLES", 4)
    found, said = whole_and_failures(Sampling({"a": "echo 1", "b": "echo 2"}))
    assert len(found.run.samples) == 3
    assert {m.status for m in found.run.measurements} == {Status.OK}
    assert said == ["a run has 4 samples at most"]


def test_a_value_that_the_tool_gave_before_it_failed_is_said_to_have_failed() -> None:
    _, [said] = whole_and_failures(Shell({"bad": "echo 5; exit 3"}))
    assert said.endswith(" ended with code 3")


@pytest.mark.parametrize("programs", [{"a": "echo 1:cheat"}, {"a": "echo 1", "b": "echo 2:cheat"}])
def test_what_makes_every_number_worthless_drops_the_whole_run(programs: dict[str, str]) -> None:
    with pytest.raises(Refused, match="a wrong proof was accepted"):
        collect(Shell(programs), 2)


def test_what_only_the_outputs_tell_is_the_runs_or_where_they_disagree_each_workloads() -> None:
    told = whole(Shell({"a": "echo 1:v7", "b": "echo 2:v7"}), 2).run.parameters
    assert Parameter("server", "v7", Comparability.MUST_MATCH) in told
    told = whole(Shell({"a": "echo 1:v7", "b": "echo 2:v8", "c": "echo 3"})).run.parameters
    found = {p.name: p.value for p in told if p.name.startswith("server")}
    assert found == {"server.a": "v7", "server.b": "v8"}


def test_a_preparation_that_fails_ends_the_run_with_what_it_said() -> None:
    shell = Shell({"a": "echo 1"}, {"lay-out": "echo no space >&2; exit 4"})
    with pytest.raises(SitegenError, match="step lay-out ended with code 4: no space"):
        collect(shell)
    assert shell.executed == 1


def test_after_its_time_a_step_is_killed_with_all_its_children_and_failed() -> None:
    found = whole(Shell({"slow": "sleep 600 & echo $! >&2; wait"}, timeout_s=1.0))
    [step] = found.run.steps
    assert step.exit_code == -9
    assert [m.status for m in found.run.measurements] == [Status.FAILED]
    child, _, told = found.raw["slow-0.err"].partition(b"\n")
    assert b"killed after 1 s" in told
    assert gone(int(child))


def test_a_program_that_prints_without_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sitegen.collect.host.MOST_BYTES", 1_000_000)
    found = Host().run(["yes"], timeout_s=60)
    assert found.exit_code == -9
    assert b"killed past 1000000 bytes" in found.stderr
    assert len(found.stdout) < 2_000_000


def test_a_program_that_closes_its_outputs_has_its_time_all_the_same() -> None:
    found = Host().run(["sh", "-c", "exec >&- 2>&-; sleep 600"], timeout_s=1.0)
    assert (found.exit_code, found.reason) == (-9, "sitegen: killed after 1 s")


def test_ctrl_c_keeps_the_repetitions_that_are_whole_and_nothing_of_the_others() -> None:
    found = whole(Shell(FOUR, interrupt_at=10), 5)
    run = found.run
    assert not run.complete
    assert {m.repetition for m in run.measurements} == {0, 1}
    assert len(run.measurements) == 8
    assert {step.repetition for step in run.steps} == {0, 1}
    assert len(found.raw) == 8
    assert {p.name: p.value for p in run.parameters}["repetitions"] == "2"


@pytest.mark.parametrize("at", [0, 1, 4])
def test_ctrl_c_before_the_first_whole_repetition_keeps_nothing(at: int) -> None:
    assert collect(Shell(FOUR, {"warm": "true"}, interrupt_at=at), 2) is None


def test_a_note_that_is_not_unicode_does_not_lose_the_run() -> None:
    found = whole(Shell({"a": "echo 1"}), note="bad \udcff byte")
    assert found.run.note == "bad \\udcff byte"


def test_progress_says_where_a_collection_stands() -> None:
    said: list[Progress] = []
    collect(Shell({"a": "echo 1"}, {"warm": "true"}), 2, progress=said.append)
    told = [(p.step, p.done, p.total, p.repetition) for p in said]
    assert told == [("warm", 0, 3, -1), ("a", 1, 3, 0), ("a", 2, 3, 1), ("", 3, 3, 1)]


ROW = Measurement("w", "shell.x", "value", "s", 1.0)
BAD_ROWS = [
    (ROW._replace(metric="Shell X"), "'Shell X' is not a metric id"),
    (ROW._replace(statistic="average"), "unknown statistic 'average'"),
    (ROW._replace(workload="../w"), "not a usable workload name"),
    (ROW._replace(status="fine"), "unknown status 'fine'"),
    (ROW._replace(unit="s\n"), "control character"),
    (ROW._replace(params=(("a", "\x1f"),)), "control character"),
]


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ((), "there is no step"),
        ((Step("a", "w", ("sh",), 1.0), Step("a", "w", ("sh",), 1.0)), "two steps are called 'a'"),
        ((Step("../a", "w", ("sh",), 1.0),), "not a usable step name"),
        ((Step("a", "", ("sh",), 1.0),), "not a usable workload name"),
        *(((Step("a", "w", ("sh",), 1.0, expects=(row,)),), said) for row, said in BAD_ROWS),
    ],
)
def test_a_plan_that_cannot_be_archived_is_refused_before_anything_runs(
    steps: tuple[Step, ...], said: str
) -> None:
    class Planned(Shell):
        def plan(self, tool: ToolIdentity, request: Request) -> Plan:  # noqa: ARG002 - the protocol
            return Plan(steps)

    with pytest.raises(SitegenError) as raised:
        installed.make_plan(Planned({}), ToolIdentity("sh", "1"), request())
    assert said in str(raised.value)
    with pytest.raises(SitegenError, match="two steps are called 'a'"):
        installed.make_plan(
            Shell({"a": "echo 1"}, {"a": "true"}), ToolIdentity("sh", "1"), request()
        )


def test_the_definitions_of_a_plan_go_with_its_run_and_have_ids_that_are_usable() -> None:
    class Defining(Shell):
        ID: ClassVar[str] = "shell.x"

        def plan(self, tool: ToolIdentity, request: Request) -> Plan:
            own = MetricDefinition(self.ID, "Apples", "s", "lower", "How many.")
            return replace(super().plan(tool, request), definitions=(own,))

    [own] = whole(Defining({"a": "echo 1"})).run.definitions
    assert own == MetricDefinition("shell.x", "Apples", "s", "lower", "How many.")
    Defining.ID = "Shell X"
    with pytest.raises(SitegenError, match="'Shell X' is not a metric id"):
        whole(Defining({"a": "echo 1"}))


def reads(reading: Callable[[Step], object]) -> tuple[Collected, list[str]]:
    """Collect step ``good`` as it is and step ``bad`` with ``reading``; return what was said."""

    class Reads(Shell):
        def parse(self, step: Step, raw: RawOutput) -> Reading:
            usual = super().parse(step, raw)
            return usual if step.name == "good" else cast("Reading", reading(step))

    found, said = whole_and_failures(Reads({"bad": "echo 5", "good": "echo 2"}))
    good = [m for m in found.run.measurements if m.workload == "good"]
    assert [(m.value, m.status) for m in good] == [(2.0, Status.OK)]
    return found, said


def bug(step: Step) -> object:
    return step.name + cast("str", 5)


@pytest.mark.parametrize(
    ("reading", "reason"),
    [
        (bug, "parse failed: TypeError: can only concatenate str"),
        (lambda _: None, "parse failed: AttributeError"),
        (lambda _: Reading((cast("Measurement", "x"),)), "parse failed: AttributeError"),
        (lambda step: Reading((step.expects[0]._replace(value=cast("float", "5")),)), "TypeError"),
    ],
)
def test_a_bug_in_a_parser_is_a_failed_step_with_the_reason(
    reading: Callable[[Step], object], reason: str
) -> None:
    found, [said] = reads(reading)
    assert reason in said
    bad = [m for m in found.run.measurements if m.workload == "bad"]
    assert [(m.value, m.status) for m in bad] == [(None, Status.FAILED)]


@pytest.mark.parametrize(("row", "reason"), BAD_ROWS)
def test_a_measurement_that_cannot_be_archived_fails_its_step_and_the_others_are_kept(
    row: Measurement, reason: str
) -> None:
    found, [said] = reads(lambda step: Reading((step.expects[0]._replace(value=3.0), row)))
    assert reason in said
    bad = [m for m in found.run.measurements if m.workload != "good"]
    assert [(m.metric, m.value, m.status) for m in bad] == [("shell.x", 3.0, Status.OK)]


def test_a_measurement_that_is_there_twice_fails_its_step() -> None:
    found, said = reads(
        lambda step: Reading(tuple(step.expects[0]._replace(value=v) for v in (1.0, 2.0)))
    )
    assert said == ["shell.x is given twice"]
    assert [m.value for m in found.run.measurements if m.workload == "bad"] == [1.0]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (lambda _: None, b"sitegen: run failed: AttributeError"),
        (lambda _: RawOutput(files={"../x": b"1"}), b"not usable as the name of a raw output"),
        (lambda host: host.run(("/no/such",), timeout_s=1), b"cannot be started: No such file"),
    ],
)
def test_a_step_that_cannot_be_run_is_a_failed_step(
    bad: Callable[[Host], Any], reason: bytes
) -> None:
    class Runs(Shell):
        def run(self, step: Step, host: Host) -> RawOutput:
            return cast("RawOutput", bad(host)) if step.name == "bad" else super().run(step, host)

    found = whole(Runs({"bad": "echo 1", "good": "echo 2"}))
    statuses = {m.workload: m.status for m in found.run.measurements}
    assert statuses == {"bad": Status.FAILED, "good": Status.OK}
    assert reason in found.raw["bad-0.err"]


def test_a_bug_in_detecting_or_planning_is_one_line_with_the_benchmark() -> None:
    class Buggy(Shell):
        def detect(self, host: Host) -> ToolIdentity | Missing:
            raise KeyError(host.cpus())

        def plan(self, tool: ToolIdentity, request: Request) -> Plan:
            return cast("Plan", [tool, request])

    with pytest.raises(SitegenError, match=r"^shell: detect failed: KeyError"):
        installed.detect(Buggy({}), Host())
    with pytest.raises(SitegenError, match=r"^shell: plan failed: AttributeError"):
        installed.make_plan(Buggy({}), ToolIdentity("sh", "1"), request())


def test_a_setting_that_the_collector_does_not_know_is_named_with_those_it_knows() -> None:
    class Bare(Shell):
        SETTINGS: ClassVar[dict[str, str]] = {}

    for collector, known in ((Shell({}), "directory, size"), (Bare({}), "none")):
        with pytest.raises(SitegenError, match=f"there is no setting 'sise'; it takes {known}$"):
            installed.check_settings(collector, {"sise": "1"})


def test_a_folder_that_does_not_exist_is_an_error_and_is_not_created(tmp_path: Path) -> None:
    missing, file = tmp_path / "mistyped", tmp_path / "file"
    file.touch()
    for path in (missing, file):
        with pytest.raises(SitegenError, match="is not an existing folder"):
            installed.make_plan(
                Shell({}), ToolIdentity("sh", "1"), request(settings={"directory": str(path)})
            )
    assert not missing.exists()


@pytest.mark.parametrize("named", [True, False])
def test_scratch_is_an_empty_folder_of_its_own_that_is_removed(tmp_path: Path, named: bool) -> None:  # noqa: FBT001 - drawn
    disk = tmp_path / "disk"
    disk.mkdir()
    (disk / "kept").touch()
    settings = {"directory": str(disk)} if named else {}
    with scratch(settings, tmp_path / "work") as folder:
        assert list(folder.iterdir()) == []
        assert folder.parent == (disk if named else tmp_path / "work")
        (folder / "big").write_bytes(b"x")
    assert not folder.exists()
    assert [path.name for path in disk.iterdir()] == ["kept"]


def test_what_a_program_needs_from_the_terminal_is_not_there() -> None:
    raw = Host().run(("sh", "-c", "read line; echo $?; echo $LC_ALL"), timeout_s=20)
    assert raw.stdout == b"1\nC\n"


def test_a_server_is_gone_when_the_block_ends_also_by_an_error() -> None:
    def fail() -> None:
        raise SitegenError("no answer")

    with Host().start(("sleep", "600")) as process:
        assert process.poll() is None
    assert process.returncode == -signal.SIGKILL
    with pytest.raises(SitegenError), Host().start(("sleep", "600")) as process:
        fail()
    assert process.returncode == -signal.SIGKILL


def test_what_a_program_left_running_is_gone_when_the_block_ends() -> None:
    with Host().start(("sh", "-c", "sleep 600 >&- 2>&- & echo $!")) as process:
        out, _ = process.communicate(timeout=20)
        child = int(out)
        assert process.returncode == 0
        assert psutil.pid_exists(child)
    assert gone(child)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can tie a child to its parent")
def test_a_program_dies_with_a_collection_that_is_killed() -> None:
    script = """from sitegen.collect import Host
with Host().start(("sleep", "600")) as process:
    print(process.pid, flush=True)
    process.wait()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert psutil.pid_exists(child)
        os.kill(parent.pid, signal.SIGKILL)
    assert gone(child)


def test_the_host_finds_the_first_tool_there_is_and_reads_below_its_root(tmp_path: Path) -> None:
    host = Host(written.lay_out("plain-vm", tmp_path))
    assert host.find("no-such-tool-here", "sh") == Host().find("sh")
    assert host.find("no-such-tool-here") is None
    assert host.cpus() >= 1
    assert host.read("/sys/class/dmi/id/sys_vendor") == "QEMU"
    assert host.read("/etc/shadow") is None


def test_the_installed_collectors_are_whole_and_in_order() -> None:
    found = installed.collectors()
    assert list(found) == sorted(found)
    assert {"7z", "ab", "fio"} <= set(found)
    for name, point in found.items():
        assert name == installed.load_collector(point).BENCHMARK


def test_only_the_collector_that_is_asked_for_is_imported(install: Callable[..., str]) -> None:
    install("wanted")
    install("other")
    assert "other" in installed.collectors()
    assert installed.load_collector(installed.collectors()["wanted"]).BENCHMARK == "wanted"
    assert "collector_wanted" in sys.modules
    assert "collector_other" not in sys.modules


def test_the_method_note_lies_beside_the_module_which_is_not_imported(
    install: Callable[..., str], tmp_path: Path
) -> None:
    install("noted", source="raise TypeError('no')")
    assert installed.method_note("noted") == installed.method_note("not-installed") == ""
    (tmp_path / "site-packages" / "collector_noted.md").write_text("# How it is measured\n")
    assert installed.method_note("noted") == "# How it is measured\n"
    assert "collector_noted" not in sys.modules


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("raise TypeError('no')", "cannot be imported: TypeError: no"),
        ("import sys; sys.exit(3)", "cannot be imported: SystemExit: 3"),
        ("def broken(:", "cannot be imported: SyntaxError"),
        ("BENCHMARK = 'x'", "has no SETTINGS, detect, plan, run, parse"),
    ],
)
def test_a_collector_that_cannot_be_used_is_one_line(
    install: Callable[..., str], source: str, said: str
) -> None:
    install("broken", source=source)
    with pytest.raises(SitegenError) as raised:
        installed.load_collector(installed.collectors()["broken"])
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("runs", "collectors.fio", "the site itself uses"),
        ("Fio", "collectors.fio", "not a usable benchmark name"),
        ("x_y", "collectors.fio", "not a usable benchmark name"),
        ("x", "no_such_module_here", "cannot be imported"),
        ("x", "sitegen.collect.histogram", "has no BENCHMARK"),
        ("x", "collectors.fio", "its BENCHMARK is 'fio' and its entry point 'x'"),
    ],
)
def test_a_collector_that_is_none_is_named_with_its_module(
    name: str, value: str, said: str
) -> None:
    with pytest.raises(SitegenError) as raised:
        installed.load_collector(EntryPoint(name, value, "sitegen.collectors"))
    assert said in str(raised.value)
    assert raised.value.where == value
