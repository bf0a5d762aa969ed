"""A folder as a site of Twisted's web server: GET and HEAD, and nothing of it can be changed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from io import FileIO
from typing import Any

from twisted.internet.interfaces import IPullProducer
from twisted.web.http import datetimeToString, stringToDatetime
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from diglett.agent.files.finding import Files, Found
from diglett.agent.files.kinds import LOOK, contentType
from diglett.agent.files.pages import POLICY, listingPage, problemPage, quoted
from diglett.agent.files.quiet import QuietSite
from diglett.agent.files.ranges import chooseRange, isUnchanged

INDEXES = ("index.html", "index.htm")
"""Files shown in place of a folder's listing."""
_CHUNK = 65_536
_LATEST = 253_402_300_799
"""The last second of the year 9999: no date of HTTP is later."""


class FolderSite(QuietSite):
    """Serves what `files` finds."""

    def __init__(self, files: Files, reactor: Any) -> None:
        super().__init__(FolderResource(files), reactor)


class FolderResource(Resource):
    """All paths of the site."""

    isLeaf = True

    def __init__(self, files: Files) -> None:
        super().__init__()
        self._files = files

    def render(self, request: Any) -> int:
        request.setHeader(b"server", b"diglett")
        request.setHeader(b"x-content-type-options", b"nosniff")
        request.setHeader(b"cache-control", b"no-cache")  # look again, get a 304
        if request.method not in (b"GET", b"HEAD"):
            request.setHeader(b"allow", b"GET, HEAD")
            self._problem(request, 405, "Read only", "This folder can be read and nothing else.")
        else:
            self._get(request)
        return NOT_DONE_YET

    def _get(self, request: Any) -> None:
        try:
            *names, last = map(os.fsdecode, request.postpath)
        except UnicodeDecodeError:
            self._notFound(request)
            return
        if last:
            names.append(last)
        found = self._files.find(names)
        if found is None or not (last or found.isFolder):
            self._notFound(request)
        elif not found.isFolder:
            self._file(request, found, last)
        elif last:
            self._redirect(request, names)
        else:
            self._folder(request, names, found)

    def _folder(self, request: Any, names: Sequence[str], found: Found) -> None:
        for name in INDEXES:
            index = self._files.find((*names, name))
            if index is not None and not index.isFolder:
                self._file(request, index, name)
                return
        try:
            entries, whole = self._files.list(found)
        except PermissionError:
            self._forbidden(request)
        except OSError:
            self._notFound(request)
        else:
            self._page(request, 200, listingPage(names, entries, whole))

    def _file(self, request: Any, found: Found, name: str) -> None:
        try:
            file, info = self._files.open(found)
        except PermissionError:
            self._forbidden(request)
            return
        except OSError:
            self._notFound(request)
            return
        try:
            sending = self._answer(request, name, file, info)
        except BaseException:
            file.close()
            raise
        if sending:
            FileSender(request, file, sending).start()
        else:
            file.close()
            request.finish()

    def _answer(self, request: Any, name: str, file: FileIO, info: os.stat_result) -> int:
        """Set the answer's head, and go to where its body starts: how many bytes that has."""
        etag = b'"%x-%x"' % (info.st_mtime_ns, info.st_size)
        modified = min(max(int(info.st_mtime), 0), _LATEST)
        date = datetimeToString(modified)
        request.setHeader(b"etag", etag)
        request.setHeader(b"last-modified", date)
        if isUnchanged(etag, modified, request.getHeader(b"if-none-match"), _since(request)):
            request.setResponseCode(304)
            return 0
        request.setHeader(b"accept-ranges", b"bytes")
        request.setHeader(b"content-type", contentType(name, file.read(LOOK)).encode("ascii"))
        wanted = request.getHeader(b"range") if request.method == b"GET" else None
        if request.getHeader(b"if-range") not in (None, etag, date):
            wanted = None
        chosen = chooseRange(info.st_size, wanted)
        if chosen is None:
            request.setResponseCode(416)
            request.setHeader(b"content-range", b"bytes */%d" % info.st_size)
            request.setHeader(b"content-length", b"0")
            return 0
        start, length = chosen
        if length < info.st_size:
            request.setResponseCode(206)
            request.setHeader(b"content-range", b"bytes %d-%d/%d" % (start, start + length - 1, info.st_size))
        request.setHeader(b"content-length", b"%d" % length)
        if request.method == b"HEAD":
            return 0
        file.seek(start)
        return length

    def _redirect(self, request: Any, names: Sequence[str]) -> None:
        target = "".join(f"/{quoted(name)}" for name in names).encode("ascii") + b"/"
        query = request.uri.partition(b"?")[2]
        request.setHeader(b"location", target + b"?" + query if query else target)
        self._problem(request, 301, "Moved", "A folder's address ends with a slash.")

    def _notFound(self, request: Any) -> None:
        self._problem(request, 404, "Not found", "There is no such file here.")

    def _forbidden(self, request: Any) -> None:
        self._problem(request, 403, "Not readable", "This cannot be read by whoever shares this folder.")

    def _problem(self, request: Any, status: int, title: str, text: str) -> None:
        self._page(request, status, problemPage(title, text))

    def _page(self, request: Any, status: int, page: bytes) -> None:
        request.setResponseCode(status)
        request.setHeader(b"content-type", b"text/html; charset=utf-8")
        request.setHeader(b"content-security-policy", POLICY.encode("ascii"))
        request.setHeader(b"content-length", b"%d" % len(page))
        if request.method != b"HEAD":
            request.write(page)
        request.finish()


@implementer(IPullProducer)
class FileSender:
    """Sends so many bytes of a file, as fast as they are taken, and closes it in any case."""

    def __init__(self, request: Any, file: FileIO, left: int) -> None:
        self._request = request
        self._file = file
        self._left = left

    def start(self) -> None:
        """Begin; from now on the request calls."""
        self._request.notifyFinish().addBoth(lambda _: self._file.close())
        if self._send():
            self._request.registerProducer(self, False)
        else:
            self._end()

    def resumeProducing(self) -> None:
        if not self._send():
            self._request.unregisterProducer()
            self._end()

    def _send(self) -> bool:
        """Send the next piece; whether there is another one."""
        try:
            data = self._file.read(min(_CHUNK, self._left))
        except (OSError, ValueError):
            data = b""
        self._left -= len(data)
        if data:
            self._request.write(data)
        return bool(data and self._left)

    def _end(self) -> None:
        if self._left:
            # The file got shorter. An end that comes too early is the only way left to say so.
            self._request.loseConnection()
        else:
            self._request.finish()

    def stopProducing(self) -> None:
        self._file.close()


def _since(request: Any) -> int | None:
    value = request.getHeader(b"if-modified-since")
    try:
        return None if value is None else int(stringToDatetime(value))
    except ValueError:
        return None
