"""Names that are not blank: one rule for validators, constraints and services.

White space is what `str.isspace` says, Unicode's included; the database trims the same characters.
"""

from django.core.exceptions import ValidationError
from django.db.models import BooleanField, CheckConstraint, F, Func, Value

WHITE_SPACE = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)


def validate_not_blank(value: str) -> None:
    """Raise ValidationError, with the text of Django's own check, for a name that is empty or white space only."""
    if not value.strip():
        raise ValidationError("This field cannot be blank.", code="blank")


def not_blank(field: str, *, name: str) -> CheckConstraint:
    """Return the constraint of that name which keeps blank values out of a column."""
    is_filled = Func(
        F(field),
        Value(WHITE_SPACE),
        function="TRIM",
        template="%(function)s(%(expressions)s) <> ''",
        output_field=BooleanField(),
    )
    return CheckConstraint(condition=is_filled, name=name)
