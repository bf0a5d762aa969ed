"""What the system lets one process have."""

from __future__ import annotations


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
