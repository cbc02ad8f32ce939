from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace

from collectors import zktls
from collectors.zktls import contract, controls, statements
from sitegen.collect import Host, Missing, Plan, RawOutput, Reading, Refused, Request, Step
from sitegen.collect.execute import execute
from sitegen.collect.installed import check_plan, make_plan
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Fingerprint, Measurement, Run, Status, ToolIdentity
from sitegen.redact import Redactor

ROOT = Path(__file__).parents[3]
RAW = ROOT / "tests" / "raw" / "zktls" / "provers"
TOOL = ToolIdentity("node", "20.20.2", "/usr/bin/node", "0" * 64)
STEPS = {
    "chacha20-1024": "stwo-chacha20-1024",
    "chacha20-16384": "stwo-chacha20-16384",
    "sha-256-64": "groth16-sha-256-64",
    "rsa-2048-verify": "groth16-rsa-2048-verify",
}


def request(
    preset: str = "standard", settings: Mapping[str, str] | None = None, place: str = "/nowhere"
) -> Request:
    scratch, cache = Path(place) / "scratch", Path(place) / "cache"
    return Request(preset, 1, settings or {}, 2, scratch, cache, 1 << 40)


@pytest.fixture(autouse=True)
def npm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have something called npm on the path: planning looks for it and runs nothing."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "npm").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "bin" / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    for name in ("RISC0_DEV_MODE", "SP1_PROVER", "SP1_DEV"):
        monkeypatch.delenv(name, raising=False)


def step(name: str) -> Step:
    plan = zktls.plan(TOOL, request("thorough"))
    return next(each for each in plan.steps if each.name == name)


def output(name: str) -> bytes:
    return (RAW / f"{STEPS[name]}.out").read_bytes()


def read(name: str) -> Reading:
    return zktls.parse(step(name), RawOutput(stdout=output(name)))


def changed(name: str, record: str, **fields: object) -> bytes:
    """Return a recorded output in which each record of a kind has other fields."""
    records = [json.loads(line) for line in output(name).splitlines()]
    for each in records:
        if each["record"] == record:
            each.update(fields)
    return b"".join(json.dumps(each).encode() + b"\n" for each in records)


PROOF = re.findall(rb'"proof_sha256": ?"(\w+)"', output("chacha20-1024"))[1]


def one(reading: Reading, metric: str, statistic: str) -> Measurement:
    [row] = [
        m for m in reading.measurements if (m.metric, m.statistic) == (f"zktls.{metric}", statistic)
    ]
    return row


# Reading


@pytest.mark.parametrize("name", STEPS)
def test_what_a_plan_expects_is_what_a_prover_delivers(name: str) -> None:
    keys = {(m.workload, m.metric, m.statistic, m.params) for m in read(name).measurements}
    expected = step(name).expects
    assert expected
    for row in expected:
        assert (row.workload, row.metric, row.statistic, row.params) in keys


def test_s_two_has_no_witness_time_of_its_own() -> None:
    reading = read("chacha20-1024")
    assert "zktls.witness_time" not in {m.metric for m in reading.measurements}
    proved = one(reading, "prove_time", "mean")
    assert one(reading, "total_time", "mean") == proved._replace(metric="zktls.total_time")


def test_groth16_has_a_witness_and_a_set_up_where_it_was_made() -> None:
    reading, kept = read("sha-256-64"), read("rsa-2048-verify")
    witness, prove, total = (
        one(reading, f"{name}_time", "mean").value or 0.0 for name in ("witness", "prove", "total")
    )
    assert total == pytest.approx(witness + prove)
    assert one(reading, "setup_time", "value").value
    assert one(reading, "constraints", "value").value == 63106
    assert not {m.metric for m in kept.measurements} & {"zktls.setup_time", "zktls.compile_time"}


@pytest.mark.parametrize(
    ("stdout", "message"),
    [
        (changed("chacha20-1024", "proof", size=2048), "it proved chacha20 of 2048 bytes"),
        (changed("chacha20-1024", "prover", prover="sp1"), "it is the prover sp1"),
        (changed("chacha20-1024", "prover", program_sha256="0" * 64), "program of the prover"),
        (changed("chacha20-1024", "proof", prove_s=0), "prove_s"),
        (output("chacha20-1024").replace(PROOF, b"0" * 64, 1), "differ"),
        (output("chacha20-1024").replace(b'{"record":"end"}', b""), "did not finish"),
        (b"\xff\xfe", "line 1"),
    ],
)
def test_another_proof_than_was_asked_for_is_no_result(stdout: bytes, message: str) -> None:
    with pytest.raises(SitegenError, match=message) as caught:
        zktls.parse(step("chacha20-1024"), RawOutput(stdout=stdout))
    assert not isinstance(caught.value, Refused)


