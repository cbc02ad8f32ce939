"""What a machine is called is found wherever it says so, below a root of our own."""

from __future__ import annotations

import getpass
import os
import socket
from pathlib import Path

import pytest

from sitegen.redact import Redactor, of_this_machine
from tests.redact.corpus import HEX32, HEX64, UUID

FILES = {
    "etc/hostname": "bench17\n",
    "proc/sys/kernel/hostname": "bench17.dc.example.com\n",
    "proc/sys/kernel/domainname": "nis.example.com\n",
    "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 oldname17.example bench17\n::1 ip6-localhost\n",
    "etc/resolv.conf": "search corp.example.net eu.example.net\nnameserver 10.0.0.2\n",
    "etc/machine-info": 'PRETTY_HOSTNAME="Janes Rechner"\n',
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/var/www:/bin/false\n"
    "jdoe:x:1000:1000:Jane Doe,,,:/srv/people/jdoe:/bin/bash\nmax:x:1001:1001::/home/max:/bin/sh\n",
    "etc/machine-id": f"{HEX32}\n",
    "proc/sys/kernel/random/boot_id": f"{UUID}\n",
    "sys/class/dmi/id/product_serial": "CZ24130XYZ\n",
    "sys/class/dmi/id/board_asset_tag": "i-0a1b2c3d4e5f60718\n",
    "sys/class/dmi/id/chassis_asset_tag": "No Asset Tag\n",
    "sys/block/sda/device/wwid": "naa.5000c500a1b2c3d4\n",
    "sys/block/sda/device/vpd_pg80": "\0\x80\0\x0cWD-WX21A1B2C3D4",
    "sys/block/vda/serial": "vol0a1b2c3d4e\n",
    "sys/block/nvme0n1/wwid": "eui.0025385b71b0e2f3\n",
    "sys/class/nvme/nvme0/serial": "S676NF0R123456\n",
    "sys/class/net/eth0/address": "52:54:00:ab:cd:ef\n",
    "sys/class/net/lo/address": "00:00:00:00:00:00\n",
    "sys/class/infiniband/mlx5_0/node_guid": "e41d:2d03:00aa:bbcc\n",
    "proc/driver/nvidia/gpus/0000:3b:00.0/information": f"GPU UUID: \t GPU-{UUID[::-1]}\n",
    "proc/self/cgroup": f"0::/kubepods/besteffort/x/{HEX64}\n",
    "var/run/secrets/kubernetes.io/serviceaccount/namespace": "janes-team\n",
    "dev/disk/by-id/nvme-KXG60_99BS10XYZT1Q-part1": "",
}
ENVIRON = {
    "HOSTNAME": "pod-host-9", "POD_NAME": "llm-7d9f8-x2x4z", "LOGNAME": "jroe",
    "HF_TOKEN": "q1w2e3r4t5z6", "MAX_TOKENS": "a128abcdef", "SSH_KEY_FILE": "/x/y1",
    "http_proxy": "http://u:p@proxy-9.example:3128/", "TOKEN": "short",
}  # fmt: skip
GONE = (
    "bench17", "BENCH17.dc.example.com", "nis.example.com", "oldname17.example", "oldname17",
    "corp.example.net", "Janes Rechner", "jdoe", "Jane Doe", "/srv/people/jdoe/x", HEX32, UUID,
    "CZ24130XYZ", "i-0a1b2c3d4e5f60718", "5000c500a1b2c3d4", "WD-WX21A1B2C3D4", "vol0a1b2c3d4e",
    "0025385b71b0e2f3", "S676NF0R123456", "5254.00ab.cdef", "52-54-00-ab-cd-ef", "525400abcdef",
    "525400ABCDEF", "e41d2d0300aabbcc", "e41d:2d03:00aa:bbcc", HEX64, HEX64[:12], "janes-team",
    "nvme-KXG60_99BS10XYZT1Q", "pod-host-9", "llm-7d9f8-x2x4z", "jroe", "q1w2e3r4t5z6",
    "proxy-9.example", "1650522003820",
)  # fmt: skip
STAYS = (
    "localhost", "root", "www-data", "max", "corp", "a128abcdef", "short", "No Asset Tag",
    "example", "eth0", "sda", "nvme0n1", "x", "eu",
)  # fmt: skip


@pytest.fixture
def machine(tmp_path: Path) -> Redactor:
    root = tmp_path / "machine"
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return of_this_machine(
        workdir=tmp_path / "work",
        root=root,
        environ=ENVIRON,
        command=lambda argv: f"GPU-{UUID}, 1650522003820\n" if argv[0] == "nvidia-smi" else None,
    )


@pytest.mark.parametrize("name", GONE)
def test_what_the_machine_says_of_itself_is_known(machine: Redactor, name: str) -> None:
    for text in (name, f"x {name}: y", f'{{"k": "{name}"}}', f"/mnt/{name.strip('/')}_data"):
        clean = machine.text(text)
        assert name.strip("/").lower() not in clean.lower()
        assert "[" in clean


@pytest.mark.parametrize("name", STAYS)
def test_what_many_machines_say_is_no_name(machine: Redactor, name: str) -> None:
    assert machine.text(name) == name


def test_a_machine_that_says_nothing_or_nonsense_is_no_failure(tmp_path: Path) -> None:
    nothing = of_this_machine(workdir=tmp_path, root=tmp_path, environ={}, command=lambda _: None)
    assert nothing.text("as it was") == "as it was"
    for name in ("etc/hostname", "etc/hosts", "etc/passwd", "sys/block/sda/serial"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "etc/resolv.conf").write_bytes(b"search \xff\xfe\n")
    of_this_machine(workdir=tmp_path, root=tmp_path, environ={}, command=lambda _: "no, gpu\n,\n")


def test_this_machines_name_user_and_paths_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "janedoe")
    (tmp_path / "jobs").mkdir()
    (tmp_path / "link").symlink_to("jobs")
    monkeypatch.chdir(tmp_path)
    redactor = of_this_machine(workdir=Path("link"), cache=tmp_path / "kept" / "llm")
    clean = redactor.text(
        f"{tmp_path}/jobs/x {tmp_path}/link/x {tmp_path}/y"
        f" {tmp_path}/kept/llm/model.gguf by janedoe in {Path.home()}/x"
    )
    assert clean.startswith("$WORK/x $WORK/x $PWD/y $CACHE/model.gguf by [user] in ")

    assert f"{Path.home()}/x" not in clean
    for name in (getpass.getuser(), socket.gethostname(), os.uname().nodename):
        if redactor.text(name) != name:  # some machines are called as no machine is
            assert name not in redactor.text(f"x {name} y")


@pytest.mark.parametrize("text", ["None", "Not Specified", "Default string", "To be filled"])
def test_firmware_that_has_no_serial_redacts_no_ordinary_words(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "sys/class/dmi/id"
    folder.mkdir(parents=True)
    (folder / "product_serial").write_text(f"{text}\n")
    (folder / "board_serial").write_text("CZ24130XYZ\n")
    redactor = of_this_machine(workdir=tmp_path / "w", root=tmp_path)
    assert redactor.text(f"{text}: none of note") == f"{text}: none of note"
    assert redactor.text("CZ24130XYZ") == "[serial]"


def test_where_sitegen_is_installed_says_nothing_of_the_method(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = Path(of_this_machine.__code__.co_filename).parents[2] / "collectors" / "loops.c"
    assert (
        of_this_machine(workdir=tmp_path).text(f"cc {source}") == "cc $SITEGEN/collectors/loops.c"
    )
