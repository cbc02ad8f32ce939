"""Inference over a secure channel to an attested server: all that is said of it beforehand."""

from __future__ import annotations

from sitegen.catalogue.tool import (
    Family,
    H,
    Headline,
    Kind,
    L,
    Ladder,
    Metric,
    Panel,
    SeriesParameter,
    SeriesPattern,
    SessionShare,
    Tool,
)

#: Steps of protection on one machine, in their order.
_LADDER = (
    ("native", "plain HTTP"),
    ("hop", "a relay in front"),
    ("tls", "TLS 1.3 in that relay"),
    ("attested", "attestation at session start"),
    ("isolated", "a server for each user"),
)

TOOL = Tool(
    metrics=(
        Metric("secure-inference.e2e_latency", "Request latency", "s", L, "From the sending of a request to its last token, at each step of the ladder.", source="sitegen"),
        Metric("secure-inference.ttft", "Time to first token", "s", L, "From the sending of a request to its first token, at each step of the ladder.", source="sitegen"),
        Metric("secure-inference.outside_model_time", "Time outside the model", "s", L, "Request latency less the server's own time for prompt and answer: channel, relay, queue and client. It shows the steps apart where the model's own noise hides them.", source="sitegen; llama.cpp, `timings`"),
        Metric("secure-inference.handshake_time", "Handshake time", "s", L, "Time to set up the TLS channel, full or resumed, the TCP connection not included.", source="sitegen"),
        Metric("secure-inference.attestation_time", "Attestation time", "s", L, "Time of one part of attesting the endpoint, once a session.", source="sitegen"),
        Metric("secure-inference.context_time", "Context time", "s", L, "Time to make, or to remove, a context that belongs to one user alone.", source="sitegen"),
        Metric("secure-inference.measure_time", "Time to hash the weights", "s", L, "Time to hash the model's file at load.", source="sitegen"),
        Metric("secure-inference.hash_speed", "Hash speed", "B/s", H, "Bytes of the model's file divided by the time to hash them.", source="sitegen"),
        Metric("secure-inference.channel_throughput", "Channel throughput", "B/s", H, "Bytes moved through the channel divided by the time.", source="sitegen"),
    ),
    family=Family(
        "secure-inference",
        "Secure inference",
        "What does a secure channel cost inference?",
        headlines=(
            Headline("secure-inference.e2e_latency", "mean", (), "ladder", title="Request latency", loses="a request's latency"),
        ),
        panels=(
            Panel("secure-inference.handshake_time", "mean", (), "session", title="TLS handshake", group="mode"),
            Panel("secure-inference.attestation_time", "mean", (), "session", title="Attestation, once a session", group="part"),
            Panel("secure-inference.attestation_time", "mean", (), "evidence", title="Evidence alone", group="part"),
            Panel("secure-inference.channel_throughput", "mean", title="Channel throughput", group="channel"),
            Panel("secure-inference.hash_speed", "mean", title="Hashing the weights", group="hash"),
            Panel("secure-inference.context_time", "mean", (), "ladder", title="A server of one's own", group="part"),
        ),
        contrasts=(
            Ladder("The ladder, outside the model", SeriesPattern("secure-inference.outside_model_time", "mean", (), "ladder"), "step", _LADDER),
            Ladder("The ladder, whole requests", SeriesPattern("secure-inference.e2e_latency", "mean", (), "ladder"), "step", _LADDER),
            Ladder("What isolation loses where users share a prompt", SeriesPattern("secure-inference.e2e_latency", "mean", (), "shared-prefix"), "step", (("shared-cache", "one prefix cache for all"), ("isolated", "a prefix cache for each user"), ("uncached", "no prefix cache"))),
            SessionShare("What a session pays once", (("handshake", SeriesPattern("secure-inference.handshake_time", "mean", (("mode", "full"),))), ("verification of the endpoint", SeriesPattern("secure-inference.attestation_time", "mean", (("part", "session"), ("step", "")))), ("quote generation", SeriesPattern("secure-inference.attestation_time", "mean", (("part", "quote"),)))), SeriesPattern("secure-inference.e2e_latency", "mean", (("connections", "fresh"), ("step", "native")))),
        ),
        distributions=(),
        background=frozenset({"model", "threads", "concurrency", "input_tokens", "output_tokens", "requests_per_user"}),
    ),
    parameters=(
        SeriesParameter("mode", words="{} handshake"),
        SeriesParameter("step", words="{}"),
        SeriesParameter("part", words="{}"),
        SeriesParameter("channel", values={"tls": "TLS", "plain": "without TLS"}),
        SeriesParameter("requests_per_session", Kind.COUNT, "{} requests a session"),
        SeriesParameter("requests_per_user", Kind.COUNT),
    ),
)  # fmt: skip
