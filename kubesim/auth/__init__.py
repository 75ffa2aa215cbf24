"""Who asks, and what they may do: certificates, tokens, RBAC."""

from kubesim.auth.authentication import Authenticator, impersonate
from kubesim.auth.authorization import Attributes, Authorizer, Decision
from kubesim.auth.certificates import Authority
from kubesim.auth.creation import CreationCheck
from kubesim.auth.escalation import EscalationCheck
from kubesim.auth.grants import deployer_rights
from kubesim.auth.kubeconfig import kubeconfig
from kubesim.auth.reviews import review
from kubesim.auth.roles import bootstrap_rbac
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
    "Tokens",
    "User",
    "bootstrap_rbac",
    "deployer_rights",
    "impersonate",
    "kubeconfig",
    "review",
]
