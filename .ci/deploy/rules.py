"""What a schema does not know: which user runs, what a pod may do and reach, where secrets are, what is mounted."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from renderings import Manifest, title

USER = 10001
WRITABLE = ("/nix", "/home/flakesync", "/tmp")
"""What the image needs where its root is read-only."""
_TEMPLATES = {"CronJob": ("spec", "jobTemplate", "spec", "template"), "Job": ("spec", "template")}
"""Where each kind has its pod."""
_CRON = re.compile(r"[\d*/,-]+( [\d*/,A-Za-z-]+){4}")
_DIGEST = re.compile(r".+@sha256:[0-9a-f]{64}")
_TAG = re.compile(r".+:(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]*)")
_SECRET = re.compile(r"TOKEN|PASSWORD|SECRET|_KEY$")


def broken(manifests: Sequence[Manifest], *, air_gap: bool = False) -> Iterator[str]:
    """Give each rule that a deployment breaks. air_gap: whether it has to do without the outside."""
    jobs = [each for each in manifests if each.get("kind") in _TEMPLATES]
    if not jobs:
        yield "there is no CronJob"
    for each in manifests:
        if each.get("kind") == "Secret":
            yield f"{title(each)}: a secret has to be named and not written down"
    for job in jobs:
        template = _at(job, *_TEMPLATES[job["kind"]])
        pod = _at(template, "spec")
        problems = [*(_schedule(job) if job["kind"] == "CronJob" else ()), *_pod(pod), *_volumes(pod, manifests)]
        problems += _network(template, manifests, air_gap=air_gap)
        for container in _containers(pod):
            problems += [*_image(container, air_gap=air_gap), *_container(container, pod), *_secrets(container)]
        yield from (f"{title(job)}: {problem}" for problem in problems)


def _at(value: Any, *keys: str) -> dict[str, Any]:
    """Return what is at the end of a path of keys; empty where there is nothing, or no mapping."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, dict) else {}


def _containers(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [*(pod.get("initContainers") or []), *(pod.get("containers") or [])]


def _schedule(job: Manifest) -> Iterator[str]:
    spec = _at(job, "spec")
    if not _CRON.fullmatch(str(spec.get("schedule", ""))):
        yield f"schedule: {spec.get('schedule')!r} is no schedule"
    if not spec.get("timeZone"):
        yield "timeZone is missing: nights would begin when the controller's clock says so"
    if spec.get("concurrencyPolicy") != "Forbid":
        yield "concurrencyPolicy: two nights can run at once"
    if "activeDeadlineSeconds" not in _at(spec, "jobTemplate", "spec"):
        yield "activeDeadlineSeconds is missing: a night that hangs keeps all others from running"


def _pod(pod: Mapping[str, Any]) -> Iterator[str]:
    if pod.get("automountServiceAccountToken") is not False:
        yield "automountServiceAccountToken: a night gets a token for the cluster's API"
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(key):
            yield f"{key}: the pod shares it with the node"
    if not isinstance(_at(pod, "securityContext").get("fsGroup"), int):
        yield "fsGroup is missing: the user cannot write to new volumes"


def _container(container: Mapping[str, Any], pod: Mapping[str, Any]) -> Iterator[str]:
    own = _at(container, "securityContext")
    context = {**_at(pod, "securityContext"), **own}
    if context.get("runAsNonRoot") is not True or context.get("runAsUser") != USER:
        yield f"runAsUser, runAsNonRoot: the user is not {USER}, or may be root"
    if own.get("readOnlyRootFilesystem") is not True:
        yield "readOnlyRootFilesystem: the root can be written to"
    if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
        yield "allowPrivilegeEscalation, privileged: privileges can be gained"
    if _at(own, "capabilities") != {"drop": ["ALL"]}:
        yield "capabilities: some are left"
    if _at(context, "seccompProfile").get("type") != "RuntimeDefault":
        yield "seccompProfile: system calls are not filtered"
    resources = _at(container, "resources")
    if not {"cpu", "memory"} <= _at(resources, "requests").keys() or "memory" not in _at(resources, "limits"):
        yield "resources: requests of cpu and memory, and a limit of memory, have to be there"


def _image(container: Mapping[str, Any], *, air_gap: bool) -> Iterator[str]:
    image = str(container.get("image", ""))
    if air_gap and not (_DIGEST.fullmatch(image) and "." in image.partition("/")[0]):
        yield f"image: {image} is not of a named registry, by its digest"
    tag = _TAG.fullmatch(image.rpartition("/")[2])
    if not _DIGEST.fullmatch(image) and (tag is None or tag["tag"] == "latest"):
        yield f"image: {image} may be another one tomorrow"


def _secrets(container: Mapping[str, Any]) -> Iterator[str]:
    for variable in container.get("env") or []:
        value = str(variable.get("value", ""))
        if value and (_SECRET.search(variable["name"]) or "access-tokens" in value):
            yield f"env {variable['name']}: a secret has to be named and not written down"


def _volumes(pod: Mapping[str, Any], manifests: Sequence[Manifest]) -> Iterator[str]:
    """Look for mounts without a volume, volumes without a claim, and folders that have to be writable."""
    volumes = {each["name"]: each for each in pod.get("volumes") or []}
    for container in _containers(pod):
        mounts = {each["mountPath"]: each for each in container.get("volumeMounts") or []}
        for path, mount in mounts.items():
            if mount["name"] not in volumes:
                yield f"volumeMounts {path}: there is no volume {mount['name']}"
        for path in WRITABLE:
            if path not in mounts or mounts[path].get("readOnly"):
                yield f"volumeMounts {path}: it cannot be written to"
    there = {title(each) for each in manifests}
    for name, volume in volumes.items():
        claim = _at(volume, "persistentVolumeClaim").get("claimName")
        if claim and f"PersistentVolumeClaim/{claim}" not in there:
            yield f"volumes {name}: there is no claim {claim}"
        if "hostPath" in volume:
            yield f"volumes {name}: a folder of the node"


def _network(template: Mapping[str, Any], manifests: Sequence[Manifest], *, air_gap: bool) -> Iterator[str]:
    labels = _at(template, "metadata", "labels").items()
    policies = [
        _at(each, "spec")
        for each in manifests
        if each.get("kind") == "NetworkPolicy" and _at(each, "spec", "podSelector", "matchLabels").items() <= labels
    ]
    if not policies:
        yield "no NetworkPolicy is for its pods"
    for policy in policies:
        if set(policy.get("policyTypes") or []) != {"Ingress", "Egress"} or policy.get("ingress"):
            yield "NetworkPolicy: others reach the pod, or it reaches everything"
        blocks = [peer.get("ipBlock") or {} for rule in policy.get("egress") or [] for peer in rule.get("to") or []]
        if air_gap and any(str(block.get("cidr")).endswith("/0") for block in blocks):
            yield "NetworkPolicy: the outside is not cut off"
