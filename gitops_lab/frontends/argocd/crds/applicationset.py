"""The kind ApplicationSet (argoproj.io/v1alpha1), with the fields of Argo CD 3.5.

The published file is 1.4 MB, since it spells the Application's spec out for every generator, and
a matrix or merge holds all generators again. Here each part is written once.
"""

from __future__ import annotations

from gitops_lab.frontends.argocd.crds.application import HEALTH, RESOURCE_STATUS, SPEC
from gitops_lab.frontends.argocd.crds.schema import (
    ANYTHING,
    BOOL,
    INT,
    INT_OR_STRING,
    LABELS,
    STRING,
    STRINGS,
    TIME,
    Schema,
    array,
    definition,
    kind,
    mapping,
    struct,
)

TEMPLATE = struct(
    "metadata",
    "spec",
    metadata=struct(
        annotations=LABELS, finalizers=STRINGS, labels=LABELS, name=STRING, namespace=STRING
    ),
    spec=SPEC,
)
SELECTOR: Schema = {
    **struct(
        matchExpressions={
            **array(
                struct(
                    "key",
                    "operator",
                    key=STRING,
                    operator=STRING,
                    values={**STRINGS, "x-kubernetes-list-type": "atomic"},
                )
            ),
            "x-kubernetes-list-type": "atomic",
        },
        matchLabels=LABELS,
    ),
    "x-kubernetes-map-type": "atomic",
}
_SECRET_KEY = struct("key", "secretName", key=STRING, secretName=STRING)
_CONFIG_MAP_KEY = struct("configMapName", "key", configMapName=STRING, key=STRING)
_BASIC = struct("passwordRef", "username", passwordRef=_SECRET_KEY, username=STRING)
_BEARER = struct("tokenRef", tokenRef=_SECRET_KEY)
_FILES = array(struct("path", exclude=BOOL, path=STRING))

