from __future__ import annotations

import csv
import json
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import convert
from msgspec.structs import replace

from sitegen.analysis.claims import Checked, Claim, Verdict, as_json, check, load
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
    fields = {"printed": printed, "unit": unit, "kind": kind, "expression": expression}
    return convert({"id": "c", "source": "s", "statement": "a rate", **fields}, Claim)


@cache
def published_claims() -> tuple[Claim, ...]:
    return tuple(claim for path in FILES for claim in load(path))


@pytest.fixture(scope="module")
def checks(published: Analysis) -> Checks:
    return {claim.id: check(claim, published) for claim in published_claims()}


# The engine.


@pytest.mark.parametrize(
    ("kind", "printed", "verdicts"),
    [
        # Just outside its rounding is within 1 % of what was computed.
        ("value", "10 %", "reproduced: 0.1 0.1049 0.105 0.0951 [0.1,0.102]"),
        ("value", "10 %", "close: 0.1055 0.0945 [0.1,0.1055]"),
        ("value", "10 %", "differs: 0.1062 0.0935 [0.1,0.2]"),
        ("value", "10.0 %", "differs: 0.1055"),
        ("value", "1,271 MIPS/core", "reproduced: 1271.4"),
        ("value", "5.70 x", "close: 5.6944"),
        ("value", "-0.13 %", "reproduced: -0.13*0.01"),
        ("value", "-0.13 %", "differs: 0.0013"),
        ("value", "25.1k proofs/s", "reproduced: 25123"),
        ("value", "25.1k proofs/s", "differs: 25.1"),
        ("value", "18.3 kHz", "differs: 18312000"),
        ("value", "0 %", "reproduced: 0"),
        # One figure outside is enough, and near is not inside.
        ("range", "60-80 %", "reproduced: [0.6,0.7,0.8] 0.804"),
        ("range", "60-80 %", "differs: [0.7,0.81] [0.7,0.59]"),
        ("bound", "<0.5 %", "reproduced: [0.001,0.004] -3"),
        ("bound", "<0.5 %", "differs: [0.001,0.006] 0.005"),
        ("bound", ">0.5 %", "differs: 0.005"),
        ("bound", "<=0.5 %", "reproduced: 0.005"),
        ("bound", ">=0.5 %", "reproduced: 0.005"),
        ("ordering", "true %", "reproduced: 1<2"),
        ("ordering", "true %", "differs: 2<1"),
        ("statement", "equal %", "differs: every(1<2,2<1)"),
    ],
)
def test_the_verdict_on_each_kind_of_claim(
    published: Analysis, kind: str, printed: str, verdicts: str
) -> None:
    verdict, *expressions = verdicts.split()
    for expression in expressions:
        text, unit = printed.split()
        claim = a_claim(expression, text, unit, kind)
        assert f"{check(claim, published).verdict}:" == verdict


def test_a_claim_without_an_expression_is_unsupported(published: Analysis) -> None:
    for kind, printed in (("value", "10"), ("statement", "x"), ("bound", "<3")):
        found = check(a_claim("", printed, kind=kind), published)
        assert found.verdict == Verdict.UNSUPPORTED


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


READINGS = {"it is a fraction": "10", "it is nothing": "0"}


def test_readings_that_fit_are_given_where_the_own_words_do_not(published: Analysis) -> None:
    claim = replace(a_claim("0.1", "10", "x"), fits_if=READINGS)
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
        (replace(a_claim(""), fits_if={"x": "1 / 0"}), "claim c: a div"),
    ],
)
def test_an_expression_that_gives_nothing_names_its_claim(
    published: Analysis, claim: Claim, told: str
) -> None:
    with pytest.raises(SitegenError) as refusal:
        check(claim, published)
    assert str(refusal.value).startswith(told)


