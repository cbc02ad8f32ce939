"""What makes every number of a run worthless: fake proofs, and a verifier that takes anything.

`contract.require_controls` judges a whole session; here is what must be seen before there is
one, or where there never will be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sitegen.collect import Refused, decode
from sitegen.errors import SitegenError

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
            raise Refused(
                f"{name} asks for proofs that prove nothing",
                where="zktls",
                fix=f"unset {name} and collect again",
            )


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
        reason = fix = ""
        if line.get("record") == "control" and line.get("accepted") is True:
            kind = "".join(c for c in str(line.get("kind")) if c.isprintable())[:40]
            reason = f"the verifier accepted something wrong: control {kind}"
            fix = "no number of this prover means anything until it refuses that"
        if line.get("record") == "prover" and line.get("dev_mode") is True:
            reason = "the prover says that its proofs are fake (dev_mode)"
            fix = "turn that mode off"
        if reason:
            raise Refused(reason, where="zktls", fix=fix)
