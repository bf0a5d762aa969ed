/* backend: the one server behind every tunnel.
 *
 *   backend HOST:PORT                            (HOST is an IPv4 address; runs until killed)
 *
 * One port serves every kind of traffic, so that a tunnel needs one name only;
 * the first byte of a connection says what it wants:
 *   E  echo what follows           S  send for ever        D  discard what follows
 *   N  never read (a stalled backend)
 *   G, P  HTTP: GET / answers 100 bytes and keeps alive, GET /bulk sends for ever, POST discards */
#include "common.h"

struct guest {
    char kind;                    /* 0 until the first byte, then as above; 'L' listens */
    char line[10];                /* the beginning of an HTTP head: enough to see GET /bulk */
    unsigned char seen, matched;  /* bytes in line; how much of CR LF CR LF has gone by */
    char *owed;                   /* what the socket refused */
    int owedSize;
};
static struct guest guests[FDS];

static void forget(int fd) {
    free(guests[fd].owed);
    memset(&guests[fd], 0, sizeof guests[fd]);
    close(fd);
}

/* Send, or keep the rest and read no more until it is gone. False when the guest has left. */
static int give(int fd, const char *data, int size) {
    struct guest *guest = &guests[fd];
    int sent = send(fd, data, size, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return forget(fd), 0;
    if (sent < 0) sent = 0;
    if (sent < size) {
        char *rest = malloc(size - sent);
        memcpy(rest, data + sent, size - sent);
        free(guest->owed);
        guest->owed = rest;
        guest->owedSize = size - sent;
        watch(fd, EPOLL_CTL_MOD, EPOLLOUT);
    } else if (guest->owed) {
        free(guest->owed);
        guest->owed = NULL;
        watch(fd, EPOLL_CTL_MOD, EPOLLIN);
    }
    return 1;
}

static void startFlood(int fd) {
    guests[fd].kind = 'S';
    watch(fd, EPOLL_CTL_MOD, EPOLLOUT | EPOLLRDHUP);
}

static void serveHttp(int fd, const char *data, int size) {
    static const char page[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n"
        "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789";
    static const char bulk[] = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
        "Content-Length: 1099511627776\r\n\r\n";
    struct guest *guest = &guests[fd];
    for (int i = 0; i < size; i++) {
        if (guest->seen < sizeof guest->line) guest->line[guest->seen++] = data[i];
        guest->matched = data[i] == "\r\n\r\n"[guest->matched] ? guest->matched + 1 : data[i] == '\r';
        if (guest->matched < 4) continue;
        int post = guest->line[0] == 'P', big = guest->seen >= 9 && !memcmp(guest->line, "GET /bulk", 9);
        guest->matched = guest->seen = 0;
        if (post) {
            guest->kind = 'D';
            return;
        }
        if (!give(fd, big ? bulk : page, (int)(big ? sizeof bulk : sizeof page) - 1)) return;
        if (big) {
            startFlood(fd);
            return;
        }
    }
}

static void accepted(int listener) {
    for (int i = 0; i < 64; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (fd < 0) return;
        if (fd >= FDS) die("too many connections");
        noDelay(fd);
        watch(fd, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static void readable(int fd) {
    struct guest *guest = &guests[fd];
    int discard = guest->kind == 'D', skip = 0;
    ssize_t size = recv(fd, discard ? NULL : scratch, discard ? FLOOD : 65536, discard ? MSG_TRUNC : 0);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) {
        forget(fd);
        return;
    }
    if (!guest->kind) {
        guest->kind = scratch[0];
        skip = guest->kind != 'G' && guest->kind != 'P';
    }
    switch (guest->kind) {
    case 'D': break;
    case 'E': if (size > skip) give(fd, scratch + skip, size - skip); break;
    case 'G': case 'P': serveHttp(fd, scratch, size); break;
    case 'S': startFlood(fd); break;
    case 'N': watch(fd, EPOLL_CTL_MOD, 0); break;
    default: forget(fd);
    }
}

static void writable(int fd) {
    struct guest *guest = &guests[fd];
    if (guest->owed) give(fd, guest->owed, guest->owedSize);
    else if (sendFlood(fd) < 0 && errno != EAGAIN) forget(fd);
}

static void serve(void) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 4096)) die("listen: %s", strerror(errno));
    guests[listener].kind = 'L';
    watch(listener, EPOLL_CTL_ADD, EPOLLIN);
    for (;;) {
        int count = epoll_wait(poller, ready, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int fd = ready[i].data.fd;
            unsigned events = ready[i].events;
            if (guests[fd].kind == 'L') accepted(fd);
            else if (events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)) forget(fd);
            else if (events & EPOLLOUT) writable(fd);
            else readable(fd);
        }
    }
}

int main(int count, char **words) {
    if (count != 2) die("usage: backend HOST:PORT");
    begin(words[1]);
    serve();
}
