"""What is committed and what is about to be, as a repository of its own with the miniature params.yaml."""

import shutil
import subprocess
from pathlib import Path

from tests.conftest import ROOT, TINY


def cloned(folder: Path) -> Path:
    """A working copy in `folder` that shares this one's .venv; nothing in it is committed yet."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)  # with its time, or make would set up .venv again
    shutil.copy(TINY, folder / "params.yaml")
    (folder / ".venv").symlink_to(ROOT / ".venv")
    return folder


def committed(folder: Path) -> Path:
    """A repository of all that is in `folder`."""
    for command in ("git init -q", "git add -A", "git -c user.name=A -c user.email=a@b commit -qm clone"):
        subprocess.run(command.split(), cwd=folder, check=True)
    return folder
