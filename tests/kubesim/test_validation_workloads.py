from __future__ import annotations

import pytest

from tests.kubesim.refusals import GONE, PERCENT, VALUE, Case

CASES = [
    Case(
        "a Deployment has a selector",
        "Deployment",
        {"spec.selector": GONE},
        (
            "spec.selector: Required value",
            'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does '
            "not match template `labels`",
        ),
    ),
    Case(
        "a selector selects something",
        "Deployment",
        {"spec.selector": {}},
        ("spec.selector: Invalid value: {}: empty selector is invalid for deployment",),
    ),
    Case(
        "a selector selects the template's pods",
        "Deployment",
        {"spec.selector.matchLabels.app": "api"},
        (
            'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not '
            "match template `labels`",
        ),
        {"spec.template.metadata.labels.tier": "front"},
    ),
    Case(
        "an expression of a selector counts as much as a label",
        "Deployment",
        {"spec.selector.matchExpressions": [{"key": "tier", "operator": "Exists"}]},
        (
            'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not '
            "match template `labels`",
        ),
        {"spec.selector.matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]},
    ),
    Case(
        "an expression has values if its operator needs them",
        "Deployment",
        {
            "spec.selector.matchExpressions": [
                {"key": "app", "operator": "In"},
                {"key": "app", "operator": "Exists", "values": ["web"]},
                {"key": "app", "operator": "Like"},
            ]
        },
        (
            "spec.selector.matchExpressions[0].values: Required value: must be specified "
            "when `operator` is 'In' or 'NotIn'",
            "spec.selector.matchExpressions[1].values: Forbidden: may not be specified when "
            "`operator` is 'Exists' or 'DoesNotExist'",
            'spec.selector.matchExpressions[2].operator: Invalid value: "Like": not a valid '
            "selector operator",
            "spec.selector: Invalid value: "
            '{"matchLabels":{"app":"web"},"matchExpressions":[{"key":"app","operator":"In"},'
            '{"key":"app","operator":"Exists","values":["web"]},{"key":"app",'
            '"operator":"Like"}]}: invalid label selector',
        ),
    ),
    Case(
        "replicas are not negative",
        "Deployment",
        {"spec.replicas": -1},
        ("spec.replicas: Invalid value: -1: must be greater than or equal to 0",),
        {"spec.replicas": 0},
    ),
    Case(
        "a rolling update moves in numbers or percentages",
        "Deployment",
        {"spec.strategy.rollingUpdate.maxSurge": "some"},
        (f'spec.strategy.rollingUpdate.maxSurge: Invalid value: "some": {PERCENT}',),
        {"spec.strategy.rollingUpdate.maxSurge": "200%"},
    ),
    Case(
        "a rolling update must be able to move",
        "Deployment",
        {"spec.strategy.rollingUpdate": {"maxSurge": "0%", "maxUnavailable": 0}},
        (
            "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when "
            "`maxSurge` is 0",
        ),
        {"spec.strategy.rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
    ),
    Case(
        "no more than all pods are unavailable",
        "Deployment",
        {"spec.strategy.rollingUpdate.maxUnavailable": "101%"},
        (
            'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be '
            "greater than 100%",
        ),
        {"spec.strategy.rollingUpdate.maxUnavailable": "100%"},
    ),
    Case(
        "Recreate has nothing to roll",
        "Deployment",
        {"spec.strategy.type": "Recreate"},
        (
            "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is "
            "'Recreate'",
        ),
        {"spec.strategy": {"type": "Recreate"}},
    ),
    Case(
        "a strategy is one of two",
        "Deployment",
        {"spec.strategy": {"type": "BlueGreen"}},
        (
            'spec.strategy: Unsupported value: {"Type":"BlueGreen","RollingUpdate":null}: '
            'supported values: "Recreate", "RollingUpdate"',
        ),
    ),
    Case(
        "progress needs more time than readiness",
        "Deployment",
        {"spec.minReadySeconds": 600},
        ("spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds",),
        {"spec.minReadySeconds": 599},
    ),
    Case(
        "a Deployment's pods are restarted always, and never done",
        "Deployment",
        {
            "spec.template.spec.restartPolicy": "Never",
            "spec.template.spec.activeDeadlineSeconds": 5,
        },
        (
            'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: '
            '"Always"',
            "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in "
            "ReplicaSet is not Supported",
        ),
    ),
    Case(
        "a template's labels are labels",
        "Deployment",
        {"spec.template.metadata.labels.tier": "a b"},
        (f'spec.template.labels: Invalid value: "a b": {VALUE}',),
        {"spec.template.metadata.labels.tier": "a-b"},
    ),
    Case(
        "a ReplicaSet has a selector",
        "ReplicaSet",
        {"spec.selector": GONE, "spec.minReadySeconds": -1},
        (
            "spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0",
            "spec.selector: Required value",
            'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does '
            "not match template `labels`",
        ),
    ),
    Case(
        "a ReplicationController selects by a map",
        "ReplicationController",
        {"spec.selector": {"app": "api"}},
        (
            'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not '
            "match template `labels`",
        ),
    ),
    Case(
        "a DaemonSet surges or does without, not both",
        "DaemonSet",
        {"spec.updateStrategy.rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}},
        (
            "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when "
            "maxUnavailable is non-zero",
        ),
        {"spec.updateStrategy.rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
    ),
    Case(
        "a DaemonSet must be able to move",
        "DaemonSet",
        {"spec.updateStrategy.rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}},
        (
            "spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when "
            "maxSurge is 0",
        ),
    ),
    Case(
        "a DaemonSet's strategy is one of two",
        "DaemonSet",
        {"spec.updateStrategy": {"type": "Recreate"}},
        (
            "spec.updateStrategy: Unsupported value: "
            '{"Type":"Recreate","RollingUpdate":null}: supported values: "RollingUpdate", '
            '"OnDelete"',
        ),
        {"spec.updateStrategy": {"type": "OnDelete"}},
    ),
    Case(
        "a StatefulSet's pods start in order or at once",
        "StatefulSet",
        {"spec.podManagementPolicy": "Random"},
        (
            "spec.podManagementPolicy: Invalid value: \"Random\": must be 'OrderedReady' or "
            "'Parallel'",
        ),
        {"spec.podManagementPolicy": "Parallel"},
    ),
    Case(
        "a StatefulSet on delete has nothing to roll",
        "StatefulSet",
        {"spec.updateStrategy": {"type": "OnDelete", "rollingUpdate": {"partition": 1}}},
        (
            "spec.updateStrategy.rollingUpdate: Invalid value: "
            '{"Partition":1,"MaxUnavailable":null}: only allowed for updateStrategy '
            "'RollingUpdate'",
        ),
        {"spec.updateStrategy": {"type": "OnDelete"}},
    ),
    Case(
        "a StatefulSet's claims are claims",
        "StatefulSet",
        {"spec.volumeClaimTemplates[0].spec.accessModes": []},
        (
            "spec.volumeClaimTemplates[0].spec.accessModes: Required value: at least 1 access "
            "mode is required",
        ),
    ),
    Case(
        "a StatefulSet's claims can be mounted, and nothing else that is not there",
        "StatefulSet",
        {"spec.volumeClaimTemplates[0].metadata.name": "other"},
        ('spec.template.spec.containers[0].volumeMounts[0].name: Not found: "data"',),
    ),
    Case(
        "a StatefulSet deletes its claims or retains them",
        "StatefulSet",
        {"spec.persistentVolumeClaimRetentionPolicy.whenScaled": "Keep"},
        (
            'spec.persistentVolumeClaimRetentionPolicy.whenScaled: Unsupported value: "Keep": '
            'supported values: "Retain", "Delete"',
        ),
        {"spec.persistentVolumeClaimRetentionPolicy.whenScaled": "Delete"},
    ),
    Case(
        "a revision has data",
        "ControllerRevision",
        {"data": GONE, "revision": -1},
        (
            "data: Required value: data is mandatory",
            "revision: Invalid value: -1: must be greater than or equal to 0",
        ),
    ),
    Case(
        "a Job's pods may end",
        "Job",
        {"spec.template.spec.restartPolicy": "Always"},
        ('spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',),
        {"spec.template.spec.restartPolicy": "OnFailure"},
    ),
    Case(
        "a Job's numbers are not negative",
        "Job",
        {"spec.parallelism": -1, "spec.backoffLimit": -2},
        (
            "spec.parallelism: Invalid value: -1: must be greater than or equal to 0",
            "spec.backoffLimit: Invalid value: -2: must be greater than or equal to 0",
        ),
        {"spec.parallelism": 0, "spec.backoffLimit": 0},
    ),
    Case(
        "a Job that makes its own selector has the labels to go with it",
        "Job",
        {"spec.manualSelector": False},
        (
            *(
                f"spec.template.metadata.labels[{label}]: Required value: must be '{value}'"
                for label, value in (
                    ("controller-uid", "1"),
                    ("job-name", "web"),
                    ("batch.kubernetes.io/controller-uid", "1"),
                    ("batch.kubernetes.io/job-name", "web"),
                )
            ),
            'spec.selector: Invalid value: {"matchLabels":{"app":"once"}}: `selector` not '
            "auto-generated",
        ),
    ),
    Case(
        "an indexed Job says how many",
        "Job",
        {"spec.completionMode": "Indexed", "spec.completions": GONE},
        ("spec.completions: Required value: when completion mode is Indexed",),
        {"spec.completionMode": "Indexed", "spec.completions": 2},
    ),
    Case(
        "a CronJob has a schedule",
        "CronJob",
        {"spec.schedule": ""},
        ("spec.schedule: Required value",),
    ),
    Case(
        "a schedule has five fields",
        "CronJob",
        {"spec.schedule": "*/5 * * *"},
        (
            'spec.schedule: Invalid value: "*/5 * * *": expected exactly 5 fields, found 4: '
            "[*/5 * * *]",
        ),
        {"spec.schedule": "@hourly"},
    ),
    Case(
        "a CronJob allows, forbids or replaces",
        "CronJob",
        {"spec.concurrencyPolicy": "Queue"},
        (
            'spec.concurrencyPolicy: Unsupported value: "Queue": supported values: "Allow", '
            '"Forbid", "Replace"',
        ),
        {"spec.concurrencyPolicy": "Forbid"},
    ),
    Case(
        "a time zone has a field of its own",
        "CronJob",
        {"spec.schedule": "TZ=Europe/Berlin 0 3 * * *"},
        (
            'spec.schedule: Invalid value: "TZ=Europe/Berlin 0 3 * * *": cannot use TZ or '
            "CRON_TZ in schedule, use timeZone field instead",
        ),
        {"spec.timeZone": "Europe/Berlin"},
    ),
    Case(
        "a time zone is one that exists",
        "CronJob",
        {"spec.timeZone": "Europe/Atlantis"},
        ('spec.timeZone: Invalid value: "Europe/Atlantis": unknown time zone Europe/Atlantis',),
        {"spec.timeZone": "Etc/UTC"},
    ),
    Case(
        "a CronJob's Jobs make their own selectors",
        "CronJob",
        {
            "spec.jobTemplate.spec.selector": {"matchLabels": {"a": "b"}},
            "spec.jobTemplate.spec.manualSelector": True,
        },
        (
            'spec.jobTemplate.spec.selector: Invalid value: {"matchLabels":{"a":"b"}}: `selector` '
            "will be auto-generated",
            "spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "
            '"nil", "false"',
        ),
    ),
    Case(
        "a CronJob's name leaves room for the time",
        "CronJob",
        {"metadata.name": "a" * 53},
        (f'metadata.name: Invalid value: "{"a" * 53}": must be no more than 52 characters',),
        {"metadata.name": "a" * 52},
    ),
    Case(
        "a StatefulSet's update is one of two, and moves",
        "StatefulSet",
        {
            "spec.podManagementPolicy": "",
            "spec.updateStrategy.rollingUpdate": {"partition": -1, "maxUnavailable": "0%"},
            "spec.ordinals": {"start": -1},
            "spec.serviceName": "a.b",
        },
        (
            "spec.podManagementPolicy: Required value",
            "spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater than "
            "or equal to 0",
            'spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: "0%": cannot be 0',
            "spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0",
            'spec.serviceName: Invalid value: "a.b": must not contain dots',
        ),
        {"spec.updateStrategy.rollingUpdate": {"partition": 1, "maxUnavailable": 2}},
    ),
    Case(
        "a StatefulSet's strategy exists",
        "StatefulSet",
        {"spec.updateStrategy": {"type": "Recreate"}},
        (
            'spec.updateStrategy: Invalid value: {"Type":"Recreate","RollingUpdate":null}: '
            "must be 'RollingUpdate' or 'OnDelete'",
        ),
    ),
    Case(
        "a rolling DaemonSet says how",
        "DaemonSet",
        {"spec.updateStrategy": {"type": "RollingUpdate"}},
        ("spec.updateStrategy.rollingUpdate: Required value",),
    ),
    Case(
        "a rolling Deployment says how",
        "Deployment",
        {"spec.strategy": {"type": "RollingUpdate"}},
        ("spec.strategy.rollingUpdate: Required value: this should be defaulted and never be nil",),
    ),
    Case(
        "a ReplicationController selects something",
        "ReplicationController",
        {"spec.selector": {}},
        ("spec.selector: Required value",),
    ),
    Case(
        "a Job has a selector",
        "Job",
        {"spec.selector": GONE},
        (
            "spec.selector: Required value",
            'spec.template.metadata.labels: Invalid value: {"app":"once"}: `selector` does '
            "not match template `labels`",
        ),
    ),
    Case(
        "a Job counts in one of two modes",
        "Job",
        {"spec.completionMode": "Sorted", "spec.maxFailedIndexes": 1},
        (
            'spec.completionMode: Unsupported value: "Sorted": supported values: "NonIndexed", '
            '"Indexed"',
            "spec.maxFailedIndexes: Invalid value: 1: requires indexed completion mode",
            "spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified",
        ),
        {
            "spec.completionMode": "Indexed",
            "spec.maxFailedIndexes": 1,
            "spec.backoffLimitPerIndex": 1,
        },
    ),
    Case(
        "an indexed Job runs so many at a time, under names that fit",
        "Job",
        {
            "spec.completionMode": "Indexed",
            "spec.parallelism": 100001,
            "spec.completions": 100,
            "metadata.name": "a" * 61,
        },
        (
            "spec.parallelism: Invalid value: 100001: must be less than or equal to 100000 when "
            "completion mode is Indexed",
            f'metadata.name: Invalid value: "{"a" * 61}": will not able to create pod with '
            f"invalid DNS label: {'a' * 61}-99",
        ),
        {
            "spec.completionMode": "Indexed",
            "spec.parallelism": 100000,
            "spec.completions": 100,
            "metadata.name": "a" * 60,
        },
    ),
    Case(
        "a failed pod is replaced once it failed, or before",
        "Job",
        {"spec.podReplacementPolicy": "Never"},
        (
            'spec.podReplacementPolicy: Unsupported value: "Never": supported values: "Failed", '
            '"TerminatingOrFailed"',
        ),
        {"spec.podReplacementPolicy": "Failed"},
    ),
    Case(
        "a Job's pods restart in ways that exist",
        "Job",
        {"spec.template.spec.restartPolicy": "Sometimes"},
        (
            'spec.template.spec.restartPolicy: Unsupported value: "Sometimes": supported values: '
            '"Always", "OnFailure", "Never"',
            'spec.template.spec.restartPolicy: Unsupported value: "Sometimes": supported values: '
            '"OnFailure", "Never"',
        ),
    ),
    Case(
        "a time zone is not the server's own",
        "CronJob",
        {"spec.timeZone": "Local", "spec.startingDeadlineSeconds": -1},
        (
            "spec.startingDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0",
            'spec.timeZone: Invalid value: "Local": timeZone must be an explicit time zone as '
            "defined in https://www.iana.org/time-zones",
        ),
    ),
    Case(
        "a time zone has a name",
        "CronJob",
        {"spec.timeZone": "", "spec.failedJobsHistoryLimit": -1},
        (
            'spec.timeZone: Invalid value: "": timeZone must be nil or non-empty string',
            "spec.failedJobsHistoryLimit: Invalid value: -1: must be greater than or equal to 0",
        ),
    ),
    Case(
        "a Job's own selector is made of its own labels",
        "Job",
        {
            "spec.manualSelector": False,
            "spec.selector": {"matchLabels": {"controller-uid": "1"}},
            "spec.template.metadata.labels": {
                "controller-uid": "1",
                "job-name": "other",
                "batch.kubernetes.io/controller-uid": "1",
                "batch.kubernetes.io/job-name": "web",
            },
        },
        (
            "spec.template.metadata.labels[job-name]: Invalid value: "
            '{"batch.kubernetes.io/controller-uid":"1","batch.kubernetes.io/job-name":"web",'
            '"controller-uid":"1","job-name":"other"}: must be \'web\'',
        ),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_new_object_keeps_the_rule(case: Case) -> None:
    case.check_create()
