"""What must hold for Jobs and CronJobs.

Source: pkg/apis/batch/validation (Kubernetes 1.37), robfig/cron v3 for schedules. Pod failure
policies and success policies are checked for nothing but their immutability.
"""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

from kubesim.admission.validation import names
from kubesim.admission.validation.field import (
    IMMUTABLE,
    LABEL_SELECTOR,
    NO_VALUE,
    Errors,
    Shown,
    at_least,
    duplicate,
    immutable,
    in_go,
    invalid,
    not_supported,
    one_of,
    required,
)
from kubesim.admission.validation.labels import check_match, check_selector
from kubesim.admission.validation.pods import check_template
from kubesim.model import Object

_COUNTS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)
_FIXED = (
    "completionMode",
    "podFailurePolicy",
    "backoffLimitPerIndex",
    "managedBy",
    "successPolicy",
)
_GENERATED = (
    ("controller-uid", "uid"),
    ("job-name", "name"),
    ("batch.kubernetes.io/controller-uid", "uid"),
    ("batch.kubernetes.io/job-name", "name"),
)


def job(obj: Object, old: Object | None) -> Errors:
    """A Job; what it runs is fixed, how much of it at a time is not."""
    meta, spec = obj.get("metadata", {}), obj.get("spec", {})
    yield from _generated_labels(meta, spec)
    yield from _job_spec(spec, "spec")
    selector = spec.get("selector")
    if selector is None:
        yield required("spec.selector")
    yield from check_selector(selector, "spec.selector")
    yield from check_match(selector, spec.get("template", {}), "spec.template")
    if old is None:
        completions = spec.get("completions", 0)
        longest = f"{meta.get('name', '')}-{completions - 1}"
        if spec.get("completionMode") == "Indexed" and completions:
            if names.dns_label(longest):
                detail = f"will not able to create pod with invalid DNS label: {longest}"
                yield invalid("metadata.name", meta.get("name", ""), detail)
        return
    yield from _job_change(spec, old)


def _generated_labels(meta: Object, spec: Object) -> Errors:
    """Unless it is asked not to, the server itself writes the labels by which a Job finds its
    pods."""
    if spec.get("manualSelector") or "selector" not in spec:
        return
    labels = spec.get("template", {}).get("metadata", {}).get("labels", {})
    for label, field in _GENERATED:
        wanted = meta.get(field, "")
        path, detail = f"spec.template.metadata.labels[{label}]", f"must be '{wanted}'"
        if label not in labels:
            yield required(path, detail)
        elif labels[label] != wanted:
            yield invalid(path, labels, detail)
    asked = spec["selector"].get("matchLabels", {})
    expected = {label: meta.get(field, "") for label, field in _GENERATED}
    if any(expected.get(label) != value for label, value in asked.items()):
        shown = in_go(spec["selector"], LABEL_SELECTOR)
        yield invalid("spec.selector", shown, "`selector` not auto-generated")


def _job_spec(spec: Object, path: str) -> Errors:
    for field in _COUNTS:
        yield from at_least(f"{path}.{field}", spec.get(field))
    mode = spec.get("completionMode", "NonIndexed")
    if mode not in ("NonIndexed", "Indexed"):
        yield not_supported(f"{path}.completionMode", mode, ("NonIndexed", "Indexed"))
    if mode == "Indexed":
        if "completions" not in spec:
            yield required(f"{path}.completions", "when completion mode is Indexed")
        if spec.get("parallelism", 0) > 100_000:
            detail = "must be less than or equal to 100000 when completion mode is Indexed"
            yield invalid(f"{path}.parallelism", spec["parallelism"], detail)
    else:
        for field in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if field in spec:
                yield invalid(f"{path}.{field}", spec[field], "requires indexed completion mode")
    if "maxFailedIndexes" in spec and "backoffLimitPerIndex" not in spec:
        yield required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    replacement = spec.get("podReplacementPolicy", "Failed")
    supported = ("Failed",) if "podFailurePolicy" in spec else ("Failed", "TerminatingOrFailed")
    if replacement not in supported:
        yield not_supported(f"{path}.podReplacementPolicy", replacement, supported)
    if "managedBy" in spec and not names.is_domain_path(spec["managedBy"]):
        detail = 'must be a domain-prefixed path (such as "acme.io/foo")'
        yield invalid(f"{path}.managedBy", spec["managedBy"], detail)
    if "successPolicy" in spec:
        yield from _success_policy(spec, f"{path}.successPolicy")
    template = spec.get("template", {})
    if "podFailurePolicy" in spec:
        yield from _failure_policy(spec, f"{path}.podFailurePolicy")
    yield from check_template(template, f"{path}.template")
    yield from _restart_policy(template, f"{path}.template.spec.restartPolicy")


