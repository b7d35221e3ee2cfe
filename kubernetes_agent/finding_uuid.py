"""The UUID of a finding: the same whenever the same weakness is found at the same place (contract: kubernetes-agent 5.3). Pure."""

import hashlib
from dataclasses import dataclass
from uuid import UUID, uuid5

NAMESPACE = UUID("58dc0f06-936c-43b3-93bb-71693f1b6570")
REPORT_TYPE = 7  # cluster image scanning


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was found."""

    agent_id: int
    namespace: str
    kind: str
    name: str
    container: str = ""
    package: str = ""


def _sha1(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def external_type(name: str) -> str:
    """The kind of identifier that a name looks like."""
    upper = name.upper()
    return "cve" if "CVE" in upper else "cwe" if "CWE" in upper else "other"


def identifier_fingerprint(kind: str, name: str) -> str:
    """By what a project knows an identifier."""
    return _sha1(f"{kind}:{name}")


def finding_uuid(fingerprint: str, place: Place, project_id: int) -> str:
    """The UUID, from the first identifier's fingerprint, the place and the project."""
    parts = (str(place.agent_id), place.namespace, place.kind, place.name, place.container, place.package)
    return str(uuid5(NAMESPACE, f"{REPORT_TYPE}-{fingerprint}-{_sha1(':'.join(parts))}-{project_id}"))
