"""Content types by name; where the name says nothing, by a look at the content."""

from __future__ import annotations

from codecs import getincrementaldecoder
from functools import lru_cache
from mimetypes import MimeTypes

LOOK = 1_024
"""Bytes to look at."""

_UNKNOWN = "application/octet-stream"
# Those that Python learnt late, or calls something that browsers dislike.
_MORE = {
    ".avif": "image/avif", ".cjs": "text/javascript", ".flac": "audio/flac", ".gz": "application/gzip",
    ".heic": "image/heic", ".ico": "image/x-icon", ".js": "text/javascript", ".log": "text/plain",
    ".m4a": "audio/mp4", ".md": "text/markdown", ".mjs": "text/javascript", ".mkv": "video/x-matroska",
    ".ogg": "audio/ogg", ".opus": "audio/ogg", ".otf": "font/otf", ".toml": "application/toml",
    ".ttf": "font/ttf", ".wasm": "application/wasm", ".webm": "video/webm", ".webmanifest": "application/manifest+json",
    ".webp": "image/webp", ".woff": "font/woff", ".woff2": "font/woff2", ".xz": "application/x-xz",
    ".yaml": "application/yaml", ".yml": "application/yaml", ".zst": "application/zstd",
}  # fmt: skip
_PACKED = {
    "gzip": "application/gzip",
    "bzip2": "application/x-bzip2",
    "xz": "application/x-xz",
    "compress": "application/x-compress",
}


def contentType(name: str, start: bytes) -> str:
    """The content type of a file with this name, the first bytes of which are `start`."""
    kind, packing = _types().guess_type(f"/{name}", strict=False)
    if packing:
        # As a file, for whoever downloads it; not as the packed form of another one.
        return _PACKED.get(packing, _UNKNOWN)
    if kind is None:
        kind = "text/plain" if _isText(start) else _UNKNOWN
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


@lru_cache(maxsize=1)
def _types() -> MimeTypes:
    """The same on every machine: not what this system was configured for."""
    types = MimeTypes()
    for extension, kind in _MORE.items():
        types.add_type(kind, extension)
    return types


def _isText(start: bytes) -> bool:
    try:
        getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False
    return b"\0" not in start
