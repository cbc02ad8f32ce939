from __future__ import annotations

import csv
import json
import re
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitegen.analysis.claims import Checked, Claim, Reading, Verdict, as_json, check, load
from sitegen.analysis.compare import Analysis
from sitegen.errors import SitegenError
from sitegen.report import claims as claim_pages

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "claims").glob("*.toml"))
REFERENCE = ROOT.parent / "shared" / "reference" / "published-claims.csv"
#: 0.83 requests/s, printed with two digits: 0.825 to 0.835.
COARSE = 'value("llm.request_throughput", "h100-tee-on", model="Llama-3.1-70B")'
#: A figure as prose types it: with a decimal point, with thousands, or in percent.
TYPED = re.compile(r"\d[\d,]*\.\d+\w*|\d{1,3}(?:,\d{3})+|\d[\d.,-]*\s?%")
#: What notes may type all the same, by claim, and why.
TYPED_FOR_A_REASON = {
    ("deepseek-gap-narrows", "1.5B"): "the name of a model",
    ("seq-matches", "5 %"): "what we take for equal: the limit in its expression",
    ("storage-minimal", "10 %"): "what we take for minimal: the limit in its expression",
    ("llm-8b-sustained", "7-26 %"): "what the publication prints elsewhere in the section",
}

Checks = dict[str, Checked]


def a_claim(expression: str, printed: str = "10", unit: str = "%", kind: str = "value") -> Claim:
    return Claim("c", "a-report", "I", "a statement", printed, unit, kind, expression)


@cache
def published_claims() -> tuple[Claim, ...]:
    return tuple(claim for path in FILES for claim in load(path))


@pytest.fixture(scope="module")
def checks(published: Analysis) -> Checks:
    return {claim.id: check(claim, published) for claim in published_claims()}


# The engine.


@pytest.mark.parametrize(
    ("expression", "printed", "unit", "verdict"),
    [
        ("0.1", "10", "%", Verdict.REPRODUCED),
        ("0.1049", "10", "%", Verdict.REPRODUCED),
        ("0.105", "10", "%", Verdict.REPRODUCED),
        ("0.0951", "10", "%", Verdict.REPRODUCED),
        # Just outside its rounding is within 1 % of what was computed.
        ("0.1055", "10", "%", Verdict.CLOSE),
        ("0.1062", "10", "%", Verdict.DIFFERS),
        ("0.0945", "10", "%", Verdict.CLOSE),
        ("0.0935", "10", "%", Verdict.DIFFERS),
        ("0.1055", "10.0", "%", Verdict.DIFFERS),
        ("1271.4", "1,271", "MIPS/core", Verdict.REPRODUCED),
        ("5.6944", "5.70", "x", Verdict.CLOSE),
        ("-0.13 * 0.01", "-0.13", "%", Verdict.REPRODUCED),
        ("0.0013", "-0.13", "%", Verdict.DIFFERS),
        ("25123", "25.1k", "proofs/s", Verdict.REPRODUCED),
        ("25.1", "25.1k", "proofs/s", Verdict.DIFFERS),
        ("18312000", "18.3", "kHz", Verdict.DIFFERS),
        ("0", "0", "%", Verdict.REPRODUCED),
        ("[0.1, 0.102]", "10", "%", Verdict.REPRODUCED),
        ("[0.1, 0.1055]", "10", "%", Verdict.CLOSE),
        ("[0.1, 0.2]", "10", "%", Verdict.DIFFERS),
        ("", "10", "%", Verdict.UNSUPPORTED),
    ],
)
def test_the_verdict_on_a_value(
    published: Analysis, expression: str, printed: str, unit: str, verdict: Verdict
) -> None:
    assert check(a_claim(expression, printed, unit), published).verdict == verdict


