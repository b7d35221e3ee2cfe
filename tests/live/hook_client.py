"""What Gitaly's hooks do, as a program for git's own: ask /allowed and /pre_receive before, tell /post_receive after."""

import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.live.git_client import ask


def quarantine() -> str:
    """The two variables as Gitaly passes them on: relative to the repository (gitaly 2.4)."""
    here = Path.cwd()
    directory = os.environ.get("GIT_OBJECT_DIRECTORY")
    alternates = os.environ.get("GIT_ALTERNATE_OBJECT_DIRECTORIES", "")
    return json.dumps(
        {
            "GIT_ALTERNATE_OBJECT_DIRECTORIES_RELATIVE": [os.path.relpath(one, here) for one in alternates.split(":") if one] or None,
            "GIT_OBJECT_DIRECTORY_RELATIVE": os.path.relpath(directory, here) if directory else "",
        }
    )


def refuse(text: str) -> int:
    """Tell the pusher, as Gitaly does."""
    sys.stderr.write(f"GitLab: {text}\n")
    return 1


def pre_receive(api: str, secret: str, repository: str, changes: str) -> int:
    """May these refs be changed?"""
    question: dict[str, Any] = {
        "action": "git-receive-pack",
        "gl_repository": repository,
        "project": str(Path.cwd()),
        "changes": changes,
        "protocol": "ssh",
        "relative_path": str(Path.cwd()).partition("/repositories/")[2],
        "env": quarantine(),
        "key_id": os.environ["GL_ID"].removeprefix("key-"),
    }
    status, answer = ask(api, secret, "allowed", question)
    if status != 200:
        return refuse(answer["message"])
    status, answer = ask(api, secret, "pre_receive", {"gl_repository": repository})
    return 0 if status == 200 and answer["reference_counter_increased"] else refuse("the push could not be counted")


def post_receive(api: str, secret: str, repository: str, changes: str) -> int:
    """These refs have changed."""
    count = int(os.environ.get("GIT_PUSH_OPTION_COUNT", "0"))
    told = {
        "gl_repository": repository,
        "identifier": os.environ["GL_ID"],
        "changes": changes,
        "push_options": [os.environ[f"GIT_PUSH_OPTION_{number}"] for number in range(count)] or None,
    }
    _, answer = ask(api, secret, "post_receive", told)
    for message in answer["messages"]:
        sys.stdout.write(f"\n{message['message']}\n\n")
    return 0


if __name__ == "__main__":
    hook, api, secret, repository = sys.argv[1:]
    sys.exit({"pre-receive": pre_receive, "post-receive": post_receive}[hook](api, secret, repository, sys.stdin.read()))
