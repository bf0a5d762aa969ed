/* line: a long-distance line between two TUN devices.
 *
 *   line FD FD DELAY_MS MBIT LOSS_PERCENT BUFFER_BYTES SEED
 *
 * Each way: a packet may be lost (so many of a hundred, by a seeded generator, so that each run
 * loses alike), then waits its turn for the rate in a buffer that drops what does not fit, as a
 * router does, and arrives DELAY_MS later. Prints "up", runs until killed. A line "DELAY_MS MBIT
 * LOSS_PERCENT BUFFER_BYTES" on stdin changes the weather from then on, and is answered with "ok". */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PACKETS = 1 << 14, LARGEST = 2048 };

struct way {
    int from, to;
    uint64_t free;                    /* when the last packet accepted has left, ns */
    unsigned first, last;             /* counters into the ring below */
    struct { uint64_t due; int size; char data[LARGEST]; } ring[PACKETS];
};
static struct way ways[2];
static uint64_t delay, buffer, seed, loss;
static double nsPerByte;

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static int lost(void) {
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return seed % 1000000 < loss;
}

static void become(double milliseconds, double rate, double percent, double bytes) {
    delay = milliseconds * 1e6;
    nsPerByte = 8000 / rate;
    loss = percent * 10000;
    buffer = bytes;
}

/* What is on its way arrives as it would have: packets do not overtake each other. */
static int command(void) {
    static char text[256];
    static size_t used;
    double numbers[4];
    ssize_t size = read(0, text + used, sizeof text - 1 - used);
    if (size <= 0) return 0;
    text[used += size] = 0;
    for (char *end; (end = strchr(text, '\n')); memmove(text, end + 1, used + 1)) {
        if (sscanf(text, "%lf %lf %lf %lf", numbers, numbers + 1, numbers + 2, numbers + 3) != 4) return 0;
        become(numbers[0], numbers[1], numbers[2], numbers[3]);
        puts("ok");
        fflush(stdout);
        used -= end + 1 - text;
    }
    return used < sizeof text - 1;
}

static void take(struct way *way) {
    for (int i = 0; i < 64; i++) {
        unsigned slot = way->last % PACKETS;
        int full = way->last - way->first == PACKETS;
        static char waste[LARGEST];
        int size = read(way->from, full ? waste : way->ring[slot].data, LARGEST);
        if (size <= 0) return;
        uint64_t time = now(), start = way->free > time ? way->free : time;
        if (full || lost() || (start - time) / nsPerByte + size > buffer) continue;
        way->free = start + (uint64_t)(size * nsPerByte);
        way->ring[slot].due = way->free + delay;
        way->ring[slot].size = size;
        way->last++;
    }
}

static void hand(struct way *way, uint64_t time) {
    for (; way->first != way->last && way->ring[way->first % PACKETS].due <= time; way->first++) {
        unsigned slot = way->first % PACKETS;
        if (write(way->to, way->ring[slot].data, way->ring[slot].size) < 0 && errno == EBADF) exit(1);
    }
}

int main(int count, char **words) {
    if (count != 8) {
        fprintf(stderr, "usage: line FD FD DELAY_MS MBIT LOSS_PERCENT BUFFER_BYTES SEED\n");
        return 2;
    }
    ways[0].from = ways[1].to = atoi(words[1]);
    ways[1].from = ways[0].to = atoi(words[2]);
    become(atof(words[3]), atof(words[4]), atof(words[5]), atof(words[6]));
    seed = strtoull(words[7], NULL, 10) * 0x9e3779b97f4a7c15ull | 1;
    puts("up");
    fflush(stdout);
    int commands = 0;
    for (;;) {
        uint64_t time = now(), next = time + 1000000000;
        for (int i = 0; i < 2; i++) {
            hand(&ways[i], time);
            if (ways[i].first != ways[i].last && ways[i].ring[ways[i].first % PACKETS].due < next)
                next = ways[i].ring[ways[i].first % PACKETS].due;
        }
        struct pollfd fds[3] = {{ways[0].from, POLLIN, 0}, {ways[1].from, POLLIN, 0}, {commands, POLLIN, 0}};
        uint64_t wait = next > (time = now()) ? next - time : 0;
        struct timespec limit = {wait / 1000000000, wait % 1000000000};
        if (ppoll(fds, 3, &limit, NULL) < 0 && errno != EINTR) return 1;
        for (int i = 0; i < 2; i++) {
            if (fds[i].revents & POLLIN) take(&ways[i]);
            else if (fds[i].revents) return 1;
        }
        if (fds[2].revents && !command()) commands = -1;
    }
}
