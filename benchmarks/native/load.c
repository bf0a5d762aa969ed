/* load: the visitors in front of a tunnel to backend.c.
 *
 *   load MODE HOST:PORT [key=value ...]          (HOST is an IPv4 address)
 *
 * Modes, each of which prints one line of JSON (rates per second, times in microseconds):
 *   down, up    streams=1 seconds=1 warm=0.3     bulk; bytes counts the warm-up too, rate does not
 *   trip        connections=1 size=64 seconds=1 warm=0.3       one request at a time on each
 *   connect     connections=1 seconds=1          connect, one byte there and back, close
 *   idle        connections=1                    open and echo a byte, print, hold until a line
 *                                                arrives on stdin, echo again, print how many live
 *   stall-reader, stall-writer  streams=1        ask for a flood and read nothing / flood one that
 *                                                reads nothing; print when all is stuck, hold
 * With cpu=NUMBER it stays on that core.
 * With http=NAME, down, up, connect and stall-reader speak HTTP to that virtual host instead. */
#include "common.h"

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static int streams = 1, connections = 1, size = 64;
static double seconds = 1, warm = 0.3;
static const char *http;

static int dial(int nonblocking, int receiveBuffer) {
    int fd = socket(AF_INET, SOCK_STREAM | (nonblocking ? SOCK_NONBLOCK : 0), 0);
    if (fd < 0 || fd >= FDS) die("socket: %s", strerror(errno));
    noDelay(fd);
    if (receiveBuffer) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, sizeof receiveBuffer);
    if (connect(fd, (void *)&address, sizeof address) && errno != EINPROGRESS) die("connect: %s", strerror(errno));
    return fd;
}

static void say(int fd, const char *data, int length) {
    if (send(fd, data, length, MSG_NOSIGNAL) != length) die("send: %s", strerror(errno));
}

static void introduce(int fd, const char *kind, const char *request) {
    char head[512];
    if (!http) say(fd, kind, strlen(kind));
    else say(fd, head, snprintf(head, sizeof head, "%s HTTP/1.1\r\nHost: %s\r\n%s\r\n", request, http,
                                *request == 'P' ? "Content-Length: 1099511627776\r\n" : ""));
}

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static float *times;
static long taken, room;

static void note(double taken_) {
    if (taken == room && !(times = realloc(times, (room = room ? room * 2 : 1 << 20) * sizeof *times))) die("memory");
    times[taken++] = taken_ * 1e6;
}

static float quantile(double q) { return taken ? times[(long)(q * (taken - 1))] : 0; }

static void bulk(int up) {
    static long long got[FDS], base[FDS];
    int *all = calloc(streams, sizeof *all);
    for (int i = 0; i < streams; i++) {
        int fd = all[i] = dial(0, 0);
        introduce(fd, up ? "D" : "S", up ? "POST /bulk" : "GET /bulk");
        fcntl(fd, F_SETFL, O_NONBLOCK);
        watch(fd, EPOLL_CTL_ADD, up ? EPOLLOUT : EPOLLIN);
    }
    double start = now(), begun = 0, time;
    while ((time = now()) < start + warm + seconds) {
        if (!begun && time >= start + warm) begun = time, memcpy(base, got, sizeof base);
        int count = epoll_wait(poller, ready, EVENTS, 20);
        for (int i = 0; i < count; i++) {
            int fd = ready[i].data.fd;
            ssize_t moved = up ? sendFlood(fd) : recv(fd, NULL, FLOOD, MSG_TRUNC);
            if (moved > 0) got[fd] += moved;
            else if (moved == 0 || errno != EAGAIN) die("a stream ended after %lld bytes", got[fd]);
        }
    }
    long long bytes = 0, counted = 0, least = -1, most = 0;
    for (int i = 0; i < streams; i++) {
        long long own = got[all[i]] - base[all[i]];
        bytes += got[all[i]], counted += own;
        if (least < 0 || own < least) least = own;
        if (own > most) most = own;
    }
    printf("{\"rate\":%.0f,\"bytes\":%lld,\"least\":%lld,\"most\":%lld}\n", counted / (time - begun), bytes, least, most);
}

static void trip(void) {
    static double sent[FDS];
    static int got[FDS];
    int *all = calloc(connections, sizeof *all);
    memset(scratch, 'E', size + 1);
    for (int i = 0; i < connections; i++) {
        int fd = all[i] = dial(0, 0);
        sent[fd] = now();
        say(fd, scratch, size + 1);
        fcntl(fd, F_SETFL, O_NONBLOCK);
        watch(fd, EPOLL_CTL_ADD, EPOLLIN);
    }
    double start = now(), begun = 0, time;
    while ((time = now()) < start + warm + seconds) {
        if (!begun && time >= start + warm) begun = time, taken = 0;
        int count = epoll_wait(poller, ready, EVENTS, 20);
        for (int i = 0; i < count; i++) {
            int fd = ready[i].data.fd;
            ssize_t length = recv(fd, scratch, sizeof scratch, 0);
            if (length < 0 && errno == EAGAIN) continue;
            if (length <= 0) die("a connection ended");
            if ((got[fd] += length) < size) continue;
            double at = now();
            note(at - sent[fd]);
            got[fd] = 0, sent[fd] = at;
            say(fd, scratch, size);
        }
    }
    long answered = taken, stuck = 0; /* a request without its answer counts with the age it has */
    for (int i = 0; i < connections; i++)
        if (time - sent[all[i]] > 0.1) note(time - sent[all[i]]), stuck++;
    qsort(times, taken, sizeof *times, ascending);
    printf("{\"rate\":%.0f,\"p50\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"stuck\":%ld}\n", answered / (time - begun),
           quantile(.5), quantile(.99), quantile(.999), stuck);
}

