"""Certificates, revocation lists and signatures of keys that are made for one run: ECDSA, P-256.

Imported where something is issued or read: the library is heavy, and an extra.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

Validity = tuple[datetime, datetime]
#: What an authority's key is for, and what no key is for.
_USES = ("key_cert_sign", "crl_sign")
_NO_USES = (
    *("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("encipher_only", "decipher_only"),
)


class Party(NamedTuple):
    """Somebody who has a name and a key."""

    common_name: str
    key: ec.EllipticCurvePrivateKey

    @property
    def name(self) -> x509.Name:
        """Return its name as certificates have it."""
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, self.common_name)])

    @property
    def point(self) -> bytes:
        """Return its public key as 32 bytes of x and 32 of y."""
        numbers = self.key.public_key().public_numbers()
        return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")

    def sign(self, data: bytes) -> bytes:
        """Return a signature as 32 bytes of r and 32 of s."""
        r, s = decode_dss_signature(self.key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def party(common_name: str) -> Party:
    """Return somebody with a new key."""
    return Party(common_name, ec.generate_private_key(ec.SECP256R1()))


def certificate(
    subject: Party,
    issuer: Party,
    valid: Validity,
    *extensions: x509.ExtensionType,
    authority: bool = False,
) -> x509.Certificate:
    """Return a certificate; an authority's key signs others, another one data."""
    uses = dict.fromkeys(_USES, authority) | dict.fromkeys(_NO_USES, False)
    subject_key, issuer_key = subject.key.public_key(), issuer.key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject.name)
        .issuer_name(issuer.name)
        .public_key(subject_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=not authority, **uses), critical=True)
    )
    for extension in (
        x509.SubjectKeyIdentifier.from_public_key(subject_key),
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key),
        *extensions,
    ):
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(issuer.key, hashes.SHA256())


def revoked(issuer: Party, valid: Validity) -> bytes:
    """Return the DER of an empty revocation list."""
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.name)
        .last_update(valid[0])
        .next_update(valid[1])
        .add_extension(x509.CRLNumber(1), critical=False)
        .add_extension(authority, critical=False)
    )
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def pem(*certificates: x509.Certificate) -> str:
    """Return certificates as text, one after another."""
    return "".join(item.public_bytes(Encoding.PEM).decode() for item in certificates)


def key_digest(certificate: bytes) -> bytes:
    """Return SHA-256 of the public key (SubjectPublicKeyInfo) of a certificate, PEM or DER."""
    pem = certificate.startswith(b"-----")
    load = x509.load_pem_x509_certificate if pem else x509.load_der_x509_certificate
    form = (Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(load(certificate).public_key().public_bytes(*form)).digest()
