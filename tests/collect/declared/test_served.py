from __future__ import annotations

import resource
from pathlib import Path

import pytest

from sitegen.catalogue import declared
from sitegen.catalogue.table import Server
from sitegen.collect import Plan, Request, servers
from sitegen.collect.declared import served
from sitegen.collect.declared.collector import collector
from sitegen.errors import SitegenError
from sitegen.model import Comparability, ToolIdentity


def test_a_server_is_filled_in_with_its_own_names_and_those_given() -> None:
    server = Server(
        ("{server}", "{port}"), names={"body": "hello"}, files={"a": "{body} {port2} { plain }"}
    )
    one = served.filled(server, {"server": "nginx", "port": 1, "port2": 2}, "place")
    assert one.command == ("nginx", "1")
    assert one.files == {"a": "hello 2 { plain }"}
    with pytest.raises(SitegenError, match=r"place: nothing is called \{server\}"):
        served.filled(server, {}, "place")


def test_a_shared_server_brings_its_programs_and_an_unknown_one_is_named() -> None:
    assert served.shared("nginx").programs.keys() == {"server", "openssl"}
    with pytest.raises(SitegenError, match="there is no server 'bogus'"):
        served.shared("bogus")


def test_what_a_run_keeps_of_a_server_is_not_said_of_one_at_an_address(tmp_path: Path) -> None:
    table = {
        "programs": {"tool": {"find": ["true"]}},
        "metrics": {"rate": {"unit": "1/s", "better": "higher", "definition": "Rate."}},
        "settings": {
            "tls": {"help": "version", "value": "1.3"},
            "address": {"help": "one to measure"},
        },
        "server": {"command": ["x"], "ports": 2, "address": "address", "tells": {"tls": "{tls}"}},
        "workloads": {"load": {"command": ["{tool}", "{host}:{port2}"]}},
        "outputs": {"text": {"fields": {"rate": "(1)"}, "values": {"rate": "rate"}}},
    }
    one = collector(declared.read("tool", table, "tool.toml"))
    tool = ToolIdentity("true", "1", "/bin/true")

    def plan(settings: dict[str, str]) -> Plan:
        request = Request("quick", 1, settings, 2, tmp_path, tmp_path, 0)
        return one.plan(tool, request)  # type: ignore[attr-defined,no-any-return]

    here = plan({})
    told = {each.name: each.comparability for each in here.parameters}
    assert told["tls"] == Comparability.MUST_MATCH
    away = plan({"address": "192.0.2.1:8443"})
    assert "tls" not in {each.name for each in away.parameters}
    assert away.steps[0].argv[1] == "192.0.2.1:8443"


def test_programs_may_open_more_files_meanwhile() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, before[1]))
    try:
        with servers.many_files():
            soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert soft == min(before[1], 65_536) > 512
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 512
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
