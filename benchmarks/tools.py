"""The programs a run needs: ours are compiled at the start, the others are looked for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from attrs import frozen

from benchmarks.errors import Missing

SOURCES = Path(__file__).parent / "native"


def find(program: str) -> str:
    """Where program is: beside this Python, on PATH, or where Debian keeps servers."""
    places = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]
    found = shutil.which(program, path=os.pathsep.join(places))
    if found is None:
        raise Missing(f"{program} is not installed")
    return found


@frozen
class Tools:
    """Our own programs, compiled."""

    backend: Path
    load: Path
    line: Path
    visitor: Path

    @classmethod
    def build(cls, folder: Path) -> Tools:
        """Compile into folder; about half a second. Missing when there is no compiler."""
        shared = ("-shared", "-fPIC")
        names = {"backend": (), "load": (), "line": (), "visitor": shared}
        return cls(**{name: compiled(name, folder, *more) for name, more in names.items()})


def compiled(name: str, folder: Path, *more: str) -> Path:
    """One of our programs, compiled into folder with these options. Missing when it cannot be."""
    made = folder / name
    command = [find("cc"), "-O2", "-w", *more, "-o", str(made), str(SOURCES / f"{name}.c")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Missing(f"{name}.c does not compile here: {done.stderr.strip()}")
    return made
