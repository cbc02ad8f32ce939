"""Finding and replacing: what is known, what looks like it, through every view of a text."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from sitegen.redact import ids, keys, names
from sitegen.redact.disguises import encodings, views
from sitegen.redact.shape import Recogniser, outline, trace_of

#: All that is recognised wherever it stands.
SHAPES = tuple(
    Recogniser(*each) for table in (keys.SHAPES, names.SHAPES, ids.SHAPES) for each in table.items()
)
_WORDS = tuple((word, n) for n, shape in enumerate(SHAPES) for word in shape.words)
_WINDOW = 1 << 16
#: As far as any pattern looks back or ahead of what it finds.
_MARGIN = 1 << 10
#: What a secret that reaches the end of a window goes on with.
_REST = re.compile(r"[\w.~+/=%:-]*")
_NO_LABEL = re.compile(r"[^a-z0-9]+")
_NUMBER = re.compile(r"[-+]?[\d,]*\.?\d*(?:e[-+]?\d+)?", re.IGNORECASE)
#: What is looked at once: the same few names, values and figures stand in all runs.
_SHORT = 200


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
_Words = Mapping[str, Iterable[str]]


class Known(NamedTuple):
    """Something that this machine is known by, and what stands for it."""

    word: str
    trace: str
    pattern: re.Pattern[str]
    kind: str
    stand_in: str


class Span(NamedTuple):
    """A part of a text that goes, and what stands for it."""

    start: int
    end: int
    kind: str
    stand_in: str


class Redactor:
    """Replaces identifiers and counts what it replaced, by kind.

    ``words`` are the machine's own identifiers by kind, ``paths`` have each what stands for it.
    """

    def __init__(self, words: _Words | None = None, paths: Mapping[str, str] | None = None) -> None:
        self._counts: Counter[str] = Counter()
        self._short_spans = lru_cache(maxsize=16_384)(lambda text: tuple(self._long_spans(text)))
        self._known = (*_known_paths(paths or {}), *_known_words(words or {}))

    def anew(self) -> Redactor:
        """Return a redactor that knows the same and has counted nothing: one for each run."""
        other = Redactor()
        other._known, other._short_spans = self._known, self._short_spans
        return other

    def counts(self) -> dict[str, int]:
        """Return how many replacements were made so far, by kind."""
        return dict(self._counts)

    def text(self, text: str) -> str:
        """Return ``text`` with ``[kind]`` in the place of every identifier.

        What is returned here and by all but `data` is Unicode, whatever came in.
        """
        return _unicode(self._replaced(text, self.spans(text)))

    def data(self, data: bytes) -> bytes:
        """Return ``data`` redacted in its own encoding; bytes that are no text stay as they are."""
        for encoding in encodings(data):
            with contextlib.suppress(UnicodeDecodeError):  # looked like it, and is not
                data = encoding.changed(data, lambda text: self._replaced(text, self.spans(text)))
        return data

    def words(self, argv: Sequence[str]) -> tuple[str, ...]:
        """Return a command's words redacted: an option tells what the word after it is."""
        joined = " ".join(argv)
        spans = list(self.spans(joined))
        clean: list[str] = []
        at = 0
        for before, word in zip(("", *argv), argv, strict=False):
            end = at + len(word)
            if before.startswith("-") and "=" not in before and keys.is_secret(before, word):
                clean.append(self._whole("secret"))
            else:
                inside = [
                    span._replace(start=max(span.start, at) - at, end=min(span.end, end) - at)
                    for span in spans
                    if at < end
                    and span.start < end
                    and span.end > at
                    and (span.start >= at or _goes_on(word))
                ]
                clean.append(self._replaced(word, inside) if inside else self.text(word))
            at = end + 1
        return tuple(map(_unicode, clean))

    def pair(self, name: str, value: str) -> str:
        """Return the value of what is called ``name``: the name tells what it is."""
        if keys.is_secret(name, value):
            return self._whole("secret")
        before = f"{name}="
        spans = self.spans(before + value)
        inside = [s._replace(start=max(s.start, len(before))) for s in spans if s.end > len(before)]
        return _unicode(self._replaced(before + value, inside)[len(before) :])

    def figure(self, text: str) -> str:
        """Return a number as printed; quick, because runs have hundreds of thousands."""
        number = _NUMBER.match(text)
        unit = text[number.end() :] if number else text
        return self.text(text) if unit and (unit[0] != " " or [*self.spans(unit)]) else text

    def label(self, text: str) -> str:
        """Return a name of sitegen's own form, with the bare kind for what it must not say."""
        bare = [
            span._replace(stand_in=_NO_LABEL.sub("-", span.stand_in.lower()).strip("-"))
            for span in self.spans(text)
        ]
        return self._replaced(text, bare)

    def spans(self, text: str) -> Iterable[Span]:
        """Return what has to go from ``text``, in order and apart from each other."""
        return self._short_spans(text) if len(text) <= _SHORT else self._long_spans(text)

    def _long_spans(self, text: str) -> Iterator[Span]:
        blocks = keys.KEY_BLOCK.finditer(text) if "PRIVATE" in text else iter(())
        block = next(blocks, None)
        waiting: list[Span] = []
        for start in range(0, len(text), _WINDOW):
            after = start + _WINDOW
            while block is not None and block.start() < after:
                waiting.append(Span(*block.span(), "private-key", "[private-key]"))
                block = next(blocks, None)
            waiting = _apart([*waiting, *self._window_spans(text, start)])
            # No window after this one finds anything before here.
            settled = [span for span in waiting if span.end <= after - _MARGIN]
            yield from settled
            waiting = waiting[len(settled) :]
        yield from waiting

    def _window_spans(self, text: str, start: int) -> Iterator[Span]:
        low = max(0, start - _MARGIN)
        high = min(len(text), start + _WINDOW + _MARGIN)
        for span in self._spans_in_views(text[low:high]):
            begin, end = span.start + low, span.end + low
            if end == high < len(text):
                rest = _REST.match(text, end)
                end = rest.end() if rest else end
            # The backslash of an escaped quote belongs to the quote.
            if text[end - 1] == "\\" and text[end : end + 1] in ('"', "'"):
                end -= 1
            if end > start and begin < min(end, start + _WINDOW):
                yield Span(begin, end, span.kind, span.stand_in)

    def _spans_in_views(self, window: str) -> Iterator[Span]:
        """Yield what is in a text and in each view of it."""
        yield from self._plain_spans(window)
        for chain in views(window):
            for span in self._plain_spans(chain[-1].text):
                start, end = span.start, span.end
                for view in reversed(chain):
                    start, end = view.source(start, end)
                yield span._replace(start=start, end=end)

    def _plain_spans(self, text: str) -> Iterator[Span]:
        lowered = text.lower()
        outlined = outline(lowered)
        for known in self._known:
            if known.trace in outlined and known.word in lowered:
                for match in known.pattern.finditer(text):
                    yield Span(*match.span(), known.kind, known.stand_in)
        shapes = possible if len(outlined) > _SHORT else _possible_in_short
        for shape in shapes(outlined):
            for start, end, kind in shape.find(text, lowered):
                yield Span(start, end, kind, f"[{kind}]")

    def _replaced(self, text: str, spans: Iterable[Span]) -> str:
        done, parts, at = [], [""], 0
        for span in spans:
            parts += [text[at : span.start], span.stand_in]
            at = span.end
            self._counts[span.kind] += 1
            if len(parts) > _WINDOW:  # many small texts take far more room than a large one
                done.append("".join(parts))
                parts = []
        return "".join([*done, *parts, text[at:]]) if at else text

    def _whole(self, kind: str) -> str:
        self._counts[kind] += 1
        return f"[{kind}]"


