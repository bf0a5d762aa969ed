"""The answers the gateway gives itself: a page for people, JSON for programs."""

from __future__ import annotations

from base64 import b64encode
from functools import lru_cache
from hashlib import sha256
from html import escape
from http import HTTPStatus
from json import dumps

from diglett.http.icon import ICON, iconUrl
from diglett.http.problems import Part, Problem

_STYLE = """
:root{color-scheme:light dark;--bg:#f4f5f0;--card:#fff;--text:#1f2328;--soft:#59636e;--line:#d5dbd2;
--good:#2c7a4b;--bad:#c22f3d;--code:#eef1ea}
@media(prefers-color-scheme:dark){:root{--bg:#131518;--card:#1c1f24;--text:#e9ebee;--soft:#9ca6b2;
--line:#363c45;--good:#63c088;--bad:#ff7d88;--code:#282d34}}
*,::before,::after{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1rem;background:var(--bg);
color:var(--text);font:1rem/1.5 system-ui,sans-serif}
main{width:100%;max-width:36rem;background:var(--card);border:1px solid var(--line);
border-radius:1rem;padding:2rem}
header{display:flex;gap:1.25rem;align-items:center}
header svg{width:5rem;height:5rem;flex:none}
header p{margin:0;color:var(--soft);font-weight:600}
h1{margin:0;font-size:1.6rem;line-height:1.2}
p,pre{overflow-wrap:anywhere}
ol{display:flex;list-style:none;margin:2rem 0 1.5rem;padding:0;text-align:center;font-size:.875rem}
li{flex:1;position:relative;color:var(--soft)}
li::before{content:"";display:block;width:1.5rem;height:1.5rem;margin:0 auto .4rem;
border-radius:50%;border:2px solid var(--line);background:var(--card);position:relative;z-index:1}
li+li::after{content:"";position:absolute;top:.75rem;left:-50%;width:100%;margin-top:-1px;
border-top:2px solid var(--line)}
.ok{color:var(--text)}
.ok::before{border-color:var(--good);background:var(--good)}
.ok+.ok::after,.ok+.in::after{border-color:var(--good)}
.bad{color:var(--bad);font-weight:600}
.bad::before{border-color:var(--bad)}
.cut::after{border-top:2px dashed var(--bad)!important}
b{position:absolute;top:.75rem;left:0;transform:translate(-50%,-50%);z-index:2;padding:0 .3rem;
background:var(--card);color:var(--bad);font-size:1.1rem;line-height:1}
.in b{left:50%;background:none}
h2{margin:0;font-size:1rem}
h2+p{margin:.25rem 0 0;color:var(--soft)}
pre{margin:1rem 0 0;padding:.75rem 1rem;border-radius:.5rem;background:var(--code);
white-space:pre-wrap}
footer{margin-top:1.5rem;padding-top:1rem;border-top:1px solid var(--line);color:var(--soft);
font-size:.8rem}
"""
_POLICY = (
    "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none';"
    f" frame-ancestors 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'"
)

# For each part that can fail: the classes of visitor, gateway, agent, backend.
# "cut" is the line that leads to it, "in" the node itself.
_CHAINS: dict[Part, tuple[str, str, str, str]] = {
    "visitor": ("ok", "ok cut", "", ""),
    "gateway": ("ok", "bad in", "", ""),
    "name": ("ok", "ok", "bad cut", ""),
    "agent": ("ok", "ok", "bad cut", ""),
    "backend": ("ok", "ok", "ok", "bad cut"),
}
_FAVICON = escape(iconUrl())
_NODES = ("you", "gateway", "agent", "backend")


def wantsPage(accept: bytes) -> bool:
    """Whether the Accept of a request is a browser's."""
    return b"text/html" in accept.lower()


def errorPage(
    problem: Problem,
    *,
    accept: bytes = b"",
    method: bytes = b"GET",
    version: int = 11,
    keepAlive: bool = False,
) -> bytes:
    """A whole answer, head and body, that tells of `problem`; for HEAD the head of it.

    `accept` is the request's Accept (empty when there is none, or no request
    was understood), `version` the visitor's; `keepAlive` whether its
    connection stays open.
    """
    body, kind = _page(problem, method) if wantsPage(accept) else _json(problem)
    retry = f"Retry-After: {problem.retryAfter}\r\n" if problem.retryAfter is not None else ""
    connection = "Connection: close\r\n"
    if keepAlive:
        connection = "" if version == 11 else "Connection: keep-alive\r\n"
    head = (
        f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\n"
        f"Content-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"{retry}"
        "Cache-Control: no-store\r\n"
        f"Content-Security-Policy: {_POLICY}\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Referrer-Policy: no-referrer\r\n"
        f"{connection}"
        "\r\n"
    ).encode("ascii")
    return head if method == b"HEAD" else head + body


def _json(problem: Problem) -> tuple[bytes, str]:
    error: dict[str, int | str] = {
        "status": problem.status,
        "code": problem.code,
        "part": problem.part,
        "message": problem.detail,
        "hint": problem.hint,
    }
    if problem.command is not None:
        error["command"] = problem.command
    return dumps({"error": error}, ensure_ascii=True).encode() + b"\n", "application/json"


@lru_cache(maxsize=64)
def _page(problem: Problem, method: bytes) -> tuple[bytes, str]:
    refresh = ""
    if problem.retryAfter is not None and method in (b"GET", b"HEAD"):
        refresh = f'<meta http-equiv="refresh" content="{problem.retryAfter}">'
    command = f"<pre><code>{escape(problem.command)}</code></pre>" if problem.command else ""
    page = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="robots" content="noindex">
{refresh}<title>{problem.status} {escape(problem.title)}</title>
<link rel="icon" href="{_FAVICON}">
<style>{_STYLE}</style>
</head>
<body>
<main>
<header>{ICON}<div><p>{problem.status}</p><h1>{escape(problem.title)}</h1></div></header>
<ol>{_chain(problem.part)}</ol>
<p>{escape(problem.detail)}</p>
<h2>What to do</h2>
<p>{escape(problem.hint)}</p>
{command}
<footer>diglett &middot; {problem.code}</footer>
</main>
</body>
</html>
"""
    return page.encode(), "text/html; charset=utf-8"


def _chain(part: Part) -> str:
    """The way of a request, with the place marked where it ended."""
    out = []
    for node, state in zip(_NODES, _CHAINS[part]):
        mark = '<b aria-label="broken here">&#x2715;</b>' if "cut" in state or "in" in state else ""
        out.append(f'<li class="{state}">{mark}{node}</li>')
    return "".join(out)
