"""Our icon: a mole with a lamp, looking out of its tunnel (the same as docs/img/diglett.svg)."""

from __future__ import annotations

ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" role="img" '
    'aria-label="diglett">'
    '<path fill="#57a56b" d="M3 56C6 27 15 5 32 5s26 22 29 51z"/>'
    '<path fill="#2a2230" d="M9 55V38a23 23 0 0 1 46 0v17z"/>'
    '<path fill="#808b9d" d="M32 20c10 0 15 8 16 18 .7 7 2 12 2 17H14c0-5 1.3-10 2-17 1-10 '
    '6-18 16-18z"/>'
    '<path fill="#f6b92f" d="M15 33c0-11 7-19 17-19s17 8 17 19q0 2-2 2-15-3-30 0-2 0-2-2z"/>'
    '<circle cx="32" cy="24.5" r="5" fill="#fff8dc"/>'
    '<circle cx="23.5" cy="40" r="2.5" fill="#1b1720"/>'
    '<circle cx="40.5" cy="40" r="2.5" fill="#1b1720"/>'
    '<ellipse cx="32" cy="49" rx="10" ry="7.5" fill="#c9cfd9"/>'
    '<ellipse cx="32" cy="45" rx="5" ry="3.7" fill="#ef6f8d"/>'
    '<rect x="1" y="53" width="62" height="9" rx="4" fill="#94623f"/>'
    '<path fill="#f6bfae" d="M8 56.5v-4a2.5 2.5 0 0 1 5-.8 2.5 2.5 0 0 1 5 0 2.5 2.5 0 0 1 '
    "5 .8v4q0 2-2 2H10q-2 0-2-2zM41 56.5v-4a2.5 2.5 0 0 1 5-.8 2.5 2.5 0 0 1 5 0 2.5 2.5 0 "
    '0 1 5 .8v4q0 2-2 2H43q-2 0-2-2z"/>'
    "</svg>"
)


def iconUrl() -> str:
    """The icon as a data URL, for `<link rel="icon">` in a page that loads nothing."""
    text = ICON.replace('"', "'")
    for character in "%#<>":
        text = text.replace(character, f"%{ord(character):02X}")
    return f"data:image/svg+xml,{text}"
