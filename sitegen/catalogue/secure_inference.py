"""Inference over a secure channel to an attested server: all that is said of it beforehand."""

from __future__ import annotations

from sitegen.catalogue import tool

#: Steps of protection on one machine, in their order.
_LADDER = (
    ("native", "plain HTTP"),
    ("hop", "a relay in front"),
    ("tls", "TLS 1.3 in that relay"),
    ("attested", "attestation at session start"),
    ("isolated", "a server for each user"),
)

TOOL = tool.Tool(
    metrics=(
        tool.Metric("secure-inference.e2e_latency", "Request latency", "s", tool.L, "From the sending of a request to its last token, at each step of the ladder.", source="sitegen"),
        tool.Metric("secure-inference.ttft", "Time to first token", "s", tool.L, "From the sending of a request to its first token, at each step of the ladder.", source="sitegen"),
        tool.Metric("secure-inference.outside_model_time", "Time outside the model", "s", tool.L, "Request latency less the server's own time for prompt and answer: channel, relay, queue and client. It shows the steps apart where the model's own noise hides them.", source="sitegen; llama.cpp, `timings`"),
        tool.Metric("secure-inference.handshake_time", "Handshake time", "s", tool.L, "Time to set up the TLS channel, full or resumed, the TCP connection not included.", source="sitegen"),
        tool.Metric("secure-inference.attestation_time", "Attestation time", "s", tool.L, "Time of one part of attesting the endpoint, once a session.", source="sitegen"),
        tool.Metric("secure-inference.context_time", "Context time", "s", tool.L, "Time to make, or to remove, a context that belongs to one user alone.", source="sitegen"),
        tool.Metric("secure-inference.measure_time", "Time to hash the weights", "s", tool.L, "Time to hash the model's file at load.", source="sitegen"),
        tool.Metric("secure-inference.hash_speed", "Hash speed", "B/s", tool.H, "Bytes of the model's file divided by the time to hash them.", source="sitegen"),
        tool.Metric("secure-inference.channel_throughput", "Channel throughput", "B/s", tool.H, "Bytes moved through the channel divided by the time.", source="sitegen"),
    ),
    family=tool.Family("secure-inference", "Secure inference", "What does a secure channel cost inference?", area="AI inference",
        headlines=(
            tool.Headline("secure-inference.e2e_latency", "mean", (), "ladder", title="Request latency", loses="a request's latency"),
        ),
        panels=(
            tool.Panel("secure-inference.handshake_time", "mean", (), "session", title="TLS handshake", group="mode"),
            tool.Panel("secure-inference.attestation_time", "mean", (), "session", title="Attestation, once a session", group="part"),
            tool.Panel("secure-inference.attestation_time", "mean", (), "evidence", title="Evidence alone", group="part"),
            tool.Panel("secure-inference.channel_throughput", "mean", title="Channel throughput", group="channel"),
            tool.Panel("secure-inference.hash_speed", "mean", title="Hashing the weights", group="hash"),
            tool.Panel("secure-inference.context_time", "mean", (), "ladder", title="A server of one's own", group="part"),
        ),
        contrasts=(
            tool.Ladder("The ladder, outside the model", tool.SeriesPattern("secure-inference.outside_model_time", "mean", (), "ladder"), "step", _LADDER),
            tool.Ladder("The ladder, whole requests", tool.SeriesPattern("secure-inference.e2e_latency", "mean", (), "ladder"), "step", _LADDER),
            tool.Ladder("What isolation loses where users share a prompt", tool.SeriesPattern("secure-inference.e2e_latency", "mean", (), "shared-prefix"), "step", (("shared-cache", "one prefix cache for all"), ("isolated", "a prefix cache for each user"), ("uncached", "no prefix cache"))),
            tool.SessionShare("What a session pays once", (("handshake", tool.SeriesPattern("secure-inference.handshake_time", "mean", (("mode", "full"),))), ("verification of the endpoint", tool.SeriesPattern("secure-inference.attestation_time", "mean", (("part", "session"), ("step", "")))), ("quote generation", tool.SeriesPattern("secure-inference.attestation_time", "mean", (("part", "quote"),)))), tool.SeriesPattern("secure-inference.e2e_latency", "mean", (("connections", "fresh"), ("step", "native")))),
        ),
        distributions=(),
        background=frozenset({"model", "threads", "concurrency", "input_tokens", "output_tokens", "requests_per_user"}),
    ),
    parameters=(
        tool.SeriesParameter("mode", words="{} handshake"),
        tool.SeriesParameter("step", words="{}"),
        tool.SeriesParameter("part", words="{}"),
        tool.SeriesParameter("channel", values={"tls": "TLS", "plain": "without TLS"}),
        tool.SeriesParameter("requests_per_session", tool.Kind.COUNT, "{} requests a session"),
        tool.SeriesParameter("requests_per_user", tool.Kind.COUNT),
    ),
)  # fmt: skip
