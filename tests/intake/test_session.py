from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from sitegen import fingerprint
from sitegen.archive import Archive
from sitegen.config import Environment
from sitegen.errors import SitegenError
from sitegen.intake import session
from sitegen.intake.session import Order, Outcome, parse_settings
from sitegen.model import Fact, Fingerprint, Run, TeeVerdict
from tests.conftest import SHELL_COLLECTOR, Install

ORDER = Order("here", only=("shell",), seed=1)


class Round:
    """One `collect` into an archive of its own, and what it said."""

    def __init__(self, folder: Path) -> None:
        self.archive = Archive(folder / "archive")
        self.work = folder / "work"
        self.said: list[str] = []
        self.outcomes: list[Outcome] = []

    def __call__(self, order: Order) -> list[Outcome]:
        self.outcomes = []
        one = session.Round(order, self.archive, self.work, self.said.append, lambda _: None)
        for outcome in one.collect():
            self.outcomes.append(outcome)
        return self.outcomes

    def runs(self) -> list[Run]:
        return [self.archive.read(entry) for entry in self.archive.scan()]


@pytest.fixture
def rounds(tmp_path: Path, install: Install) -> Round:
    install("shell")
    return Round(tmp_path)


def test_every_benchmark_that_can_run_here_gets_a_run_in_the_archive(rounds: Round) -> None:
    [outcome] = rounds(replace(ORDER, note="on a quiet day"))
    assert (outcome.measured, outcome.failed, outcome.skipped) == (6, 0, "")
    [run] = rounds.runs()
    assert run.id == outcome.run_id
    assert (run.benchmark, run.environment, run.note) == ("shell", "here", "on a quiet day")
    assert (run.preset, run.seed) == ("standard", 1)
    assert {m.repetition for m in run.measurements} == {0, 1, 2}
    assert run.fingerprint.facts
    assert list(rounds.archive.fsck()) == []


def test_a_clock_that_is_wrong_stops_a_round_before_anything_is_measured(
    rounds: Round, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "timestamp", lambda _: "1970-01-01T00:00:12Z")
    with pytest.raises(SitegenError, match="this machine's clock says 1970"):
        rounds(ORDER)


