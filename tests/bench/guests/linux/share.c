/* Sequential reads of a file, past the page cache: share FILE SECONDS, over and over, in turns of SECONDS. Before each turn it
 * prints a line with `begin`, and after it one with the rate. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
/* Bytes of a read: those of a message of the share. */
#define PART (512 * 1024)

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

int main(int c, char **v) {
    if (c < 3) {
        fprintf(stderr, "usage: share FILE SECONDS\n");
        return 1;
    }
    char *part = mmap(0, PART, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    int fd = open(v[1], O_RDONLY | O_DIRECT);
    if (fd < 0) {
        perror(v[1]);
        return 1;
    }
    double secs = atof(v[2]);
    off_t at = 0;
    for (;;) {
        printf("share: begin\n");
        fflush(stdout);
        double t0 = now(), t;
        long bytes = 0;
        do {
            long n = pread(fd, part, PART, at);
            if (n < 0) {
                perror("pread");
                return 1;
            }
            at = n ? at + n : 0;
            bytes += n;
            t = now();
        } while (t - t0 < secs);
        printf("share: %ld bytes in %.0f us, %.0f per second\n", bytes, (t - t0) * 1e6, bytes / (t - t0));
        fflush(stdout);
    }
}
