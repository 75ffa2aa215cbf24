"""The kind AppProject (argoproj.io/v1alpha1), with the fields of Argo CD 3.5."""

from __future__ import annotations

from gitops_lab.frontends.argocd.crds.schema import (
    BOOL,
    INT,
    STRING,
    STRINGS,
    array,
    definition,
    kind,
    mapping,
    struct,
)

_CLUSTER_KIND = struct("group", "kind", group=STRING, kind=STRING, name=STRING)
_NAMESPACED_KIND = struct("group", "kind", group=STRING, kind=STRING)
_TOKENS = array(struct("iat", exp=INT, iat=INT, id=STRING))
_SIGNED = struct(
    "gpg",
    "repos",
    gpg=struct("keys", "mode", keys=STRINGS, mode=STRING),
    repos=array(struct("url", url=STRING)),
)

APP_PROJECT = definition(
    "AppProject",
    "appprojects",
    ["appproj", "appprojs"],
    kind(
        "metadata",
        "spec",
        spec=struct(
            clusterResourceBlacklist=array(_CLUSTER_KIND),
            clusterResourceWhitelist=array(_CLUSTER_KIND),
            description={"type": "string", "maxLength": 255},
            destinationServiceAccounts=array(
                struct(
                    "defaultServiceAccount",
                    "server",
                    defaultServiceAccount=STRING,
                    namespace=STRING,
                    server=STRING,
                )
            ),
            destinations=array(struct(name=STRING, namespace=STRING, server=STRING)),
            namespaceResourceBlacklist=array(_NAMESPACED_KIND),
            namespaceResourceWhitelist=array(_NAMESPACED_KIND),
            orphanedResources=struct(
                ignore=array(struct(group=STRING, kind=STRING, name=STRING)), warn=BOOL
            ),
            permitOnlyProjectScopedClusters=BOOL,
            roles=array(
                struct(
                    "name",
                    description=STRING,
                    groups=STRINGS,
                    jwtTokens=_TOKENS,
                    name=STRING,
                    policies=STRINGS,
                )
            ),
            signatureKeys=array(struct("keyID", keyID=STRING)),
            sourceIntegrity=struct("git", git=struct("policies", policies=array(_SIGNED))),
            sourceNamespaces=STRINGS,
            sourceRepos=STRINGS,
            syncWindows=array(
                struct(
                    andOperator=BOOL,
                    applications=STRINGS,
                    clusters=STRINGS,
                    description=STRING,
                    duration=STRING,
                    kind=STRING,
                    manualSync=BOOL,
                    namespaces=STRINGS,
                    schedule=STRING,
                    syncOverrun=BOOL,
                    timeZone=STRING,
                )
            ),
        ),
        status=struct(jwtTokensByRole=mapping(struct(items=_TOKENS))),
    ),
)
