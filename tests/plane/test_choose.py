"""Which driver a process gets, and that none of them keeps another system from importing us."""

from __future__ import annotations

import importlib
import os
import pkgutil
import select
import selectors
import socket
import sys
from typing import Any

from twisted.internet.interfaces import IReactorFDSet
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

import diglett.link
import diglett.plane
from diglett.errors import UsageError
from diglett.plane.choose import makePlane
from diglett.plane.fast import FastPlane
from diglett.plane.portable import PortablePlane
from tests.plane.test_sockets import ClockReactor


@implementer(IReactorFDSet)
class WatchingReactor(ClockReactor):
    """A reactor that can watch descriptors."""

    def addWriter(self, writer: Any) -> None: ...

    def removeWriter(self, writer: Any) -> None: ...

    def removeAll(self) -> list[Any]:
        return []

    def getReaders(self) -> list[Any]:
        return self.readers

    def getWriters(self) -> list[Any]:
        return []


class ChooseTests(SynchronousTestCase):
    """`makePlane` looks at the reactor, the system and one variable."""

    skip = None if hasattr(select, "epoll") else "there is no epoll here to be taken away"

    def setUp(self) -> None:
        self.patch(os, "environ", {key: value for key, value in os.environ.items() if key != "DIGLETT_PLANE"})

    def made(self, reactor: Any) -> type:
        plane = makePlane(reactor)
        plane.close(0)
        return type(plane)

    def test_fast(self) -> None:
        """The fast one, where descriptors are watched."""
        self.assertIs(self.made(WatchingReactor()), FastPlane)

    def test_portable(self) -> None:
        """The portable one, where they are not."""
        self.assertIs(self.made(Clock()), PortablePlane)

    def test_neitherEpollNorKqueue(self) -> None:
        """The portable one, where no descriptor stands for many."""
        self.patch(select, "epoll", None)
        del select.epoll
        self.assertIs(self.made(WatchingReactor()), PortablePlane)

    def test_kqueue(self) -> None:
        """The fast one, on kqueue."""
        self.patch(select, "epoll", None)
        del select.epoll
        selectors.KqueueSelector = selectors.EpollSelector  # type: ignore[misc,assignment]
        self.addCleanup(delattr, selectors, "KqueueSelector")
        self.assertIs(self.made(WatchingReactor()), FastPlane)

    def test_asked(self) -> None:
        """The one that is asked for; what is asked for must be one."""
        os.environ["DIGLETT_PLANE"] = "portable"
        self.assertIs(self.made(WatchingReactor()), PortablePlane)
        os.environ["DIGLETT_PLANE"] = "fast"
        self.assertIs(self.made(WatchingReactor()), FastPlane)
        os.environ["DIGLETT_PLANE"] = "jet"
        error = self.assertRaises(UsageError, makePlane, WatchingReactor())
        self.assertEqual(str(error), "DIGLETT_PLANE is 'jet': it can be fast or portable")


class ImportTests(SynchronousTestCase):
    """Every module can be imported where there is neither epoll nor a Unix socket."""

    def test_elsewhere(self) -> None:
        """Nothing is asked of the system before it is used."""
        for module, names in (
            (select, [each for each in dir(select) if each.startswith("EPOLL") or each in ("epoll", "poll")]),
            (os, [each for each in dir(os) if each.startswith("sched_")]),
            (socket, ["AF_UNIX", "TCP_USER_TIMEOUT", "TCP_NOTSENT_LOWAT", "SO_REUSEPORT", "MSG_NOSIGNAL"]),
        ):
            for name in names:
                if hasattr(module, name):
                    self.patch(module, name, None)
                    delattr(module, name)
        for package in (diglett.plane, diglett.link):
            names = [f"{package.__name__}.{each.name}" for each in pkgutil.iter_modules(package.__path__)]
            self.assertGreater(len(names), 3)
            for name in names:
                kept = sys.modules.pop(name, None)
                parent, _, child = name.rpartition(".")
                before = getattr(sys.modules[parent], child, None)
                try:
                    importlib.import_module(name)
                finally:
                    if kept is not None:
                        sys.modules[name] = kept
                        setattr(sys.modules[parent], child, before)