def _success_policy(spec: Object, path: str) -> Errors:
    """When an indexed Job is done before all of its indexes are."""
    policy = spec["successPolicy"]
    if spec.get("completionMode") != "Indexed":
        shown = in_go(policy, "api.batch.v1.SuccessPolicy")
        yield invalid(path, shown, "requires indexed completion mode")
        return
    rules = policy.get("rules") or ()
    if not rules:
        yield required(f"{path}.rules", "at least one rules must be specified when the "
                       "successPolicy is specified")  # fmt: skip
    for index, rule in enumerate(rules):
        here = f"{path}.rules[{index}]"
        if "succeededCount" not in rule and "succeededIndexes" not in rule:
            detail = "at least one of succeededCount or succeededIndexes must be specified"
            yield required(here, detail)
        yield from at_least(f"{here}.succeededCount", rule.get("succeededCount"))


def _failure_policy(spec: Object, path: str) -> Errors:
    """What a pod's failure does to its Job."""
    for index, rule in enumerate(spec["podFailurePolicy"].get("rules") or ()):
        here, action = f"{path}.rules[{index}]", rule.get("action", "")
        if not action:
            yield required(f"{here}.action", f"valid values: {', '.join(map(_quote, _ACTIONS))}")
        elif action not in _ACTIONS:
            yield not_supported(f"{here}.action", action, _ACTIONS)
        elif action == "FailIndex" and "backoffLimitPerIndex" not in spec:
            detail = "requires the backoffLimitPerIndex to be set"
            yield invalid(f"{here}.action", action, detail)
        codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions")
        if codes is not None:
            yield from _exit_codes(codes, f"{here}.onExitCodes")
        if codes is not None and conditions:
            detail = "specifying both OnExitCodes and OnPodConditions is not supported"
            yield invalid(here, NO_VALUE, detail)
        elif codes is None and not conditions:
            detail = "specifying one of OnExitCodes and OnPodConditions is required"
            yield invalid(here, NO_VALUE, detail)
    policy = spec.get("template", {}).get("spec", {}).get("restartPolicy", "")
    if policy != "Never":
        at = f"{path.removesuffix('.podFailurePolicy')}.template.spec.restartPolicy"
        yield invalid(at, policy, 'only "Never" is supported when podFailurePolicy is specified')


def _exit_codes(codes: Object, path: str) -> Errors:
    operator, values = codes.get("operator", ""), codes.get("values") or ()
    if operator not in ("In", "NotIn"):
        if operator:
            yield not_supported(f"{path}.operator", operator, ("In", "NotIn"))
        else:
            yield required(f"{path}.operator", 'valid values: "In", "NotIn"')
    if operator == "In":
        for index, value in enumerate(values):
            if value == 0:
                yield invalid(f"{path}.values[{index}]", 0, "must not be 0 for the In operator")
    if not values:
        yield invalid(f"{path}.values", Shown("[]"), "at least one value is required")
    elif list(values) != sorted(values):
        yield invalid(f"{path}.values", list(values), "must be ordered")
    for index, value in enumerate(values):
        if value in values[:index]:
            yield duplicate(f"{path}.values[{index}]", value)


def _quote(text: str) -> str:
    return f'"{text}"'


_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")


def _restart_policy(template: Object, path: str) -> Errors:
    """A Job's containers must be allowed to end."""
    policy = template.get("spec", {}).get("restartPolicy", "Always")
    if policy == "Always":
        yield required(path, 'valid values: "OnFailure", "Never"')
    elif policy not in ("OnFailure", "Never"):
        yield not_supported(path, policy, ("OnFailure", "Never"))


def _job_change(spec: Object, old_job: Object) -> Errors:
    old = old_job.get("spec", {})
    completions, before = spec.get("completions"), old.get("completions")
    if spec.get("completionMode") == "Indexed" and completions is not None:
        if completions != before and completions != spec.get("parallelism"):
            detail = "can only be modified in tandem with spec.parallelism"
            yield invalid("spec.completions", completions, detail)
    else:
        yield from immutable("spec.completions", completions, before)
    if spec.get("selector") != old.get("selector"):
        yield invalid("spec.selector", in_go(spec.get("selector"), LABEL_SELECTOR), IMMUTABLE)
    template, old_template = spec.get("template", {}), old.get("template", {})
    started = "startTime" in old_job.get("status", {})
    if started or not old.get("suspend") or _fixed(template) != _fixed(old_template):
        if template != old_template:
            shown = in_go(template.get("spec"), "api.core.v1.PodSpec")
            yield invalid("spec.template.spec", shown, IMMUTABLE)
    for field in _FIXED:
        yield from immutable(f"spec.{field}", spec.get(field), old.get(field))


def _fixed(template: Object) -> Object:
    """What must stay of the template of a Job that is held back and has never run: all but where
    its pods are to run."""
    spec = template.get("spec", {})
    moves = ("affinity", "nodeSelector", "schedulingGates", "tolerations")
    return {field: spec[field] for field in spec if field not in moves}


