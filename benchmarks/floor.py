"""The floor: bare WSGI that checks the same token, runs the same statement once and answers JSON of the same size. Nothing is decided."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import jwt

Start = Callable[..., Any]


class Floor:
    """What no framework can be cheaper than. `statement` and `params` are the endpoint's own; `answer` is what the service answered."""

    def __init__(self, cursor: Any, secret: bytes, statement: str, params: dict[str, Any], answer: bytes) -> None:
        self.cursor, self.secret = cursor, secret
        self.statement, self.params = statement, params
        self.answer = json.loads(answer)

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """One request."""
        jwt.decode(environ["HTTP_GITLAB_SHELL_API_REQUEST"], self.secret, algorithms=["HS256"], issuer="gitlab-shell")
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"] or 0))
        if body:
            json.loads(body)
        self.cursor.execute(self.statement, self.params, prepare=True)
        self.cursor.fetchone()
        answer = json.dumps(self.answer, ensure_ascii=False, separators=(",", ":")).encode()
        start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
        return [answer]
