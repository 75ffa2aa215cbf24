"""The Pod Security Standards: what pods may do to their node, by labels of their namespace.

Source: k8s.io/pod-security-admission (Kubernetes 1.37), checks and words.
"""

from kubesim.admission.pod_security.levels import (
    CONTROLLERS,
    PREFIX,
    Level,
    Policy,
    policy_of,
    template_of,
)
from kubesim.admission.pod_security.standards import Violation, described, violations

__all__ = [
    "CONTROLLERS",
    "PREFIX",
    "Level",
    "Policy",
    "Violation",
    "described",
    "policy_of",
    "template_of",
    "violations",
]
