"""What Gitaly does for Workhorse: git's own programs in the repository that the backend has named (contract: git-http 2.9)."""

import base64
import json
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STRINGS = ("GL_ID", "GL_USERNAME", "GL_REPOSITORY")
NUMBERS = ("ProjectID", "RootNamespaceID")
CONTEXT = {"glBuildId": "", "scoped-user-id": ""}
"""What Workhorse attaches to every call of Gitaly's."""
_PIECE = 64 * 1024


@dataclass(frozen=True)
class GitCommand:
    """One command that was pre-authorised."""

    command: str
    access: dict[str, Any]
    root: Path
    protocol: str
    request_id: str

    @property
    def repository(self) -> Path:
        """Where it lies below the storage."""
        named = self.access["Repository"]
        return self.root / str(named["storage_name"]) / str(named["relative_path"])

    @property
    def exists(self) -> bool:
        return (self.repository / "HEAD").exists()

    def environment(self) -> dict[str, str]:
        """What the hooks learn: who pushes, over what, from where (C15)."""
        metadata = self.access["GitalyServer"].get("call_metadata") or {}
        return {
            **os.environ,
            "GIT_PROTOCOL": self.protocol,
            "GL_ID": self.access["GL_ID"],
            "GL_REPOSITORY": self.access["GL_REPOSITORY"],
            "GL_USERNAME": self.access["GL_USERNAME"] or "",
            "GL_PROTOCOL": "http",
            "GITALY_CLIENT_CONTEXT": base64.b64encode(json.dumps(CONTEXT, separators=(",", ":")).encode()).decode(),
            "CORRELATION_ID": self.request_id,
            "REMOTE_IP": metadata.get("remote_ip", ""),
        }

    def arguments(self, *more: str) -> list[str]:
        """The program, with the options that hold for pushes only."""
        options: Iterable[str] = self.access["GitConfigOptions"] or [] if self.command == "git-receive-pack" else []
        configured = [word for option in options for word in ("-c", option)]
        if self.command == "git-upload-pack":
            configured += ["-c", "uploadpack.allowFilter=true", "-c", "uploadpack.allowAnySHA1InWant=true"]
        else:
            configured += ["-c", "receive.advertisePushOptions=true"]
        return ["git", *configured, self.command.removeprefix("git-"), "--stateless-rpc", *more, str(self.repository)]

    def advertisement(self) -> bytes:
        """The answer to info/refs."""
        done = subprocess.run(self.arguments("--advertise-refs"), env=self.environment(), capture_output=True, check=True)
        line = f"# service={self.command}\n".encode()
        return b"%04x%s0000%s" % (len(line) + 4, line, done.stdout)

    def run(self, body: bytes) -> bytes:
        """The answer to the POST."""
        done = subprocess.run(self.arguments(), env=self.environment(), input=body, capture_output=True, check=False)
        return done.stdout


def packfile_stats(body: bytes) -> dict[str, Any]:
    """What the audit call of a pull tells of its request: the non-zero ones of what is asked for and what is there."""
    lines = [line for line in _packet_lines(body) if line]
    counted = {
        "payload_size": sum(map(len, lines)),
        "packets": len(lines),
        "wants": sum(line.startswith(b"want ") for line in lines),
        "haves": sum(line.startswith(b"have ") for line in lines),
    }
    return {name: number for name, number in counted.items() if number}


def _packet_lines(body: bytes) -> Iterable[bytes]:
    at = 0
    while at + 4 <= len(body):
        try:
            length = int(body[at : at + 4], 16)
        except ValueError:
            return
        yield body[at + 4 : at + length]
        at += max(length, 4)