def test_a_checked_claim_as_json(published: Analysis) -> None:
    result = as_json(check(a_claim(COARSE, "0.9", "1/s"), published))
    found = json.loads(json.dumps(result, allow_nan=False))
    told = {"id": "c", "verdict": "differs", "published": "0.9", "fits_if": []}
    assert {**found, **told, "expression": COARSE} == found
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
        ("No figures, 5, 100 %; [1] $x ${1 + 1}", "No figures, 5, 100 %; [1] $x $2.00"),
        ("Plain: 1 + 2 = 3", "Plain: 1 + 2 = 3"),
        (f"It is {{{COARSE}}}, or {{100 * {COARSE}}} %.", "It is 0.830, or 83.0 %."),
        ("{\n  1\n  + 2\n} and {5085}, {-2.5}", "3.00 and 5,085, −2.50"),
    ],
)
def test_a_note_tells_its_expressions_and_leaves_all_else(
    published: Analysis, note: str, told: str
) -> None:
    found = check(with_note(note), published)
    assert found.claim.note == told
    assert as_json(found)["note"] == told
    assert claim_pages.page(published, [found]).groups[0][2][0].claim.note == told


def test_the_figures_of_a_note_are_no_inputs_of_its_claim(published: Analysis) -> None:
    assert check(with_note(f"{{{COARSE}}}"), published).inputs == ()


@pytest.mark.parametrize(
    ("note", "told"),
    [
        ("{value('fio.iops', 'gone')}", "no figure is fio.iops in gone"),
        ("{1 < 2}", "'1 < 2' is no number"),
        ("{0!r:>{99999999}}", "a brace in its note holds no expression"),
        ("{\n1\n2\n}", "not an expression: '\\n1\\n2\\n'"),
        ("{}", "a brace in its note holds no expression"),
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
    coarse = {"reproduced": "0.833", "close": "0.836", "differs": "0.999"}
    found = [check(a_claim(COARSE, text, "1/s"), published) for text in coarse.values()]
    assert [str(each.verdict) for each in found] == list(coarse)
    assert not any(each.decisive for each in found)
    (group,) = claim_pages.page(published, found).groups
    told = {row.verdict: row.decisive for row in group[2]}
    assert told == {"reproduced": False, "close": False, "differs": True}


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
        id="a", source="s", statement="a rate", printed="1.5", unit="x", kind="value",
        expression="3 / 2", fits_if={"it is another": "2"},
    )  # fmt: skip
    assert load(written(tmp_path, "")) == ()


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ('id = "a"', "", "claim 1: has no id"),
        ('id = "a"', "id = 5", "5.id: must be a text"),
        ('id = "a"', 'id = "../a"', "../a: '../a' is not a usable claim name"),
        ('source = "s"', "", "a: has no source"),
        ('kind = "value"', 'kind = "guess"', "a.kind: must be one of value, range"),
        ('unit = "x"', 'unit = "furlong"', "a.unit: no unit 'furlong'; use one of x, ratio"),
        ('"1.5"', '"much"', "a.printed: 'much' is not printed as a value; write"),
        ('"1.5"', '"<1.5"', "a.printed: '<1.5' is not printed as a value"),
        ('"1.5"', f'"{"9" * 400}"', "a.printed: '999"),
        ('expression = "3 / 2"', "expresion = '3'", "a: unknown key expresion; known here: ex"),
        (
            '"it is another" = "2"',
            '"it is another" = 2',
            'a.fits_if."it is another": must be a text',
        ),
        ('[claim.fits_if]\n"it is another" = "2"', "fits_if = '2'", "a.fits_if: must be a table"),
        ("[[claim]]", "[[claims]]", "unknown key claims; known here: claim"),
        ('id = "a"', 'id = "a', "not valid TOML"),
    ],
)
def test_what_is_not_understood_is_named_with_its_place(
    tmp_path: Path, before: str, after: str, told: str
) -> None:
    assert before in GOOD
    path = written(tmp_path, GOOD.replace(before, after))
    with pytest.raises(SitegenError) as refusal:
        load(path)
    assert str(refusal.value).startswith(f"{path}: {told}")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("kind", "printed"),
    [
        *(("range", text) for text in ("80-60", "60", "60-", "-60-80-90", "60--80")),
        *(("bound", text) for text in ("5", "=5", "<", "<>5", "<5-6")),
    ],
)
def test_a_range_has_two_ends_in_order_and_a_bound_one_sign_and_one_figure(
    tmp_path: Path, kind: str, printed: str
) -> None:
    text = GOOD.replace('"value"', f'"{kind}"').replace('"1.5"', f'"{printed}"')
    with pytest.raises(SitegenError, match=f"is not printed as a {kind}"):
        load(written(tmp_path, text))


