r"""The deployment pages (docs/deployment/*.md) as programs: their fenced blocks, and what marks them.

How to write a page
-------------------

* A block of the language `shell` is executed: all of them, in order, in one bash, as someone types them into one terminal as root
  (`set -e`, `set -u`; the working directory and variables stay from block to block).
* A block of the language `text` or `json` directly below a `shell` block is what that block prints to standard output; a line `...`
  stands for any lines, and `...` inside a line for anything.
* A comment in the line above the fence, or with one blank line between, says otherwise. The comment is not shown to readers, so the
  text must say the same in its own words:

  `<!-- not run here: REASON; stood in for by WHAT -->`
      The block is not executed. It is listed in docs/deployment/not-run-here.md: `python -m tests.deployment.pages` writes that list,
      and tests/test_deployment_pages.py fails while it differs from the pages.
  `<!-- file: /etc/haproxy/haproxy.cfg -->`
      The runner writes the block to that file, in its turn.
  `<!-- on: standby -->`
      The block is executed on another machine: the shell of that name.
  `<!-- tested by: tests/live/test_sshd_config.py -->`
      Another test reads this block out of the page and tries it.

* A block of any other language must have one of these comments. Prefer `shell` with files of deploy/ to long blocks.

How to write its test
---------------------

The page `docs/deployment/redis.md` is executed by `tests/deployment/test_redis.py` (a page with executable blocks must have that
module, which tests/test_deployment_pages.py checks)::

    pytestmark = pytest.mark.deployment


    def test_the_page_is_executed(scratch: ScratchRoot) -> None:
        with scratch.terminal() as terminal:
            execute(page("redis"), {"": terminal})
        assert scratch.run("redis-cli ping") == "PONG\n"

`scratch` (tests/deployment/conftest.py) is a machine of its own, as far as the kernel can make one: this machine's files below an
overlay, so that any path can be written and nothing outside changes; own processes below a systemd of its own,
which end with it (`systemctl` and `journalctl` work as on any machine, and what units demand of the kernel holds); own loopback network, so that
documented ports are free. `installed` is the same with the service in /opt/control-plane, as one-machine-systemd.md installs it.
pip finds the locked requirements in a directory; there is no other network. `scratch_roots` makes further machines in the same
network. To execute some blocks, check something, and go on: `for block in page("redis"): ...; execute([block], ...)`.

Other documents that tests execute (README.md) are read by `fenced_blocks`, which demands no marks, and executed by `execute` too.
"""

import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "deployment"
LIST = PAGES / "not-run-here.md"
OUTPUTS = {"text", "json"}
BLOCK = re.compile(r"(?:^<!-- (?P<mark>[^>]*?) -->\n\n?)?^```(?P<language>\S*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^## (.*)$", re.MULTILINE)
NOT_RUN = re.compile(r"(?P<reason>.+); stood in for by (?P<stand_in>.+)", re.DOTALL)
HEAD = """# What the pages show and the tests do not run

Each block of the deployment pages is executed by the tests on a machine of its own (`make deployment`), except these. This list is
made from marks in the pages by `python -m tests.deployment.pages`. docs/kubernetes-agent.md is executed by the same rules.

| page | block | why it is not run | what stands in for it |
|---|---|---|---|
"""


class PageError(Exception):
    """A page that cannot be executed as it is written: where, and what is wrong."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page, the mark above it, and the output that the page prints below it."""

    path: Path
    line: int
    language: str
    text: str
    mark: str = ""
    """The key of the comment: "", "not run here", "file", "on" or "tested by"."""
    value: str = ""
    """What the comment says after its key."""
    output: str | None = None
    heading: str = ""
    """The title of the section (`## TITLE`) that it is in."""

    @property
    def where(self) -> str:
        """The page and the line, for messages."""
        return f"{self.path.name}:{self.line}"

    @property
    def is_executed(self) -> bool:
        """Whether the runner does something with it."""
        return self.mark == "file" or (self.language == "shell" and self.mark in {"", "on"})


def read_blocks(path: Path) -> list[Block]:
    """Return the blocks of a deployment page in order, each of which must have a meaning. Raises PageError."""
    blocks = fenced_blocks(path)
    for block in blocks:
        _validate(block)
    return blocks