def test_a_machine_that_is_not_what_its_label_stands_for_is_warned_of_in_one_line(
    rounds: Round, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Fingerprint((Fact("virtualisation", "kvm", "here"),), TeeVerdict("none", (), "high"))
    monkeypatch.setattr(fingerprint, "read", lambda *_: seen)
    rounds(replace(ORDER, environment="lab-tdx", repeat=1))
    warning = "warning: lab-tdx sounds like tdx; the machine's own signals say none."
    assert [line for line in rounds.said if line.startswith("warning")] == [warning]
    sounds = "cvm sounds like a TEE; the machine's own signals say none."
    metal = "Declared as bare metal; the machine shows a hypervisor (kvm)."
    for declared, doubt in (
        (None, sounds),
        (Environment("cvm"), sounds),
        (Environment("cvm", role="vm", tee="none"), ""),
        (Environment("cvm", role="metal", tee="none"), metal),
        (
            Environment("cvm", role="cpu-tee", tee="tdx"),
            sounds.replace("cvm sounds like a TEE", "Declared as tdx"),
        ),
    ):
        # A declaration goes before what a label sounds like.
        assert fingerprint.doubted("cvm", declared, seen) == doubt


def test_the_scratch_folder_and_the_cache_are_known_to_the_run_by_what_they_are_for(
    tmp_path: Path, install: Install
) -> None:
    plain = "str(request.scratch)"
    kept = 'str(request.scratch), f"{{request.cache}}/model.gguf"'
    install("shell", source=SHELL_COLLECTOR.replace(plain, kept))
    rounds = Round(tmp_path)
    rounds(replace(ORDER, repeat=1))
    [run] = rounds.runs()
    assert {step.argv[-2:] for step in run.steps} == {("$WORK", "$CACHE/model.gguf")}
    assert list(rounds.work.iterdir()) == []


def test_sessions_are_rounds_with_an_id_of_their_own_on_the_same_boot(
    rounds: Round, install: Install
) -> None:
    install("other")
    rounds(replace(ORDER, sessions=2, repeat=1))
    first, second = rounds.runs()
    assert first.session != second.session
    assert first.boot == second.boot
    numbers = [line for line in rounds.said if line.startswith("session")]
    assert numbers == ["session 1 of 2", "session 2 of 2"]
    # No collector is imported but those that are asked for.
    assert "collector_shell" in sys.modules
    assert "collector_other" not in sys.modules


def test_a_missing_tool_is_a_skip_with_the_line_that_installs_it(
    rounds: Round, install: Install
) -> None:
    install("absent", tool="no-such-tool-here")
    outcomes = rounds(replace(ORDER, only=("absent", "shell"), repeat=1))
    assert [(o.benchmark, bool(o.run_id)) for o in outcomes] == [("absent", False), ("shell", True)]
    assert "install it with: apt-get install no-such-tool-here" in outcomes[0].skipped
    assert len(rounds.runs()) == 1


def test_a_missing_tool_is_none_where_a_setting_does_without_it(
    rounds: Round, install: Install
) -> None:
    source = SHELL_COLLECTOR.replace(
        '"apt-get install {tool}")', '"apt-get install {tool}", unless="program")'
    ).replace("(tool.path, ", '("sh", ')
    install("absent", tool="no-such-tool", source=source)
    order = Order("here", only=("absent",), repeat=1)
    [skipped] = rounds(order)
    assert skipped.skipped.startswith("missing: no-such-tool")
    [run] = rounds(replace(order, settings={"absent": {"program": "echo 3"}}))
    assert run.run_id


def test_what_a_plan_leaves_out_is_said(rounds: Round, install: Install) -> None:
    rest = '(Parameter(LEFT_OUT, "the rest: apt install rest"),)'
    source = SHELL_COLLECTOR.replace("), about_s=1)", f"), {rest}, about_s=1)")
    source = source.replace("import Missing", "import LEFT_OUT, Missing")
    install("partly", source=source.replace("import Measurement", "import Measurement, Parameter"))
    rounds(Order("here", only=("partly",), repeat=1))
    assert "partly: left out: the rest: apt install rest" in rounds.said


def test_failed_repetitions_are_counted_and_archived(rounds: Round, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    once = f"test -e {flag} && exit 1; touch {flag}; echo 3"
    [outcome] = rounds(replace(ORDER, repeat=1, settings={"shell": {"program": once}}))
    assert (outcome.measured, outcome.failed) == (1, 1)
    assert {m.value for m in rounds.runs()[0].measurements} == {3.0, None}


def test_a_run_in_which_nothing_was_measured_is_not_archived_and_says_why(rounds: Round) -> None:
    settings = {"shell": {"program": "echo no luck"}}
    [outcome] = rounds(replace(ORDER, repeat=1, settings=settings))
    assert re.fullmatch(r"nothing was measured: s-[01]: no number", outcome.skipped)
    assert not rounds.archive.root.exists()


def test_a_value_that_a_collector_refuses_ends_it_before_anything_runs(
    rounds: Round, install: Install, tmp_path: Path
) -> None:
    refusing = SHELL_COLLECTOR.replace(
        'program = request.settings.get("program", "echo 7")',
        'raise SitegenError("no such size", where="--set")',
    )
    install("picky", source=refusing)
    proof = tmp_path / "ran"
    settings = {"shell": {"program": f"touch {proof}; echo 1"}, "picky": {"program": "x"}}
    with pytest.raises(SitegenError, match="no such size"):
        rounds(Order("here", only=("shell", "picky"), settings=settings))
    assert not proof.exists()


def test_what_a_killed_collection_left_is_removed_and_nobody_elses(rounds: Round) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    mine, theirs = rounds.work / f"sitegen-{ended.pid}-x", rounds.work / f"sitegen-{os.getpid()}-x"
    for folder in (mine, theirs, rounds.work / "sitegen-old"):
        folder.mkdir(parents=True)
    rounds(replace(ORDER, repeat=1))
    assert sorted(path.name for path in rounds.work.iterdir()) == sorted(
        [theirs.name, "sitegen-old"]
    )


def test_a_dry_run_prints_the_commands_and_leaves_no_run(rounds: Round, tmp_path: Path) -> None:
    proof = tmp_path / "ran"
    settings = {"shell": {"program": f"touch {proof}; echo 1"}}
    [outcome] = rounds(replace(ORDER, settings=settings, dry_run=True))
    assert outcome == Outcome("shell")
    assert not proof.exists()
    assert not rounds.archive.root.exists()
    head, folder, *commands = rounds.said
    assert head.startswith("# sh 1.0")
    assert folder.startswith(f"WORK=$(mktemp -d {rounds.work}/")
    assert len(commands) == 2
    assert all(str(proof) in line and line.endswith(' "$WORK"') for line in commands)


def test_what_a_dry_run_prints_can_be_pasted_into_a_shell(tmp_path: Path, install: Install) -> None:
    tricky = '(tool.path, "-c", program, f\'{{request.scratch}}/a "b" $(c) `d` \\\\ e\')'
    plain = '(tool.path, "-c", program, str(request.scratch))'
    install("shell", source=SHELL_COLLECTOR.replace(plain, tricky))
    rounds = Round(tmp_path / "a folder")
    program = 'printf "%s\\n" "$0" "$HOME it\'s"'
    rounds(replace(ORDER, settings={"shell": {"program": program}}, dry_run=True))
    done = subprocess.run(
        ["sh"], input="\n".join([*rounds.said[:3], 'echo "$WORK"; pwd']), text=True,
        capture_output=True, check=True, env={"HOME": "/nowhere", "PATH": os.environ["PATH"]},
    )  # fmt: skip
    word, other, work, place = done.stdout.splitlines()
    assert Path(work).parent == rounds.work.absolute()
    assert word == f'{work}/a "b" $(c) `d` \\ e'
    assert other == "/nowhere it's"
    assert place == work


def test_a_collector_that_is_broken_is_a_skip_with_its_reason(
    rounds: Round, install: Install
) -> None:
    install("broken", source="raise TypeError('no')")
    install("buggy", source=SHELL_COLLECTOR.replace("def plan(tool", "def plan(tool, more"))
    order = replace(ORDER, only=("broken", "buggy", "shell"), repeat=1)
    outcomes = {outcome.benchmark: outcome for outcome in rounds(order)}
    assert "cannot be imported: TypeError: no" in outcomes["broken"].skipped
    assert "plan failed: TypeError" in outcomes["buggy"].skipped
    assert outcomes["shell"].run_id
    skipped = [line.partition(":")[0] for line in rounds.said if "skipped" in line]
    assert skipped == ["broken", "buggy"]


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ({"only": ("nothing",)}, "no benchmark 'nothing'"),
        ({"settings": {"nothing": {"a": "1"}}}, "no benchmark 'nothing'"),
        ({"preset": "slow"}, "no preset 'slow'"),
        ({"environment": "../x"}, "not a usable environment name"),
        ({"settings": {"shell": {"sise": "1"}}}, "there is no setting 'sise'"),
        ({"settings": {"7z": {"threads": "1"}}},
         "--set 7z.threads: 7z is not among the benchmarks that --only names"),
        ({"settings": {"shell": {"directory": "/no/such/folder"}}}, "is not an existing folder"),
    ],
)  # fmt: skip
def test_an_order_that_makes_no_sense_is_refused_before_anything_runs(
    rounds: Round, order: dict[str, Any], said: str
) -> None:
    with pytest.raises(SitegenError) as raised:
        rounds(replace(ORDER, **order))
    assert said in str(raised.value)
    assert rounds.said == []
    assert not rounds.work.exists()
    assert not rounds.archive.root.exists()


