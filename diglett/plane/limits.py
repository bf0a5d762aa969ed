"""What the system lets one process have."""

from __future__ import annotations

import gc


def raiseDescriptorLimit() -> int:
    """Take as many file descriptors as the system grants without asking; how many that is, 0 if unknown.

    The usual soft limit of 1024 is for programs that use select(); each visitor takes one here and one at the agent.
    """
    try:
        import resource
    except ImportError:
        return 0
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if hard != resource.RLIM_INFINITY else 1_048_576
    if soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError):
            return soft
    return wanted


COLLECT_AFTER = 20_000
"""New objects that may hold others before the youngest are looked through for circles of garbage."""


_settled = False


def settle() -> None:
    """What has been loaded so far stays: collections need not walk through it for every few connections.

    Only the first call does something: later ones would keep what is garbage by then for ever.
    """
    global _settled
    if not _settled:
        _settled = True
        gc.freeze()
        gc.set_threshold(COLLECT_AFTER, 20, 20)