def test_a_prover_that_gave_up_says_why() -> None:
    raw = RawOutput(stderr=b"first\nstwo: no memory\n", exit_code=1)
    with pytest.raises(SitegenError, match="code 1: stwo: no memory"):
        zktls.parse(step("chacha20-1024"), raw)
    with pytest.raises(SitegenError, match="code -9: no message"):
        zktls.parse(step("chacha20-1024"), RawOutput(exit_code=-9))


# Refusing


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("kind", contract.CONTROLS)
def test_a_control_that_is_accepted_refuses_the_run(name: str, kind: str) -> None:
    records = [json.loads(line) for line in output(name).splitlines()]
    tried = next(each for each in records if each.get("kind") == kind)
    tried["accepted"] = True
    stdout = b"\n".join(json.dumps(each).encode() for each in records)
    with pytest.raises(Refused, match=f"accepted something wrong: control {kind}"):
        zktls.parse(step(name), RawOutput(stdout=stdout))
    # Also when the prover then dies, or its output breaks off.
    for raw in (
        RawOutput(stdout=stdout, stderr=b"killed", exit_code=-9),
        RawOutput(stdout=stdout[: stdout.rindex(b"\n")]),
        RawOutput(stdout=b"noise\n" + stdout),
    ):
        with pytest.raises(Refused):
            zktls.parse(step(name), raw)


FAKES = (
    *(("RISC0_DEV_MODE", value) for value in ("1", "true", "yes", "2")),
    *(("SP1_PROVER", "mock"), ("SP1_PROVER", " Mock "), ("SP1_DEV", "true")),
    *(("OP_SUCCINCT_MOCK", "true"), ("ANY_FAKE_PROOFS", "on"), ("MOCK_PROVER", "1")),
)


@pytest.mark.parametrize(("name", "value"), FAKES)
def test_a_fake_mode_is_refused_before_anything_runs(
    name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    written = tmp_path / "written"
    argv, scratch = ("touch", str(written)), (("scratch", str(tmp_path)),)
    for workload in ("command", "chacha20"):
        with pytest.raises(Refused, match=name):
            zktls.run(Step("x", workload, argv, 10.0, context=scratch), Host())
    assert not written.exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("RISC0_DEV_MODE", "0"), ("RISC0_DEV_MODE", "false"), ("RISC0_DEV_MODE", "")),
        *(("SP1_PROVER", "cpu"), ("SP1_PROVER", "network"), ("RISC0_PROVER", "local")),
        *(("SP1_DEV", "0"), ("VAULT_DEV_MODE", "1")),
    ],
)
def test_other_settings_of_a_prover_are_its_own_business(name: str, value: str) -> None:
    controls.refuse_fakes({name: value})


def collect(place: Path, command: str) -> Run:
    """Carry out the plan of a command twice."""
    quick = replace(request("quick", {"command": command}, str(place)), repetitions=2)
    collected = execute(
        zktls,
        TOOL,
        zktls.plan(TOOL, quick),
        quick,
        host=Host(),
        environment="here",
        session="s",
        machine=Fingerprint(),
        redactor=Redactor(),
        seed=1,
    )
    assert collected is not None
    return collected.run


def prints(place: Path, stdout: bytes) -> str:
    """Return a command that prints ``stdout``."""
    (place / "printed").write_bytes(stdout)
    return shlex.join(["cat", str(place / "printed")])


def test_a_command_of_ones_own_is_measured(tmp_path: Path) -> None:
    run = collect(tmp_path, prints(tmp_path, output("sha-256-64")))
    assert {m.status for m in run.measurements} == {Status.OK}
    assert {m.workload for m in run.measurements} == {"command", "sha-256"}
    assert {m.repetition for m in run.measurements if m.metric == "zktls.prove_time"} == {0, 1}
    took = [m.value for m in run.measurements if m.metric == "zktls.command.duration"]
    assert len(took) == 2
    assert all(value is not None and 0 < value < 60 for value in took)
    values = dict(run.steps[0].values)
    assert values["prover_version"] == "0.2.0"
    assert values["proof_sha256.sha-256.64"] == "differs"


def test_one_control_that_is_accepted_drops_the_whole_run(tmp_path: Path) -> None:
    stdout = output("sha-256-64").replace(b'"accepted": false', b'"accepted": true', 1)
    with pytest.raises(Refused):
        collect(tmp_path, prints(tmp_path, stdout))


@pytest.mark.parametrize("command", ["false", "true", "/nowhere/prover", "echo no contract"])
def test_a_command_that_delivers_nothing_leaves_a_failed_row(command: str, tmp_path: Path) -> None:
    run = collect(tmp_path, command)
    rows = [(m.workload, m.status, m.value) for m in run.measurements]
    assert rows == [("command", Status.FAILED, None)] * 2
    assert {m.metric for m in run.measurements} <= {each.id for each in run.definitions}


