"""What signs tokens in tests: a secret, and keys of RSA and of elliptic curves."""

import time
from typing import Any

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

SECRET = "a secret of the issuer's, not of ours 0123456789"
ISSUER = "https://issuer.example"
AUDIENCE = "ecs"
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
SIGNERS: dict[str, Any] = {"HS256": SECRET, "RS256": RSA, "ES256": EC}


def claims(**changes: Any) -> dict[str, Any]:
    """What a good token says; None leaves a claim out."""
    now = int(time.time())
    said = {"sub": "ann", "iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 600, "scope": "read"} | changes
    return {name: value for name, value in said.items() if value is not None}


def sign(algorithm: str, key: Any = None, kid: str | None = None, **changes: Any) -> str:
    headers = {"kid": kid} if kid else None
    return jwt.encode(claims(**changes), key or SIGNERS[algorithm], algorithm, headers)


def pem(key: Any, *, private: bool = False) -> bytes:
    if private:
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def jwk(key: Any, kid: str | None = None, *, private: bool = False, **more: Any) -> dict[str, Any]:
    writer = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    written = writer.to_jwk(key if private else key.public_key(), as_dict=True)
    # Private keys are for signing, which is no business of a set's reader.
    written.pop("key_ops", None)
    return written | ({"kid": kid} if kid else {}) | more


def jwks(*keys: dict[str, Any]) -> bytes:
    return orjson.dumps({"keys": keys})


def parts(secret: str) -> list[str]:
    """Cuts a secret into pieces that tell a part of it, because logs may shorten what they repeat."""
    # Every token begins alike.
    return [secret[at : at + 12] for at in range(0, len(secret) - 11, 6) if not secret.startswith("eyJ", at)]
