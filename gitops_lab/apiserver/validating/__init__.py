"""ValidatingAdmissionPolicies: rules in CEL for requests, which people write as objects."""

from gitops_lab.apiserver.validating.policies import ValidatingAdmission

__all__ = ["ValidatingAdmission"]
