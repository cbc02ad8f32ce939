"""Nothing that identifies a machine or opens a door leaves it; ordinary output stays as it is."""

from __future__ import annotations

import getpass
import gzip
import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitegen import fingerprint
from sitegen.archive import Archive
from sitegen.collect import Host, Missing, Plan, RawOutput, Reading, Request, Step
from sitegen.collect.execute import execute
from sitegen.collect.installed import forms, make_plan
from sitegen.model import Measurement, Parameter, ToolIdentity
from sitegen.redact import Redactor, of_this_machine

RAW = Path(__file__).parents[1] / "raw"
RECORDED = sorted(path for path in RAW.rglob("*") if path.is_file())
#: Those that hold an address or an id, as their tools write them.
NAMING = {
    "llm/nvidia/aiperf.json",
    *("7z/riscv-24.09.out", "ab/old-2.0.40.out", "ab/post.out"),
}

KEY = "Abcd1234Efgh5678Ijkl"  # stands in secrets below; it opens nothing
JWT = f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.{KEY}"
PRIVATE_KEY = f"-----BEGIN RSA PRIVATE KEY-----\n{KEY}\n{KEY}\n-----END RSA PRIVATE KEY-----"
#: What is planted, the text that holds it, and what must be gone afterwards.
SECRETS: dict[str, tuple[str, str]] = {
    "IPv4": ("listening on 203.0.113.77 port 80", "203.0.113.77"),
    "IPv4 with port": ("http://198.51.100.23:8443/", "198.51.100.23"),
    "IPv6": ("from 2001:db8:85a3::8a2e:370:7334 to here", "2001:db8:85a3::8a2e:370:7334"),
    "whole IPv6": ("2001:db8:1:2:3:4:5:6 answered", "2001:db8:1:2:3:4:5:6"),
    "link-local IPv6": ("[fe80::5054:ff:fe12:3456%eth0]", "5054:ff:fe12:3456"),
    "MAC": ("link/ether 52:54:00:ab:cd:ef brd", "52:54:00:ab:cd:ef"),
    "UUID": ("disk 4c4c4544-0051-4810-8052-b9c04f4d5832 ok", "4c4c4544-0051-4810-8052"),
    "e-mail": ("built by jane.doe+ci@corp.example.com today", "jane.doe+ci@corp.example.com"),
    "JWT": (f"cookie {JWT} sent", JWT),
    "sk key": (f"using sk-proj-{KEY}", f"sk-proj-{KEY}"),
    "hf key": (f"using hf_{KEY}", f"hf_{KEY}"),
    "ghp key": (f"using ghp_{KEY}", f"ghp_{KEY}"),
    "AWS key": ("using AKIAIOSFODNN7EXAMPLE now", "AKIAIOSFODNN7EXAMPLE"),
    "api key as two words": (f"aiperf profile --api-key {KEY} --url x", KEY),
    "quoted key as two words": (f"run --hf-token '{KEY}'", KEY),
    "token=": (f"GET /?token={KEY}&x=1", KEY),
    "password in JSON": ('{"password": "hunter22"}', "hunter22"),
    "api key in YAML": (f"api_key: {KEY}", KEY),
    "prefixed variable": (f"HF_TOKEN={KEY}", KEY),
    "AWS variable": (f"AWS_SECRET_ACCESS_KEY={KEY}", KEY),
    "bearer": (f"Authorization: Bearer {KEY}", KEY),
    "basic": ("Authorization: Basic dXNlcjpodW50ZXIy", "dXNlcjpodW50ZXIy"),
    "userinfo": ("postgres://jane:hunter22@db.example/x", "jane:hunter22"),
    "private key": (PRIVATE_KEY, KEY),
    "home": ("/home/jane/.cache/x", "jane"),
    "macOS home": ("/Users/jane/x", "jane"),
}
KNOWN = {
    "host": ["bench-node-17", "bench-node-17.dc.example"],
    "user": ["janedoe"],
    "serial": ["CZ24130XYZ"],
    "machine-id": ["0123456789abcdef0123456789abcdef"],
    "mac": ["0a-1b-2c-3d-4e-5f"],
}
PATHS = {"/srv/janes-work": "$PWD", "/srv/janes-work/scratch-9": "$WORK"}


@pytest.mark.parametrize("name", SECRETS)
def test_an_identifier_or_secret_is_replaced_and_counted(name: str) -> None:
    text, secret = SECRETS[name]
    redactor = Redactor()
    clean = redactor.text(text)
    assert secret not in clean
    assert "[" in clean
    assert sum(redactor.counts().values()) == 1


