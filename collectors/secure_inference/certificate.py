"""The certificate of the terminator on loopback, under an authority of its own.

Made anew for each run and thrown away with it: ECDSA keys on P-256, valid for two days.
"""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

AUTHORITY, CERTIFICATE, KEY = "authority.pem", "certificate.pem", "key.pem"
LOOPBACK = "127.0.0.1"


def write(folder: Path) -> None:
    """Write the authority's certificate, the terminator's and its key (mode 0600)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    from collectors.secure_inference import issuing

    now = datetime.now(UTC)
    valid = (now - timedelta(hours=1), now + timedelta(days=2))
    issuer, terminator = issuing.party("sitegen test authority"), issuing.party("localhost")
    names = [x509.DNSName("localhost"), x509.IPAddress(IPv4Address(LOOPBACK))]
    authority = issuing.certificate(issuer, issuer, valid, authority=True)
    shown = issuing.certificate(terminator, issuer, valid, x509.SubjectAlternativeName(names))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / AUTHORITY).write_text(issuing.pem(authority), "ascii")
    (folder / CERTIFICATE).write_text(issuing.pem(shown), "ascii")
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    private = terminator.key.private_bytes(*form, serialization.NoEncryption())
    opened = os.open(folder / KEY, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(opened, "wb") as file:
        file.write(private)


def key_digest(certificate: bytes) -> bytes:
    """Return SHA-256 of the public key (SubjectPublicKeyInfo) of a certificate, PEM or DER."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    pem = certificate.startswith(b"-----")
    load = x509.load_pem_x509_certificate if pem else x509.load_der_x509_certificate
    public = load(certificate).public_key()
    form = PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(public.public_bytes(Encoding.DER, form)).digest()
