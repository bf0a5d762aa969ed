"""The pages about files: what is in a folder, and that something is not there."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from hashlib import sha256
from html import escape
from os import fsencode
from urllib.parse import quote_from_bytes

from diglett.agent.files.finding import Entry

_STYLE = """
:root{color-scheme:light dark;--bg:#f4f5f0;--card:#fff;--text:#1f2328;--soft:#59636e;--line:#d5dbd2;--link:#1d6b3f}
@media(prefers-color-scheme:dark){:root{--bg:#131518;--card:#1c1f24;--text:#e9ebee;--soft:#9ca6b2;--line:#363c45;
--link:#7fd0a0}}
*{box-sizing:border-box}
body{margin:0;padding:1rem;background:var(--bg);color:var(--text);font:1rem/1.5 system-ui,sans-serif}
main{max-width:56rem;margin:1rem auto;background:var(--card);border:1px solid var(--line);border-radius:1rem;
padding:1.5rem 2rem}
h1{margin:0 0 1rem;font-size:1.3rem;overflow-wrap:anywhere}
table{width:100%;border-collapse:collapse}
th{text-align:left;font-size:.8rem;color:var(--soft)}
th,td{padding:.35rem 1rem .35rem 0;border-bottom:1px solid var(--line)}
td:first-child{overflow-wrap:anywhere}
th+th,td+td{width:1%;white-space:nowrap;text-align:right;padding-right:0;padding-left:1rem;color:var(--soft);
font-variant-numeric:tabular-nums}
a{color:var(--link);text-decoration:none}
a:hover{text-decoration:underline}
p{color:var(--soft)}
"""
POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none';"
    f" style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'"
)
"""The Content-Security-Policy of these pages: their own style, and nothing else."""


def listingPage(names: Sequence[str], entries: Iterable[Entry], whole: bool) -> bytes:
    """What is in the folder to which these names lead."""
    title = _shown("/" + "".join(f"{name}/" for name in names))
    rows = [_row("../", "../", "", "")] if names else []
    rows += [_entry(entry) for entry in entries]
    note = "" if whole else "<p>There is more: only a part of this folder is shown.</p>"
    if not rows:
        note = "<p>There is nothing here.</p>"
    body = f"<table><tr><th>Name<th>Size<th>Changed (UTC)</tr>\n{''.join(rows)}</table>{note}" if rows else note
    return _page(title, title, body)


def problemPage(title: str, text: str) -> bytes:
    """Why there is nothing to see."""
    return _page(escape(title), escape(title), f"<p>{escape(text)}</p>")


def quoted(name: str) -> str:
    """A name as a part of a URL."""
    return quote_from_bytes(fsencode(name), safe="")


def humanSize(size: int) -> str:
    """A size that people read at a glance."""
    if size < 1_000:
        return f"{size} B"
    value = float(size)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1_000
        if value < 999.5 or unit == "TB":
            break
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"


def _entry(entry: Entry) -> str:
    slash = "/" if entry.isFolder else ""
    size = "" if entry.isFolder else f'<span title="{entry.size} bytes">{humanSize(entry.size)}</span>'
    # In front a "./", lest a name with a colon be taken for a scheme.
    return _row(f"./{quoted(entry.name)}{slash}", _shown(entry.name + slash), size, _date(entry.modified))


def _row(target: str, name: str, size: str, changed: str) -> str:
    return f'<tr><td><a href="{target}">{name}</a><td>{size}<td>{changed}</tr>\n'


def _date(seconds: float) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError, OSError):
        return ""  # file systems hold more years than calendars


def _shown(name: str) -> str:
    return escape(fsencode(name).decode("utf-8", "replace"))


def _page(title: str, heading: str, body: str) -> bytes:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>{title}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>{heading}</h1>
{body}
</main>
</body>
</html>
""".encode()
