"""Settings of the login through an identity provider (OpenID Connect)."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings

from iit.domain.errors import InvalidInput
from iit.services.oidc_claims import rules_in


class OidcSettings(BaseSettings):
    """How people of an identity provider log in; off unless an issuer is set."""

    oidc_issuer: Annotated[
        str | None, Field(description="Issuer of an OpenID Connect provider that people log in through.")
    ] = None
    oidc_client_id: Annotated[str | None, Field(description="This service's name at the provider.")] = None
    oidc_client_secret: Annotated[SecretStr | None, Field(description="This service's secret at the provider.")] = None
    oidc_scopes: Annotated[str, Field(description="What is asked of the provider.")] = "openid profile"
    oidc_audience: Annotated[
        str | None,
        Field(description="`aud` of the provider's access tokens that the API takes; without it, it takes none."),
    ] = None
    oidc_role_claim: Annotated[
        str, Field(description="Claim with somebody's groups or roles; dots lead into objects.")
    ] = "groups"
    oidc_roles: Annotated[
        str,
        Field(
            description="Who is what, by commas, the first that fits counts: `group=role` sees everyone, "
            "`group=role@F1+F2` some facilities, `group=role@claim` those of `IIT_OIDC_FACILITY_CLAIM`. Others are "
            "refused."
        ),
    ] = ""
    oidc_facility_claim: Annotated[str, Field(description="Claim with codes of facilities.")] = "facilities"
    local_login: Annotated[
        Literal["everyone", "administrators"],
        Field(description="Whose password kept here counts; `administrators` leaves a way in without the provider."),
    ] = "everyone"

    @field_validator("oidc_issuer")
    @classmethod
    def _is_out_of_reach(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
            raise ValueError("must start with https://")
        return url

    @field_validator("oidc_roles")
    @classmethod
    def _known_roles(cls, text: str) -> str:
        try:
            rules_in(text)
        except InvalidInput as cause:
            raise ValueError(cause.reason) from None
        return text

    @model_validator(mode="after")
    def _whole_provider(self) -> "OidcSettings":
        if self.oidc_issuer is not None and not (self.oidc_client_id and self.oidc_roles):
            raise ValueError("IIT_OIDC_ISSUER needs IIT_OIDC_CLIENT_ID and IIT_OIDC_ROLES")
        if self.oidc_issuer is not None and not getattr(self, "public_url", None):
            raise ValueError("IIT_OIDC_ISSUER needs IIT_PUBLIC_URL")
        if self.oidc_audience is not None and self.oidc_audience == self.oidc_client_id:
            raise ValueError("IIT_OIDC_AUDIENCE must not be IIT_OIDC_CLIENT_ID: ID tokens would open the API")
        if self.local_login == "administrators" and self.oidc_issuer is None:
            raise ValueError("IIT_LOCAL_LOGIN=administrators needs IIT_OIDC_ISSUER")
        return self
