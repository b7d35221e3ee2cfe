"""What a finding is identified by, and what is refused as one (contract: kubernetes-agent 5.3, 8.8)."""

from uuid import UUID, uuid5

import pytest

from internal_api.declared_parameters import DeclaredParameters, InvalidParametersError
from kubernetes_agent.finding_uuid import NAMESPACE, Place, external_type, finding_uuid, identifier_fingerprint
from kubernetes_agent.findings import read_finding

RESOURCE = ["vulnerability[location][kubernetes_resource]" + part for part in ("", "[namespace]", "[name]", "[kind]")]
SCANNER = (
    "scanner is missing, scanner[id] is missing, scanner[name] is missing, scanner[vendor] is missing, scanner[vendor][name] is missing"
)


def test_the_namespace_is_productions() -> None:
    assert uuid5(NAMESPACE, "GitLab") == UUID("4961388b-9d8e-5da0-a499-3ef5da58daf0")


def test_the_worked_example() -> None:
    fingerprint = identifier_fingerprint(external_type("CVE-123-4567"), "CVE-123-4567")
    assert fingerprint == "5495a25ba9bb3ecd0302d380536f06d26fc96c19"
    place = Place(12, "production", "deployment", "nginx-ingress", "", "libc")
    assert finding_uuid(fingerprint, place, 42) == "e2ac2ef3-d16b-5f80-82fb-549f4f339e95"


@pytest.mark.parametrize(("container", "uuid"), [("", "66143b06-0d2e-5c0b-abf7-64df4c1fbd20")])
def test_the_second_example(container: str, uuid: str) -> None:
    name = "GHSA-4374-p667-p6c8"
    place = Place(12, "kube-system", "ReplicaSet", "coredns-5dd5756b68", container, "golang.org/x/net")
    assert finding_uuid(identifier_fingerprint(external_type(name), name), place, 42) == uuid


@pytest.mark.parametrize(("name", "kind"), [("cve-1", "cve"), ("CWE-79", "cwe"), ("GHSA-1", "other"), ("CWE of CVE", "cve")])
def test_a_name_tells_its_kind(name: str, kind: str) -> None:
    assert external_type(name) == kind


def refusal(values: dict[str, object]) -> str:
    with pytest.raises(InvalidParametersError) as caught:
        read_finding(DeclaredParameters(values))
    return caught.value.message


def test_an_empty_report() -> None:
    """kubernetes-agent 8.8 B2, without the parts that decisions 20 does not ask for."""
    parts = ["vulnerability", "vulnerability[name]", "vulnerability[severity]"]
    location = ["vulnerability[location]", *RESOURCE, "vulnerability[identifiers]"]
    expected = [f"{part} is missing" for part in parts] + ["vulnerability[severity] is invalid"]
    expected += [f"{part} is missing" for part in location] + [SCANNER]
    assert refusal({}) == ", ".join(expected)


def test_a_report_that_is_a_text() -> None:
    """kubernetes-agent 8.8 #151 B1."""
    expected = ["vulnerability is invalid"]
    for part in ("name", "severity", "location"):
        expected += [f"vulnerability[{part}] is missing", f"vulnerability[{part}] is invalid"]
    expected += [f"{part} is missing" for part in RESOURCE]
    expected += ["vulnerability[identifiers] is missing", "vulnerability[identifiers] is invalid", SCANNER]
    assert refusal({"vulnerability": "invalid"}) == ", ".join(expected)