@pytest.mark.parametrize(
    ("expression", "printed", "kind", "verdict"),
    [
        ("[0.6, 0.7, 0.8]", "60-80", "range", Verdict.REPRODUCED),
        ("0.804", "60-80", "range", Verdict.REPRODUCED),
        # One figure outside is enough, and near is not inside.
        ("[0.7, 0.81]", "60-80", "range", Verdict.DIFFERS),
        ("[0.7, 0.59]", "60-80", "range", Verdict.DIFFERS),
        ("[0.001, 0.004]", "<0.5", "bound", Verdict.REPRODUCED),
        ("[0.001, 0.006]", "<0.5", "bound", Verdict.DIFFERS),
        ("0.005", "<0.5", "bound", Verdict.DIFFERS),
        ("0.005", "<=0.5", "bound", Verdict.REPRODUCED),
        ("0.005", ">0.5", "bound", Verdict.DIFFERS),
        ("0.005", ">=0.5", "bound", Verdict.REPRODUCED),
        ("-3", "<0.5", "bound", Verdict.REPRODUCED),
        ("1 < 2", "true", "ordering", Verdict.REPRODUCED),
        ("2 < 1", "true", "ordering", Verdict.DIFFERS),
        ("every(1 < 2, 2 < 1)", "equal", "statement", Verdict.DIFFERS),
        ("", "equal", "statement", Verdict.UNSUPPORTED),
        ("", "<30", "bound", Verdict.UNSUPPORTED),
    ],
)
def test_the_verdict_on_a_range_a_bound_and_a_statement(
    published: Analysis, expression: str, printed: str, kind: str, verdict: Verdict
) -> None:
    assert check(a_claim(expression, printed, kind=kind), published).verdict == verdict


@pytest.mark.parametrize(
    ("claim", "decisive"),
    [
        # Computed 0.825 to 0.835: 0.01 wide.
        (a_claim(COARSE, "0.83", "1/s"), True),
        (a_claim(COARSE, "0.833", "1/s"), False),
        (a_claim(COARSE, "0.8", "1/s"), True),
        (a_claim(f"[{COARSE}, 0.8 * 1]", "0.83", "1/s"), True),
        (a_claim(COARSE, "<0.83", "1/s", "bound"), False),
        (a_claim(COARSE, "<0.84", "1/s", "bound"), True),
        (a_claim(COARSE, "<0.82", "1/s", "bound"), True),
        (a_claim(COARSE, "0.5-0.83", "1/s", "range"), True),
        (a_claim(COARSE, "0.500-0.830", "1/s", "range"), False),
        (a_claim(f"{COARSE} < 0.831", "true", "", "ordering"), False),
        (a_claim(f"{COARSE} < 0.836", "true", "", "ordering"), True),
        (a_claim(f"{COARSE} < 0.829", "true", "", "ordering"), False),
        # One that surely fails decides, whatever the others do.
        (a_claim(f"every({COARSE} < 0.829, 2 < 1)", "true", "", "ordering"), True),
        (a_claim(f"every({COARSE} < 0.831, 1 < 2)", "true", "", "ordering"), False),
        (a_claim(f"every({COARSE} < 0.829, 1 < 2)", "true", "", "ordering"), False),
    ],
)
def test_a_claim_finer_than_its_figures_is_not_decided(
    published: Analysis, claim: Claim, *, decisive: bool
) -> None:
    assert check(claim, published).decisive is decisive


def test_what_the_figure_would_have_to_be_is_given_in_its_unit(published: Analysis) -> None:
    found = check(a_claim(COARSE, "700", "x"), published)
    assert found.verdict == Verdict.DIFFERS
    assert (found.value, found.low, found.high) == pytest.approx((0.83, 0.825, 0.835))
    found = check(a_claim("[0.2, 0.3]"), published)
    assert found.value is None
    assert (found.low, found.high) == pytest.approx((20, 30))
    assert found.figures == pytest.approx((20, 30))


@given(st.floats(-1e6, 1e6), st.integers(0, 6))
def test_a_figure_always_reproduces_its_own_rounding(
    published: Analysis, value: float, places: int
) -> None:
    claim = a_claim(f"({value:.17g})", f"{value:.{places}f}", "x")
    assert check(claim, published).verdict == Verdict.REPRODUCED


READINGS = (Reading("it is a fraction", "10"), Reading("it is nothing", "0"))


def test_readings_that_fit_are_given_where_the_own_words_do_not(published: Analysis) -> None:
    claim = replace(a_claim("0.1", "10", "x"), readings=READINGS)
    found = check(claim, published)
    assert (found.verdict, found.fits_if) == (Verdict.DIFFERS, ("it is a fraction",))
    found = check(replace(claim, expression=""), published)
    assert (found.verdict, found.fits_if) == (Verdict.UNSUPPORTED, ("it is a fraction",))
    found = check(replace(claim, expression="10"), published)
    assert (found.verdict, found.fits_if) == (Verdict.REPRODUCED, ())


