"""The kind Application (argoproj.io/v1alpha1), with the fields of Argo CD 3.5.

It has no status subresource: the right to write the object is the right to write its status. Each
status write moves the generation.
"""

from __future__ import annotations

from gitops_lab.frontends.argocd.crds.schema import (
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

NAME_VALUE = struct("name", "value", name=STRING, value=STRING)
_VARIABLE = struct("name", "value", name=STRING, value=STRING, code=BOOL)

DIRECTORY = struct(
    exclude=STRING,
    include=STRING,
    recurse=BOOL,
    jsonnet=struct(extVars=array(_VARIABLE), libs=STRINGS, tlas=array(_VARIABLE)),
)
HELM = struct(
    apiVersions=STRINGS,
    fileParameters=array(struct(name=STRING, path=STRING)),
    ignoreMissingValueFiles=BOOL,
    kubeVersion=STRING,
    namespace=STRING,
    parameters=array(struct(forceString=BOOL, name=STRING, value=STRING)),
    passCredentials=BOOL,
    releaseName=STRING,
    skipCrds=BOOL,
    skipSchemaValidation=BOOL,
    skipTests=BOOL,
    valueFiles=STRINGS,
    values=STRING,
    valuesObject={"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    version=STRING,
)
KUSTOMIZE = struct(
    apiVersions=STRINGS,
    commonAnnotations=LABELS,
    commonAnnotationsEnvsubst=BOOL,
    commonLabels=LABELS,
    components=STRINGS,
    forceCommonAnnotations=BOOL,
    forceCommonLabels=BOOL,
    ignoreMissingComponents=BOOL,
    images=STRINGS,
    kubeVersion=STRING,
    labelIncludeTemplates=BOOL,
    labelWithoutSelector=BOOL,
    namePrefix=STRING,
    nameSuffix=STRING,
    namespace=STRING,
    patches=array(
        struct(
            options=mapping(BOOL),
            patch=STRING,
            path=STRING,
            target=struct(
                annotationSelector=STRING,
                group=STRING,
                kind=STRING,
                labelSelector=STRING,
                name=STRING,
                namespace=STRING,
                version=STRING,
            ),
        )
    ),
    replicas=array(struct("count", "name", count=INT_OR_STRING, name=STRING)),
    version=STRING,
)
PLUGIN = struct(
    env=array(NAME_VALUE),
    name=STRING,
    parameters=array(struct(array=STRINGS, map=LABELS, name=STRING, string=STRING)),
)
SOURCE = struct(
    "repoURL",
    chart=STRING,
    directory=DIRECTORY,
    helm=HELM,
    kustomize=KUSTOMIZE,
    name=STRING,
    path=STRING,
    plugin=PLUGIN,
    ref=STRING,
    repoURL=STRING,
    tagPrefix=STRING,
    targetRevision=STRING,
)
SOURCES = array(SOURCE)
DESTINATION = struct(name=STRING, namespace=STRING, server=STRING)
IGNORE_DIFFERENCES = array(
    struct(
        "kind",
        group=STRING,
        jqPathExpressions=STRINGS,
        jsonPointers=STRINGS,
        kind=STRING,
        managedFieldsManagers=STRINGS,
        name=STRING,
        namespace=STRING,
    )
)
RETRY = struct(
    backoff=struct(duration=STRING, factor=INT, maxDuration=STRING), limit=INT, refresh=BOOL
)
NAMESPACE_METADATA = struct(annotations=LABELS, labels=LABELS)
HYDRATOR = struct(
    "drySource",
    "syncSource",
    drySource=struct(
        "path",
        "repoURL",
        "targetRevision",
        directory=DIRECTORY,
        helm=HELM,
        kustomize=KUSTOMIZE,
        path=STRING,
        plugin=PLUGIN,
        repoURL=STRING,
        targetRevision=STRING,
    ),
    hydrateTo=struct("targetBranch", targetBranch=STRING),
    syncSource=struct(
        "path",
        "targetBranch",
        path={"type": "string", "minLength": 1, "pattern": "^.{2,}|[^./]$"},
        repoURL=STRING,
        targetBranch=STRING,
    ),
)
SPEC = struct(
    "destination",
    "project",
    destination=DESTINATION,
    ignoreDifferences=IGNORE_DIFFERENCES,
    info=array(NAME_VALUE),
    project=STRING,
    revisionHistoryLimit=INT,
    source=SOURCE,
    sourceHydrator=HYDRATOR,
    sources=SOURCES,
    syncPolicy=struct(
        automated=struct(allowEmpty=BOOL, enabled=BOOL, prune=BOOL, selfHeal=BOOL),
        managedNamespaceMetadata=NAMESPACE_METADATA,
        retry=RETRY,
        syncOptions=STRINGS,
    ),
)
INITIATED_BY = struct(automated=BOOL, username=STRING)
OPERATION = struct(
    info=array(NAME_VALUE),
    initiatedBy=INITIATED_BY,
    retry=RETRY,
    sync=struct(
        autoHealAttemptsCount=INT,
        dryRun=BOOL,
        manifests=STRINGS,
        prune=BOOL,
        resources=array(
            struct("kind", "name", group=STRING, kind=STRING, name=STRING, namespace=STRING)
        ),
        revision=STRING,
        revisions=STRINGS,
        source=SOURCE,
        sources=SOURCES,
        syncOptions=STRINGS,
        syncStrategy=struct(apply=struct(force=BOOL), hook=struct(force=BOOL)),
    ),
)
HEALTH = struct(lastTransitionTime=TIME, message=STRING, status=STRING)
RESOURCE_STATUS = struct(
    group=STRING,
    health=HEALTH,
    hook=BOOL,
    kind=STRING,
    name=STRING,
    namespace=STRING,
    requiresDeletionConfirmation=BOOL,
    requiresPruning=BOOL,
    status=STRING,
    syncWave=INT,
    version=STRING,
)
_SYNC_RESULT = struct(
    "revision",
    managedNamespaceMetadata=NAMESPACE_METADATA,
    resources=array(
        struct(
            "group",
            "kind",
            "name",
            "namespace",
            "version",
            group=STRING,
            hookPhase=STRING,
            hookType=STRING,
            images=STRINGS,
            kind=STRING,
            message=STRING,
            name=STRING,
            namespace=STRING,
            status=STRING,
            syncPhase=STRING,
            version=STRING,
        )
    ),
    revision=STRING,
    revisions=STRINGS,
    source=SOURCE,
    sources=SOURCES,
)
_HISTORY = struct(
    "deployedAt",
    "id",
    deployStartedAt=TIME,
    deployedAt=TIME,
    id=INT,
    initiatedBy=INITIATED_BY,
    revision=STRING,
    revisions=STRINGS,
    source=SOURCE,
    sources=SOURCES,
)
_HYDRATED = struct(drySHA=STRING, hydratedSHA=STRING, sourceHydrator=HYDRATOR)
_HYDRATOR_STATUS = struct(
    currentOperation=struct(
        "message",
        "phase",
        drySHA=STRING,
        finishedAt=TIME,
        hydratedSHA=STRING,
        message=STRING,
        phase={"type": "string", "enum": ["Hydrating", "Failed", "Hydrated"]},
        sourceHydrator=HYDRATOR,
        startedAt=TIME,
    ),
    lastComparedDryRevision=STRING,
    lastSuccessfulOperation=_HYDRATED,
)
STATUS: Schema = struct(
    conditions=array(
        struct("message", "type", lastTransitionTime=TIME, message=STRING, type=STRING)
    ),
    controllerNamespace=STRING,
    health=HEALTH,
    history=array(_HISTORY),
    observedAt=TIME,
    operationState=struct(
        "operation",
        "phase",
        "startedAt",
        finishedAt=TIME,
        message=STRING,
        operation=OPERATION,
        phase=STRING,
        retryCount=INT,
        startedAt=TIME,
        syncResult=_SYNC_RESULT,
    ),
    reconciledAt=TIME,
    resourceHealthSource=STRING,
    resources=array(RESOURCE_STATUS),
    sourceHydrator=_HYDRATOR_STATUS,
    sourceType=STRING,
    sourceTypes=STRINGS,
    summary=struct(externalURLs=STRINGS, images=STRINGS, isAppOfApps=BOOL),
    sync=struct(
        "status",
        comparedTo=struct(
            "destination",
            destination=DESTINATION,
            ignoreDifferences=IGNORE_DIFFERENCES,
            source=SOURCE,
            sources=SOURCES,
        ),
        revision=STRING,
        revisions=STRINGS,
        status=STRING,
    ),
)


def _column(name: str, path: str, **more: int) -> dict[str, object]:
    return {"name": name, "type": "string", "jsonPath": path, **more}


APPLICATION = definition(
    "Application",
    "applications",
    ["app", "apps"],
    kind("metadata", "spec", operation=OPERATION, spec=SPEC, status=STATUS),
    additionalPrinterColumns=[
        _column("Sync Status", ".status.sync.status"),
        _column("Health Status", ".status.health.status"),
        _column("Revision", ".status.sync.revision", priority=10),
        _column("Project", ".spec.project", priority=10),
    ],
    subresources={},
)
