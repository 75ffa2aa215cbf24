"""Who asks, and what they may do: certificates, tokens, RBAC."""

from kubesim.api import Api
from kubesim.auth.authentication import Authenticator, impersonate
from kubesim.auth.authorization import Attributes, Authorizer, Decision
from kubesim.auth.certificates import Authority
from kubesim.auth.creation import CreationCheck
from kubesim.auth.escalation import EscalationCheck
from kubesim.auth.kubeconfig import kubeconfig
from kubesim.auth.reviews import review
from kubesim.auth.roles import bootstrap_rbac
from kubesim.auth.signing import SigningCheck
from kubesim.auth.tokens import Tokens
from kubesim.auth.users import ADMIN, ANONYMOUS, User

__all__ = [
    "ADMIN",
    "ANONYMOUS",
    "Attributes",
    "Authenticator",
    "Authority",
    "Authorizer",
    "CreationCheck",
    "Decision",
    "EscalationCheck",
    "SigningCheck",
    "Tokens",
    "User",
    "bootstrap_rbac",
    "enforce_rights",
    "impersonate",
    "kubeconfig",
    "review",
]


def enforce_rights(api: Api, authorizer: Authorizer) -> None:
    """Have every write of a cluster checked for rights that only the object itself shows, once."""
    if not any(isinstance(guard, CreationCheck) for guard in api.guards):
        api.guards.extend(
            (CreationCheck(authorizer), EscalationCheck(authorizer), SigningCheck(authorizer))
        )
