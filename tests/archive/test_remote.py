"""Archives elsewhere: a store in a process of its own, over a line on which things go wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from sitegen import config
from sitegen.archive import Archive, library, storage
from sitegen.archive.remote import Elsewhere, Unsent, opened
from sitegen.archive.store import NoArchive
from sitegen.config import Config
from sitegen.errors import SitegenError
from sitegen.intake import packs, session
from sitegen.intake.files import write
from sitegen.model import Measurement, Provenance, Remark, RemarkKind, Run, Sample, run_id
from tests.archive import stores
from tests.archive.stores import BUSY, CUT, DEAF, DROP, SLOW, Hostile, Proxy
from tests.conftest import Install

RAW = {"a.out": b"7\n" * 500, "b.out": b"8\n" * 500}


def a_run(number: int = 0, value: float = 1.0, environment: str = "cvm") -> Run:
    started = f"2026-01-{number + 1:02}T12:00:00Z"
    rows = tuple(Measurement("w", "7z.rating", "value", "MIPS", value + i) for i in range(3))
    samples = tuple(Sample("w", 0, "time", "7z.rating", float(i), value) for i in range(3))
    return Run(
        run_id(started, "7z", bytes([number])), "7z", environment, Provenance.COLLECTED, started,
        1.5, rows, samples=samples,
    )  # fmt: skip


class Shop(NamedTuple):
    """A store: its address, the folder that it keeps its objects in, and the line to it."""

    url: str
    folder: Path
    proxy: Proxy
    desk: Path

    def report(self, name: str = "report") -> Config:
        """Return the settings of a report on a machine of its own."""
        folder = self.desk / name
        folder.mkdir(exist_ok=True)
        (folder / "sitegen.toml").touch()
        return config.load(folder / "sitegen.toml", archive=self.url)

    def archive(self, name: str = "report") -> Elsewhere:
        found = opened(self.report(name))
        assert isinstance(found, Elsewhere)
        return found

    @property
    def stored(self) -> Archive:
        """What the store has, seen from behind."""
        return Archive(self.folder)

    def objects(self) -> list[str]:
        return sorted(
            each.relative_to(self.folder).as_posix()
            for each in self.folder.rglob("*")
            if each.is_file()
        )

    def puts(self) -> list[str]:
        return [path.rpartition("/")[2] for method, path in self.proxy.requests if method == "PUT"]


@pytest.fixture(scope="module")
def buckets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    folder = tmp_path_factory.mktemp("buckets")
    with stores.bucket_store(folder) as address:
        yield folder, address


@pytest.fixture
def shop(
    buckets: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shop]:
    folder, address = buckets
    bucket = f"bench-{len(list(folder.iterdir()))}"
    (folder / bucket).mkdir()
    monkeypatch.setattr(storage, "_WAITS_S", (0.0, 0.1))
    for name, value in stores.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    proxy = Proxy(address)
    with proxy.listening() as line:
        monkeypatch.setenv("AWS_ENDPOINT_URL", line)
        yield Shop(f"s3://{bucket}/our/runs", folder / bucket / "our" / "runs", proxy, tmp_path)


def content(archive: Archive) -> list[Run]:
    return [archive.read(entry) for entry in archive.scan()]


def sitegen(shop: Shop, *words: str, report: str = "report") -> subprocess.CompletedProcess[str]:
    shop.report(report)
    argv = (sys.executable, "-m", "sitegen.cli", *words, "--archive", shop.url)
    folder = shop.desk / report
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)


def test_a_run_that_is_written_there_is_read_on_another_machine(shop: Shop) -> None:
    with pytest.raises(NoArchive, match="no such archive; `sitegen collect` makes one"):
        shop.archive().scan()
    path = shop.archive().write(a_run(), RAW)
    assert shop.puts()[0] == "measurements.parquet"
    assert shop.puts()[-1] == "run.json"
    assert shop.archive().shown(path) == f"{shop.url}/cvm/{a_run().id}"
    assert not (shop.desk / "report" / "unsent").exists()
    assert content(shop.archive("another")) == content(shop.stored) == [a_run()]
    assert list(shop.archive("another").fsck()) == []


def test_only_what_is_new_is_fetched_and_what_is_gone_is_gone(shop: Shop) -> None:
    for number in range(3):
        shop.stored.write(a_run(number), RAW)
    assert len(shop.archive().scan()) == 3
    shop.proxy.requests.clear()
    assert len(shop.archive().scan()) == 3
    assert len(shop.proxy.requests) == 2  # the names of environments, and of runs
    shop.stored.write(a_run(3), RAW)
    shutil.rmtree(shop.stored.path(a_run(0)))
    shop.proxy.requests.clear()
    assert content(shop.archive()) == [a_run(number) for number in (1, 2, 3)]
    fetched = {path for _, path in shop.proxy.requests if "list-type" not in path}
    assert len(fetched) == len(RAW) + 3
    assert all(a_run(3).id in path for path in fetched)


def test_a_build_after_one_new_run_asks_for_that_run_only(shop: Shop) -> None:
    shop.stored.write(a_run(0), RAW)
    shop.stored.write(a_run(1), RAW)
    first = sitegen(shop, "build")
    assert first.returncode == 0, first.stderr
    shop.proxy.requests.clear()
    again = sitegen(shop, "build")
    assert (again.returncode, len(shop.proxy.requests)) == (0, 2)
    assert "0 rendered" in again.stdout
    shop.stored.write(a_run(2), RAW)
    shop.proxy.requests.clear()
    third = sitegen(shop, "build")
    assert "3 runs" in third.stdout
    assert sum(a_run(2).id in path for _, path in shop.proxy.requests) == len(RAW) + 3
    assert len(shop.proxy.requests) == len(RAW) + 5
    bucket = shop.url.split("/")[2].encode()
    places = [*shop.folder.rglob("*"), *(shop.desk / "report" / "site").rglob("*")]
    assert not [place for place in places if place.is_file() and bucket in place.read_bytes()]


@pytest.mark.parametrize("fault", [DROP, BUSY, DEAF, SLOW, "409 ConditionalRequestConflict"])
def test_what_goes_wrong_once_on_the_way_there_is_done_again(shop: Shop, fault: str) -> None:
    shop.proxy.fault = lambda method, _path, before: fault if method == "PUT" and not before else ""
    shop.archive().write(a_run(), RAW)
    assert content(shop.stored) == [a_run()]
    assert list(shop.archive("another").fsck()) == []


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (BUSY, "measurements.parquet"),
        (DROP, "b.out.gz"),
        (DEAF, "b.out.gz"),
        ("403 AccessDenied", "run.json"),
        (DROP, "run.json"),
        (DEAF, "run.json"),
    ],
)
def test_a_run_that_cannot_be_sent_waits_and_no_part_of_it_is_taken_for_it(
    shop: Shop, fault: str, name: str
) -> None:
    shop.archive().write(a_run(0), RAW)
    shop.proxy.fault = lambda method, path, _before: (
        fault if method == "PUT" and path.endswith(name) else ""
    )
    with pytest.raises(Unsent, match="; `sitegen push` sends it") as refusal:
        shop.archive().write(a_run(1), RAW)
    assert content(Archive(refusal.value.path.parents[1])) == [a_run(1)]
    whole = fault == DEAF and name == "run.json"  # it arrived, and nobody heard of it
    assert content(shop.archive("another")) == [a_run(0), *([a_run(1)] if whole else [])]
    shop.proxy.fault = lambda *_: ""
    [waiting] = shop.archive().waiting()
    shop.archive().send(waiting)
    assert content(shop.stored) == [a_run(0), a_run(1)]
    assert not (shop.desk / "report" / "unsent").exists()
    assert list(shop.archive("another").fsck()) == []


def test_what_waits_is_sent_with_the_next_run(shop: Shop) -> None:
    shop.proxy.fault = lambda method, _path, _before: BUSY if method == "PUT" else ""
    with pytest.raises(Unsent):
        shop.archive().write(a_run(0), RAW)
    shop.proxy.fault = lambda *_: ""
    shop.archive().write(a_run(1), RAW)
    assert content(shop.stored) == [a_run(0), a_run(1)]
    assert shop.archive().waiting() == []


def test_push_sends_what_waits_and_says_what_still_does(shop: Shop) -> None:
    shop.proxy.fault = lambda method, _path, _before: BUSY if method == "PUT" else ""
    for number in range(2):
        with pytest.raises(Unsent):
            shop.archive().write(a_run(number), RAW)
    shop.proxy.fault = lambda _method, path, _before: BUSY if a_run(1).id in path else ""
    done = sitegen(shop, "push")
    assert done.returncode == 2
    assert done.stdout.splitlines() == [
        f"{a_run(0).id}: {shop.url}/cvm/{a_run(0).id}", "1 of 2 runs sent"
    ]  # fmt: skip
    [line] = done.stderr.splitlines()
    assert line.startswith(f"sitegen: not sent: {shop.url}/cvm/{a_run(1).id}")
    shop.proxy.fault = lambda *_: ""
    assert sitegen(shop, "push").stdout.splitlines()[-1] == "1 of 1 run sent"
    assert content(shop.stored) == [a_run(0), a_run(1)]


KILLED = """
import sys
from pathlib import Path
from sitegen import config
from sitegen.archive.remote import opened
from tests.archive.test_remote import RAW, a_run

