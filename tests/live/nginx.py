"""Debian's nginx with the file that is shipped; only addresses and file names are others."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.live.service import ROOT
from tests.servers import START_SECONDS, answers, free_port, wait_until

CERTIFICATE = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
SUBJECT = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]


@dataclass(frozen=True)
class Nginx:
    """Where its two doors are."""

    inner: str
    outer: str


@contextmanager
def running_nginx(directory: Path, service: int, workhorse: int) -> Iterator[Nginx]:
    """Nginx before the service and a Workhorse on these ports, for as long as the block runs."""
    inner, outer = free_port(), free_port()
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    subprocess.run([*CERTIFICATE, "-keyout", str(key), "-out", str(certificate), *SUBJECT], check=True, capture_output=True)
    shipped = (ROOT / "deploy" / "nginx.conf").read_text()
    shipped = shipped.replace("server service:3001", f"server 127.0.0.1:{service}")
    shipped = re.sub(r"server 127\.0\.0\.1:8181", f"server 127.0.0.1:{workhorse}", shipped)
    shipped = shipped.replace("listen 8080", f"listen 127.0.0.1:{inner}").replace("listen 8443", f"listen 127.0.0.1:{outer}")
    shipped = shipped.replace("/etc/nginx/tls", str(directory)).replace("/var/log/nginx/access.log", f"{directory}/access.log")
    temporary = "".join(f"{name}_temp_path {directory}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (directory / "nginx.conf").write_text(
        f"daemon off; pid {directory}/nginx.pid; error_log {directory}/nginx.log; user root; worker_processes 1;\n"
        f"events {{ worker_connections 1024; }}\nhttp {{ {temporary}\n{shipped}\n}}\n"
    )
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    process = subprocess.Popen([program, "-c", str(directory / "nginx.conf"), "-p", str(directory)])
    try:
        wait_until(lambda: answers(inner) and answers(outer), "nginx")
        yield Nginx(f"http://127.0.0.1:{inner}", f"https://127.0.0.1:{outer}")
    finally:
        process.terminate()
        process.wait(START_SECONDS)
