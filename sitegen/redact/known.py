"""Words that a machine is known by: found as words, in any case, and not within numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from sitegen.redact.shape import trace_of

#: Names that identify nobody, and words that tools print: a host or a user who is called like
#: one is only recognised where a prompt, a path or a key says that it is a name.
_ORDINARY = frozenset(
    """
    address boot email guid jwt mac machine pod private proxy secret serial ssh userinfo uuid
    root nobody user users admin administrator ubuntu debian fedora centos rocky alma arch alpine
    www-data daemon bin sys sync games man mail news proxy backup list guest test tests tester
    localhost localdomain local vm host hosts linux windows darwin server client node master worker
    main default none null true false unknown amazon ec2 azure gcp google aws cloud docker podman
    container containers kubernetes runner build builder ci dev prod staging lab labs home work
    data disk disks file files cache tmp temp opt usr var etc lib run runs src
    amd intel arm nvidia xeon epyc qemu kvm xen hyperv vmware bochs bare metal baremetal bench
    benchmark benchmarks cvm tdx sev snp csv sgx cca tee gpu cpu mem memory h100 h200 h800 b100
    b200 b300 a100 a10 l4 l40 l40s t4 v100 mi300x gh200 nvme ssd hdd sata scsi virtio pci usb net
    fio ab 7z 7zip 7-zip nginx apache httpd vllm sglang ollama llama llm llms openai genai
    tensorrt triton aiperf guidellm model models token tokens tokenizer prompt completion input
    output request requests response responses session sessions step steps stage phase
    read reads write writes trim randread randwrite randrw rw seq rand random sequential mix mixed
    job jobs group groups name names total totals sum mean median average avg min max minimum
    maximum std stddev stdev dev var count counts number value values unit units percent
    percentile percentiles rate rates speed size sizes length time times date start started end
    finished stop duration elapsed second seconds minute minutes hour hours day days year ms usec
    msec nsec sec iops iodepth ios bandwidth latency clat slat lat throughput goodput score
    rating usage load clock real thread threads core cores cluster
    level levels mode type types kind state status error errors fail failed failure success
    complete completed result results report reports summary detail details global options option
    config configuration parameter parameters version release method engine backend frontend
    path document length concurrency transferred received sent bytes byte kib mib gib tib
    connect connection connections processing waiting keepalive keep-alive header headers body
    first last next prev previous all any each per new old high low top bottom left right
    hash hashes sha sha256 digest proof prove proving prover verify verifier verification cycle
    cycles statement witness setup circuit shard segment segments guest zk zkvm risc0 sp1 stark
    groth16 halo2 plonk snark execute execution trace core compress wrap
    mark max mike rose will grace hope faith joy art bill chase drew frank grant jack june may
    april august dawn gene ray rich rob sky victor pat miles mason carter hunter cooper
    compressing decompressing dict size ram log logs info debug warning note notes id ids key keys
    """.split()  # noqa: SIM905 - a list of words reads best as words
)
_MIN_LENGTH = 3
#: Fewer digits than this and nothing else: a serial may be any number in an output.
_MIN_DIGITS = 9
_SHORT_SERIAL = 5


class Known(NamedTuple):
    """Something that this machine is known by, and what stands for it."""

    word: str
    trace: str
    pattern: re.Pattern[str]
    kind: str
    stand_in: str


def known_paths(paths: Mapping[str, str]) -> Iterator[Known]:
    """Yield the paths that have a stand-in, the longest first."""
    for path, stand_in in sorted(paths.items(), key=lambda pair: -len(pair[0])):
        if len(path) > 1:
            pattern = re.compile(rf"{re.escape(path)}(?!\w)")
            yield Known(path.lower(), trace_of(path), pattern, "path", stand_in)


def known_words(words: Mapping[str, Iterable[str]]) -> Iterator[Known]:
    """Yield the identifiers, given by kind, that are long enough and no ordinary words."""
    kinds = {
        value.lower(): kind
        for kind, values in words.items()
        for value in map(str.strip, values)
        if _tells(kind, value)
    }
    for word, kind in kinds.items():
        yield Known(word, trace_of(word), _pattern(word), kind, f"[{kind}]")


def _tells(kind: str, value: str) -> bool:
    if len(value) < _MIN_LENGTH or value.lower() in _ORDINARY or "[" in value:
        return False
    if value.isdecimal():
        return len(value) >= _MIN_DIGITS
    return kind not in ("serial", "cloud-id") or len(value) >= _SHORT_SERIAL


def _pattern(word: str) -> re.Pattern[str]:
    # `john` also in `john-laptop` and `/srv/data_john`, not in `johnson`.
    before, after = r"(?<![^\W_])", r"(?![^\W_])"
    if word.isdecimal():
        before, after = r"(?<![^\W_])(?<!\d[.,])", r"(?![^\W_]|[.,]\d)"
    return re.compile(rf"(?i){before}{re.escape(word)}{after}")