def cron_job(obj: Object, old: Object | None) -> Errors:
    """A CronJob."""
    spec = obj.get("spec", {})
    schedule, zone = spec.get("schedule", ""), spec.get("timeZone")
    if not schedule:
        yield required("spec.schedule")
    else:
        fault = schedule_fault(schedule)
        if fault:
            yield invalid("spec.schedule", schedule, fault)
        if "TZ" in schedule:
            detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
            yield invalid("spec.schedule", schedule, detail)
    yield from at_least("spec.startingDeadlineSeconds", spec.get("startingDeadlineSeconds"))
    if zone is not None:
        yield from _time_zone(zone)
    yield from one_of(
        "spec.concurrencyPolicy",
        spec.get("concurrencyPolicy"),
        ("Allow", "Forbid", "Replace"),
    )
    job_spec, path = spec.get("jobTemplate", {}).get("spec", {}), "spec.jobTemplate.spec"
    yield from _job_spec(job_spec, path)
    if "selector" in job_spec:
        selector = job_spec["selector"]
        yield invalid(f"{path}.selector", selector, "`selector` will be auto-generated")
    if job_spec.get("manualSelector"):
        yield not_supported(f"{path}.manualSelector", True, ("nil", "false"))
    for field in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        yield from at_least(f"spec.{field}", spec.get(field))
    name = obj.get("metadata", {}).get("name", "")
    if old is None and len(name) > 52:  # Jobs' names get 11 characters more, and must fit a label
        yield invalid("metadata.name", name, "must be no more than 52 characters")


def _time_zone(zone: str) -> Errors:
    path = "spec.timeZone"
    if not zone:
        yield invalid(path, zone, "timeZone must be nil or non-empty string")
    elif zone.lower() == "local":
        yield invalid(
            path,
            zone,
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones",
        )
    else:
        try:
            ZoneInfo(zone)
        except (KeyError, OSError, ValueError):
            yield invalid(path, zone, f"unknown time zone {zone}")


# Schedules, as robfig/cron's ParseStandard reads them.

_DESCRIPTORS = (
    "@yearly",
    "@annually",
    "@monthly",
    "@weekly",
    "@daily",
    "@midnight",
    "@hourly",
)
_MONTHS = {
    name: number
    for number, name in enumerate(
        "jan feb mar apr may jun jul aug sep oct nov dec".split(), start=1
    )
}
_DAYS = {name: number for number, name in enumerate("sun mon tue wed thu fri sat".split())}
_FIELDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, _MONTHS),
    (0, 6, _DAYS),
)
_EVERY = re.compile(r"([0-9.]+(ns|us|µs|ms|s|m|h))+")


def schedule_fault(schedule: str) -> str:
    """What is wrong with a cron schedule, in robfig/cron's words; empty if nothing is."""
    if schedule.startswith(("TZ=", "CRON_TZ=")):
        _, _, schedule = schedule.partition(" ")
    if schedule.startswith("@"):
        if schedule in _DESCRIPTORS:
            return ""
        if schedule.startswith("@every "):
            span = schedule.removeprefix("@every ")
            if _EVERY.fullmatch(span):
                return ""
            return f'failed to parse duration {schedule}: time: invalid duration "{span}"'
        return f"unrecognized descriptor: {schedule}"
    parts = schedule.split()
    if len(parts) != 5:
        return f"expected exactly 5 fields, found {len(parts)}: [{' '.join(parts)}]"
    try:
        for part, (low, high, words) in zip(parts, _FIELDS, strict=True):
            for piece in part.replace(",", " ").split():
                _read_range(piece, low, high, words)
    except ValueError as error:
        return str(error)
    return ""


def _read_range(piece: str, low: int, high: int, words: dict[str, int]) -> None:
    """Read `5`, `1-5`, `*/15` or `mon-fri`; a ValueError says what is wrong with it."""
    bounds, *steps = piece.split("/")
    first, *more = bounds.split("-")
    if first in ("*", "?"):
        start, end = low, high
    else:
        start = _read_number(first, words)
        if len(more) > 1:
            raise ValueError(f"too many hyphens: {piece}")
        end = _read_number(more[0], words) if more else start
        if steps and not more:
            end = high
    if len(steps) > 1:
        raise ValueError(f"too many slashes: {piece}")
    step = _read_number(steps[0], {}) if steps else 1
    if start < low:
        raise ValueError(f"beginning of range ({start}) below minimum ({low}): {piece}")
    if end > high:
        raise ValueError(f"end of range ({end}) above maximum ({high}): {piece}")
    if start > end:
        raise ValueError(f"beginning of range ({start}) beyond end of range ({end}): {piece}")
    if step == 0:
        raise ValueError(f"step of range should be a positive number: {piece}")


def _read_number(text: str, words: dict[str, int]) -> int:
    if text.lower() in words:
        return words[text.lower()]
    if not (text.isascii() and text.isdigit()):
        raise ValueError(
            f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax'
        )
    return int(text)
