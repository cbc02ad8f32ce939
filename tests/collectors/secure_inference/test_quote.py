"""Asking the kernel for a quote, on a constructed tree whose attributes answer as it does."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest

from collectors.secure_inference import evidence, timings
from sitegen.errors import SitegenError

DATA = bytes(range(64))


class Kernel:
    """The part of configfs-tsm that is not ours: reports in a tree of named pipes.

    Reading and writing block as they do on the real attributes, until the report is made.
    """

    def __init__(self, root: Path, *, writers: int = 1, answer: bytes = b"quote:%b") -> None:
        self.root = root
        self.writers = writers
        self.answer = answer
        self.blobs: list[bytes] = []
        self.reports = root / evidence.REPORTS
        self.reports.mkdir(parents=True)
        self.threads: list[threading.Thread] = []

    def take(self) -> evidence.Quote:
        return evidence.take(self.root, DATA, make=self.make, remove=self.remove)

    def make(self, folder: Path) -> None:
        os.mkdir(folder)  # noqa: PTH102 - what it stands for
        (folder / "generation").write_text("0\n")
        (folder / "provider").write_text("tdx_guest\n")
        for name in ("inblob", "outblob"):
            os.mkfifo(folder / name)
        self.threads.append(threading.Thread(target=self._serve, args=(folder,), daemon=True))
        self.threads[-1].start()

    def _serve(self, folder: Path) -> None:
        blob = (folder / "inblob").read_bytes()
        self.blobs.append(blob)
        (folder / "generation").write_text(f"{self.writers}\n")
        (folder / "outblob").write_bytes(self.answer.replace(b"%b", blob))

    def remove(self, folder: Path) -> None:
        self.threads[-1].join(10)
        assert not self.threads[-1].is_alive()
        shutil.rmtree(folder)


def test_a_quote_is_taken_and_its_report_removed(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    found = kernel.take()
    assert found.provider == "tdx_guest"
    assert found.data == b"quote:" + DATA
    assert found.duration_s > 0
    assert kernel.blobs == [DATA]
    assert list(kernel.reports.iterdir()) == []


@pytest.mark.parametrize(
    ("writers", "answer", "tries", "told"),
    [(2, b"quote", 5, "written to by another process"), (1, b"", 1, "empty quote")],
)
def test_a_report_of_others_and_an_empty_quote_are_none(
    tmp_path: Path, writers: int, answer: bytes, tries: int, told: str
) -> None:
    kernel = Kernel(tmp_path, writers=writers, answer=answer)
    with pytest.raises(SitegenError, match=told):
        kernel.take()
    assert len(kernel.blobs) == tries
    assert list(kernel.reports.iterdir()) == []


def test_a_machine_without_a_tee_has_none(tmp_path: Path) -> None:
    assert not evidence.available(tmp_path)
    with pytest.raises(SitegenError, match="no TEE"):
        evidence.take(tmp_path, DATA)


def test_a_report_that_cannot_be_made_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    # An ordinary folder has no attributes: what the kernel would refuse fails in the same way.
    reports = tmp_path / evidence.REPORTS
    reports.mkdir(parents=True)
    assert evidence.available(tmp_path)
    with pytest.raises(SitegenError, match="gives no quote: No such file"):
        evidence.take(tmp_path, DATA)
    assert list(reports.iterdir()) == []


def test_quotes_are_timed_and_not_kept(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    printed = timings.whole(evidence.measure_quotes(kernel.take, DATA, 3))
    report = timings.read(printed.encode())
    assert [(each.metric, each.params) for each in report.values] == [
        ("attestation_time", {"part": "quote"})
    ] * 3
    assert dict(report.about) == {"provider": "tdx_guest", "quote_bytes": "70"}
    assert DATA.hex() not in printed
    assert len(kernel.blobs) == 3  # each quote has a report of its own
    kernel.answer = b"a quote over nothing"
    with pytest.raises(SitegenError, match="does not carry the report data"):
        list(evidence.measure_quotes(kernel.take, DATA, 1))
