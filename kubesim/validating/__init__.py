"""ValidatingAdmissionPolicies: rules in CEL for requests, which people write as objects."""

from kubesim.validating.policies import ValidatingAdmission

__all__ = ["ValidatingAdmission"]
