from __future__ import annotations

import hashlib
import itertools
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from collectors import zktls
from collectors.zktls import contract, controls, groth16, packages, statements
from collectors.zktls.statements import Instance
from sitegen.collect import Host, RawOutput, Refused, Step
from sitegen.errors import SitegenError
from sitegen.model import params

ROOT = Path(__file__).parents[3]
HERE = ROOT / "collectors" / "zktls"
RAW = ROOT / "tests" / "raw" / "zktls" / "provers"

# Of BN254: the prime of its coordinates, and the generators of its two groups.
PRIME = 21888242871839275222246405745257275088696311157297823662689037894645226208583
G1 = (1, 2)
G2 = (
    (
        10857046999023057135944570762232829481370756359578518086990519993285655852781,
        11559732032986387107991004021392285783925812861821192530917403151452391805634,
    ),
    (
        8495653923123431417604973247489272438418190587263600148770280649306958101930,
        4082367875863433681332203403145435568316851327593401208105741076214120093531,
    ),
)


def node() -> str:
    path = Host().find("node")
    if path is None:
        pytest.skip("needs Node.js")
    return path


def prove(place: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    argv = [node(), str(HERE / "stwo.mjs"), "--packages", str(place), *words]
    return subprocess.run(argv, capture_output=True, timeout=120, check=False)


# The lock file


def test_packages_are_locked_by_version_and_digest_and_name_no_registry() -> None:
    text = (HERE / "package-lock.json").read_text()
    lock = json.loads(text)["packages"]
    document = json.loads((HERE / "package.json").read_text())["dependencies"]
    assert document == packages.versions() == lock[""]["dependencies"]
    assert document[statements.PACKAGE] == "5.1.3"
    for name, about in lock.items():
        if name:
            assert re.fullmatch(r"\d+\.\d+\.\d+", about["version"]), name
            assert about["integrity"].startswith("sha512-"), name
            assert "resolved" not in about, name
            assert "hasInstallScript" not in about, name
    for name, version in document.items():
        assert lock[f"node_modules/{name}"]["version"] == version
    assert "registry" not in text


def test_packages_that_changed_after_they_were_installed_are_not_whole(tmp_path: Path) -> None:
    (tmp_path / "node_modules" / "a").mkdir(parents=True)
    file = tmp_path / "node_modules" / "a" / "index.js"
    file.write_text("1")
    assert not packages.whole(tmp_path)
    stamp = tmp_path / "whole.sha256"
    stamp.write_text(packages.stamp(tmp_path))
    assert packages.whole(tmp_path)
    file.write_text("2")
    assert not packages.whole(tmp_path)
    file.write_text("1")
    assert packages.whole(tmp_path)
    file.rename(file.with_name("other.js"))
    assert not packages.whole(tmp_path)


@pytest.mark.tools
def test_without_a_network_the_installation_fails_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm = Host().find("npm")
    if npm is None:
        pytest.skip("needs npm")
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    cache = tmp_path / "cache"
    with pytest.raises(SitegenError, match="npm could not install the provers") as caught:
        packages.install(packages.step(npm, cache), Host())
    assert "127.0.0.1" not in str(caught.value)
    assert "ECONNREFUSED" in str(caught.value)
    assert list(cache.iterdir()) == []


# The statements


def test_public_values_of_a_hash_are_the_halves_of_its_digest() -> None:
    for instance, first in zip(statements.instances("sha-256", 300), (3, 11), strict=True):
        data = bytes((7 * i + first) % 256 for i in range(300))
        assert instance.inputs["data"] == [str(byte) for byte in data]
        high, low = instance.public
        assert (high << 128 | low).to_bytes(32, "big") == hashlib.sha256(data).digest()


def test_the_signatures_that_are_proven_are_genuine() -> None:
    # EMSA-PKCS1-v1_5 (RFC 8017, 9.2) of a SHA-256 digest in 2048 bits.
    prefix = bytes.fromhex("3031300d060960864801650304020105000420")
    instances = statements.instances("rsa-2048-verify", 256)
    for message, instance in zip(statements.RSA_MESSAGES, instances, strict=True):
        limbs = {
            name: sum(int(limb) << 121 * index for index, limb in enumerate(values))
            for name, values in instance.inputs.items()
        }
        assert limbs["modulus"].bit_length() == 2048
        plain = pow(limbs["signature"], 65537, limbs["modulus"]).to_bytes(256, "big")
        digest = hashlib.sha256(message).digest()
        assert plain == b"\0\1" + b"\xff" * 202 + b"\0" + prefix + digest
        assert limbs["message"] == int.from_bytes(digest, "big")
        # The signature is what is proven to be known: it is not public.
        public = [int(limb) for name in ("message", "modulus") for limb in instance.inputs[name]]
        assert list(instance.public) == public


@pytest.mark.parametrize(
    ("statement", "size"), [("sha-256", 0), ("sha-256", 4097), ("rsa-2048-verify", 64), ("x", 64)]
)
def test_there_is_no_circuit_for_other_sizes(statement: str, size: int) -> None:
    with pytest.raises(SitegenError, match="there is no circuit"):
        statements.circuit(statement, size)


def r1cs(constraints: int, *, before: bytes = b"") -> bytes:
    counts = b"".join(n.to_bytes(4, "little") for n in (9, 2, 0, 64))
    header = (32).to_bytes(4, "little") + PRIME.to_bytes(32, "little") + counts
    header += (77).to_bytes(8, "little") + constraints.to_bytes(4, "little")
    section = (1).to_bytes(4, "little") + len(header).to_bytes(8, "little") + header
    return b"r1cs" + (1).to_bytes(4, "little") + (3).to_bytes(4, "little") + before + section


def test_constraints_are_counted_as_the_compiler_wrote_them() -> None:
    other = (2).to_bytes(4, "little") + (3).to_bytes(8, "little") + b"abc"
    assert groth16.constraints(r1cs(63106)) == 63106
    assert groth16.constraints(r1cs(5, before=other)) == 5


@pytest.mark.parametrize("data", [b"", b"r1cs", b"zkey" + r1cs(5)[4:], r1cs(5)[:40]])
def test_a_file_that_is_no_r1cs_has_no_constraints(data: bytes) -> None:
    with pytest.raises(SitegenError, match="no header"):
        groth16.constraints(data)


# The controls


def judged(controls: Sequence[contract.Control]) -> None:
    """Put controls into a real session and parse it."""
    lines = (RAW / "groth16-sha-256-64.out").read_bytes().splitlines()
    kept = [line for line in lines if b'"control"' not in line and b'"end"' not in line]
    encoded = [msgspec.json.encode(control) for control in controls]
    stdout = b"\n".join([*kept, *encoded, b'{"record":"end"}'])
    zktls.parse(step("sha-256", 64, "groth16py", "groth16"), RawOutput(stdout=stdout))


def step(statement: str, size: int, prover: str, system: str) -> Step:
    about = {"statement": statement, "size": size, "prover": prover, "threads": 1}
    about |= {"proof_system": system, "proof_mode": system}
    return Step(f"{statement}-{size}", statement, ("x",), 1.0, params(**about))


RECORD = step("chacha20", 1024, "s-two", "stark")


def honest(public: Sequence[int]) -> bytes:
    """Prove in a system in which a proof is the digest of the public values."""
    texts = (repr((part, list(public))) for part in range(8))
    return b"".join(hashlib.sha256(text.encode()).digest() for text in texts)


def test_an_honest_verifier_passes_every_control() -> None:
    one, other = ((each, honest(each.public)) for each in statements.instances("sha-256", 64))
    controls = list(groth16.controls("sha-256", lambda p, values: p == honest(values), one, other))
    assert not any(control.accepted for control in controls)
    assert {control.kind for control in controls} == set(contract.CONTROLS)
    judged(controls)


def test_the_key_of_an_empty_ceremony_is_caught(tmp_path: Path) -> None:
    """Tau, alpha and beta are 1 and each point for the public values is infinity."""
    library = pytest.importorskip("groth16py")
    little = [n.to_bytes(32, "little") for n in (*G1, *G2[0], *G2[1])]
    one, two = b"".join(little[:2]), b"".join(little[2:])
    infinity = bytes(63) + b"\x40"
    key = one + two * 3 + (3).to_bytes(8, "little") + infinity * 3
    (tmp_path / "verifying.key").write_bytes(key)
    verifier = library.Verifier(library.VerifyingKey.load(str(tmp_path / "verifying.key")))
    # A = 2 G1, B = G2, C = G1: e(A, B) = e(alpha, beta) + e(C, delta), whatever is public.
    x, y = G1
    slope = 3 * x * x * pow(2 * y, -1, PRIME) % PRIME
    double_x = (slope * slope - 2 * x) % PRIME
    double = (double_x, (slope * (x - double_x) - y) % PRIME)
    points = (*double, *reversed(G2[0]), *reversed(G2[1]), *G1)
    proof = b"".join(n.to_bytes(32, "big") for n in points)
    assert verifier.verify(proof, [1, 2])

    # It is a valid proof of any other statement, too.
    other = Instance({}, (3, 4))
    controls = list(
        groth16.controls("sha-256", verifier.verify, (Instance({}, (1, 2)), proof), (other, proof))
    )
    flipped = [c for c in controls if c.kind == "proof" and str(c.detail).startswith("last bit")]
    assert [control.accepted for control in flipped] == [False] * 8
    public = [control.accepted for control in controls if control.kind == "public-input"]
    assert public == [True, True]
    with pytest.raises(Refused, match="accepted something wrong: control public-input"):
        judged(controls)


BROKEN = """
export function makeStwoZkOperator() {
  const proofs = new Set()
  return {
    generateWitness: (input) => new TextEncoder().encode(String(input.out)),
    async groth16Prove(witness) {
      const proof = new Uint8Array(800).fill(witness.length + witness[0])
      proofs.add(String(proof))
      return { proof }
    },
    groth16Verify: async (inputs, proof) => %s,
  }
}
"""


SMALLEST = ("--cipher", "chacha20", "--size", "64", "--proofs", "1")


def broken_package(place: Path, verify: str) -> Path:
    folder = place / "node_modules" / "@reclaimprotocol" / "zk-symmetric-crypto"
    program = folder / "lib" / "stwo"
    program.mkdir(parents=True)
    about = {"version": "0", "type": "module", "exports": {"./stwo": "./lib/stwo/index.js"}}
    (folder / "package.json").write_text(json.dumps(about))
    (program / "index.js").write_text(BROKEN % verify)
    (program / "s2circuits_bg.wasm").write_bytes(b"none")
    return place


@pytest.mark.tools
@pytest.mark.parametrize(
    ("verify", "accepted"),
    [
        ("true", set(contract.CONTROLS)),
        ("false", set()),
        ("proofs.has(String(proof))", {"public-input", "other-statement"}),
        ("inputs.noncesAndCounters[0].counter === 1", set(contract.CONTROLS)),
    ],
)
def test_a_broken_verifier_of_records_is_caught(
    tmp_path: Path, verify: str, accepted: set[str]
) -> None:
    done = prove(broken_package(tmp_path, verify), *SMALLEST)
    assert done.returncode == 0, done.stderr
    controls = [json.loads(line) for line in done.stdout.splitlines() if b'"control"' in line]
    assert {each["kind"] for each in controls if each["accepted"]} == accepted
    # The last does not even accept its own proof.
    with pytest.raises(Refused, match=r"accepted something wrong|was not accepted"):
        zktls.parse(RECORD, RawOutput(stdout=done.stdout))


# Real proofs


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    npm = Host().find("npm")
    if npm is None:
        pytest.skip("needs npm")
    place = tmp_path_factory.mktemp("cache")
    step = packages.step(npm, place)
    try:
        assert packages.install(step, Host()).stdout == b"installed\n"
    except SitegenError as error:
        if any(code in str(error) for code in ("ENOTFOUND", "EAI_AGAIN", "ETIMEDOUT", "E403")):
            pytest.skip(str(error))
        raise
    assert packages.install(step, Host()).stdout == b"already installed\n"
    return place


@pytest.mark.tools
def test_a_real_record_is_proven_as_it_was_before(cache: Path) -> None:
    job = statements.Job("chacha20", 1024, packages.folder(cache), cache, cache, node())
    done = Host().run(job.command(), timeout_s=120)
    reading = zktls.parse(RECORD, done)
    session = contract.read(done.stdout)
    before = contract.read((RAW / "stwo-chacha20-1024.out").read_bytes())
    # Deterministic: the same proof on another machine, at another time.
    assert session.measured[0].proof_sha256 == before.measured[0].proof_sha256
    assert session.prover.program_sha256 == statements.PROGRAM_SHA256
    assert not any(control.accepted for control in session.controls)
    [size] = [m.value for m in reading.measurements if m.metric == "zktls.proof_size"]
    assert size == 1_466_289


@pytest.mark.tools
def test_a_real_hash_is_proven_with_a_key_that_is_kept(cache: Path, tmp_path: Path) -> None:
    pytest.importorskip("groth16py")
    place, made_file = packages.folder(cache), tmp_path / "made.json"
    job = statements.Job("sha-256", 1, place, tmp_path / "keys", made_file, node())

    def drive(action: str) -> subprocess.CompletedProcess[bytes]:
        argv = [sys.executable, "-W", "error", *job.command(action)[1:]]
        return subprocess.run(argv, cwd=ROOT, capture_output=True, timeout=300, check=False)

    process = drive("setup")
    assert (process.returncode, process.stderr) == (0, b"")
    [folder] = (tmp_path / "keys").iterdir()
    stamp = (folder / "key.json").stat().st_mtime_ns
    assert drive("setup").returncode == 0
    assert (folder / "key.json").stat().st_mtime_ns == stamp

    first = contract.read(drive("prove").stdout)
    controls.require(first)
    [setup] = first.setups
    assert not setup.cached
    assert setup.setup_s
    assert (setup.constraints or 0) > 20_000
    [proof] = first.measured
    assert proof.proof_bytes == 256
    assert proof.witness_s is not None

    # What an earlier run took is not said to be measured in this one.
    prover, again = itertools.islice(groth16.prove(job), 2)
    assert isinstance(prover, contract.Prover)
    assert prover.program_sha256 == first.prover.program_sha256
    assert again == msgspec.structs.replace(setup, cached=True, setup_s=None, compile_s=None)

    program = folder / "circuit.wasm"
    program.write_bytes(program.read_bytes() + b"\0")
    damaged = drive("prove")
    assert (damaged.returncode, damaged.stdout) == (1, b"")
    assert b"there is no key, or it is damaged" in damaged.stderr