opened(config.load(Path("sitegen.toml"), archive=sys.argv[1])).write(a_run(), RAW)
"""


@pytest.mark.parametrize("left", [0, 1, 4])
def test_an_upload_that_is_killed_is_none_and_is_ended_later(shop: Shop, left: int) -> None:
    """The line kills the sender when it has sent so many of its five files."""
    report = shop.report()
    argv = (sys.executable, "-c", KILLED, shop.url)
    sender = subprocess.Popen(
        argv, cwd=report.root, env=os.environ | {"PYTHONPATH": str(Path.cwd())}
    )

    def killing(method: str, _path: str, _before: int) -> str:
        if method == "PUT" and len(shop.puts()) > left:
            sender.kill()
            return DROP
        return ""

    shop.proxy.fault = killing
    assert sender.wait(30) == -9
    shop.proxy.fault = lambda *_: ""
    assert len(shop.objects()) == left
    if left:
        assert shop.archive("another").scan() == []
        [fault] = shop.archive("another").fsck()
        assert "has no run.json" in fault.problem
    [waiting] = shop.archive().waiting()
    shop.archive().send(waiting)
    assert content(shop.stored) == [a_run()]
    assert list(shop.archive("another").fsck()) == []


@pytest.mark.parametrize("round_", range(4))
def test_of_two_writers_of_one_id_one_wins_and_both_learn_it(shop: Shop, round_: int) -> None:
    shop.proxy.fault = lambda _method, path, _before: SLOW if path.endswith("parquet") else ""
    shop.proxy.slow_s = 0.05 * round_
    runs, told = {"one": a_run(0, 1.0), "other": a_run(0, 2.0)}, dict[str, str]()

    def send(name: str) -> None:
        try:
            shop.archive(name).write(runs[name], RAW)
            told[name] = "saved"
        except Unsent as error:
            told[name] = str(error)

    threads = [threading.Thread(target=send, args=(name,)) for name in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [winner] = [name for name, said in told.items() if said == "saved"]
    [loser] = runs.keys() - {winner}
    assert "there is another run of this id" in told[loser]
    assert content(shop.stored) == [runs[winner]]
    assert list(shop.archive("another").fsck()) == []
    assert [entry.run_id for entry in shop.archive(loser).waiting()] == [runs[loser].id]


def test_one_run_that_two_send_is_there_once(shop: Shop) -> None:
    shop.archive("one").write(a_run(), RAW)
    before = shop.objects()
    shop.archive("other").write(a_run(), RAW)
    assert shop.objects() == before


@pytest.mark.parametrize("fault", [DROP, BUSY, CUT, DEAF, SLOW])
def test_what_goes_wrong_once_on_the_way_here_is_asked_for_again(shop: Shop, fault: str) -> None:
    shop.stored.write(a_run(), RAW)
    shop.proxy.fault = lambda _method, _path, before: "" if before else fault
    assert content(shop.archive()) == [a_run()]


@pytest.mark.parametrize(
    ("fault", "name"),
    [(CUT, "a.out.gz"), (CUT, "run.json"), (DROP, "list-type"), (BUSY, "run.json")],
)
def test_what_cannot_be_fetched_is_no_run_and_is_fetched_later(
    shop: Shop, fault: str, name: str
) -> None:
    shop.stored.write(a_run(0), RAW)
    assert content(shop.archive()) == [a_run(0)]
    shop.stored.write(a_run(1), RAW)
    shop.proxy.fault = lambda _method, path, _before: fault if name in path else ""
    with pytest.raises(SitegenError) as refusal:
        shop.archive().scan()
    assert "\n" not in str(refusal.value)
    assert str(refusal.value).startswith(shop.url)
    assert content(Archive(shop.report().archive)) == [a_run(0)]
    shop.proxy.fault = lambda *_: ""
    assert content(shop.archive()) == [a_run(0), a_run(1)]


def test_a_damaged_run_is_set_aside_as_it_would_be_here_and_heals_when_it_does(shop: Shop) -> None:
    shop.stored.write(a_run(0), RAW)
    shop.stored.write(a_run(1), RAW)
    lost = shop.stored.path(a_run(0)) / "raw" / "a.out.gz"
    whole = lost.read_bytes()
    for damage in (None, whole[:-1], whole[:-1] + b"?", whole + b"?"):
        lost.unlink() if damage is None else lost.write_bytes(damage)
        here = library.load(shop.stored, shop.desk / "cache-here", shop.stored.scan())
        there = shop.archive()
        found = library.load(there, shop.desk / "cache-there", there.scan())
        assert found.damaged == here.damaged
        assert found.damaged
        assert found.runs.keys() == {a_run(1).id}
    lost.write_bytes(whole)
    assert content(shop.archive()) == [a_run(0), a_run(1)]
    assert list(shop.archive().fsck()) == []


def test_a_pack_brings_back_what_a_run_has_lost_there(shop: Shop) -> None:
    shop.stored.write(a_run(), RAW)
    pack = shop.desk / "runs.pack"
    packs.write(shop.stored, shop.stored.scan(), pack)
    (shop.stored.path(a_run()) / "raw" / "a.out.gz").unlink()
    (shop.stored.path(a_run()) / "samples.parquet").write_bytes(b"?")
    [taken] = write(packs.read(pack), shop.archive())
    assert not taken.there
    assert list(shop.stored.fsck()) == []
    assert list(shop.archive("another").fsck()) == []
    shutil.rmtree(shop.stored.path(a_run()))
    [taken] = write(packs.read(pack), shop.archive("a third"))
    assert content(shop.stored) == [a_run()]


def test_what_is_said_of_a_run_is_said_there(shop: Shop) -> None:
    shop.archive().write(a_run(), RAW)
    archive = shop.archive()
    remark = Remark(RemarkKind.WITHDRAWN, "2026-02-01T00:00:00Z", "The fan had failed.")
    name = archive.remark_on(archive.find(a_run().id), remark).name
    [read] = content(shop.archive("another"))
    assert read.withdrawn == "The fan had failed."
    place = shop.folder / "cvm" / name
    place.write_bytes(place.read_bytes()[:-9])  # a third one fetches it damaged ...
    assert not content(shop.archive("a third"))[0].withdrawn
    archive.remark_on(archive.find(a_run().id), remark)  # ... until it is said again
    assert content(shop.archive("a third"))[0].withdrawn
    place.unlink()
    assert not content(shop.archive("another"))[0].withdrawn


def test_fsck_fetches_everything_again_and_names_what_lies_about(shop: Shop) -> None:
    shop.stored.write(a_run(0), RAW)
    shop.stored.write(a_run(1), RAW)
    assert len(shop.archive().scan()) == 2
    lost = shop.stored.path(a_run(0)) / "raw" / "a.out.gz"
    lost.write_bytes(lost.read_bytes()[:-1] + b"?")
    (shop.stored.path(a_run(1)) / "run.json").unlink()
    (shop.folder / "cvm" / "holiday.jpg").write_bytes(b"sand")
    (shop.stored.path(a_run(0)) / "notes.txt").write_bytes(b"more")
    done = sitegen(shop, "fsck")
    assert done.returncode == 1
    *lines, summary = done.stdout.splitlines()
    assert summary == "1 run, 4 findings"
    place = f"{shop.url}/cvm"
    assert lines[0].startswith(f"{place}/{a_run(0).id}: raw/a.out.gz does not match its digest")
    assert lines[1].startswith(f"{place}/{a_run(1).id}: has no run.json")
    assert {line.split(": ")[0] for line in lines[2:]} == {
        f"{place}/holiday.jpg", f"{place}/{a_run(0).id}/notes.txt",
    }  # fmt: skip


def test_a_collection_that_loses_the_network_keeps_what_it_measured(
    shop: Shop, install: Install
) -> None:
    install("shell")
    shop.proxy.fault = lambda method, _path, _before: DROP if method == "PUT" else ""
    order = session.Order("here", only=("shell",), seed=1)
    archive = shop.archive()
    one = session.Round(order, archive, shop.desk / "work", lambda _: None, lambda _: None)
    [outcome] = one.collect()
    assert (outcome.measured, outcome.failed, outcome.skipped) == (6, 0, "")
    assert outcome.path
    assert outcome.path.is_dir()
    assert "`sitegen push` sends it" in outcome.unsent
    shop.proxy.fault = lambda *_: ""
    [waiting] = archive.waiting()
    archive.send(waiting)
    assert [entry.run_id for entry in shop.stored.scan()] == [outcome.run_id]


def test_any_web_server_that_lists_its_folders_has_an_archive(shop: Shop) -> None:
    shop.stored.write(a_run(0), RAW)
    shop.stored.write(a_run(1, environment="metal"), RAW)
    with stores.http_store(shop.folder) as address:
        web = shop._replace(url=address)
        assert content(web.archive("reader")) == [a_run(0), a_run(1, environment="metal")]
        assert list(web.archive("reader").fsck()) == []
        for words in (("collect", "--env", "x", "--only", "7z"), ("note", a_run(0).id, "Quiet.")):
            done = sitegen(web, *words, report="reader")
            assert (done.returncode, "Traceback" in done.stderr) == (2, False)
            assert "nothing is written over HTTP" in done.stderr
        assert sitegen(web._replace(url=f"{address}/none"), "list").returncode == 2


def test_what_fsspec_knows_is_an_archive(tmp_path: Path) -> None:
    """The backend of fsspec's own tests: no conditions, so it is looked at before."""
    file = tmp_path / "sitegen.toml"
    file.touch()
    archive = opened(config.load(file, archive="memory://our/runs"))
    archive.check_writable()
    archive.write(a_run(), RAW)
    assert content(archive) == [a_run()]
    other = opened(replace(config.load(file, archive="memory://our/runs"), root=tmp_path / "x"))
    with pytest.raises(Unsent, match="another run of this id"):
        other.write(a_run(0, 2.0), RAW)
    assert list(opened(config.load(file, archive="memory://our/runs")).fsck()) == []


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("403 AccessDenied", "is not permitted"),
        ("403 InvalidAccessKeyId", "the credentials are refused"),
        ("403 SignatureDoesNotMatch", "the credentials are refused"),
        ("404 NoSuchBucket", "there is no such bucket"),
        ("404 ", "answers with status 404; is it the address of a store?"),
        ("301 PermanentRedirect", "fails: "),
        ("400 Strange", "fails: "),
        (BUSY, "answers with status 503"),
    ],
)
def test_what_a_store_refuses_is_one_line(shop: Shop, fault: str, said: str) -> None:
    shop.proxy.fault = lambda *_: fault
    with pytest.raises(SitegenError) as refusal:
        shop.archive().scan()
    assert str(refusal.value).startswith(f"{shop.url}: {said}")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("words", ["list", "build", "collect --env x --only 7z"])
