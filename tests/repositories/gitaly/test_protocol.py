"""The compiled messages are those of gitaly.proto."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_compiling_again_gives_the_same(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT}", f"--python_out={tmp_path}", "repositories/gitaly/gitaly.proto"]
    subprocess.run(command, check=True, cwd=ROOT)
    again = (tmp_path / "repositories" / "gitaly" / "gitaly_pb2.py").read_text()
    assert again == (ROOT / "repositories" / "gitaly" / "gitaly_pb2.py").read_text()
