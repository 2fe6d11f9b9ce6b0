"""The settings of who is let in."""

from pathlib import Path

from pydantic import BaseModel, Field, SecretStr, model_validator

from rag_api.core.principals import Role

LEAST_SECRET_BYTES = 32


class JwtSettings(BaseModel):
    """Tokens of somebody else's making, checked by one of three means."""

    secret: SecretStr = Field(SecretStr(""), description="for HS256: what tokens are signed with, 32 bytes or more")
    public_key: Path | None = Field(None, description="for RS256 or ES256: a file with the public key in PEM")
    jwks: str = Field("", description="for RS256 or ES256: a JSON Web Key Set, as a file or an http(s) URL")
    issuer: str = Field("", description="when set, `iss` must be this")
    audience: str = Field("", description="when set, `aud` must be or hold this")
    role_claim: str = Field("role", min_length=1, description="where the role stands; dots lead into objects")
    collections_claim: str = Field("collections", min_length=1, description="where collections stand; none: all")
    groups_claim: str = Field("groups", min_length=1, description="where the groups stand that acl means")
    default_role: Role = Field("reader", description="of tokens that say none")

    @property
    def is_set(self) -> bool:
        return bool(self.secret.get_secret_value() or self.public_key or self.jwks)

    @property
    def is_fetched(self) -> bool:
        return self.jwks.startswith(("http://", "https://"))

    @model_validator(mode="after")
    def _is_one_of_three(self) -> "JwtSettings":
        secret = self.secret.get_secret_value()
        if sum(map(bool, (secret, self.public_key, self.jwks))) > 1:
            raise ValueError("tokens are checked by a secret, a public_key or jwks: set one of the three")
        if secret and len(secret.encode()) < LEAST_SECRET_BYTES:
            raise ValueError(f"the secret must have {LEAST_SECRET_BYTES} bytes or more, as shorter ones can be guessed")
        return self
