"""HTTP/1.1 for the front: bytes in, events out; no socket, no clock, no reactor.

`request` reads what a visitor sends and `response` what a backend answers,
both strictly: what two readers could understand differently is refused, never
repaired. `forward` builds the heads that go out on the other side. `pages`
are the answers the gateway gives itself.
"""

from __future__ import annotations