def fenced_blocks(path: Path) -> list[Block]:
    """Return the blocks of any document in order, outputs joined to the commands that print them."""
    source = path.read_text()
    blocks: list[Block] = []
    end = -1
    for match in BLOCK.finditer(source):
        mark, _, value = (match["mark"] or "").partition(":")
        line = source.count("\n", 0, match.start("language")) + 1
        section = HEADING.findall(source, 0, match.start())
        heading = section[-1] if section else ""
        block = Block(path, line, match["language"], match["text"], mark.strip(), " ".join(value.split()), heading=heading)
        follows_directly = bool(blocks) and not source[end : match.start()].strip()
        if block.language in OUTPUTS and not block.mark and follows_directly and blocks[-1].language == "shell":
            printed = blocks.pop()
            block = replace(printed, output=block.text)
        blocks.append(block)
        end = match.end()
    return blocks


def _validate(block: Block) -> None:
    if block.mark not in {"", "not run here", "file", "on", "tested by"}:
        raise PageError(f"{block.where}: unknown mark {block.mark!r}; tests/deployment/pages.py lists those that there are")
    if not block.mark and block.language != "shell":
        raise PageError(f"{block.where}: a block of the language {block.language!r} needs a mark; tests/deployment/pages.py lists them")
    if block.mark == "not run here" and NOT_RUN.fullmatch(block.value) is None:
        raise PageError(f"{block.where}: a mark 'not run here' says 'REASON; stood in for by WHAT', not {block.value!r}")


def page(name: str) -> list[Block]:
    """Return the blocks of `docs/deployment/<name>.md`."""
    return read_blocks(PAGES / f"{name}.md")


def all_pages() -> list[Path]:
    """Return the paths of all pages."""
    return sorted(PAGES.glob("*.md"))


BESIDE = ROOT / "docs" / "kubernetes-agent.md"
"""A page elsewhere whose blocks are executed by the same rules."""


class Typing(Protocol):
    """Where commands of a page are typed: a bash of a scratch machine, or another one."""

    def type(self, commands: str, where: str = "") -> str:
        """Return what commands print to standard output. Raises AssertionError if one of them fails."""

    def write(self, path: str, text: str) -> None:
        """Write a file."""


def execute(blocks: Iterable[Block], terminals: Mapping[str, Typing]) -> None:
    """Execute blocks in order, each in the terminal that its mark `on` names ("" for most).

    Raises AssertionError with the command's output when a command fails or prints something else than the page does.
    """
    for block in blocks:
        if not block.is_executed:
            continue
        terminal = terminals[block.value if block.mark == "on" else ""]
        if block.mark == "file":
            terminal.write(block.value, block.text)
            continue
        printed = terminal.type(block.text, block.where)
        if block.output is not None and not matches(block.output, printed):
            raise AssertionError(f"{block.where}: the page shows\n{block.output}\nand the command prints\n{printed}")


def matches(shown: str, printed: str) -> bool:
    """Whether an output is what a page shows, in which `...` stands for anything."""
    pattern = ""
    for line in shown.splitlines(keepends=True):
        pattern += r"(?:.*\n)*?" if line.strip() == "..." else ".*?".join(re.escape(part) for part in line.split("..."))
    ended = printed if printed.endswith("\n") or not shown else printed + "\n"
    return re.fullmatch(pattern, ended) is not None


def not_run_list(paths: Iterable[Path]) -> str:
    """Return the text of docs/deployment/not-run-here.md."""
    rows = []
    for path in paths:
        for block in read_blocks(path):
            found = NOT_RUN.fullmatch(block.value) if block.mark == "not run here" else None
            if found is not None:
                first = next(line for line in block.text.splitlines() if line.strip() and not line.startswith("#"))
                shown = first.strip().replace("|", "\\|")
                rows.append(f"| [{path.stem}]({os.path.relpath(path, PAGES)}) | `{shown}` | {found['reason']} | {found['stand_in']} |\n")
    return HEAD + "".join(rows)


if __name__ == "__main__":
    LIST.write_text(not_run_list([*all_pages(), BESIDE]))
    sys.stdout.write(f"{LIST} is written.\n")
