"""Finding exclusions and the namespaces they are for."""

from django.db.models import QuerySet

from internal_api.errors import NotFoundError
from internal_api.parameters import LARGEST_ID
from repositories.models import Namespace
from repositories.selectors.namespaces import find_namespace
from storage_limits.models import LimitExclusion


def get_namespace(identifier: str) -> Namespace:
    """The namespace of that id, or else of that full path; all digits are an id. Raises NotFoundError."""
    namespace = None
    if identifier.isascii() and identifier.isdigit():
        number = int(identifier) if len(identifier) < 20 else 0  # noqa: PLR2004  the digits of 64 bits
        namespace = Namespace.objects.filter(pk=number).first() if number <= LARGEST_ID else None
    elif "\x00" not in identifier:
        namespace = find_namespace(identifier).first()
    if namespace is None:
        raise NotFoundError.of("Namespace")
    return namespace


def exclusions() -> QuerySet[LimitExclusion]:
    """All of them, in the order of creation."""
    return LimitExclusion.objects.select_related("namespace").order_by("pk")
