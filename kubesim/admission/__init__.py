"""Admission: what happens to an object between its decoding and its storing."""

from kubesim.admission.defaults import default

__all__ = ["default"]
