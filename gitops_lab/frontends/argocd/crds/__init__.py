"""The CustomResourceDefinitions of Argo CD 3.5, our own text; tests compare them with Argo CD's."""

from gitops_lab.frontends.argocd.crds.application import APPLICATION
from gitops_lab.frontends.argocd.crds.applicationset import APPLICATION_SET
from gitops_lab.frontends.argocd.crds.appproject import APP_PROJECT

__all__ = ["APPLICATION", "APPLICATION_SET", "APP_PROJECT", "DEFINITIONS"]

DEFINITIONS = (APPLICATION, APP_PROJECT, APPLICATION_SET)