@pytest.mark.parametrize(
    ("claim", "told"),
    [
        (a_claim("1 < 2"), "claim c: its expression is no number"),
        (a_claim("'a'"), "claim c: its expression is no number"),
        (a_claim("[]"), "claim c: its expression is no number"),
        (a_claim("1", "true", "", "ordering"), "claim c: its expression is no comparison"),
        (a_claim("value('fio.iops', 'gone')"), "claim c: no figure is fio.iops in gone"),
        (a_claim("1 / 0"), "claim c: a division by zero"),
        (replace(a_claim(""), readings=(Reading("x", "1 / 0"),)), "claim c: a div"),
    ],
)
def test_an_expression_that_gives_nothing_names_its_claim(
    published: Analysis, claim: Claim, told: str
) -> None:
    with pytest.raises(SitegenError) as refusal:
        check(claim, published)
    assert str(refusal.value).startswith(told)


def test_a_checked_claim_as_json(published: Analysis) -> None:
    found = as_json(check(a_claim(COARSE, "0.9", "1/s"), published))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert {key: found[key] for key in ("id", "verdict", "published", "fits_if", "expression")} == {
        "id": "c",
        "verdict": "differs",
        "published": "0.9",
        "fits_if": [],
        "expression": COARSE,
    }
    assert (found["low"], found["high"]) == pytest.approx((0.825, 0.835))
    (each,) = found["inputs"]
    assert (each["metric"], each["environment"]) == ("llm.request_throughput", "h100-tee-on")
    assert (each["value"], each["printed"]) == (0.83, "0.83 1/s")


# The notes.


def with_note(note: str) -> Claim:
    return replace(a_claim("0.1"), note=note)


@pytest.mark.parametrize(
    ("note", "told"),
    [
        ("", ""),
        (
            "No figures, 5 of them, 100 %; [1] $x ${1 + 1}",
            "No figures, 5 of them, 100 %; [1] $x $2.00",
        ),
        ("Plain: 1 + 2 = 3", "Plain: 1 + 2 = 3"),
        (f"It is {{{COARSE}}}, or {{100 * {COARSE}}} %.", "It is 0.830, or 83.0 %."),
        ("{\n  1\n  + 2\n} and {5085}", "3.00 and 5,085"),
    ],
)
def test_a_note_tells_its_expressions_and_leaves_all_else(
    published: Analysis, note: str, told: str
) -> None:
    found = check(with_note(note), published)
    assert found.claim.note == told
    assert as_json(found)["note"] == told
    assert claim_pages.page(published, [found]).groups[0].rows[0].claim.note == told


def test_the_figures_of_a_note_are_no_inputs_of_its_claim(published: Analysis) -> None:
    assert check(with_note(f"{{{COARSE}}}"), published).inputs == ()


@pytest.mark.parametrize(
    ("note", "told"),
    [
        ("{value('fio.iops', 'gone')}", "no figure is fio.iops in gone"),
        ("right: {1 + 1}, wrong: {1 / 0}", "a division by zero"),
        ("{1 < 2}", "'1 < 2' is no number"),
        ("{'text'}", "is no number"),
        ("{[1, 2]}", "'[1, 2]' is no number"),
        ("{words}", "an expression may not hold 'words'"),
        ("{__import__('os').system('true')}", "an expression may not hold"),
        ("{value.__globals__}", "an expression may not hold"),
        ("{0!r:>{99999999}}", "a brace in its note holds no expression"),
        ("{1:>99999999}", "not an expression"),
        ("{\n1\n2\n}", "not an expression: '\\n1\\n2\\n'"),
        ("{" + "9" * 5000 + "}", "an expression that is too long"),
        ("{" + "-" * 3000 + "1}", "not an expression"),
        ("{1e999}", "a number that is too large"),
        ("{}", "a brace in its note holds no expression"),
        ("{{1}}", "a brace in its note holds no expression"),
        ("{1", "a brace in its note holds no expression"),
        ("1}", "a brace in its note holds no expression"),
        ("{" * 5000, "a brace in its note holds no expression"),
    ],
    ids=lambda text: ascii(text[:30]),
)
def test_a_note_that_tells_nothing_names_its_claim_in_one_line(
    published: Analysis, note: str, told: str
) -> None:
    with pytest.raises(SitegenError) as refusal:
        check(with_note(note), published)
    said = str(refusal.value)
    assert said.startswith("claim c: ")
    assert told in said
    assert "\n" not in said
    assert len(said) < 400


