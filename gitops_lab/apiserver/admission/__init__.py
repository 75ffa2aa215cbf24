"""Admission: what happens to an object between its decoding and its storing."""

from gitops_lab.apiserver.admission.defaults import default

__all__ = ["default"]
