"""The Kubernetes example: taken by Kubernetes, fitting together, and true of the gateway and its image."""

import re
import secrets
import subprocess
from base64 import b64encode
from ipaddress import ip_address, ip_network
from itertools import chain
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.auth.api_key_authenticator import hash_api_key
from gateway.settings import SECRET_FILES, Settings
from tests.deploy.rendered import (
    README,
    SETTINGS,
    VERSION,
    Manifest,
    instruction,
    manifests,
    rendered,
    seconds_to_drain,
)
from tests.support.aws import Aws
from tests.support.processes import BIN, environment, free_port, started
from tests.support.serving import served_gateway


@pytest.fixture(scope="module")
def pod() -> Manifest:
    template: Manifest = manifests()["Deployment"]["spec"]["template"]
    return template


@pytest.fixture(scope="module")
def container(pod: Manifest) -> Manifest:
    [only] = pod["spec"]["containers"]
    gateway: Manifest = only
    return gateway


@pytest.fixture(scope="module")
def configured() -> dict[str, str]:
    data: dict[str, str] = manifests()["ConfigMap"]["data"]
    return data


# The first one that has a preStop that sleeps, and the newest that is known.
@pytest.mark.parametrize("version", ["1.30", "1.37"])
@pytest.mark.parametrize("folder", ["kubernetes", "kubernetes-ingress"])
def test_each_manifest_passes_strict_validation(folder: str, version: str, tmp_path: Path) -> None:
    """By the schemas of its own API: an unknown field is an error."""
    file = tmp_path / "rendered.yaml"
    file.write_text(rendered(folder))
    command = [str(BIN / "kubernetes-validate"), "--strict", "--kubernetes-version", version, str(file)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    # A kind without a schema is passed over with a warning.
    passed = re.findall(r"^INFO .* passed for resource (\w+)/", result.stdout, re.MULTILINE)
    assert sorted(passed) == sorted(kind.lower() for kind in manifests(folder)), result.stdout


def test_selectors_select_the_gateways_pods(pod: Manifest) -> None:
    found = manifests()
    spec = {kind: manifest.get("spec", {}) for kind, manifest in found.items()}
    selectors = [
        spec["Deployment"]["selector"]["matchLabels"],
        spec["Service"]["selector"],
        spec["PodDisruptionBudget"]["selector"]["matchLabels"],
        spec["NetworkPolicy"]["podSelector"]["matchLabels"],
        *(each["labelSelector"]["matchLabels"] for each in pod["spec"]["topologySpreadConstraints"]),
    ]
    assert all(selector.items() <= pod["metadata"]["labels"].items() and selector for selector in selectors)
    target = spec["HorizontalPodAutoscaler"]["scaleTargetRef"]
    deployment = found["Deployment"]
    assert (target["apiVersion"], target["kind"]) == (deployment["apiVersion"], deployment["kind"])
    assert target["name"] == deployment["metadata"]["name"]
    assert pod["spec"]["serviceAccountName"] == found["ServiceAccount"]["metadata"]["name"]


def test_ports_are_those_of_the_image_and_used_by_name(
    pod: Manifest, container: Manifest, configured: dict[str, str]
) -> None:
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"http": int(instruction("EXPOSE")), "operations": int(configured["GATEWAY_ADMIN_PORT"])}
    found = manifests()
    assert [port["targetPort"] for port in found["Service"]["spec"]["ports"]] == ["http"]
    let_in = [port["port"] for rule in found["NetworkPolicy"]["spec"]["ingress"] for port in rule["ports"]]
    assert let_in == ["http", "operations"]
    assert pod["metadata"]["annotations"]["prometheus.io/port"] == str(ports["operations"])


@pytest.fixture(scope="module")
def mounted(pod: Manifest, container: Manifest) -> dict[str, str]:
    """Return the secret's key of each file that the pod mounts."""
    [volume], [mount] = pod["spec"]["volumes"], container["volumeMounts"]
    assert mount["name"] == volume["name"]
    return {f"{mount['mountPath']}/{item['path']}": item["key"] for item in volume["secret"]["items"]}


def test_gateway_knows_every_setting(container: Manifest, configured: dict[str, str]) -> None:
    named = {name for name in [*configured, *(each["name"] for each in container["env"])] if name.startswith("GATEWAY")}
    assert named - SETTINGS.keys() - SECRET_FILES.keys() == set()
    secret = {each["name"] for each in container["env"] if "secretKeyRef" in each["valueFrom"]}
    assert secret.isdisjoint(configured)


