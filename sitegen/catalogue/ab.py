"""A web server, as ApacheBench measures it: all that is said of it beforehand."""

from __future__ import annotations

from sitegen.catalogue import tool

TOOL = tool.Tool(
    metrics=(
        tool.Metric("ab.requests_per_second", "Requests per second", "1/s", tool.H, "Completed requests divided by the time of the test. Completed includes failed ones. For several processes: all completed requests divided by the time from the first start to the last end.", source="ApacheBench, `Requests per second`", shown_in="/s", counts="requests/s"),
        tool.Metric("ab.ok_requests_per_second", "Successful requests per second", "1/s", tool.H, "Completed requests that neither failed nor were answered outside 2xx, divided by the time of the test. Where a request can be both, the lower bound.", source="computed from ApacheBench's counts", shown_in="/s", counts="requests/s"),
        tool.Metric("ab.latency", "Latency", "s", tool.L, "Time from the start of the connection to the last byte, over all requests of a closed loop: a stalled server also stops the arrivals, so tails are optimistic.", resolution=0.001, source="ApacheBench, `Total` and percentiles"),
        tool.Metric("ab.connect_time", "Connect time", "s", tool.L, "Time to connect; with https this includes the TLS handshake.", resolution=0.001, source="ApacheBench, `Connect`"),
        tool.Metric("ab.processing_time", "Processing time", "s", tool.L, "Time from the end of the connection set-up to the last byte.", resolution=0.001, source="ApacheBench, `Processing`"),
        tool.Metric("ab.waiting_time", "Waiting time", "s", tool.L, "Time from the request to the first byte of the answer.", resolution=0.001, source="ApacheBench, `Waiting`"),
        tool.Metric("ab.failed_requests", "Failed requests", "count", tool.L, "Requests that ApacheBench counts as failed: connection, reading, length or exception.", scale=tool.Scale.DIFFERENCE, source="ApacheBench, `Failed requests`"),
        tool.Metric("ab.non_2xx_responses", "Answers outside 2xx", "count", tool.L, "Answers with another status than 2xx. ApacheBench does not count them as failed.", scale=tool.Scale.DIFFERENCE, source="ApacheBench, `Non-2xx responses`"),
        tool.Metric("ab.complete_requests", "Completed requests", "count", tool.N, "Requests that were answered or failed before the test ended.", scale=tool.Scale.DIFFERENCE, source="ApacheBench, `Complete requests`", beside=(("value", "requests"), ("total", "requests"))),
        tool.Metric("ab.error_rate", "Error rate", "ratio", tool.L, "Failed requests and answers outside 2xx, divided by completed requests.", scale=tool.Scale.PROPORTION, margin=0.001, source="computed from ApacheBench's counts", of="ab.complete_requests"),
        tool.Metric("ab.transfer_rate", "Transfer rate", "B/s", tool.H, "Bytes received, headers included, divided by the time of the test.", source="ApacheBench, `Transfer rate`"),
        tool.Metric("ab.client_cpu_usage", "CPU used by ab", "ratio", tool.N, "CPU time of the load generator divided by the time of the test, for one process: near 1 means that the generator was the limit.", scale=tool.Scale.DIFFERENCE, source="resource usage of the process", beside=(("value", "client_cpu"), ("mean", "client_cpu"))),
        tool.Metric("ab.server_cpu_usage", "CPU used by the server", "ratio", tool.N, "CPU time of the server's processes divided by the time of the test; for a cited figure, as its publication states it.", scale=tool.Scale.DIFFERENCE, source="resource usage of the processes"),
    ),
    family=tool.Family("ab", "Web server", "What does a TEE cost a web server?", area="Web server", generator=tool.Generator(0.9, "ab"),
        headlines=(
            tool.Headline("ab.requests_per_second", "mean", (("concurrency", "1000"),), "sweep", title="Requests per second", loses="a web server's throughput"),
            tool.Headline("ab.latency", "p99", (("concurrency", "1000"),), "sweep", title="Latency, p99", loses="a web server's p99 latency"),
            tool.Headline("ab.error_rate", "value", (("concurrency", "1000"),), "sweep", title="Failed requests"),
        ),
        panels=(
            tool.Panel("ab.requests_per_second", "mean", (("access", "tproxy"),), "sweep", title="Requests per second, by gateway", axis="concurrency"),
            tool.Panel("ab.latency", "p99", (("access", "tproxy"),), "sweep", title="99 % of requests, by gateway", axis="concurrency"),
            tool.Panel("ab.requests_per_second", "mean", (("access", "loopback"),), "sweep", title="Requests per second, on loopback", axis="concurrency"),
            tool.Panel("ab.latency", "p99", (("access", "loopback"),), "sweep", title="99 % of requests, on loopback", axis="concurrency"),
            tool.Panel("ab.connect_time", "mean", (("access", "loopback"),), "sweep", title="Connect time, on loopback", axis="concurrency"),
            tool.Panel("ab.requests_per_second", "mean", (), "tproxy-overhead", title="Direct and through the proxy", group="access"),
            tool.Panel("ab.latency", "mean", (), "tproxy-overhead", title="Latency, direct and through the proxy", group="access"),
            tool.Panel("ab.requests_per_second", "total", (), "multi", title="Many processes at once", group="log_level"),
            tool.Panel("ab.server_cpu_usage", "mean", (), "multi", title="CPU of the server, many processes", group="log_level"),
        ),
        columns=(("ab.requests_per_second", ("",)), ("ab.latency", ("", "p50", "p99")), ("ab.failed_requests", ("",)), ("ab.transfer_rate", ("",))),
        suspect="ab's rate does not mean what it says: fewer requests than were asked for, answers without content, or not every process came through.",
        axis_title="concurrent connections",
        contrasts=(
            tool.AxisCost("What TLS costs", tool.SeriesPattern("ab.requests_per_second", "mean"), "scheme", ("http", "https")),
        ),
    ),
    parameters=(
        tool.SeriesParameter("access", values={"tproxy": "through the TProxy", "direct": "direct"}),
        tool.SeriesParameter("scheme", words="{}"),
        tool.SeriesParameter("keepalive", values={"true": "keep-alive", "false": "no keep-alive"}),
        tool.SeriesParameter("log_level", words="log level {}"),
        tool.SeriesParameter("cipher", words="{}"),
        tool.SeriesParameter("method", words="{}"),
        tool.SeriesParameter("path", words="{}"),
        tool.SeriesParameter("reason", words="{}"),
        tool.SeriesParameter("gateway_version", hidden=True),
    ),
    unit_costs=dict.fromkeys((("ab.ok_requests_per_second", "mean"), ("ab.ok_requests_per_second", "total")), ("a million requests", 1e6)),
)  # fmt: skip
