"""The cast of the tests: a few people, groups and projects with fixed names, made through the services that make real ones."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import factory
from django.db.models import Model

from accounts.models import SSHKey, User
from accounts.services.ssh_keys import add_deploy_key, add_user_key
from accounts.services.users import create_user
from internal_api.seeding.ids import reserve_ids
from kubernetes_agent.models import Agent
from kubernetes_agent.services.tokens import create_agent
from repositories.models import Namespace, Project, Storage
from repositories.services.namespaces import create_group
from repositories.services.projects import create_project
from tests.public_keys import CI_KEY, ED25519


def keeping_free(model: type[Model], fields: dict[str, Any]) -> dict[str, Any]:
    """The same fields; an id that a test chooses is given to no other row, whatever the sequence has come to."""
    if "id" in fields:
        reserve_ids(model, [fields["id"]])
    return fields


_database_judges: ContextVar[bool] = ContextVar("_database_judges", default=False)


def _unless_the_database_judges(validate: Callable[..., None]) -> Callable[..., None]:
    def validate_or_not(self: Model, *args: Any, **options: Any) -> None:
        if not _database_judges.get():
            validate(self, *args, **options)

    return validate_or_not


Model.validate_constraints = _unless_the_database_judges(Model.validate_constraints)  # type: ignore[method-assign]  # see below
Model.validate_unique = _unless_the_database_judges(Model.validate_unique)  # type: ignore[method-assign]  # likewise


@contextmanager
def database_judges() -> Iterator[None]:
    """Make rows whose CHECK and UNIQUE constraints only the database enforces.

    Django asks it about each of them beforehand, for the message: that was a quarter of the time of all tests with a database.
    """
    before = _database_judges.set(True)
    try:
        yield
    finally:
        _database_judges.reset(before)


class UserFactory(factory.django.DjangoModelFactory[User]):
    """A user with a personal namespace; the e-mail address follows the name."""

    class Meta:
        model = User

    username = "ann"
    name = factory.LazyAttribute(lambda user: user.username.capitalize())
    email = factory.LazyAttribute(lambda user: f"{user.username}@example.com")

    @classmethod
    def _create(cls, model_class: type[User], *args: Any, **fields: Any) -> User:
        with database_judges():
            return create_user(**keeping_free(User, fields))


class SSHKeyFactory(factory.django.DjangoModelFactory[SSHKey]):
    """A user's key."""

    class Meta:
        model = SSHKey

    user = factory.SubFactory(UserFactory)
    key = ED25519

    @classmethod
    def _create(cls, model_class: type[SSHKey], *args: Any, **fields: Any) -> SSHKey:
        with database_judges():
            return add_user_key(may_be_expired=True, **keeping_free(SSHKey, fields))


class DeployKeyFactory(factory.django.DjangoModelFactory[SSHKey]):
    """A deploy key without an owner, not enabled anywhere."""

    class Meta:
        model = SSHKey

    key = CI_KEY

    @classmethod
    def _create(cls, model_class: type[SSHKey], *args: Any, **fields: Any) -> SSHKey:
        with database_judges():
            return add_deploy_key(may_be_expired=True, **keeping_free(SSHKey, fields))


class StorageFactory(factory.django.DjangoModelFactory[Storage]):
    """The storage that projects are put on."""

    class Meta:
        model = Storage
        django_get_or_create = ("name",)

    name = "default"
    gitaly_address = "unix:/run/gitaly/gitaly.socket"


class GroupFactory(factory.django.DjangoModelFactory[Namespace]):
    """A top-level group, or one below `parent`."""

    class Meta:
        model = Namespace

    path = "acme"

    @classmethod
    def _create(cls, model_class: type[Namespace], *args: Any, **fields: Any) -> Namespace:
        with database_judges():
            return create_group(**fields)


class ProjectFactory(factory.django.DjangoModelFactory[Project]):
    """A private project of a group."""

    class Meta:
        model = Project

    namespace = factory.SubFactory(GroupFactory)
    path = "rockets"
    storage = factory.SubFactory(StorageFactory)

    @classmethod
    def _create(cls, model_class: type[Project], *args: Any, **fields: Any) -> Project:
        with database_judges():
            return create_project(**keeping_free(Project, fields))


class AgentFactory(factory.django.DjangoModelFactory[Agent]):
    """An agent of a project."""

    class Meta:
        model = Agent

    project = factory.SubFactory(ProjectFactory)
    name = "production"

    @classmethod
    def _create(cls, model_class: type[Agent], *args: Any, **fields: Any) -> Agent:
        with database_judges():
            return create_agent(**keeping_free(Agent, fields))
