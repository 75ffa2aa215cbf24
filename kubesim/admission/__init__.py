"""Admission: what happens to an object between its decoding and its storing."""

from kubesim.admission.defaults import default, prepared

__all__ = ["default", "prepared"]
