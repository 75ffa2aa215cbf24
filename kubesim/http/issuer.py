"""What others need in order to check the cluster's ServiceAccount tokens without asking it.

Source: OpenID Connect Discovery 1.0, as `pkg/serviceaccount/openidmetadata.go` of Kubernetes 1.37
answers it.
"""

from __future__ import annotations

from kubesim.auth.tokens import ALGORITHM, ISSUER, Tokens
from kubesim.http.answers import Answer, encoded
from kubesim.http.calls import Call

CONFIGURATION, KEYS = "/.well-known/openid-configuration", "/openid/v1/jwks"

_HEADERS = {"Cache-Control": "public, max-age=3600"}


def document(tokens: Tokens, call: Call) -> Answer | None:
    """Who issues the tokens, or the keys that they are signed with; None at any other path."""
    if call.method != "GET" or call.path not in (CONFIGURATION, KEYS):
        return None
    if call.path == KEYS:
        return Answer(
            encoded({"keys": [tokens.public_key()]}),
            200,
            "application/jwk-set+json",
            headers=_HEADERS,
        )
    metadata = {
        "issuer": ISSUER,
        "jwks_uri": f"https://{call.headers.get('Host', '')}{KEYS}",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
    }
    return Answer(encoded(metadata), headers=_HEADERS)
