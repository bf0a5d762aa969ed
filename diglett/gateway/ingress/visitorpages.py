"""temporary"""
def page(code, text, head, keepAlive):
    body = f"{code!r} {text}\n".encode()
    st = getattr(code, "status", 502)
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n%b\r\n" % (st, len(body), b"" if keepAlive else b"Connection: close\r\n") + body
