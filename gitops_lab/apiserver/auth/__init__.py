"""Who asks, and what they may do: certificates, tokens, RBAC."""

from gitops_lab.apiserver.auth.authentication import Authenticator, impersonate
from gitops_lab.apiserver.auth.authorization import Attributes, Authorizer, Decision
from gitops_lab.apiserver.auth.certificates import Authority
from gitops_lab.apiserver.auth.creation import CreationCheck
from gitops_lab.apiserver.auth.escalation import EscalationCheck
from gitops_lab.apiserver.auth.grants import deployer_rights
from gitops_lab.apiserver.auth.kubeconfig import kubeconfig
from gitops_lab.apiserver.auth.reviews import review
from gitops_lab.apiserver.auth.roles import bootstrap_rbac
from gitops_lab.apiserver.auth.tokens import Tokens
from gitops_lab.apiserver.auth.users import ADMIN, ANONYMOUS, User

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
