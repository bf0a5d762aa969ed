"""What the sample site shows: a page for browsers, a text for programs."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from html import escape

from diglett.http.icon import ICON, iconUrl

_STYLE = """
:root{color-scheme:light dark;--bg:#f4f5f0;--card:#fff;--text:#1f2328;--soft:#59636e;--line:#d5dbd2;
--good:#2c7a4b;--code:#eef1ea}
@media(prefers-color-scheme:dark){:root{--bg:#131518;--card:#1c1f24;--text:#e9ebee;--soft:#9ca6b2;
--line:#363c45;--good:#63c088;--code:#282d34}}
*,::before,::after{box-sizing:border-box}
body{margin:0;padding:1rem;background:var(--bg);color:var(--text);font:1rem/1.5 system-ui,sans-serif}
main{max-width:46rem;margin:1rem auto;display:grid;gap:1rem;grid-template-columns:1fr 1fr}
section,header{background:var(--card);border:1px solid var(--line);border-radius:1rem;padding:1.5rem 2rem}
header,.wide{grid-column:1/-1}
@media(max-width:36rem){main{grid-template-columns:1fr}section,header{padding:1.25rem}}
.title{display:flex;gap:1.25rem;align-items:center}
.title svg{width:5rem;height:5rem;flex:none}
h1{margin:0;font-size:1.8rem;line-height:1.2}
h2{margin:0 0 .25rem;font-size:1rem}
p{margin:0;color:var(--soft)}
ol{display:flex;list-style:none;margin:1.5rem 0 0;padding:0;text-align:center;font-size:.875rem}
li{flex:1;position:relative}
li::before{content:"";display:block;width:1.5rem;height:1.5rem;margin:0 auto .4rem;border-radius:50%;
background:var(--good);position:relative;z-index:1}
li+li::after{content:"";position:absolute;top:.75rem;left:-50%;width:100%;margin-top:-1px;
border-top:2px solid var(--good)}
output{display:block;font-size:2.5rem;line-height:1.4;font-weight:600;font-variant-numeric:tabular-nums;color:var(--good)}
.lost{color:var(--soft)}
table{width:100%;margin-top:.75rem;border-collapse:collapse;font-size:.875rem}
td{padding:.3rem .75rem .3rem 0;border-top:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}
td:first-child{width:12rem;color:var(--soft);overflow-wrap:normal}
code{font-family:ui-monospace,monospace;font-size:.875em;background:var(--code);padding:.1rem .3rem;
border-radius:.25rem}
"""
_SCRIPT = """
const show = (id, text, lost) => {
  const place = document.getElementById(id);
  place.textContent = text;
  place.className = lost ? "lost" : "";
};
const events = new EventSource("/events");
events.onmessage = (event) => show("count", event.data, false);
events.onerror = () => show("count", document.getElementById("count").textContent, true);
const times = [];
const measure = async () => {
  try {
    const begin = performance.now();
    await fetch("/ping", {cache: "no-store"});
    times.push(performance.now() - begin);
    if (times.length > 9) times.shift();
    const middle = [...times].sort((a, b) => a - b)[times.length >> 1];
    show("time", middle.toFixed(1) + " ms", false);
  } catch {
    show("time", "no answer", true);
  }
  setTimeout(measure, times.length < 9 ? 100 : 2000);
};
measure();
"""


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


POLICY = (
    "default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none';"
    f" frame-ancestors 'none'; style-src {_hash(_STYLE)}; script-src {_hash(_SCRIPT)}"
)
"""The Content-Security-Policy of the page: its own style and script, and nothing else."""


def page(request: str, fields: Iterable[tuple[str, str]]) -> bytes:
    """For browsers: that it works, something that moves, and the request as it arrived here."""
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>\n" for name, value in fields)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>It works - diglett</title>
<link rel="icon" href="{escape(iconUrl())}">
<style>{_STYLE}</style>
</head>
<body>
<main>
<header>
<div class="title">{ICON}<div><h1>The tunnel works</h1>
<p>This page comes from a private service that only listens on loopback.</p></div></div>
<ol><li>you</li><li>gateway</li><li>agent</li><li>this site</li></ol>
</header>
<section>
<h2>Live</h2>
<p>One server-sent event per second, through the tunnel and unbuffered.</p>
<output id="count">0</output>
</section>
<section>
<h2>There and back</h2>
<p>From this browser to the site behind the tunnel, and the answer.</p>
<output id="time">&ndash;</output>
</section>
<section class="wide">
<h2>Your request as the site saw it</h2>
<p><code>{escape(request)}</code></p>
<table>
{rows}</table>
</section>
</main>
<script>{_SCRIPT}</script>
</body>
</html>
""".encode()


def text(request: str, fields: Iterable[tuple[str, str]]) -> bytes:
    """For programs: the same in plain text."""
    lines = ["The tunnel works. Your request as the site behind it saw it:", "", request]
    lines += [f"{name}: {value}" for name, value in fields]
    return "".join(f"{line}\n" for line in lines).encode()