def test_ctrl_c_between_benchmarks_keeps_the_runs_that_are_whole(
    rounds: Round, install: Install
) -> None:
    install("zz-last")
    order = replace(
        ORDER,
        only=("shell", "zz-last"),
        repeat=1,
        settings={"zz-last": {"program": "sleep 0.5; kill -INT $PPID; sleep 600"}},
    )
    with pytest.raises(KeyboardInterrupt):
        rounds(order)
    assert [outcome.benchmark for outcome in rounds.outcomes] == ["shell"]
    assert [run.benchmark for run in rounds.runs()] == ["shell"]
    assert list(rounds.work.iterdir()) == []
    assert list(rounds.archive.fsck()) == []


def test_ctrl_c_within_a_benchmark_keeps_it_as_incomplete(rounds: Round, tmp_path: Path) -> None:
    # Two steps a repetition: the fourth execution is in the second one. The shell waits a moment,
    # because a signal within Popen itself would find no process to stop.
    count = f"echo x >> {tmp_path}/count; [ $(wc -l < {tmp_path}/count) -lt 4 ]"
    program = f"{count} || {{ sleep 0.5; kill -INT $PPID; sleep 600; }}; echo 1"
    with pytest.raises(KeyboardInterrupt):
        rounds(replace(ORDER, settings={"shell": {"program": program}}))
    [run] = rounds.runs()
    assert [(o.run_id, o.complete) for o in rounds.outcomes] == [(run.id, False)]
    assert not run.complete
    assert {m.repetition for m in run.measurements} == {0}


def test_settings_belong_to_the_benchmark_that_they_name() -> None:
    assert parse_settings(["fio.size=8g", "ab.url=http://x/?a=b", "fio.engine=libaio"]) == {
        "fio": {"size": "8g", "engine": "libaio"},
        "ab": {"url": "http://x/?a=b"},
    }
    with pytest.raises(SitegenError, match=r"--set llm.key_env: has no value"):
        parse_settings(["llm.key_env="])
    for text in ("size=8g", "fio.size", ".size=1", "fio.=1", "", "="):
        with pytest.raises(SitegenError, match="write it as fio"):
            parse_settings([text])
