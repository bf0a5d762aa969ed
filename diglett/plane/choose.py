"""Which driver this process gets."""

from __future__ import annotations

import os
from typing import Any

from diglett.errors import UsageError
from diglett.plane.channel import Plane
from diglett.plane.readiness import hasReadiness
from diglett.plane.tuning import checkCongestion

DRIVERS = ("fast", "portable")


def makePlane(reactor: Any) -> Plane:
    """The fast driver where the system and the reactor can have it, else the portable one.

    `DIGLETT_PLANE` decides when it is set. Raises UsageError: it is set to something else, or
    `DIGLETT_CONGESTION` to what cannot be had.
    """
    checkCongestion()
    wanted = os.environ.get("DIGLETT_PLANE") or ("fast" if fits(reactor) else "portable")
    if wanted == "fast":
        from diglett.plane.fast import FastPlane

        return FastPlane(reactor)
    if wanted == "portable":
        from diglett.plane.portable import PortablePlane

        return PortablePlane(reactor)
    raise UsageError(f"DIGLETT_PLANE is {wanted!r}: it can be {' or '.join(DRIVERS)}")


def fits(reactor: Any) -> bool:
    """Whether the fast driver works here: a descriptor that stands for many, and a reactor that watches descriptors."""
    from twisted.internet.interfaces import IReactorFDSet

    return hasReadiness() and bool(IReactorFDSet.providedBy(reactor))
