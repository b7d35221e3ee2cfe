"""Model fields for lists and mappings that administrators type: validated in one place, JSON in the database, text in forms."""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, time
from typing import Any

import yaml
from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import BooleanField, CheckConstraint, F, Func

from internal_api.stored_json import StoredJSONField, UnreadableJSON
from internal_api.stored_values import FindProblems, InvalidPartError, Problem, refuse_problems
from internal_api.yaml_input import InvalidYAMLError, decode

FindItemProblem = Callable[[str], str | None]
"""What is wrong with one string of a list, as a sentence that names it; None for nothing."""


class LinesFormField(forms.CharField):
    """A list of strings, one a line."""

    widget = forms.Textarea(attrs={"rows": 4})

    def prepare_value(self, value: Any) -> Any:
        """Return the text to show: what was typed, or a stored list; JSON for what is no list of strings."""
        if isinstance(value, str | UnreadableJSON):
            return value if isinstance(value, str) else value.shown()
        is_listed = isinstance(value, list) and all(isinstance(item, str) for item in value)
        return "\n".join(value) if is_listed else json.dumps(value)

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]  # a list, where a CharField has text
        return [line.strip() for line in str(value or "").splitlines() if line.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(data) != initial)


class YAMLFormField(forms.CharField):
    """A list or a mapping as a seed file writes it; `empty` is what a blank text means."""

    widget = forms.Textarea(attrs={"rows": 6})

    def __init__(self, *, empty: Callable[[], Any], **kwargs: Any) -> None:
        self.empty = empty
        super().__init__(**kwargs)

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, str | UnreadableJSON):
            return value if isinstance(value, str) else value.shown()
        return yaml.safe_dump(value, sort_keys=False, allow_unicode=True) if value else ""

    def to_python(self, value: Any) -> Any:
        try:
            said = decode(str(value or ""))
        except InvalidYAMLError as error:
            raise ValidationError(f"The text {error}.") from error
        return self.empty() if said is None else without_dates(said)

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(data) != initial)
        except ValidationError:
            return True


def without_dates(value: Any) -> Any:
    """Return a YAML value with its dates and times as ISO 8601 strings, since it is kept as JSON; UTC where there is no offset."""
    if isinstance(value, dict):
        return {key: without_dates(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_dates(item) for item in value]
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    return datetime.combine(value, time(), UTC).isoformat() if isinstance(value, date) else value


class StringListField(StoredJSONField):
    """A list of strings. `find_problem` tells what is wrong with one of them."""

    def __init__(self, *args: Any, find_problem: FindItemProblem, **kwargs: Any) -> None:
        self.find_problem = find_problem
        kwargs.setdefault("default", list)
        kwargs.setdefault("blank", True)
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "find_problem": self.find_problem}

    def problems(self, value: Any) -> Iterator[Problem]:
        """What is wrong with a value."""
        if not isinstance(value, list):
            yield "", "is not a list"
            return
        for index, item in enumerate(value):
            problem = self.find_problem(item) if isinstance(item, str) else f"{item!r} is not a text"
            if problem:
                yield f"[{index}]", problem

    def validate(self, value: Any, model_instance: models.Model | None) -> None:
        if not isinstance(value, UnreadableJSON):
            refuse_problems(self.problems(value))
        super().validate(value, model_instance)

    def formfield(self, **kwargs: Any) -> Any:  # type: ignore[override]  # JSONField's own has other arguments
        return models.Field.formfield(self, form_class=LinesFormField, **kwargs)


class StructuredField(StoredJSONField):
    """A list or a mapping with a structure of its own. `find_problems` tells what is wrong with it."""

    def __init__(self, *args: Any, find_problems: FindProblems, **kwargs: Any) -> None:
        self.find_problems = find_problems
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "find_problems": self.find_problems}

    def problems(self, value: Any) -> Iterable[Problem]:
        """What is wrong with a value."""
        return self.find_problems(value)

    def validate(self, value: Any, model_instance: models.Model | None) -> None:
        if not isinstance(value, UnreadableJSON):
            refuse_problems(self.problems(value))
        super().validate(value, model_instance)

    def formfield(self, **kwargs: Any) -> Any:  # type: ignore[override]  # likewise
        empty = list if isinstance(self.get_default(), list) else dict
        return models.Field.formfield(self, form_class=YAMLFormField, empty=empty, **kwargs)


class JSONTypeOf(Func):
    """Whether a JSON column holds an array or an object, in either database's words."""

    output_field = BooleanField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, function="JSON_TYPE", **context)


def json_type_is(field: str, kind: str, *, name: str) -> CheckConstraint:
    """Return the constraint of that name which lets a JSON column hold only a value of this kind, `array` or `object`."""
    condition = JSONTypeOf(F(field), function="JSONB_TYPEOF", template=f"%(function)s(%(expressions)s) = '{kind}'")
    return CheckConstraint(condition=condition, name=name, violation_error_message=f"{field} must be a JSON {kind}.")


def invalid_part(error: ValidationError) -> InvalidPartError | None:
    """Return the part that an error of one of these fields is about, if it is about one."""
    return next((part for part in error.error_list if isinstance(part, InvalidPartError)), None)