def possible(outlined: str) -> tuple[Recogniser, ...]:
    """Return the shapes that a text with this outline may hold something of."""
    numbers = sorted({number for word, number in _WORDS if word in outlined})
    return tuple(SHAPES[number] for number in numbers if SHAPES[number].may_be_in(outlined))


_possible_in_short = lru_cache(maxsize=4096)(possible)


def _goes_on(word: str) -> bool:
    """Say whether ``word`` may belong to what was found in an earlier word of a command.

    Of a header that a shell did not keep together the rest goes as well; what begins anew stays.
    """
    return not word.startswith("-") and "://" not in word


def _unicode(text: str) -> str:
    """Return ``text`` without halves of characters: bytes that are no text read as escapes."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _apart(spans: Iterable[Span]) -> list[Span]:
    """Return spans that overlap as one, under the name of the longest of them."""
    apart: list[Span] = []
    longest = 0
    for span in sorted(spans, key=lambda s: (s.start, -s.end)):
        length = span.end - span.start
        if not apart or span.start >= apart[-1].end:
            apart.append(span)
            longest = length
            continue
        named = span if length > longest else apart[-1]
        longest = max(longest, length)
        apart[-1] = named._replace(start=apart[-1].start, end=max(apart[-1].end, span.end))
    return apart


def _known_paths(paths: Mapping[str, str]) -> Iterator[Known]:
    """Yield the paths that have a stand-in, the longest first."""
    for path, stand_in in sorted(paths.items(), key=lambda pair: -len(pair[0])):
        if len(path) > 1:
            pattern = re.compile(rf"{re.escape(path)}(?!\w)")
            yield Known(path.lower(), trace_of(path), pattern, "path", stand_in)


def _known_words(words: Mapping[str, Iterable[str]]) -> Iterator[Known]:
    """Yield the identifiers, given by kind, that are long enough and no ordinary words."""
    kinds = {
        value.lower(): kind
        for kind, values in words.items()
        for value in map(str.strip, values)
        if _tells(kind, value)
    }
    for word, kind in kinds.items():
        # `john` also in `john-laptop` and `/srv/data_john`, not in `johnson`.
        before, after = r"(?<![^\W_])", r"(?![^\W_])"
        if word.isdecimal():
            before, after = rf"{before}(?<!\d[.,])", r"(?![^\W_]|[.,]\d)"
        pattern = re.compile(rf"(?i){before}{re.escape(word)}{after}")
        yield Known(word, trace_of(word), pattern, kind, f"[{kind}]")


def _tells(kind: str, value: str) -> bool:
    if len(value) < _MIN_LENGTH or value.lower() in _ORDINARY or "[" in value:
        return False
    if value.isdecimal():
        return len(value) >= _MIN_DIGITS
    return kind not in ("serial", "cloud-id") or len(value) >= _SHORT_SERIAL
