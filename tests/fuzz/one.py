"""`python -m tests.fuzz.one TARGET FOLDER RUNS SECONDS`: one target under atheris, for so many runs or so long.

The corpus is in FOLDER/corpus, and stays there for the next time; inputs that break something go to FOLDER/found.
"""

from __future__ import annotations

import sys
from hashlib import sha1
from pathlib import Path

import atheris  # type: ignore[import-untyped, import-not-found, unused-ignore]

LONGEST = 4_096
"""Bytes of an input."""


def main() -> None:
    """Never returns: libFuzzer ends the process."""
    name, folder, runs, seconds = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    with atheris.instrument_imports(include=["diglett.wire", "diglett.http", "diglett.peek"]):
        from tests.fuzz.names import load

        target = load(name)
    corpus, found = folder / "corpus", folder / "found"
    for each in (corpus, found):
        each.mkdir(parents=True, exist_ok=True)
    for seed in target.SEEDS:
        (corpus / sha1(seed).hexdigest()).write_bytes(seed[:LONGEST])
    words = [
        sys.argv[0], f"-runs={runs}", f"-max_total_time={seconds}", f"-max_len={LONGEST}", f"-artifact_prefix={found}/",
        "-timeout=20", "-rss_limit_mb=1024", "-print_final_stats=1", "-seed=1", str(corpus),
    ]  # fmt: skip
    atheris.Setup(words, target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
