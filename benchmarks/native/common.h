/* What backend.c and load.c share: epoll, a flood that costs next to nothing, an address. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FLOOD = 1 << 20, PIECE = 1 << 17, EVENTS = 512, FDS = 1 << 17 };

static char scratch[FLOOD];
static struct epoll_event ready[EVENTS];
static int poller, flood;

static void die(const char *format, ...) {
    va_list values;
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fputc('\n', stderr);
    exit(1);
}

static void watch(int fd, int change, unsigned events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(poller, change, fd, &event)) die("epoll_ctl: %s", strerror(errno));
}

/* A megabyte that does not compress, in memory the kernel can send without copying. */
static int makeFlood(void) {
    int fd = memfd_create("flood", 0);
    unsigned x = 1;
    for (int i = 0; i < FLOOD; i++) scratch[i] = (x = x * 1103515245 + 12345) >> 16;
    if (fd < 0 || write(fd, scratch, FLOOD) != FLOOD) die("memfd: %s", strerror(errno));
    return fd;
}

static ssize_t sendFlood(int fd) {
    off_t start = 0;
    return sendfile(fd, flood, &start, PIECE);
}

static struct sockaddr_in address;

static void setAddress(char *text) {
    char *colon = strrchr(text, ':');
    if (!colon) die("not HOST:PORT: %s", text);
    *colon = 0;
    address.sin_family = AF_INET;
    address.sin_port = htons(atoi(colon + 1));
    if (inet_pton(AF_INET, text, &address.sin_addr) != 1) die("not an IPv4 address: %s", text);
}

static void noDelay(int fd) {
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static void begin(char *where) {
    struct rlimit files;
    if (!getrlimit(RLIMIT_NOFILE, &files)) files.rlim_cur = files.rlim_max, setrlimit(RLIMIT_NOFILE, &files);
    signal(SIGPIPE, SIG_IGN);
    setAddress(where);
    poller = epoll_create1(0);
    flood = makeFlood();
}