def test_only_what_agrees_is_called_not_decisive(published: Analysis) -> None:
    coarse = {
        "reproduced": a_claim(COARSE, "0.833", "1/s"),
        "close": a_claim(COARSE, "0.836", "1/s"),
        "differs": a_claim(COARSE, "0.999", "1/s"),
    }
    found = [check(claim, published) for claim in coarse.values()]
    assert [str(each.verdict) for each in found] == list(coarse)
    assert not any(each.decisive for each in found)
    (group,) = claim_pages.page(published, found).groups
    assert {row.verdict: row.decisive for row in group.rows} == {
        "reproduced": False,
        "close": False,
        "differs": True,
    }


# The files.

GOOD = """
[[claim]]
id = "a"
source = "s"
statement = "a rate"
printed = "1.5"
unit = "x"
kind = "value"
expression = "3 / 2"
[claim.fits_if]
"it is another" = "2"
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "claims.toml"
    path.write_text(text, "utf-8")
    return path


def test_a_file_of_claims_is_read(tmp_path: Path) -> None:
    (claim,) = load(written(tmp_path, GOOD))
    assert claim == Claim(
        "a", "s", "", "a rate", "1.5", "x", "value", "3 / 2", (Reading("it is another", "2"),)
    )
    assert load(written(tmp_path, "")) == ()


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ('id = "a"', "", "claim 1 has no id"),
        ('id = "a"', "id = 5", "claim 1 has no id"),
        ('id = "a"', 'id = "../a"', "claim"),
        ('source = "s"', "", "a: has no source"),
        ('source = "s"', 'source = ""', "a: has no source"),
        ('statement = "a rate"', "statement = 4", "a: has no statement"),
        ('kind = "value"', 'kind = "guess"', "a: no kind 'guess'; use value, range"),
        ('unit = "x"', 'unit = "furlong"', "a: no unit 'furlong'; use one of"),
        ('unit = "x"', 'unit = ["x"]', "a: unit must be a text"),
        ('printed = "1.5"', "printed = 1.5", "a: printed must be a text"),
        ('printed = "1.5"', 'printed = "much"', "a: 'much' is not printed as a value; write"),
        ('printed = "1.5"', 'printed = "1.5 or 2"', "is not printed as a value"),
        ('printed = "1.5"', 'printed = "<1.5"', "is not printed as a value"),
        ('printed = "1.5"', f'printed = "{"9" * 400}"', "is not printed as a value"),
        ('printed = "1.5"', 'printed = ""', "is not printed as a value"),
        ('expression = "3 / 2"', "expression = 3", "a: expression must be a text"),
        ('expression = "3 / 2"', "expresion = '3'", "a: unknown key 'expresion'"),
        ('"it is another" = "2"', '"it is another" = 2', "a: it is another must be a text"),
        ('[claim.fits_if]\n"it is another" = "2"', "fits_if = '2'", "a: fits_if is a table"),
        ("[[claim]]", "[[claims]]", "holds something beside [[claim]] tables"),
        ("[[claim]]", "[claim]", "holds something beside [[claim]] tables"),
        ('id = "a"', 'id = "a', "not valid TOML"),
    ],
)
def test_what_is_not_understood_is_named(
    tmp_path: Path, before: str, after: str, told: str
) -> None:
    assert before in GOOD
    text = GOOD.replace(before, after)
    with pytest.raises(SitegenError) as refusal:
        load(written(tmp_path, text))
    assert told in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("printed", ["80-60", "60", "60-", "-60-80-90", "60--80"])
def test_a_range_has_two_ends_in_order(tmp_path: Path, printed: str) -> None:
    text = GOOD.replace('"value"', '"range"').replace('"1.5"', f'"{printed}"')
    with pytest.raises(SitegenError, match="is not printed as a range"):
        load(written(tmp_path, text))


@pytest.mark.parametrize("printed", ["5", "=5", "<", "<>5", "<5-6"])
def test_a_bound_has_one_sign_and_one_figure(tmp_path: Path, printed: str) -> None:
    text = GOOD.replace('"value"', '"bound"').replace('"1.5"', f'"{printed}"')
    with pytest.raises(SitegenError, match="is not printed as a bound"):
        load(written(tmp_path, text))


def test_an_id_is_given_once(tmp_path: Path) -> None:
    with pytest.raises(SitegenError, match="two claims are called 'a'"):
        load(written(tmp_path, GOOD + GOOD))


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"[[claim]]\nid = 1e", b"\x00", b"a" * 10**6, b"a=" + b"[" * 10**5]
)
def test_a_file_that_is_no_toml_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "claims.toml"
    path.write_bytes(content)
    with pytest.raises(SitegenError, match=r"claims\.toml: not valid TOML"):
        load(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SitegenError, match=r"claims\.toml: is missing"):
        load(tmp_path / "claims.toml")


# The published claims.


@pytest.mark.skipif(not REFERENCE.exists(), reason="the list of claims is not here")
def test_every_claim_of_the_list_is_there_as_it_is_printed() -> None:
    ours = {claim.id: claim for claim in published_claims()}
    with REFERENCE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 100
    for row in rows:
        claim = ours[row["id"]]
        found = (claim.source, claim.where, claim.printed, claim.unit, claim.kind)
        assert found == tuple(row[key] for key in ("source", "where", "printed", "unit", "kind"))


def test_ids_are_unique_and_a_file_is_of_one_source() -> None:
    assert len({claim.id for claim in published_claims()}) == len(published_claims())
    for path in FILES:
        assert {claim.source for claim in load(path)} == {path.stem}


def test_what_does_not_hold_says_something_about_it(checks: Checks) -> None:
    silent = [
        name
        for name, found in checks.items()
        if found.verdict != Verdict.REPRODUCED and not (found.claim.note or found.fits_if)
    ]
    assert not silent


def test_every_note_is_told_without_braces_and_in_one_line(checks: Checks) -> None:
    assert sum("{" in claim.note for claim in published_claims()) > 40
    for name, found in checks.items():
        assert not set("{}\n") & set(found.claim.note), name
        assert found.claim.note == found.claim.note.strip(), name


def typed(claim: Claim) -> list[str]:
    """Return the figures that a claim's note and readings type and its printed text does not."""
    prose = [re.sub(r"\{[^{}]+\}", "_", claim.note), *(each.words for each in claim.readings)]
    printed = re.findall(r"[\d.,]+", claim.printed)
    return [
        text
        for text in TYPED.findall(" | ".join(prose))
        if text.removesuffix("%").strip() not in printed
    ]