def test_every_command_says_it_so_and_ends_with_2(shop: Shop, words: str) -> None:
    shop.proxy.fault = lambda *_: "403 AccessDenied"
    done = sitegen(shop, *words.split())
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith(f"sitegen: {shop.url}: is not permitted")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://me:hush@bucket/x", "--archive: the address has a password in it"),
        ("https://host/x?sig=hush", "--archive: the address has more in it than a place"),
        ("s3://", "--archive: is no address of an archive"),
        ("gopher://hush/x", "no kind of archive is called 'gopher'"),
        ("gs://bucket/x", "gs:// needs gcsfs, which is not installed here; pip install gcsfs"),
    ],
)
def test_an_address_that_cannot_be_used_is_said_without_its_secrets(
    shop: Shop, url: str, said: str
) -> None:
    folder = shop.report().root
    argv = (sys.executable, "-m", "sitegen.cli", "list", "--archive", url)
    run = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    [line] = run.stderr.splitlines()
    assert said in line
    assert "hush" not in line or url.startswith("gopher")


@pytest.mark.parametrize("absent", ["fsspec", "s3fs"])
def test_a_package_that_is_missing_is_named_with_the_line_that_installs_it(
    tmp_path: Path, absent: str
) -> None:
    script = f"""
import sys
sys.modules[{absent!r}] = None
from sitegen.cli import main
main(["list", "--archive", "s3://bucket/x"])
"""
    argv = (sys.executable, "-c", script)
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    said = f"s3:// needs {absent}, which is not installed here; pip install 'sitegen-tee[remote]'"
    assert done.stderr == f"sitegen: {said}\n"


