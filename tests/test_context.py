"""What the settings become."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.conftest import make_settings
from zxo.context import token_ring
from zxo.embedded import Endpoints
from zxo.settings import TokenSettings

SECRET = "an-hmac-secret-of-more-than-32-characters"
ID = "5f0c8e52-6a4e-4e0a-9d0a-0d5b8f1f6a11"
CLAIMS = {"userId": 1, "sid": ID, "jti": ID, "iat": 1, "exp": 2}


def private_key() -> str:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_tokens_signed_before_a_change_of_algorithm_are_still_ours(services: Endpoints) -> None:
    before = make_settings(services, tokens=TokenSettings(secret=SECRET))
    token = token_ring(before).sign(CLAIMS)
    changed = TokenSettings(secret=private_key(), algorithm="EdDSA", previous_secrets=(SECRET,))
    ring = token_ring(make_settings(services, tokens=changed))
    assert ring.verify(token)["userId"] == 1
    assert ring.verify(ring.sign(CLAIMS))["userId"] == 1
