"""A proxy on loopback that shows each question and answer in colour while it passes them on."""

import http.client
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BOLD, DIM, GREEN, RED, CYAN, PLAIN = (f"\033[{code}m" for code in (1, 2, 32, 31, 36, 0))
_HEADER = "Gitlab-Shell-Api-Request"
_LONG = 900


def colour(text: str, *codes: str) -> str:
    """Coloured where there is a terminal."""
    return f"{''.join(codes)}{text}{PLAIN}" if sys.stdout.isatty() else text


def _shown(body: bytes) -> str:
    text = json.dumps(json.loads(body), ensure_ascii=False) if body else ""
    return text if len(text) <= _LONG else f"{text[:_LONG]}..."


def show(method: str, path: str, question: bytes, status: int, answer: bytes, by_hand: tuple[str, str]) -> None:
    """One exchange, and how to make it by hand."""
    data = f" --json '{_shown(question)}'" if question else ""
    lines = [
        colour(f"    {method} {path}", CYAN, BOLD),
        *([f"      {_shown(question)}"] if question else []),
        colour(f"    {status} {_shown(answer)}", GREEN if status < http.HTTPStatus.BAD_REQUEST else RED),
        colour(f"      curl --header '{_HEADER}: '\"$({by_hand[0]})\"{data} '{by_hand[1]}{path}'", DIM),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


@contextmanager
def watching(port: int, url: str, command: str) -> Iterator[str]:
    """Pass on to the service at a port and show it; the address to ask at. `command` prints a token."""

    class Handler(BaseHTTPRequestHandler):
        def pass_on(self) -> None:
            question = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            asked.request(self.command, self.path, question or None, {name: self.headers[name] for name in self.headers})
            response = asked.getresponse()
            answer = response.read()
            asked.close()
            show(self.command, self.path, question, response.status, answer, (command, url))
            self.send_response(response.status)
            self.send_header("Content-Type", response.headers["Content-Type"] or "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = pass_on  # noqa: N815  the parent's names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the parent's name
            """What is shown is shown above."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