def test_no_note_and_no_reading_types_a_figure() -> None:
    found = {(claim.id, text) for claim in published_claims() for text in typed(claim)}
    assert found == set(TYPED_FOR_A_REASON)


@pytest.mark.parametrize(
    ("note", "found"),
    [
        ("It is 13.7; the printed 18.2 is another.", ["13.7"]),
        ("18.2 %, 28 % and 7-26 %", ["28 %", "7-26 %"]),
        ("36,230 MiB/s", ["36,230"]),
        ("{1.5} of {100 * 2} %, at 8 threads", []),
    ],
)
def test_a_typed_figure_is_seen(note: str, found: list[str]) -> None:
    assert typed(replace(a_claim("", "18.2"), note=note)) == found
    assert typed(replace(a_claim("", "18.2"), readings=(Reading("1.25 times", "1"),))) == ["1.25"]


def test_every_other_reading_fits_and_only_stands_where_it_is_needed(checks: Checks) -> None:
    for name, found in checks.items():
        assert found.fits_if == tuple(reading.words for reading in found.claim.readings), name


def test_all_inputs_are_figures_as_they_were_printed(checks: Checks) -> None:
    assert all(each.printed for found in checks.values() for each in found.inputs)
    taken = [name for name, found in checks.items() if found.claim.expression and not found.inputs]
    assert not taken


