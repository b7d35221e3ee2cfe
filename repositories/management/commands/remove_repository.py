"""Remove a repository that the deletion of its project has left at Gitaly."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from internal_api.audit import record_event
from internal_api.management.operator import OperatorCommand
from repositories.models import Project, Storage
from repositories.policy.repository_path import gl_repository, is_relative_path, parse_gl_repository, relative_path


class Command(OperatorCommand):
    """`remove_repository project-7 --storage default`."""

    help = "Remove a repository at Gitaly whose project is deleted; there is no way back. The repository of a project is refused."
    waits_for_the_network = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("repository", help="its gl_repository: project-ID or wiki-ID")
        parser.add_argument("--storage", required=True, metavar="NAME", help="the storage that has it")
        parser.add_argument("--relative-path", metavar="PATH", help="the relative_path that the project had, unless it was hashed storage")

    def act(self, **options: Any) -> dict[str, Any]:
        from repositories.gitaly.values import RepositoryRef  # noqa: PLC0415  gRPC is loaded by those who need it
        from repositories.services.repositories_at_gitaly import remove_one_repository  # noqa: PLC0415  likewise

        stored, parsed = options["relative_path"], parse_gl_repository(options["repository"])
        if parsed is None:
            raise CommandError(f"{options['repository']!r} is neither project-ID nor wiki-ID.")
        if stored is not None and (not is_relative_path(stored) or stored.startswith("@")):
            raise CommandError(f"{stored!r} is not a path below a storage, such as group/project.git, outside of hashed storage.")
        storage = Storage.objects.filter(name=options["storage"]).first()
        if storage is None:
            raise CommandError(f"There is no storage {options['storage']!r}.")
        path = relative_path(parsed.project_id, parsed.repository_type, stored)
        owner = Project.objects.filter(pk=parsed.project_id).first() or _owner_of(storage, path)
        if owner is not None:
            raise CommandError(f"It is the repository of {owner.audit_name()}, which delete_project deletes with it.")
        name = gl_repository(parsed.repository_type, parsed.project_id)
        removed = remove_one_repository(storage, RepositoryRef(storage.name, path, name, ""))
        if removed:
            details = {"storage": storage.name, "gl_repository": name} | ({"relative_path": stored} if stored is not None else {})
            record_event("repository_removed", entity_type="Project", entity_id=parsed.project_id, details=details)
        return {"storage": storage.name, "relative_path": path, "repository_removed": removed}


def _owner_of(storage: Storage, path: str) -> Project | None:
    """The project whose repository, or whose wiki's, lies at a path that is not hashed storage's."""
    stem = path.removesuffix(".git")
    stems = {stem, stem.removesuffix(".wiki")}
    return Project.objects.filter(storage=storage, relative_path__in=[*stems, *(f"{one}.git" for one in stems)]).first()
