"""The access check in the parameters of POST /allowed (contract: allowed 4.2)."""

import base64
from typing import Any

from accounts.selectors.actors import actor_reference
from internal_api.errors import BadRequestError
from internal_api.json_input import InvalidJSONError, decode_embedded
from internal_api.parameters import Parameters
from repositories.access_check import NO_QUARANTINE, AccessCheck, Quarantine
from repositories.policy import ANY, Action, Change, MalformedChangesError, parse_changes
from repositories.selectors.facts import container_reference


class InvalidAccessCheckError(BadRequestError):
    """A question that cannot be answered; its body has a `status` as a refusal's has."""


def read_access_check(parameters: Parameters) -> AccessCheck:
    """The question in a request's parameters. Raises InvalidAccessCheckError and BadRequestError."""
    context = gitaly_client_context(parameters)
    action = parameters.text("action") or ""
    protocol = parameters.text("protocol")
    if not protocol:
        raise InvalidAccessCheckError("400 Bad request - protocol is missing")
    gl_repository, project = parameters.text("gl_repository"), parameters.text("project")
    if gl_repository is None and project is None:
        raise InvalidAccessCheckError("400 Bad request - project and gl_repository are missing")
    return AccessCheck(
        action=action,
        protocol=protocol,
        who=actor_reference(parameters),
        what=container_reference(gl_repository, project),
        changes=_changes(parameters, action),
        check_ip=parameters.text("check_ip"),
        namespace_path=parameters.text("namespace_path"),
        quarantine=_quarantine(parameters.text("env")),
        relative_path=parameters.text("relative_path") or "",
        scoped_user_id=_scoped_user_id(context),
    )


def _scoped_user_id(context: dict[str, Any]) -> int | None:
    """The person behind a service account; Workhorse sends an empty string for none with every push (contract: git-http 2.9)."""
    given = context.get("scoped-user-id")
    is_blank = isinstance(given, str) and not given.strip()
    return None if is_blank else Parameters(context).record_id("scoped-user-id")


def _changes(parameters: Parameters, action: str) -> tuple[Change, ...] | None:
    changes = parameters.values.get("changes")
    if changes == ANY:
        return None
    if changes is None:
        if action == Action.RECEIVE_PACK:
            raise InvalidAccessCheckError("400 Bad request - changes is missing")
        return None
    if not isinstance(changes, str):
        changes = parameters.texts("changes")
    try:
        return parse_changes(changes)
    except MalformedChangesError as error:
        raise InvalidAccessCheckError(f"400 Bad request - {error}") from None


def _quarantine(env: str | None) -> Quarantine:
    """Only the two variables that are known, and nothing when the text is not what Gitaly sends (contract: gitaly 2.4)."""
    if not env:
        return NO_QUARANTINE
    try:
        values = decode_embedded(env)
    except InvalidJSONError:
        return NO_QUARANTINE
    if not isinstance(values, dict):
        return NO_QUARANTINE
    directory = values.get("GIT_OBJECT_DIRECTORY_RELATIVE")
    alternates = values.get("GIT_ALTERNATE_OBJECT_DIRECTORIES_RELATIVE")
    return Quarantine(
        directory if isinstance(directory, str) else "",
        tuple(item for item in alternates if isinstance(item, str)) if isinstance(alternates, list) else (),
    )


def gitaly_client_context(parameters: Parameters) -> dict[str, Any]:
    """The object that Gitaly passes through from its own caller; empty when there is none. Raises BadRequestError (allowed 1.3)."""
    text = parameters.text("gitaly_client_context_bin")
    if text is None:
        return {}
    try:
        context = decode_embedded(base64.b64decode(text))
    except ValueError:  # of base64 or of JSON
        raise BadRequestError.because("malformed gitaly_client_context_bin") from None
    if not isinstance(context, dict):
        raise BadRequestError.because("Decoded gitaly_client_context_bin is not a valid JSON object")
    return context