def test_secrets_are_read_from_the_files_that_are_mounted(configured: dict[str, str], mounted: dict[str, str]) -> None:
    paths = [value for name, value in configured.items() if name in SECRET_FILES]
    assert sorted(paths) == sorted(mounted)


def test_the_readme_makes_the_secret_that_the_pods_need(
    pod: Manifest, container: Manifest, mounted: dict[str, str]
) -> None:
    [command] = re.findall(r"kubectl create secret generic (?:.*\\\n)*.*", README)
    made = set(re.findall(r"--from-literal=([\w-]+)=", command))
    references = [each["valueFrom"]["secretKeyRef"] for each in container["env"]]
    names = {each["name"] for each in references} | {each["secret"]["secretName"] for each in pod["spec"]["volumes"]}
    assert names == {command.split()[4]}
    optional = {each["key"] for each in references if each.get("optional")}
    keys = {each["key"] for each in references} | set(mounted.values())
    assert keys - optional <= made <= keys
    assert all(f"`{each}`" in README for each in keys)


def test_gateway_with_these_settings_needs_a_key_and_responds_to_probes_and_scrapes(
    pod: Manifest,
    container: Manifest,
    configured: dict[str, str],
    mounted: dict[str, str],
    aws: Aws,
    tmp_path: Path,
) -> None:
    aws.holds(inventory=3)
    ports = {"http": free_port(), "operations": free_port()}
    secret = {"api-keys": hash_api_key(b"a-key"), "cursor-keys": b64encode(secrets.token_bytes(32)).decode()}
    for key, value in secret.items():
        (tmp_path / key).write_text(f"{value}\n")
    given = {
        name: str(tmp_path / mounted[value]) if name in SECRET_FILES else value for name, value in configured.items()
    }
    assert all(each["valueFrom"]["secretKeyRef"].get("optional") for each in container["env"])
    # All as in the pod, but for where AWS, the collector and its own ports are.
    env = environment(tmp_path, **given) | {
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "GATEWAY_UPSTREAM_API": "chime",
        "GATEWAY_UPSTREAM_ENDPOINT_URL": aws.url,
        "GATEWAY_ADMIN_PORT": str(ports["operations"]),
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
    }
    probes = [container[probe]["httpGet"] for probe in ("livenessProbe", "readinessProbe")]
    looked_at = [(probe["path"], probe["port"]) for probe in probes]
    looked_at.append((pod["metadata"]["annotations"]["prometheus.io/path"], "operations"))
    with started(str(BIN / "chime-gateway"), "serve", "--port", str(ports["http"]), env=env, lines=1):
        responses = [httpx.get(f"http://127.0.0.1:{ports[port]}{path}", timeout=30) for path, port in looked_at]
        requested = [
            httpx.post(
                f"http://127.0.0.1:{ports['http']}/graphql",
                json={"query": "{ phoneNumbers { totalCount } }"},
                headers=headers,
                timeout=30,
            )
            for headers in ({}, {"x-api-key": "a-key"})
        ]
    assert [response.status_code for response in responses] == [200, 200, 200]
    assert [response.status_code for response in requested] == [401, 200]
    assert requested[1].json() == {"data": {"phoneNumbers": {"totalCount": 3}}}


def test_termination_grace_period_exceeds_the_shutdown_timeout(
    pod: Manifest, container: Manifest, configured: dict[str, str]
) -> None:
    before = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert before + seconds_to_drain(configured) < pod["spec"]["terminationGracePeriodSeconds"]


