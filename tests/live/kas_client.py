"""What kas sends: the headers of each call, in order, and JSON as Go writes it.

Shaped by tests/recordings/kas-*.jsonl (kas and agentk "16.5"). What it cannot show: kas's retries
and its cache of agent_info, the agent's tunnel, calls of later versions of kas (`agent_events`,
`receptive_agents`), which are sent with the headers of the calls that are recorded.
"""

import http.client
import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.live.git_client import go_json

BASE = "/api/v4/internal/kubernetes"
AGENT = "gitlab-kas/v0.0.0/00000000"
READS_JSON = ("/agent_info", "/project_info", "/authorize_proxy_user", "/receptive_agents")
"""The calls that say `Accept: application/json`."""
OF_KAS_ITSELF = (
    "/agent_configuration",
    "/usage_metrics",
    "/authorize_proxy_user",
    "/agent_events",
    "/receptive_agents",
)
"""The calls that are not made in the name of an agent, so without its token."""


@dataclass(frozen=True)
class Answer:
    """A status, and the body as it came."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        return json.loads(self.content)


@dataclass(frozen=True)
class Kas:
    """The agent server, with a JWT of its own and the token of an agent."""

    url: str
    jwt: str
    agent_token: str

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """Call the service once."""
        url, content = urlsplit(self.url), None if body is None else go_json(body)
        endpoint = path.partition("?")[0]
        headers = {
            "Host": url.netloc,
            "User-Agent": AGENT,
            "Content-Length": "" if content is None else str(len(content)),
            "Accept": "application/json" if endpoint in READS_JSON else "",
            "Authorization": "" if endpoint in OF_KAS_ITSELF else f"Bearer {self.agent_token}",
            "Content-Type": "" if content is None else "application/json",
            "Gitlab-Kas-Api-Request": self.jwt,
            "Accept-Encoding": "gzip",
        }
        connection = http.client.HTTPConnection(url.netloc, timeout=300)
        with closing(connection):
            connection.putrequest(method, BASE + path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                if value:
                    connection.putheader(name, value)
            connection.endheaders(content)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