@pytest.mark.parametrize(
    "text",
    [
        "nginx/1.22.1", "7-Zip (z) 26.02 (x64)", "version 1.2.3", "fio-3.33", "kernel 6.1.0-18",
        "127.0.0.1:8080", "0.0.0.0:80", "::1", "12:34:56", "2025-01-31T12:34:56Z", "00:00:01.234",
        "1.2.3.4.5", "std::string", "std::map<a, b>",
        "Requests per second:    1234.56 [#/sec] (mean)", "tokens/s: 35.2", "max_tokens: 4096",
        "time_per_output_token: 0.0123", '"mean_time_to_first_token": 123.4,',
        "--max-tokens 4096", "--tokenizer a/bcdef", "--token-source --usage",
        "token", "authorization is off", "secret", "Total: 100%", "sk-1", "a@b", "/homes/x",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ],
)  # fmt: skip
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert Redactor(KNOWN, PATHS).text(text) == text


@pytest.mark.parametrize("name", sorted(NAMING))
def test_outputs_that_name_a_machine_are_read_alike_without_its_name(name: str) -> None:
    data = (RAW / name).read_bytes()
    redactor = Redactor()
    clean = redactor.data(data)
    assert sum(redactor.counts().values()) > 0
    [reader] = [each for _, each in forms().readers if each.knows(data)]
    assert reader.runs(clean, {}) == reader.runs(data, {})


@pytest.mark.parametrize(
    "path",
    [p for p in RECORDED if str(p.relative_to(RAW)) not in NAMING],
    ids=lambda path: str(path.relative_to(RAW)),
)
def test_the_recorded_outputs_of_the_tools_pass_unchanged(path: Path) -> None:
    redactor = Redactor()
    assert redactor.data(path.read_bytes()) == path.read_bytes()
    assert redactor.counts() == {}


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("on bench-node-17 now", "on [host] now"),
        ("BENCH-NODE-17.dc.example", "[host]"),
        ("/mnt/bench-node-17-disk/data_janedoe", "/mnt/[host]-disk/data_[user]"),
        ("janedoes", "janedoes"),
        ("Serial: cz24130xyz", "Serial: [serial]"),
        ("/srv/janes-work/scratch-9/fio.data", "$WORK/fio.data"),
        ("/srv/janes-work/x --dir=/srv/janes-work", "$PWD/x --dir=$PWD"),
        ("/srv/janes-workshop", "/srv/janes-workshop"),
    ],
)
def test_what_the_machine_is_called_is_replaced_where_it_is_a_word(text: str, clean: str) -> None:
    assert Redactor(KNOWN, PATHS).text(text) == clean


def test_counts_are_by_kind() -> None:
    redactor = Redactor(KNOWN)
    redactor.text("janedoe@bench-node-17: 203.0.113.7, 203.0.113.8")
    assert redactor.counts() == {"user": 1, "host": 1, "address": 2}


@given(st.binary(max_size=200))
def test_bytes_that_are_no_text_stay_as_they_are(noise: bytes) -> None:
    binary = bytes(byte for byte in noise if byte >= 0x80)
    assert Redactor(KNOWN).data(binary) == binary


@given(st.text(max_size=200))
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    once = Redactor(KNOWN).text(text)
    assert Redactor(KNOWN).text(once) == once


def test_names_that_identify_nobody_are_kept() -> None:
    redactor = Redactor({"user": ["root", "nobody", "ab"], "host": ["localhost", "vm"]})
    assert redactor.text("root@localhost ran ab in a vm") == "root@localhost ran ab in a vm"


def test_this_machines_name_user_and_paths_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "janedoe")
    (tmp_path / "jobs").mkdir()
    (tmp_path / "link").symlink_to("jobs")
    monkeypatch.chdir(tmp_path)
    clean = of_this_machine(workdir=Path("link"), cache=tmp_path / "kept" / "llm").text(
        f"{os.uname().nodename} {tmp_path}/jobs/x {tmp_path}/link/x {tmp_path}/y"
        f" {tmp_path}/kept/llm/model.gguf by janedoe"
    )
    host = os.uname().nodename
    assert len(host) < 3 or host.lower() in ("localhost", "vm") or host not in clean
    assert clean.endswith("$WORK/x $WORK/x $PWD/y $CACHE/model.gguf by [user]")


