"""Names for users that come from where no names are kept: patterns with `{user}` in them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from attrs import frozen

from diglett.auth.tokenfile import checkPattern

_LABEL = re.compile(r"[a-z0-9-]{1,63}\Z")


@frozen
class NamePatterns:
    """The patterns an operator gave, such as `{user}` and `{user}-*`; `*` unless any are given."""

    templates: tuple[str, ...]

    @classmethod
    def parse(cls, texts: Sequence[str]) -> NamePatterns:
        """From the values of `names=`; `UsageError` for what can be no pattern."""
        for text in texts:
            checkPattern(text.replace("{user}", "user"))
        return cls(tuple(texts) or ("*",))

    def of(self, user: str) -> tuple[str, ...]:
        """This user's patterns.

        A user who is no good as a part of a name (upper case, dots) gets none
        of those with `{user}`: making it fit would make two users one.
        """
        fits = _LABEL.match(user) is not None
        return tuple(
            template.replace("{user}", user) for template in self.templates if fits or "{user}" not in template
        )

    def message(self, who: str) -> list[str]:
        """What the operator should know when nothing was restricted."""
        if self.templates != ("*",):
            return []
        return [f"{who} may use any name; add ,names={{user}},names={{user}}-* to restrict them"]
