"""Keeping what agents find, and resolving what they find no more (contract: kubernetes-agent 5)."""

import json
from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from internal_api.errors import ForbiddenError
from internal_api.statements import moment
from kubernetes_agent.findings import Finding, IdentifierReport, ScannerReport
from kubernetes_agent.models import Agent, Identifier, Scanner, StateTransition, Vulnerability, VulnerabilityState
from kubernetes_agent.selectors.agents import may_report

# `updated_at` marks what this very scan has resolved, so that the second statement finds it again: two statements, however many uuids.
_RESOLVE = """
UPDATE kubernetes_agent_vulnerability SET state = %s, resolved_on_default_branch = %s, updated_at = %s
WHERE agent_id = %s AND project_id = %s AND state IN (%s, %s) AND {absent}
"""
_NOTE_RESOLVED = """
INSERT INTO kubernetes_agent_detectiontransition (vulnerability_id, detected, created_at)
SELECT uuid, %s, %s FROM kubernetes_agent_vulnerability WHERE agent_id = %s AND state = %s AND updated_at = %s
"""


def check_reporter(agent: Agent) -> None:
    """Raise ForbiddenError unless the agent's reports are accepted."""
    if not may_report(agent):
        raise ForbiddenError


def keep_finding(agent: Agent, finding: Finding) -> str:
    """Keep a finding; its UUID. One that is known is left as it is, and detected again if it was resolved."""
    uuid = finding.uuid(agent.pk, agent.project_id)
    state = Vulnerability.objects.filter(pk=uuid).values_list("state", flat=True).first()
    if state is None:
        with transaction.atomic():
            _create(agent, finding, uuid)
    elif state == VulnerabilityState.RESOLVED:
        _detect_again(agent, uuid)
    return uuid


def _detect_again(agent: Agent, uuid: str) -> None:
    with transaction.atomic():
        resolved = Vulnerability.objects.filter(pk=uuid, state=VulnerabilityState.RESOLVED)
        values = {"state": VulnerabilityState.DETECTED, "resolved_on_default_branch": False, "updated_at": timezone.now()}
        if resolved.update(**values):
            StateTransition.objects.create(
                vulnerability_id=uuid,
                from_state=VulnerabilityState.RESOLVED,
                to_state=VulnerabilityState.DETECTED,
                author_id=agent.created_by_id,
            )


def _create(agent: Agent, finding: Finding, uuid: str) -> None:
    """The row and all it needs. Of several equal reports at a time one makes them, and the others find them made."""
    scanner_id = _scanner(agent.project_id, finding.scanner)
    row = Vulnerability(
        uuid=uuid,
        project_id=agent.project_id,
        agent=agent,
        author_id=agent.created_by_id,
        scanner_id=scanner_id,
        name=finding.name,
        title=finding.title,
        severity=finding.severity,
        location=finding.location,
        links=finding.links,
        **finding.texts,
    )
    Vulnerability.objects.bulk_create([row], ignore_conflicts=True)
    through = Vulnerability.identifiers.through
    links = [through(vulnerability_id=uuid, identifier_id=pk) for pk in _identifiers(agent.project_id, finding.identifiers)]
    through._default_manager.bulk_create(links, ignore_conflicts=True)  # noqa: SLF001  the table's own manager
    if not agent.has_vulnerabilities:
        Agent.objects.filter(pk=agent.pk).update(has_vulnerabilities=True)


def _scanner(project_id: int, report: ScannerReport) -> int:
    """The project's scanner of that id; its name and vendor are those of the first report."""
    row = Scanner(project_id=project_id, external_id=report.external_id, name=report.name, vendor=report.vendor)
    Scanner.objects.bulk_create([row], ignore_conflicts=True)
    return Scanner.objects.values_list("pk", flat=True).get(project_id=project_id, external_id=report.external_id)


def _identifiers(project_id: int, reports: Sequence[IdentifierReport]) -> list[int]:
    rows = {
        report.fingerprint: Identifier(
            project_id=project_id,
            fingerprint=report.fingerprint,
            external_type=report.external_type,
            external_id=report.external_id,
            name=report.name,
            url=report.url,
        )
        for report in reports
    }
    ordered = [rows[fingerprint] for fingerprint in sorted(rows)]  # two requests never wait for each other in a circle
    Identifier.objects.bulk_create(ordered, ignore_conflicts=True)
    return list(Identifier.objects.filter(project_id=project_id, fingerprint__in=rows).values_list("pk", flat=True))


def resolve_others(agent: Agent, uuids: Collection[str]) -> int:
    """Resolve what the agent had reported and this scan has not; how many. Unknown and malformed uuids change nothing."""
    now = moment(timezone.now())
    known = sorted({str(uuid) for uuid in map(_uuid, uuids) if uuid is not None})
    absent, value = _absent(known)
    resolved, detected, confirmed = VulnerabilityState.RESOLVED, VulnerabilityState.DETECTED, VulnerabilityState.CONFIRMED
    with transaction.atomic(), connection.cursor() as cursor:
        params = [int(resolved), True, now, agent.pk, agent.project_id, int(detected), int(confirmed), value]
        cursor.execute(_RESOLVE.format(absent=absent), params)
        count = int(cursor.rowcount)
        if count:
            cursor.execute(_NOTE_RESOLVED, [False, now, agent.pk, int(resolved), now])
    return count


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _absent(uuids: list[str]) -> tuple[str, Any]:
    """Not among these: with one parameter, however many there are."""
    if connection.vendor == "postgresql":
        return "NOT (uuid = ANY(%s::varchar[]))", uuids
    return "uuid NOT IN (SELECT value FROM json_each(%s))", json.dumps(uuids)
