/* visitor: LD_PRELOADed into wrk, it makes it a better visitor of the fronts on this machine.
 *
 * Every NAME.localhost is 127.0.0.1, as in browsers but not in glibc, so that SNI and Host are
 * right; and no TLS session is resumed, so that each connection is a new visitor's, unless
 * VISITOR_RESUMES is set. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (!real) real = (__typeof__(real))dlsym(RTLD_NEXT, "getaddrinfo");
    size_t length = name ? strlen(name) : 0;
    int ours = length > 10 && !strcmp(name + length - 10, ".localhost");
    return real(ours ? "127.0.0.1" : name, service, hints, found);
}

/* wrk clears a connection's SSL object to use it again, and it keeps its session then. */
int SSL_clear(void *connection) {
    static int (*real)(void *), (*setSession)(void *, void *);
    if (!real) {
        real = (int (*)(void *))dlsym(RTLD_NEXT, "SSL_clear");
        setSession = (int (*)(void *, void *))dlsym(RTLD_NEXT, "SSL_set_session");
    }
    int cleared = real(connection);
    if (!getenv("VISITOR_RESUMES")) setSession(connection, NULL);
    return cleared;
}
