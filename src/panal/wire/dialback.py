"""How a peer proves to the tracker that an address is its own.

The tracker asks `GET /dialback/<nonce>`, 32 hex digits; the peer answers with the BLAKE3 of
the nonce, keyed with the BLAKE3 of its owner secret. The tracker keeps only that key.
"""

from blake3 import blake3

NONCE_BYTES = 16


def hash_secret(secret: bytes) -> bytes:
    """What the tracker keeps of an owner secret."""
    return blake3(secret).digest()


def proof_of(nonce: bytes, secret_hash: bytes) -> str:
    """What a peer answers to a nonce: 64 lower-case hex digits."""
    return blake3(nonce, key=secret_hash).hexdigest()