@pytest.mark.parametrize(
    "settings",
    [
        *({"command": text} for text in ("", "'", "''")),
        *({"command": "true", "sizes": "64"}, {"command": "true", "timeout": "0"}),
        *({"timeout": "60"}, {"statements": "rot13"}, {"statements": ""}),
        *({"statements": "chacha20", "cipher": "aes-128-ctr"}, {"cipher": "aes-128-gcm"}),
        *({"sizes": size} for size in ("0", "100", str(1 << 20))),
        *({"hash_sizes": "5000"}, {"proofs": "0"}, {"proofs": "1001"}, {"setup": "stale"}),
    ],
)
def test_settings_that_cannot_be_met_are_refused(settings: dict[str, str]) -> None:
    with pytest.raises(SitegenError, match=r"^--set zktls\.") as caught:
        make_plan(zktls, TOOL, request(settings=settings))
    assert "\n" not in str(caught.value)


# Planning


def test_the_presets_prove_what_they_say() -> None:
    quick, standard, thorough = (
        [each.name for each in zktls.plan(TOOL, request(preset)).steps]
        for preset in ("quick", "standard", "thorough")
    )
    records = ["chacha20-1024", "chacha20-16384"]
    assert quick == [*records, "sha-256-64"]
    hashes = ["sha-256-64", "sha-256-256"]
    assert standard == [*records, "chacha20-65536", *hashes, "rsa-2048-verify"]
    assert {*thorough} == {*standard, "sha-256-1024"}


def test_a_plan_installs_first_then_sees_to_the_keys() -> None:
    plan = zktls.plan(TOOL, request())
    check_plan(plan)
    assert [each.name for each in plan.prepare] == [
        *("install", "setup-sha-256-64", "setup-sha-256-256", "setup-rsa-2048-verify")
    ]
    assert "--ignore-scripts" in plan.prepare[0].argv
    assert not any("--fresh" in each.argv for each in plan.prepare)
    fresh = zktls.plan(TOOL, request(settings={"setup": "fresh"}))
    assert all("--fresh" in each.argv for each in fresh.prepare[1:])
    assert 60 < plan.about_s < 300
    assert 10 < zktls.plan(TOOL, request("quick")).about_s < 40


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ("cipher=aes-256-ctr;sizes=64, 4096", "aes-256-ctr-64 aes-256-ctr-4096 sha-256-64"),
        ("statements=rsa-2048-verify,chacha20", "rsa-2048-verify chacha20-1024 chacha20-16384"),
        ("statements=sha-256;hash_sizes=56,1,55", "sha-256-1 sha-256-55 sha-256-56"),
    ],
)
def test_settings_choose_what_is_proven(settings: str, names: str) -> None:
    chosen = dict(each.split("=") for each in settings.split(";"))
    plan = zktls.plan(TOOL, request("quick", {**chosen, "proofs": "3"}))
    assert [each.name for each in plan.steps] == names.split()
    assert {each.argv[-2:] for each in plan.steps} == {("--proofs", "3")}


def must_match(plan: Plan) -> dict[str, str]:
    known = plan.parameters
    return {p.name: p.value for p in known if p.comparability == Comparability.MUST_MATCH}


def test_without_groth16py_the_records_are_still_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = must_match(zktls.plan(TOOL, request()))
    assert whole["s_two"].endswith(" 5.1.3")
    assert whole["s_two_program_sha256"] == statements.PROGRAM_SHA256
    monkeypatch.setattr(statements, "PROVER", "groth16py_that_nobody_installed")
    plan = zktls.plan(TOOL, request())
    assert must_match(plan) == whole  # the runs compare where they meet
    assert {each.workload for each in plan.steps} == {"chacha20"}
    assert [each.name for each in plan.prepare] == ["install"]
    [left] = [each for each in plan.parameters if each.name == "left_out"]
    assert left.value.startswith("sha-256, rsa-2048-verify: groth16py is not installed")
    assert left.comparability == Comparability.IGNORED
    with pytest.raises(SitegenError, match="is not installed"):
        zktls.plan(TOOL, request(settings={"statements": "sha-256"}))


# Detecting


class Bare(Host):
    """A machine that has nothing but what is on PATH."""

    def find(self, *names: str) -> str | None:
        return next((path for name in names if (path := shutil.which(name))), None)


@pytest.mark.parametrize(
    ("programs", "expected"),
    [
        ({}, Missing("Node.js", "apt install nodejs npm", "command")),
        ({"node": "echo v16.20.0", "npm": ""}, Missing("Node.js 18 or newer", unless="command")),
        ({"node": "echo what", "npm": ""}, Missing("Node.js 18 or newer", unless="command")),
        ({"node": "echo v20.20.2"}, Missing("npm", "apt install npm", "command")),
        ({"node": "echo v20.20.2", "npm": ""}, "20.20.2"),
    ],
)
def test_node_and_npm_are_needed(
    programs: dict[str, str], expected: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = tmp_path / "path"
    place.mkdir()
    for name, script in programs.items():
        (place / name).write_text(f"#!/bin/sh\n{script}\n")
        (place / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(place))
    tool = zktls.detect(Bare())
    assert (tool.version if isinstance(tool, ToolIdentity) else tool) == expected