def test_without_credentials_network_or_an_answer_it_ends_soon(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "_READ_S", 0.2)
    monkeypatch.setattr(storage, "_WAITS_S", (0.1,))
    shop.proxy.fault, shop.proxy.slow_s = (lambda *_: SLOW), 2.0
    with pytest.raises(SitegenError, match="cannot be reached"):
        shop.archive().scan()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{stores.free_port()}")
    with pytest.raises(SitegenError, match="cannot be reached; check the network"):
        shop.archive().scan()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(SitegenError, match="no credentials for it were found"):
        shop.archive().scan()


def test_the_settings_say_how_a_store_is_spoken_to(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.stored.write(a_run(), RAW)
    line = os.environ["AWS_ENDPOINT_URL"]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{stores.free_port()}")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    file = shop.report().file
    storage = f'{{ endpoint_url = "{line}", anonymous = true }}'
    file.write_text(f'[site]\narchive = "{shop.url}"\nstorage = {storage}\n')
    assert content(opened(config.load(file))) == [a_run()]


class Climbing(Hostile):
    """Names that lead out of the archive, in listings and in a manifest."""

    def listing(self, prefix: str) -> str:
        names = ["../", "..", "/etc", "cvm", f"../{a_run().id}", a_run().id, "a/../../b"]
        keys = [
            "../run.json",
            f"{a_run().id}.note-00000000.json/../x",
            f"../{a_run().id}.note-0.json",
        ]
        folders = "".join(
            f"<CommonPrefixes><Prefix>{prefix}{n}/</Prefix></CommonPrefixes>" for n in names
        )
        return folders + "".join(f"<Contents><Key>{prefix}{key}</Key></Contents>" for key in keys)

    def content(self) -> bytes:
        return b'{"schema": 2, "files": [{"name": "../../x", "bytes": 1, "sha256": ""}]}'


class Endless(Hostile):
    """A listing that goes on and on, with new names or none."""

    fresh = True

    def listing(self, prefix: str) -> str:
        number = next(self.numbers)
        name = f"e{number if self.fresh else 0}"
        return (
            f"<IsTruncated>true</IsTruncated><NextContinuationToken>{number}</NextContinuationToken>"
            f"<CommonPrefixes><Prefix>{prefix}{name}/</Prefix></CommonPrefixes>"
        )


class Stuck(Endless):
    fresh = False


class Huge(Hostile):
    """A manifest that never ends."""

    def listing(self, prefix: str) -> str:
        name = a_run().id if "cvm" in prefix else "cvm"
        return f"<CommonPrefixes><Prefix>{prefix}{name}/</Prefix></CommonPrefixes>"

    def content(self) -> bytes:
        return b"[" * 40_000_000


@pytest.mark.parametrize("kind", [Climbing, Huge])
def test_a_hostile_store_puts_nothing_anywhere_but_into_its_own_copy(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, kind: type[Hostile]
) -> None:
    before = {*shop.desk.parent.rglob("*")}
    with stores.hostile_store(kind) as line:
        monkeypatch.setenv("AWS_ENDPOINT_URL", line)
        archive = shop.archive()
        found = library.load(archive, shop.desk / "cache", archive.scan())
    assert not found.runs
    places = {path.path for path in found.damaged}
    assert places - {f"{a_run().id}/{a_run().id}"} == {f"cvm/{a_run().id}"}
    new = {path for path in {*shop.desk.parent.rglob("*")} - before if path.is_file()}
    assert {str(path) for path in new if not path.is_relative_to(shop.desk / "cache")} == {
        *(f"{archive.root}/{place}/run.json" for place in places),
        *(f"{archive.root}/{name}" for name in (".again", ".fetching")),
        str(shop.report().file),
    }
    assert all(path.stat().st_size < 17_000_000 for path in shop.desk.rglob("run.json"))


@pytest.mark.parametrize(
    ("kind", "said"), [(Endless, "more than 50 names"), (Stuck, "does not end")]
)
def test_a_listing_that_does_not_end_is_left(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, kind: type[Hostile], said: str
) -> None:
    monkeypatch.setattr(storage, "MOST_NAMES", 50)
    with stores.hostile_store(kind) as line:
        monkeypatch.setenv("AWS_ENDPOINT_URL", line)
        with pytest.raises(SitegenError, match=said):
            shop.archive().scan()
