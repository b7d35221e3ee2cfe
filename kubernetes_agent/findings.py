"""A report of one finding, as a value: read from a request, and refused whole when it is not one (contract: kubernetes-agent 5.1, 8.8).

`required` parts are those of decisions 20: of the location only the resource's namespace, kind and name.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from internal_api.declared_parameters import DeclaredParameters
from kubernetes_agent.errors import InvalidReportError
from kubernetes_agent.finding_uuid import Place, external_type, finding_uuid, identifier_fingerprint

SEVERITIES = {"info": 1, "unknown": 2, "low": 4, "medium": 5, "high": 6, "critical": 7}
TITLE_LENGTH = 255
MOST_IDENTIFIERS = 20
MOST_LINKS = 100
_SCHEMES = frozenset({"http", "https", "ftp"})
_LONGEST = {"name": 15_000, "description": 15_000, "message": 15_000, "solution": 7_000}


@dataclass(frozen=True, slots=True)
class IdentifierReport:
    """A name of the weakness, by what a project knows it."""

    external_type: str
    external_id: str
    name: str
    url: str

    @property
    def fingerprint(self) -> str:
        return identifier_fingerprint(self.external_type, self.external_id)


@dataclass(frozen=True, slots=True)
class ScannerReport:
    """What has found it."""

    external_id: str
    name: str
    vendor: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One weakness at one place."""

    name: str
    severity: int
    texts: dict[str, str]
    location: dict[str, Any]
    links: list[Any]
    identifiers: tuple[IdentifierReport, ...]
    scanner: ScannerReport
    resource: tuple[str, str, str, str, str]

    @property
    def title(self) -> str:
        """The name, cut to what a title may have."""
        return self.name if len(self.name) <= TITLE_LENGTH else self.name[: TITLE_LENGTH - 3] + "..."

    def uuid(self, agent_id: int, project_id: int) -> str:
        """What identifies it; the agent is the one whose token was shown."""
        return finding_uuid(self.identifiers[0].fingerprint, Place(agent_id, *self.resource), project_id)


def read_finding(declared: DeclaredParameters) -> Finding:
    """The finding in a request's parameters. Raises InvalidParametersError, InvalidReportError."""
    vulnerability = declared.required_object("vulnerability")
    name = vulnerability.required_text("name")
    severity = _severity(vulnerability)
    texts = {text: vulnerability.optional_text(text) or "" for text in ("message", "description", "solution")}
    vulnerability.optional_text("confidence")
    location = vulnerability.required_object("location")
    resource = _resource(location)
    identifiers = _identifiers(vulnerability)
    links = _links(vulnerability)
    scanner = _scanner(declared.required_object("scanner"))
    declared.check()
    finding = Finding(name, SEVERITIES.get(severity, 0), texts, dict(location.values), links, identifiers, scanner, resource)
    _refuse_unfit(finding, severity)
    return finding


def _severity(vulnerability: DeclaredParameters) -> str:
    value = vulnerability.values.get("severity")
    if value is None:
        vulnerability.complain("severity", "missing")
        vulnerability.complain("severity", "invalid")  # an absent one cannot be put into small letters either
        return ""
    return (vulnerability.optional_text("severity") or "").lower()


def _resource(location: DeclaredParameters) -> tuple[str, str, str, str, str]:
    resource = location.required_object("kubernetes_resource")
    namespace, name, kind = (resource.required_text(part) for part in ("namespace", "name", "kind"))
    container = resource.optional_text("container") or ""
    package = location.optional_object("dependency").optional_object("package").optional_text("name") or ""
    return namespace, kind, name, container, package


def _identifiers(vulnerability: DeclaredParameters) -> tuple[IdentifierReport, ...]:
    vulnerability.require("identifiers")
    return tuple(_identifier(item) for item in vulnerability.optional_objects("identifiers"))


def _identifier(item: DeclaredParameters) -> IdentifierReport:
    item.required_text("type")
    name = item.required_text("name")
    item.optional_text("value")
    kind = item.optional_text("external_type") or external_type(name)
    return IdentifierReport(kind, item.optional_text("external_id") or name, name, item.optional_text("url") or "")


def _links(vulnerability: DeclaredParameters) -> list[Any]:
    links = vulnerability.values.get("links")
    if links is not None and not isinstance(links, list):
        vulnerability.complain("links", "invalid")
        return []
    return links or []


def _scanner(scanner: DeclaredParameters) -> ScannerReport:
    identifier, name = scanner.required_text("id"), scanner.required_text("name")
    vendor = scanner.values.get("vendor")
    if isinstance(vendor, str):
        return ScannerReport(identifier, name, vendor)
    if vendor is not None and not isinstance(vendor, dict):
        scanner.complain("vendor", "invalid")
        return ScannerReport(identifier, name, "")
    return ScannerReport(identifier, name, scanner.required_object("vendor").required_text("name"))


def _refuse_unfit(finding: Finding, severity: str) -> None:
    """Raise InvalidReportError for what could not be kept as it is."""
    if not finding.severity:
        raise InvalidReportError(f"'{severity[:100]}' is not a valid severity")
    problem = _blank(finding) or _too_long(finding) or _too_many(finding)
    if problem:
        raise InvalidReportError(f"Validation failed: {problem}")


def _blank(finding: Finding) -> str | None:
    if not finding.name.strip():
        return "Name can't be blank"
    return None if finding.identifiers else "Identifiers can't be blank"


def _too_long(finding: Finding) -> str | None:
    texts = {"name": finding.name, **finding.texts}
    for label, longest in _LONGEST.items():
        if len(texts[label]) > longest:
            return f"{label.capitalize()} is too long (maximum is {longest} characters)"
    named = {
        "Scanner": (finding.scanner.external_id, finding.scanner.name),
        "Vendor": (finding.scanner.vendor,),
        "Location": finding.resource,
        "Identifier": tuple(text for one in finding.identifiers for text in (one.external_type, one.external_id, one.name)),
    }
    for label, parts in named.items():
        if any(len(part) > TITLE_LENGTH for part in parts):
            return f"{label} is too long (maximum is {TITLE_LENGTH} characters)"
    return None


def _too_many(finding: Finding) -> str | None:
    if len(finding.identifiers) > MOST_IDENTIFIERS:
        return f"Identifiers are too many (maximum is {MOST_IDENTIFIERS})"
    if len(finding.links) > MOST_LINKS or len(str(finding.links)) + len(str(finding.location)) > _LONGEST["description"] * 4:
        return "Links and location are too long"
    bad = next((one.url for one in finding.identifiers if one.url and not _is_address(one.url)), None)
    return None if bad is None else "Identifiers url is not a valid URL"


def _is_address(url: str) -> bool:
    try:
        return len(url) <= 2048 and urlsplit(url).scheme in _SCHEMES  # noqa: PLR2004  what a column holds
    except ValueError:
        return False
