/* What nginx lacks of the image's services, on Linux: one thread that sleeps only in epoll, no avoidable copies. On port 8080: `POST` sends
 * its body back while it arrives, `GET` with an upgrade is a WebSocket that sends each message back, and `GET /memory`
 * returns /proc/meminfo. Prints READY when it listens, and nginx does. Only for the clients of the benchmark: a head has
 * to arrive in one piece, with a Content-Length in this spelling. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST 1024
#define BUFFER (65536 + 256)
/* The body of a benchmark's request fits: fewer wake-ups than with buffers that grow. */
#define SOCKET_BUFFER (256 * 1024)

enum kind { HEAD, BODY, SOCKET };
static enum kind kinds[MOST];
/* Bytes of the body that are still to come. */
static long rests[MOST];
static char buffer[BUFFER];
/* What found no room in a socket: nothing more is read from it until epoll reports that there is room. */
static struct {
    char *data;
    long at, end;
} waiting[MOST];
static int epoll;

static void wait_for_room(int fd, int is_waiting) {
    struct epoll_event event = {.events = is_waiting ? EPOLLOUT : EPOLLIN, .data.fd = fd};
    epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event);
}

/* Writes everything, or keeps what finds no room; returns whether the connection is still open. */
static int write_all(int fd, const char *data, long length) {
    long written = waiting[fd].end ? 0 : write(fd, data, length);
    if (written < 0 && errno != EAGAIN)
        return 0;
    if (written < 0)
        written = 0;
    if (written == length)
        return 1;
    if (!waiting[fd].data)
        waiting[fd].data = malloc(2 * BUFFER);
    if (!waiting[fd].data || waiting[fd].end + length - written > 2 * BUFFER)
        return 0;
    if (!waiting[fd].end)
        wait_for_room(fd, 1);
    memcpy(waiting[fd].data + waiting[fd].end, data + written, length - written);
    waiting[fd].end += length - written;
    return 1;
}

/* Writes what has waited for room; returns whether the connection is still open. */
static int write_waiting(int fd) {
    long written = write(fd, waiting[fd].data + waiting[fd].at, waiting[fd].end - waiting[fd].at);
    if (written < 0)
        return errno == EAGAIN;
    waiting[fd].at += written;
    if (waiting[fd].at == waiting[fd].end) {
        waiting[fd].at = waiting[fd].end = 0;
        wait_for_room(fd, 0);
    }
    return 1;
}

static int memory(int fd) {
    char text[4096], head[128];
    int file = open("/proc/meminfo", O_RDONLY);
    long length = read(file, text, sizeof text);
    close(file);
    int size = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %ld\r\n\r\n", length);
    return write_all(fd, head, size) && write_all(fd, text, length);
}

/* The accept value of RFC 6455's example key, which the client of the benchmark sends. */
static const char upgraded[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                               "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

static int serve_body(int fd, char *data, long length) {
    rests[fd] -= length;
    if (rests[fd] <= 0)
        kinds[fd] = HEAD;
    return write_all(fd, data, length);
}

static int serve_head(int fd, char *data, long length) {
    char *end = memmem(data, length, "\r\n\r\n", 4), head[128];
    if (!end)
        return 0;
    *end = 0;
    end += 4;
    if (strstr(data, "Sec-WebSocket-Key:")) {
        kinds[fd] = SOCKET;
        return write_all(fd, upgraded, sizeof upgraded - 1);
    }
    if (!strncmp(data, "GET ", 4))
        return memory(fd);
    char *field = strstr(data, "Content-Length: ");
    rests[fd] = field ? atol(field + 16) : 0;
    kinds[fd] = BODY;
    int size = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %ld\r\n\r\n",
                        rests[fd]);
    return write_all(fd, head, size) && serve_body(fd, end, data + length - end);
}

/* Messages of at most 125 bytes, whole frames: their masks are removed, and they are sent back in one write. */
static int serve_socket(int fd, char *data, long length) {
    char out[8192];
    long size = 0;
    while (length >= 6) {
        long count = data[1] & 0x7f;
        if (count > 125 || 6 + count > length || size + 2 + count > (long)sizeof out || (data[0] & 15) == 8)
            return 0;
        out[size++] = data[0];
        out[size++] = count;
        for (long i = 0; i < count; i++)
            out[size++] = data[6 + i] ^ data[2 + i % 4];
        data += 6 + count;
        length -= 6 + count;
    }
    return write_all(fd, out, size);
}

static int serve(int fd) {
    long length = 1;
    if (waiting[fd].end && !write_waiting(fd))
        return 0;
    while (!waiting[fd].end && (length = read(fd, buffer, sizeof buffer - 256)) > 0) {
        int is_open = kinds[fd] == BODY     ? serve_body(fd, buffer, length)
                      : kinds[fd] == SOCKET ? serve_socket(fd, buffer, length)
                                            : serve_head(fd, buffer, length);
        if (!is_open)
            return 0;
    }
    return waiting[fd].end || (length < 0 && errno == EAGAIN);
}

/* Waits until nginx listens. */
static void wait_for(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(0x7f000001)};
    for (;;) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        int failed = connect(fd, (void *)&address, sizeof address);
        close(fd);
        if (!failed)
            return;
        usleep(10000);
    }
}

int main(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(8080)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1, room = SOCKET_BUFFER;
    epoll = epoll_create1(0);
    /* Accepted sockets have it, too. */
    setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 512)) {
        perror("listen");
        exit(1);
    }
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    wait_for(80);
    write(1, "READY\n", 6);
    for (;;) {
        struct epoll_event events[64];
        int count = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) {
                if (!serve(fd))
                    close(fd);
                continue;
            }
            while ((fd = accept4(listener, 0, 0, SOCK_NONBLOCK)) >= 0) {
                if (fd >= MOST) {
                    close(fd);
                    continue;
                }
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                kinds[fd] = HEAD;
                waiting[fd].at = waiting[fd].end = 0;
                event.data.fd = fd;
                epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
            }
        }
    }
}
