"""The compiled messages are those of kas.proto."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.once
def test_compiling_again_gives_the_same(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT}", f"--python_out={tmp_path}", "kubernetes_agent/kas/kas.proto"]
    subprocess.run(command, check=True, cwd=ROOT)
    again = (tmp_path / "kubernetes_agent" / "kas" / "kas_pb2.py").read_text()
    assert again == (ROOT / "kubernetes_agent" / "kas" / "kas_pb2.py").read_text()
