"""Servers of a table: whose end is said beside what the tool printed, and what else they need."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path

import pytest

from sitegen.catalogue import declared
from sitegen.collect import Host, Plan, RawOutput, Request
from sitegen.collect.declared import outputs
from sitegen.collect.declared.collector import TableCollector, collector
from sitegen.collect.declared.outputs import Known
from sitegen.collect.protocol import Refused
from sitegen.errors import SitegenError
from sitegen.model import ToolIdentity

TABLE = f'''
[programs.tool]
find = ["bash"]
[programs.server]
find = ["{sys.executable}"]
[metrics.rate]
unit = "1/s"
better = "higher"
definition = "x"
[metrics.server_cpu]
unit = "ratio"
better = "none"
definition = "x"
[server]
command = ["{{server}}", "-c", """
import os, socket
kept = socket.create_server(("127.0.0.1", {{port}})).accept()
os.write(2, b"out of memory")
os._exit(1)
"""]
[workloads.load]
command = ["{{tool}}", "-c", """
echo rate 3
exec 3<>/dev/tcp/{{host}}/{{port}}
cat <&3
echo lat 4 >&2
"""]
[outputs.text]
where = "both"
fields = {{ rate = 'rate (\\d+)', lat = 'lat (\\d+)' }}
[outputs.text.values]
rate = "rate + lat"
server_cpu = "server_cpu_s / duration_s"
'''
TOOL = ToolIdentity("bash", "5")


def table(text: str = TABLE) -> TableCollector:
    found = collector(declared.read("bench", tomllib.loads(text), "bench.toml"))
    assert isinstance(found, TableCollector)
    return found


def plan(one: TableCollector, scratch: Path) -> Plan:
    request = Request("quick", 1, {}, 2, scratch, scratch / "cache", 1 << 40, "bench")
    return one.plan(TOOL, request)


def test_a_server_that_died_makes_its_step_fail_with_what_the_tool_printed(tmp_path: Path) -> None:
    one = table()
    [step] = plan(one, tmp_path).steps
    raw = one.run(step, Host())
    assert raw.stdout == b"rate 3\n"
    with pytest.raises(SitegenError, match="server ended while it was measured: out of memory"):
        one.parse(step, raw)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_a_server_of_another_user_has_a_folder_of_its_own_also_without_files(
    tmp_path: Path,
) -> None:
    one = table(TABLE.replace("[server]", '[server]\nuser = "nobody"'))
    open_to_all = Path(tempfile.mkdtemp(dir="/var/tmp"))
    try:
        open_to_all.chmod(0o711)
        [step] = plan(one, open_to_all).steps
        one.run(step, Host())
        [server] = open_to_all.glob("**/server")
        assert server.owner() == "nobody"
    finally:
        shutil.rmtree(open_to_all)
    tmp_path.chmod(0o700)
    (tmp_path / "run").mkdir()
    with pytest.raises(Refused, match="'nobody' cannot reach"):
        one.run(plan(one, tmp_path / "run").steps[0], Host())


def test_an_output_of_both_streams_and_the_servers_cpu_time_are_read(tmp_path: Path) -> None:
    one = table()
    [step] = plan(one, tmp_path).steps
    values = (("server_cpu_s", "1.5"),)
    raw = RawOutput(stdout=b"rate 3", stderr=b"lat 4", duration_s=2.0, values=values)
    assert [row.value for row in one.parse(step, raw).measurements] == [7, 0.75]


def test_a_form_is_not_known_by_what_another_form_has() -> None:
    text = TABLE.replace('where = "both"', 'knows = ["rate"]\nlacks = ["summary"]')
    [output] = table(text).table.outputs.values()
    assert outputs.knows(output, b"rate 3")
    assert not outputs.knows(output, b"rate 3\nsummary of it")
    assert outputs.read(table(text).declared, output, b"rate 3 lat 4", Known()).measurements