def test_an_id_is_given_once_and_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SitegenError, match=r"claims\.toml: is missing"):
        load(tmp_path / "claims.toml")
    with pytest.raises(SitegenError, match="two claims are called 'a'"):
        load(written(tmp_path, GOOD + GOOD))


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
    prose = [re.sub(r"\{[^{}]+\}", "_", claim.note), *claim.fits_if]
    printed = re.findall(r"[\d.,]+", claim.printed)
    return [
        text
        for text in TYPED.findall(" | ".join(prose))
        if text.removesuffix("%").strip() not in printed
    ]


def test_no_note_and_no_reading_types_a_figure() -> None:
    found = {(claim.id, text) for claim in published_claims() for text in typed(claim)}
    assert found == set(TYPED_FOR_A_REASON)


def test_every_other_reading_fits_and_only_stands_where_it_is_needed(checks: Checks) -> None:
    for name, found in checks.items():
        assert found.fits_if == tuple(found.claim.fits_if), name
    assert sum(bool(found.fits_if) for found in checks.values()) == 21


def test_all_inputs_are_figures_as_they_were_printed(checks: Checks) -> None:
    assert all(each.printed for found in checks.values() for each in found.inputs)
    taken = [name for name, found in checks.items() if found.claim.expression and not found.inputs]
    assert not taken


def test_how_many_there_are_of_a_verdict_and_how_many_are_not_decided(checks: Checks) -> None:
    counted = Counter((each.claim.source, str(each.verdict)) for each in checks.values())
    assert {pair: count for pair, count in counted.items() if count > 1} == {
        ("phala-2025", "reproduced"): 76,
        ("phala-2025", "close"): 7,
        ("phala-2025", "differs"): 27,
        ("phala-2025", "unsupported"): 14,
        ("arxiv-2502.11347", "reproduced"): 10,
        ("arxiv-2502.11347", "differs"): 7,
    }
    open_ = Counter(str(each.verdict) for each in checks.values() if not each.decisive)
    assert open_ == {"reproduced": 34, "close": 1, "differs": 5}


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
        ("scaling-32-gain", Verdict.DIFFERS, 18.727),
        ("scaling-delta-2", Verdict.DIFFERS, 53.411),
        ("gateway-qps-ratio-2000", Verdict.CLOSE, 5.6944),
        ("cpu-per-core", Verdict.REPRODUCED, 1271.16),
        ("llm-itl-phi3-finding", Verdict.DIFFERS, 6.8673),
        ("llm-tps-h100-llama-3.1-70b", Verdict.REPRODUCED, 0.0),
        ("deepseek-gpu-ratio-1.5b", Verdict.DIFFERS, 19.793),
        ("deepseek-gpu-ratio-14b", Verdict.REPRODUCED, 9.697),
        ("deepseek-text-tdx-1.5b", Verdict.CLOSE, 25.67),
        ("tls-share", Verdict.UNSUPPORTED, None),
    ],
)
def test_what_a_published_claim_comes_to(
    checks: Checks, name: str, verdict: Verdict, value: float | None
) -> None:
    found = checks[name]
    assert found.verdict == verdict
    assert found.value == (value if value is None else pytest.approx(value, rel=1e-4, abs=1e-9))