_PULL_REQUEST = struct(
    azuredevops=struct(
        "organization",
        "project",
        "repo",
        api=STRING,
        labels=STRINGS,
        organization=STRING,
        project=STRING,
        repo=STRING,
        tokenRef=_SECRET_KEY,
    ),
    bitbucket=struct(
        "owner",
        "repo",
        api=STRING,
        basicAuth=_BASIC,
        bearerToken=_BEARER,
        owner=STRING,
        repo=STRING,
    ),
    bitbucketServer=struct(
        "api",
        "project",
        "repo",
        api=STRING,
        basicAuth=_BASIC,
        bearerToken=_BEARER,
        caRef=_CONFIG_MAP_KEY,
        insecure=BOOL,
        project=STRING,
        repo=STRING,
    ),
    continueOnRepoNotFoundError=BOOL,
    filters=array(struct(branchMatch=STRING, targetBranchMatch=STRING, titleMatch=STRING)),
    gitea=struct(
        "api",
        "owner",
        "repo",
        api=STRING,
        insecure=BOOL,
        labels=STRINGS,
        owner=STRING,
        repo=STRING,
        tokenRef=_SECRET_KEY,
    ),
    github=struct(
        "owner",
        "repo",
        api=STRING,
        appSecretName=STRING,
        labels=STRINGS,
        owner=STRING,
        repo=STRING,
        tokenRef=_SECRET_KEY,
    ),
    gitlab=struct(
        "project",
        api=STRING,
        caRef=_CONFIG_MAP_KEY,
        insecure=BOOL,
        labels=STRINGS,
        project=STRING,
        pullRequestState=STRING,
        tokenRef=_SECRET_KEY,
    ),
    requeueAfterSeconds=INT,
    template=TEMPLATE,
    values=LABELS,
)
_SCM_PROVIDER = struct(
    awsCodeCommit=struct(
        allBranches=BOOL,
        region=STRING,
        role=STRING,
        tagFilters=array(struct("key", key=STRING, value=STRING)),
    ),
    azureDevOps=struct(
        "accessTokenRef",
        "organization",
        "teamProject",
        accessTokenRef=_SECRET_KEY,
        allBranches=BOOL,
        api=STRING,
        organization=STRING,
        teamProject=STRING,
    ),
    bitbucket=struct(
        "appPasswordRef",
        "owner",
        "user",
        allBranches=BOOL,
        appPasswordRef=_SECRET_KEY,
        owner=STRING,
        user=STRING,
    ),
    bitbucketServer=struct(
        "api",
        "project",
        allBranches=BOOL,
        api=STRING,
        basicAuth=_BASIC,
        bearerToken=_BEARER,
        caRef=_CONFIG_MAP_KEY,
        insecure=BOOL,
        project=STRING,
    ),
    cloneProtocol=STRING,
    filters=array(
        struct(
            branchMatch=STRING,
            labelMatch=STRING,
            pathsDoNotExist=STRINGS,
            pathsExist=STRINGS,
            repositoryMatch=STRING,
        )
    ),
    gitea=struct(
        "api",
        "owner",
        allBranches=BOOL,
        api=STRING,
        excludeArchivedRepos=BOOL,
        insecure=BOOL,
        owner=STRING,
        tokenRef=_SECRET_KEY,
    ),
    github=struct(
        "organization",
        allBranches=BOOL,
        api=STRING,
        appSecretName=STRING,
        excludeArchivedRepos=BOOL,
        organization=STRING,
        tokenRef=_SECRET_KEY,
    ),
    gitlab=struct(
        "group",
        allBranches=BOOL,
        api=STRING,
        caRef=_CONFIG_MAP_KEY,
        group=STRING,
        includeArchivedRepos=BOOL,
        includeSharedProjects=BOOL,
        includeSubgroups=BOOL,
        insecure=BOOL,
        tokenRef=_SECRET_KEY,
        topic=STRING,
    ),
    requeueAfterSeconds=INT,
    template=TEMPLATE,
    values=LABELS,
)
_LEAVES: dict[str, Schema] = {
    "clusterDecisionResource": struct(
        "configMapRef",
        configMapRef=STRING,
        labelSelector=SELECTOR,
        name=STRING,
        requeueAfterSeconds=INT,
        template=TEMPLATE,
        values=LABELS,
    ),
    "clusters": struct(flatList=BOOL, selector=SELECTOR, template=TEMPLATE, values=LABELS),
    "git": struct(
        "repoURL",
        "revision",
        directories=_FILES,
        files=_FILES,
        pathParamPrefix=STRING,
        repoURL=STRING,
        requeueAfterSeconds=INT,
        revision=STRING,
        template=TEMPLATE,
        values=LABELS,
    ),
    "list": struct(elements=array(ANYTHING), elementsYaml=STRING, template=TEMPLATE),
    "plugin": struct(
        "configMapRef",
        configMapRef=struct("name", name=STRING),
        input=struct(parameters=mapping(ANYTHING)),
        requeueAfterSeconds=INT,
        template=TEMPLATE,
        values=LABELS,
    ),
    "pullRequest": _PULL_REQUEST,
    "scmProvider": _SCM_PROVIDER,
    "selector": SELECTOR,
}
_NESTED = array(struct(**_LEAVES, matrix=ANYTHING, merge=ANYTHING))
GENERATOR = struct(
    **_LEAVES,
    matrix=struct("generators", generators=_NESTED, template=TEMPLATE),
    merge=struct(
        "generators", "mergeKeys", generators=_NESTED, mergeKeys=STRINGS, template=TEMPLATE
    ),
)
_STRATEGY = struct(
    deletionOrder=STRING,
    rollingSync=struct(
        steps=array(
            struct(
                matchExpressions=array(struct(key=STRING, operator=STRING, values=STRINGS)),
                maxUpdate=INT_OR_STRING,
            )
        )
    ),
    type=STRING,
)
POLICIES = ["create-only", "create-update", "create-delete", "sync"]
_STATUS = struct(
    applicationStatus=array(
        struct(
            "application",
            "message",
            "status",
            "step",
            "targetRevisions",
            application=STRING,
            lastTransitionTime=TIME,
            message=STRING,
            status=STRING,
            step=STRING,
            targetRevisions=STRINGS,
        )
    ),
    conditions=array(
        struct(
            "message",
            "reason",
            "status",
            "type",
            lastTransitionTime=TIME,
            message=STRING,
            reason=STRING,
            status=STRING,
            type=STRING,
        )
    ),
    health=HEALTH,
    resources=array(RESOURCE_STATUS),
    resourcesCount=INT,
)

APPLICATION_SET = definition(
    "ApplicationSet",
    "applicationsets",
    ["appset", "appsets"],
    kind(
        "metadata",
        "spec",
        spec=struct(
            "generators",
            "template",
            applyNestedSelectors=BOOL,
            generators=array(GENERATOR),
            goTemplate=BOOL,
            goTemplateOptions=STRINGS,
            ignoreApplicationDifferences=array(
                struct(jqPathExpressions=STRINGS, jsonPointers=STRINGS, name=STRING)
            ),
            preservedFields=struct(annotations=STRINGS, labels=STRINGS),
            strategy=_STRATEGY,
            syncPolicy=struct(
                applicationsSync={"type": "string", "enum": POLICIES},
                preserveResourcesOnDeletion=BOOL,
            ),
            template=TEMPLATE,
            templatePatch=STRING,
        ),
        status=_STATUS,
    ),
    subresources={"status": {}},
)
