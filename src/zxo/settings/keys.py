"""Keys: for tokens, for what is looked up without being readable, for what is sealed."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import NoDecode

from zxo.kit.values import Duration, refuse_weak, split
from zxo.settings.base import Section


class TokenSettings(Section):
    """Signed tokens. The secret is an HMAC secret, or a private key (PEM) with EdDSA."""

    secret: SecretStr = Field(SecretStr(""), validation_alias="JWT_SECRET")
    previous_secrets: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(split)] = Field(
        (), validation_alias="JWT_PREVIOUS_SECRETS"
    )
    algorithm: Literal["HS256", "EdDSA"] = Field("HS256", validation_alias="JWT_ALGORITHM")
    expires_in: Duration = Field(timedelta(days=7), validation_alias="JWT_EXPIRES_IN")
    issuer: str = Field("zxo", validation_alias="JWT_ISSUER")
    audience: str = Field("zxo-app", validation_alias="JWT_AUDIENCE")

    @model_validator(mode="after")
    def _has_a_key_to_sign_with(self) -> Self:
        if self.algorithm == "EdDSA" and "PRIVATE KEY" not in self.secret.get_secret_value():
            raise ValueError("JWT_SECRET must be a private key (PEM) where JWT_ALGORITHM is EdDSA")
        return self

    def refuse_unsafe(self) -> None:
        """Raises ValueError for what must not stand in production."""
        refuse_weak("JWT_SECRET", self.secret)
        for secret in self.previous_secrets:  # whoever knows one of them can sign
            refuse_weak("JWT_PREVIOUS_SECRETS", secret)


class KeySettings(Section):
    """The index key never changes; of the encryption keys the first seals, and all of them open."""

    index: SecretStr = Field(SecretStr(""), validation_alias="ZXO_INDEX_KEY")
    encryption: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(split)] = Field(
        (), validation_alias="ZXO_ENCRYPTION_KEYS"
    )

    def refuse_unsafe(self) -> None:
        """Raises ValueError for what must not stand in production."""
        refuse_weak("ZXO_INDEX_KEY", self.index)
        if not self.encryption:
            raise ValueError("ZXO_ENCRYPTION_KEYS needs at least one key in production")
        for secret in self.encryption:
            refuse_weak("ZXO_ENCRYPTION_KEYS", secret)