@pytest.mark.parametrize("text", ["None", "Not Specified", "Default string", "To be filled"])
def test_firmware_that_has_no_serial_redacts_no_ordinary_words(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "sys/class/dmi/id"
    folder.mkdir(parents=True)
    (folder / "product_serial").write_text(f"{text}\n")
    (folder / "board_serial").write_text("CZ24130XYZ\n")
    redactor = of_this_machine(workdir=tmp_path / "w", root=tmp_path)
    assert redactor.text(f"{text}: none of note") == f"{text}: none of note"
    assert redactor.text("CZ24130XYZ") == "[serial]"


@dataclass(frozen=True)
class Leaky:
    """A collector whose tool prints, names and writes everything that must not get out."""

    planted: str
    BENCHMARK: ClassVar[str] = "leaky"
    SETTINGS: ClassVar[dict[str, str]] = {"url": "what it asks"}

    def detect(self, host: Host) -> ToolIdentity | Missing:
        return host.identify("leaky", sys.executable, "1.2.3")

    def plan(self, tool: ToolIdentity, request: Request) -> Plan:
        script = "import sys; print(sys.argv[1]); print(sys.argv[1], file=sys.stderr); print(7)"
        step = Step("leak", "leak", (tool.path, "-c", script, self.planted), 60.0)
        parameters = (Parameter("url", f"{request.settings['url']}?{self.planted}"),)
        return Plan((step,), parameters, prepare=(replace(step, name="warm"),))

    def run(self, step: Step, host: Host) -> RawOutput:
        raw = host.run(step.argv, timeout_s=step.timeout_s)
        return replace(raw, files={"log": raw.stdout}, values=(("server", self.planted),))

    def parse(self, step: Step, raw: RawOutput) -> Reading:
        printed, value = raw.stdout.decode().rsplit("\n", 2)[:2]
        row = Measurement(
            step.workload, "leaky.x", "value", "s", float(value), printed=printed[:100]
        )
        return Reading((row,))


def written(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every name and every byte below ``folder``, unpacked."""
    for path in sorted(folder.rglob("*")):
        yield str(path.relative_to(folder)), b""
        if path.suffix == ".gz":
            yield path.name, gzip.decompress(path.read_bytes())
        elif path.suffix == ".parquet":
            yield path.name, repr(pq.read_table(path).to_pylist()).encode()
            yield path.name, path.read_bytes()
        elif path.is_file():
            yield path.name, path.read_bytes()


def test_nothing_planted_is_in_any_byte_that_is_written(tmp_path: Path) -> None:
    work, root = tmp_path / "janes-scratch", tmp_path / "machine"
    work.mkdir()
    secrets = [secret for _, secret in SECRETS.values()]
    names = [name for values in KNOWN.values() for name in values]
    planted = " ".join([text for text, _ in SECRETS.values()] + names + [str(work)])
    cpuinfo = root / "proc/cpuinfo"
    cpuinfo.parent.mkdir(parents=True)
    cpuinfo.write_text(f"processor : 0\nmodel name : X {planted[:300].splitlines()[0]}\n")
    redactor = Redactor(KNOWN, {str(work): "$WORK", str(Path.cwd()): "$PWD"})
    collector, host = Leaky(planted), Host(root)
    tool = collector.detect(host)
    assert isinstance(tool, ToolIdentity)
    request = Request("standard", 2, {"url": "http://x/"}, 1, work, work / "cache", 1 << 30)
    collected = execute(
        collector, tool, make_plan(collector, tool, request), request, host=host,
        environment="here", session="s", machine=fingerprint.read(work, redactor, root=root),
        redactor=redactor, seed=1, note=f"a note: {planted}",
    )  # fmt: skip
    assert collected is not None
    archive = Archive(tmp_path / "archive")
    archive.write(collected.run, collected.raw)

    found = list(written(archive.root))
    assert [name for name, _ in found if name.startswith("leak-")]
    text = b"\n".join(name.encode() + b"\n" + data for name, data in found).lower()
    leaked = [s for s in [*secrets, *names, str(work)] if s.lower().encode() in text]
    assert leaked == []
    assert b"[jwt]" in text
    assert b"$work" in text
    # Note and parameter; in each of 3 steps argv, value, stdout, stderr and file.
    counts = dict(collected.run.redactions)
    assert counts == redactor.counts()
    assert counts["jwt"] == counts["private-key"] == counts["serial"] == 2 + 3 * 5


def test_the_user_who_collects_is_no_part_of_a_run(tmp_path: Path) -> None:
    redactor = of_this_machine(workdir=tmp_path)
    user, home, host = getpass.getuser(), str(Path.home()), socket.gethostname()
    clean = redactor.text(f"{home}/x {tmp_path}/y")
    assert f"{home}/x" not in clean
    assert str(tmp_path) not in clean
    for name in (user, host):
        if redactor.text(name) != name:
            assert name not in redactor.text(f"x {name} y")
