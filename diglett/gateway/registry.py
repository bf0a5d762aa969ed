"""Who holds which name: the one owner of that table.

A name that is held is refused, except: the same agent takes it back at once; another agent of the same account takes it
over when the holder no longer answers, or shares it when both asked for that.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator

from diglett.errors import Refused
from diglett.gateway.publicname import Holding, NameContext, PublicName

REMEMBERED = 10_000
"""Names that were held once: their visitors hear that the agent is away, not that there is no such name."""


class Registry:
    """Names and their holders."""

    def __init__(self, context: NameContext) -> None:
        self._context = context
        self._names: dict[str, PublicName] = {}
        self._gone: OrderedDict[str, float] = OrderedDict()
        self._passing = 0

    def find(self, name: str) -> PublicName | None:
        """The name, if somebody holds it."""
        return self._names.get(name)

    def away(self, name: str) -> float | None:
        """When its last holder left, in the clock's seconds; None if it was never held, or long ago."""
        return self._gone.get(name)

    def missed(self, names: Iterable[str]) -> None:
        """These were held by somebody whose place we take."""
        now = self._context.plane.clock.seconds()
        self._gone.update((name, now) for name in list(names)[:REMEMBERED])

    @property
    def passesThrough(self) -> bool:
        """Whether TLS of some visitors must not end here."""
        return self._passing > 0

    def __iter__(self) -> Iterator[PublicName]:
        return iter(self._names.values())

    def __len__(self) -> int:
        return len(self._names)

    async def claim(self, name: str, kind: str, holding: Holding) -> PublicName:
        """Hold this name, published.

        Raises Refused: it is taken, or could not be published; nothing is held then.
        """
        public = await self._hold(name, kind, holding)
        try:
            await public.publish()
        except BaseException:
            self.release(public, holding)
            raise
        return public

    async def _hold(self, name: str, kind: str, holding: Holding) -> PublicName:
        while True:
            public = self._names.get(name)
            if public is None:
                self._gone.pop(name, None)
                public = self._names[name] = PublicName(self._context, name, kind)
                public.holdings.append(holding)
                self._passing += kind == "tls"
                return public
            if await self._join(public, kind, holding):
                return public

    async def _join(self, public: PublicName, kind: str, holding: Holding) -> bool:
        """Hold a name that is held; False when it must be looked at again."""
        mine = holding.holder
        taken = Refused(f"the name {public.name} is in use by another agent", code="name-taken")
        if any(each.holder is mine for each in public.holdings):
            raise Refused(f"the name {public.name} was asked for twice", code="name-taken", permanent=True)
        former = [each for each in public.holdings if each.holder.account.id == mine.account.id]
        if len(former) < len(public.holdings):
            raise taken
        same = [each for each in former if each.holder.agent == mine.agent]
        if public.kind == kind and (same or (holding.share and all(each.share for each in former))):
            # Joined before the predecessor leaves, so that the name stays published.
            public.holdings.append(holding)
            for each in same:
                each.holder.end(
                    Refused("the same agent has come back on another link", code="replaced", permanent=True)
                )
            return True
        for each in former:
            if each in same or not await each.holder.probe():
                each.holder.end(Refused("another agent of this account took the name over", code="name-taken"))
                return False
        if public is self._names.get(public.name) and any(each in public.holdings for each in former):
            raise taken
        return False

    def release(self, public: PublicName, holding: Holding) -> None:
        """Hold it no longer; withdrawn when nobody does."""
        if holding not in public.holdings:
            return
        public.holdings.remove(holding)
        if not public.holdings and self._names.get(public.name) is public:
            del self._names[public.name]
            self._passing -= public.kind == "tls"
            if public.kind == "http":
                self._gone[public.name] = self._context.plane.clock.seconds()
            if len(self._gone) > REMEMBERED:
                self._gone.popitem(last=False)
            public.withdraw()
