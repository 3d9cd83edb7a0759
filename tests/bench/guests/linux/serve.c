/* The services of the image, on Linux: one thread, epoll, no avoidable copies.
 * TCP and UDP echo (7), discard (9), chargen (19), HTTP with a body of 13 bytes (80). Prints READY when it listens. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum kind { NONE, ECHO, DISCARD, CHARGEN, HTTP, UDP_ECHO };

#define MOST 1024
/* A round of chargen's pattern (RFC 864): 95 lines of 72 characters, each starting one character later. */
#define LINES 95
#define WIDTH 72
#define ROUND (LINES * (WIDTH + 2))

/* The service of a socket, and whether it listens. */
static enum kind kinds[MOST];
static char listens[MOST];
/* Number of bytes matched of the end of a head (HTTP), or offset in the pattern (chargen). */
static int states[MOST];
static char buffer[65536], pattern[2 * ROUND];
static int epoll;
static const char response[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, world!";

static void watch(int fd, enum kind kind, int events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    kinds[fd] = kind;
    states[fd] = 0;
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void listen_on(int type, int port, enum kind kind) {
    int fd = socket(AF_INET, type | SOCK_NONBLOCK, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (void *)&address, sizeof address) || (type == SOCK_STREAM && listen(fd, 512))) {
        perror("listen");
        exit(1);
    }
    watch(fd, kind, EPOLLIN);
    listens[fd] = type == SOCK_STREAM;
}

static void accept_all(int listener) {
    int fd, one = 1;
    while ((fd = accept4(listener, 0, 0, SOCK_NONBLOCK)) >= 0) {
        if (fd >= MOST) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        listens[fd] = 0;
        watch(fd, kinds[listener], kinds[listener] == CHARGEN ? EPOLLOUT : EPOLLIN);
    }
}

/* Writes everything; returns whether the connection is still open. */
static int write_all(int fd, const char *data, long length) {
    while (length > 0) {
        long written = write(fd, data, length);
        if (written < 0 && errno != EAGAIN)
            return 0;
        if (written < 0) {
            usleep(50);
            continue;
        }
        data += written;
        length -= written;
    }
    return 1;
}

static int answer(int fd, const char *data, long length) {
    for (long i = 0; i < length; i++) {
        states[fd] = data[i] == "\r\n\r\n"[states[fd]] ? states[fd] + 1 : data[i] == '\r';
        if (states[fd] == 4) {
            states[fd] = 0;
            if (!write_all(fd, response, sizeof response - 1))
                return 0;
        }
    }
    return 1;
}

static int generate(int fd) {
    long written;
    while ((written = write(fd, pattern + states[fd], ROUND)) > 0)
        states[fd] = (states[fd] + written) % ROUND;
    return errno == EAGAIN;
}

static int serve(int fd) {
    long length;
    while ((length = read(fd, buffer, sizeof buffer)) > 0) {
        if (kinds[fd] == ECHO && !write_all(fd, buffer, length))
            return 0;
        if (kinds[fd] == HTTP && !answer(fd, buffer, length))
            return 0;
    }
    return length < 0 && errno == EAGAIN;
}

static void echo_packets(int fd) {
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    long length;
    while ((length = recvfrom(fd, buffer, sizeof buffer, 0, (void *)&from, &size)) >= 0)
        sendto(fd, buffer, length, 0, (void *)&from, size);
}

int main(void) {
    for (int i = 0; i < 2 * ROUND; i++) {
        int line = i / (WIDTH + 2), column = i % (WIDTH + 2);
        pattern[i] = column == WIDTH ? '\r' : column > WIDTH ? '\n' : ' ' + (line + column) % LINES;
    }
    /* A client that closes ends its connection, not the program. */
    signal(SIGPIPE, SIG_IGN);
    epoll = epoll_create1(0);
    listen_on(SOCK_STREAM, 7, ECHO);
    listen_on(SOCK_STREAM, 9, DISCARD);
    listen_on(SOCK_STREAM, 19, CHARGEN);
    listen_on(SOCK_STREAM, 80, HTTP);
    listen_on(SOCK_DGRAM, 7, UDP_ECHO);
    write(1, "READY\n", 6);
    for (;;) {
        struct epoll_event events[64];
        int count = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (listens[fd])
                accept_all(fd);
            else if (kinds[fd] == UDP_ECHO)
                echo_packets(fd);
            else if (!(kinds[fd] == CHARGEN ? generate(fd) : serve(fd)))
                close(fd);
        }
    }
}
