"""The page of the admin site where one asks "may this key push that ref?" without pushing."""

from typing import Any

from django import forms

from accounts.errors import InvalidKeyError
from accounts.selectors.actors import NOBODY, ActorKind, ActorReference
from accounts.selectors.ssh_keys import get_key
from repositories import policy
from repositories.access_check import AccessCheck
from repositories.services.explanations import Explanation, UnexplainableError, explain, named_repository

_NEW, _OLD = "1" * 40, "2" * 40


class AccessForm(forms.Form):
    """Who, what and where. A ref is asked about as an update of it, or as its creation or deletion."""

    key = forms.CharField(required=False, label="SSH key", help_text="Its id, its fingerprint, or the public key itself.")
    username = forms.CharField(required=False, help_text="Instead of a key; with neither, somebody anonymous.")
    project = forms.CharField(help_text="A path, or an id such as project-7.")
    action = forms.ChoiceField(choices=[(action.value, action.value) for action in policy.Action], initial=policy.Action.RECEIVE_PACK.value)
    protocol = forms.ChoiceField(choices=[("ssh", "SSH"), ("http", "HTTP")])
    ref = forms.CharField(required=False, help_text="Such as refs/heads/main; without one, whether the command may begin.")
    change = forms.ChoiceField(
        choices=[("update", "adds to it"), ("force", "overwrites it"), ("create", "creates it"), ("delete", "deletes it")], label="The push"
    )
    check_ip = forms.CharField(required=False, label="Client's address")

    def clean_key(self) -> ActorReference | None:
        """The key that is meant."""
        text = str(self.cleaned_data["key"]).strip()
        if not text:
            return None
        try:
            return ActorReference(ActorKind.KEY, get_key(text).pk)
        except InvalidKeyError as error:
            raise forms.ValidationError(error.message) from error

    def explanation(self) -> Explanation:
        """What the policy says; the form is valid. Raises UnexplainableError."""
        values: dict[str, Any] = self.cleaned_data
        username = values["username"].strip().lower()
        who = values["key"] or (ActorReference(ActorKind.USERNAME, username) if username else NOBODY)
        return explain(
            AccessCheck(
                who=who,
                what=named_repository(values["project"].strip()),
                action=values["action"],
                protocol=values["protocol"],
                changes=self._changes(),
                check_ip=values["check_ip"] or None,
            ),
            assumed_forced=values["change"] == "force",
        )

    def _changes(self) -> tuple[policy.Change, ...] | None:
        ref, kind = str(self.cleaned_data["ref"]).strip(), self.cleaned_data["change"]
        if not ref or self.cleaned_data["action"] != policy.Action.RECEIVE_PACK:
            return None
        nothing = "0" * 40
        old, new = {"update": (_OLD, _NEW), "force": (_OLD, _NEW), "create": (nothing, _NEW), "delete": (_OLD, nothing)}[kind]
        return policy.parse_changes(f"{old} {new} {ref}")

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if values.get("ref") and values.get("change"):
            try:
                self._changes()
            except (policy.MalformedChangesError, KeyError):
                self.add_error("ref", "Not a valid ref name.")
        return values

    def found(self) -> Explanation | None:
        """The explanation, or None with the form's errors when it cannot be given."""
        if not self.is_bound or not self.is_valid():
            return None
        try:
            return self.explanation()
        except UnexplainableError as error:
            self.add_error(None, error.message)
            return None