@pytest.mark.parametrize(
    ("source", "counts"),
    [
        (
            "phala-2025",
            {
                Verdict.REPRODUCED: (76, 34),
                Verdict.CLOSE: (7, 1),
                Verdict.DIFFERS: (26, 5),
                Verdict.UNSUPPORTED: (14, 0),
            },
        ),
        (
            "arxiv-2502.11347",
            {
                Verdict.REPRODUCED: (10, 0),
                Verdict.CLOSE: (1, 0),
                Verdict.DIFFERS: (7, 0),
            },
        ),
        ("sev-csv-secure-inference", {Verdict.UNSUPPORTED: (1, 0)}),
    ],
)
def test_how_many_there_are_of_a_verdict_and_how_many_are_not_decided(
    checks: Checks, source: str, counts: dict[Verdict, tuple[int, int]]
) -> None:
    of = [found for found in checks.values() if found.claim.source == source]
    all_of = Counter(found.verdict for found in of)
    undecided = Counter(found.verdict for found in of if not found.decisive)
    assert {verdict: (n, undecided[verdict]) for verdict, n in all_of.items()} == counts


@pytest.mark.parametrize(
    ("name", "verdict", "value"),
    [
        ("tproxy-latency", Verdict.DIFFERS, 781.18),
        ("single-thread-penalty", Verdict.DIFFERS, 38.314),
        ("zk-proof-size", Verdict.DIFFERS, 201.21),
        ("zk-speed", Verdict.DIFFERS, 18312),
        ("zk-overhead-gpu", Verdict.REPRODUCED, 5.1218),
        ("scaling-tee-2", Verdict.REPRODUCED, 140.72),
        ("scaling-tee-4", Verdict.CLOSE, 116.84),
        ("scaling-tee-4-finding", Verdict.REPRODUCED, 116.84),
        ("scaling-bm-32", Verdict.CLOSE, 67.295),
        ("scaling-32-gain", Verdict.DIFFERS, 18.727),
        ("scaling-delta-2", Verdict.DIFFERS, 53.411),
        ("scaling-delta-4", Verdict.DIFFERS, 36.024),
        ("scaling-delta-16-32", Verdict.DIFFERS, 14.386),
        ("gateway-qps-ratio-2000", Verdict.CLOSE, 5.6944),
        ("gateway-1000", Verdict.CLOSE, 1244.85),
        ("cpu-per-core", Verdict.REPRODUCED, 1271.16),
        ("llm-itl-phi3-finding", Verdict.DIFFERS, 6.8673),
        ("llm-tps-h100-llama-3.1-70b", Verdict.REPRODUCED, 0.0),
        ("deepseek-gpu-ratio-1.5b", Verdict.DIFFERS, 19.793),
        ("deepseek-gpu-ratio-7b", Verdict.DIFFERS, 13.719),
        ("deepseek-gpu-ratio-14b", Verdict.REPRODUCED, 9.697),
        ("deepseek-gpu-mean", Verdict.DIFFERS, 14.403),
        ("deepseek-text-tdx-1.5b", Verdict.CLOSE, 25.67),
        ("deepseek-text-cpu-14b", Verdict.DIFFERS, 7.13),
        ("tls-share", Verdict.UNSUPPORTED, None),
        ("secure-inference-overhead", Verdict.UNSUPPORTED, None),
    ],
)
def test_what_a_published_claim_comes_to(
    checks: Checks, name: str, verdict: Verdict, value: float | None
) -> None:
    found = checks[name]
    assert found.verdict == verdict
    assert found.value == (value if value is None else pytest.approx(value, rel=1e-4, abs=1e-9))


@pytest.mark.parametrize(
    "name",
    [
        "rand-read-latency",
        "seq-write-36",
        "tproxy-latency",
        "zk-speed",
        "zk-gpu-accel",
        "zk-throughput",
        "scaling-delta-4",
        "llm-70b-range",
        "llm-8b-range",
        "deepseek-gpu-ratio-1.5b",
        "deepseek-gpu-mean",
        "deepseek-smaller-lower",
    ],
)
def test_a_published_claim_that_fits_another_reading(checks: Checks, name: str) -> None:
    assert len(checks[name].fits_if) == 1


def test_two_equal_printed_rates_allow_any_small_overhead(checks: Checks) -> None:
    """2.48 and 2.48 tokens/s: -0.13 % is possible, and so is +0.4 %."""
    found = checks["llm-tps-h100-llama-3.1-70b"]
    assert (found.low, found.high) == pytest.approx((-0.404, 0.402), abs=1e-3)
    assert not found.decisive