def test_pod_meets_the_restricted_standard_of_its_namespace(pod: Manifest, container: Manifest) -> None:
    """Kubernetes' Pod Security Standards, `restricted`; beyond it, the image's own user and a root nobody can write."""
    assert manifests()["Namespace"]["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}
    user, group = instruction("USER").split(":")
    whole: dict[str, Any] = pod["spec"]["securityContext"] | container["securityContext"]
    assert whole == {
        "runAsNonRoot": True,
        "runAsUser": int(user),
        "runAsGroup": int(group),
        "seccompProfile": {"type": "RuntimeDefault"},
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not pod["spec"].keys() & {"hostNetwork", "hostPID", "hostIPC", "initContainers"}
    # The standard allows volumes of a secret.
    assert [volume.keys() for volume in pod["spec"]["volumes"]] == [{"name", "secret"}]
    assert not any("hostPort" in port for port in container["ports"])


def test_rate_is_shared_by_the_largest_number_of_replicas_and_one_may_be_evicted_at_a_time(
    configured: dict[str, str],
) -> None:
    found = manifests()
    scaled = found["HorizontalPodAutoscaler"]["spec"]
    assert int(configured["GATEWAY_REPLICAS"]) == scaled["maxReplicas"]
    assert found["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1 < scaled["minReplicas"]
    # With a number of its own each apply would undo what the autoscaler did.
    assert "replicas" not in found["Deployment"]["spec"]


def test_network_policy_allows_egress_to_the_trace_collector(configured: dict[str, str]) -> None:
    host, port = configured["OTEL_EXPORTER_OTLP_ENDPOINT"].removeprefix("http://").split(":")
    namespace = {"matchLabels": {"kubernetes.io/metadata.name": host.split(".")[1]}}
    ways = [
        (each.get("namespaceSelector"), way["port"])
        for rule in manifests()["NetworkPolicy"]["spec"]["egress"]
        for each in rule["to"]
        for way in rule["ports"]
    ]
    assert (namespace, int(port)) in ways


def test_network_policy_allows_ipv6_wherever_it_allows_ipv4_and_hides_both_metadata_services() -> None:
    opened: dict[int, list[Manifest]] = {}
    for rule in manifests()["NetworkPolicy"]["spec"]["egress"]:
        if any("ipBlock" in each for each in rule["to"]):
            [way] = rule["ports"]
            opened[way["port"]] = [each["ipBlock"] for each in rule["to"]]
    assert opened.keys() == {443, 80, 6379}
    for blocks in opened.values():
        assert {ip_network(block["cidr"]).version for block in blocks} == {4, 6}
    # EC2's instance metadata, at its IPv4 and its IPv6 address.
    for address in map(ip_address, ("169.254.169.254", "fd00:ec2::254")):
        for block in chain.from_iterable(opened.values()):
            excluded = any(address in ip_network(each) for each in block.get("except", []))
            assert excluded or address not in ip_network(block["cidr"])


def test_ingress_leads_callers_and_no_probe_to_the_service_over_tls() -> None:
    found = manifests("kubernetes-ingress")
    spec = found["Ingress"]["spec"]
    [rule], [tls] = spec["rules"], spec["tls"]
    assert tls["hosts"] == [rule["host"]]
    [path] = rule["http"]["paths"]
    assert (path["path"], path["pathType"]) == ("/graphql", "Prefix")
    service = found["Service"]
    assert path["backend"]["service"]["name"] == service["metadata"]["name"]
    assert path["backend"]["service"]["port"] in [{"name": port["name"]} for port in service["spec"]["ports"]]
    assert "cert-manager.io/cluster-issuer" in found["Ingress"]["metadata"]["annotations"]
    assert found.keys() - manifests().keys() == {"Ingress"}


def test_only_the_names_of_the_ingress_and_the_service_are_served_whatever_a_proxy_forwards(aws: Aws) -> None:
    found = manifests("kubernetes-ingress")
    [rule] = found["Ingress"]["spec"]["rules"]
    service = found["Service"]["metadata"]
    settings = Settings(
        upstream_api=aws.api,
        upstream_endpoint_url=aws.url,  # type: ignore[arg-type]  # Pydantic parses the URL.
        allowed_hosts=tuple(found["ConfigMap"]["data"]["GATEWAY_ALLOWED_HOSTS"].split(",")),
    )
    query = {"query": "{ __typename }"}
    with served_gateway(settings) as url, httpx.Client(base_url=url, timeout=30) as http:

        def status(path: str = "/graphql", **headers: str) -> int:
            return http.post(path, json=query, headers=headers).status_code

        public, origin = rule["host"], f"https://{rule['host']}"
        assert status(host=public) == status(host=f"{service['name']}.{service['namespace']}") == 200
        assert status(host=public, origin=origin) == 200
        forwarded = {"x-forwarded-host": public, "x-forwarded-proto": "https", "forwarded": f"host={public}"}
        assert status(host="10.0.0.1:8000", **forwarded) == 421
        assert status(host=f"{service['name']}.{service['namespace']}", origin=origin, **forwarded) == 403
        assert status("/numbers/graphql", host=public) == 404


def test_image_tag_is_the_projects_version(container: Manifest) -> None:
    assert container["image"].endswith(f"/chime-gateway:{VERSION}")
