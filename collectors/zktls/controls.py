"""What makes every number of a run worthless: fake proofs, and a verifier that takes anything."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from collectors.zktls import contract
from sitegen.collect import Refused, decode
from sitegen.errors import SitegenError

_ACCEPTED = "the verifier accepted something wrong: control "
_UNTIL_REFUSED = "no number of this prover means anything until it refuses that"
_NO = frozenset({"", "0", "false", "no", "off"})
#: Switches of provers that fake or weaken proofs: RISC Zero's dev mode, SP1's smaller circuits,
#: OP Succinct's mock mode.
_SWITCHES = ("RISC0_DEV_MODE", "SP1_DEV", "OP_SUCCINCT_MOCK")
_SWITCH_ENDS = ("_MOCK_PROVER", "_FAKE_PROVER", "_MOCK_PROOFS", "_FAKE_PROOFS")
#: Values of variables such as SP1_PROVER.
_FAKES = frozenset({"mock", "fake", "dev"})


def refuse_fakes(environ: Mapping[str, str]) -> None:
    """Raise Refused when the environment asks a prover for proofs that prove nothing."""
    for name, value in sorted(environ.items()):
        word = value.strip().lower()
        switch = name in _SWITCHES or f"_{name}".endswith(_SWITCH_ENDS)
        if (switch and word not in _NO) or (name.endswith("_PROVER") and word in _FAKES):
            message, fix = f"{name} asks for proofs that prove nothing", f"unset {name}"
            raise Refused(message, where="zktls", fix=f"{fix} and collect again")


def refuse_accepted(stdout: bytes) -> None:
    """Raise Refused when a line of ``stdout`` says that something wrong was accepted, or faked.

    Also when the lines around it are broken off or wrong: a prover that dies after it has
    accepted a false statement has still accepted it.
    """
    for text in stdout.split(b"\n"):
        if b'"accepted"' not in text and b'"dev_mode"' not in text:
            continue
        try:
            line = decode.document(text, dict[str, Any])
        except SitegenError:
            continue
        if line.get("record") == "control" and line.get("accepted") is True:
            kind = "".join(c for c in str(line.get("kind")) if c.isprintable())[:40]
            raise Refused(f"{_ACCEPTED}{kind}", where="zktls", fix=_UNTIL_REFUSED)
        if line.get("record") == "prover" and line.get("dev_mode") is True:
            message = "the prover says that its proofs are fake (dev_mode)"
            raise Refused(message, where="zktls", fix="turn that mode off")


def require(session: contract.Session) -> None:
    """Raise Refused unless the verifier is known to refuse what is wrong.

    For each statement, each kind of control must have been tried and refused, every proof must
    have been verified, and no proof may be fake. A verification key of which one control looks
    healthy may still accept another (see the method note), so none is optional.
    """
    for reason, fix in _reasons(session):
        raise Refused(reason, where=session.prover.prover, fix=fix)


def _reasons(session: contract.Session) -> Iterator[tuple[str, str]]:
    """Yield why the numbers of a session mean nothing, and what would mend that."""
    if session.prover.dev_mode:
        yield "its proofs are fake (dev_mode)", "turn that mode off"
    if not session.measured:
        yield "it made no measured proof", ""
    for proof in session.proofs:
        if proof.verified is not True:
            verdict = "was not accepted" if proof.verified is False else "was not checked"
            yield f"the {proof.name}, {verdict} by the verifier", ""
    for control in session.controls:
        if control.accepted:
            yield f"{_ACCEPTED}{control.kind} of {control.statement}", _UNTIL_REFUSED
    tried = {(control.statement, control.kind) for control in session.controls}
    proven = dict.fromkeys(proof.statement for proof in session.proofs)
    for statement, kind in itertools.product(proven, contract.CONTROLS):
        if (statement, kind) not in tried:
            fix = f"try each of {', '.join(contract.CONTROLS)} for each statement"
            yield f"the control {kind} of {statement} is missing", fix