static void connectAgain(double *begun) {
    int fd = dial(1, 0);
    begun[fd] = now();
    watch(fd, EPOLL_CTL_ADD, EPOLLOUT);
}

static void connectAndClose(void) {
    static double begun[FDS];
    long errors = 0;
    double start = now(), time;
    for (int i = 0; i < connections; i++) connectAgain(begun);
    while ((time = now()) < start + seconds) {
        int count = epoll_wait(poller, ready, EVENTS, 20);
        for (int i = 0; i < count; i++) {
            int fd = ready[i].data.fd, failed = ready[i].events & EPOLLERR;
            if (!failed && ready[i].events & EPOLLOUT) {
                introduce(fd, "Ex", "GET /");
                watch(fd, EPOLL_CTL_MOD, EPOLLIN);
                continue;
            }
            if (!failed && recv(fd, scratch, sizeof scratch, 0) > 0) note(now() - begun[fd]);
            else errors++;
            close(fd);
            connectAgain(begun);
        }
    }
    qsort(times, taken, sizeof *times, ascending);
    printf("{\"rate\":%.0f,\"errors\":%ld,\"p50\":%.1f,\"p99\":%.1f}\n", taken / (time - start), errors,
           quantile(.5), quantile(.99));
}

static void hold(void) {
    fflush(stdout);
    if (read(0, scratch, 1) < 0) exit(1);
}

static int echoes(int fd) {
    struct timeval limit = {5, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return recv(fd, scratch, 1, 0) == 1;
}

/* One byte there and back on each, a hundred at a time; how many came back until one did not. */
static int echoAll(const int *all, const char *data) {
    int alive = 0;
    for (int i = 0; i < connections; i += 100) {
        int end = i + 100 < connections ? i + 100 : connections;
        for (int j = i; j < end; j++)
            if (send(all[j], data, strlen(data), MSG_NOSIGNAL) < 0) return alive;
        for (int j = i; j < end; j++, alive++)
            if (!echoes(all[j])) return alive;
    }
    return alive;
}

static void idle(void) {
    int *all = calloc(connections, sizeof *all), opened = 0, wanted = connections;
    double start = now();
    for (connections = 100; opened < wanted; opened += connections) {
        if (wanted - opened < connections) connections = wanted - opened;
        for (int i = 0; i < connections; i++) all[opened + i] = dial(0, 0);
        int alive = echoAll(all + opened, "Ex");
        if (alive < connections) die("only %d of %d streams opened", opened + alive, wanted);
    }
    printf("{\"opened\":%d,\"seconds\":%.3f}\n", opened, now() - start);
    hold();
    connections = wanted;
    printf("{\"alive\":%d}\n", echoAll(all, "y"));
}

static void stall(int reader) {
    int *all = calloc(streams, sizeof *all), quiet = 0;
    long long before = -1, bytes = 0;
    for (int i = 0; i < streams; i++) {
        introduce(all[i] = dial(0, reader ? 32768 : 0), reader ? "S" : "N", "GET /bulk");
        fcntl(all[i], F_SETFL, O_NONBLOCK);
    }
    for (int turn = 0; quiet < 50; turn++) { /* half a second without progress: stuck; for ever: not */
        if (turn > 2000) die("it does not stall: %lld bytes taken", bytes);
        if (!reader)
            for (int i = 0; i < streams; i++)
                for (ssize_t n; (n = sendFlood(all[i])) > 0;) bytes += n;
        quiet = bytes == before ? quiet + 1 : 0;
        before = bytes;
        usleep(10000);
    }
    printf("{\"bytes\":%lld}\n", bytes);
    hold();
}

static void option(char *word) {
    char *value = strchr(word, '=');
    if (!value) die("not key=value: %s", word);
    *value++ = 0;
    if (!strcmp(word, "streams")) streams = atoi(value);
    else if (!strcmp(word, "connections")) connections = atoi(value);
    else if (!strcmp(word, "size")) size = atoi(value);
    else if (!strcmp(word, "seconds")) seconds = atof(value);
    else if (!strcmp(word, "warm")) warm = atof(value);
    else if (!strcmp(word, "http")) http = value;
    else if (!strcmp(word, "cpu")) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(atoi(value), &set);
        if (sched_setaffinity(0, sizeof set, &set)) die("cpu: %s", strerror(errno));
    }
    else die("unknown key: %s", word);
}

int main(int count, char **words) {
    if (count < 3) die("usage: load MODE HOST:PORT [key=value ...]; load.c describes the modes");
    for (int i = 3; i < count; i++) option(words[i]);
    if (streams < 1 || connections < 1 || size < 1 || size >= FLOOD || seconds <= 0 || warm < 0) die("a value is out of range");
    begin(words[2]);
    const char *mode = words[1];
    if (!strcmp(mode, "down") || !strcmp(mode, "up")) bulk(*mode == 'u');
    else if (!strcmp(mode, "trip")) trip();
    else if (!strcmp(mode, "connect")) connectAndClose();
    else if (!strcmp(mode, "idle")) idle();
    else if (!strcmp(mode, "stall-reader") || !strcmp(mode, "stall-writer")) stall(mode[6] == 'r');
    else die("unknown mode: %s", mode);
    return 0;
}
