/* Random reads or writes of 4 KiB, past the page cache: blk DEVICE SECONDS DEPTH read|write|flush, by pread and pwrite, or
 * with queue depth DEPTH by io_uring; `flush` flushes after each write. Runs for ever, in turns of SECONDS: before each it
 * prints a line with `begin`, and after it one with the rate. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
/* Bytes of a read, and the maximum queue depth. */
#define BS 4096
#define MOST 256

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static unsigned long rs = 88172645463325252UL;

static unsigned long rnd(void) {
    rs ^= rs << 13;
    rs ^= rs >> 7;
    rs ^= rs << 17;
    return rs;
}

static unsigned long size;

static char *mem;

static double secs = 2;

static int is_write, is_flush;

static void begin(void) {
    printf("blk: begin\n");
    fflush(stdout);
}

static void report(int qd, long ops, double t) {
    printf("blk: qd %d, %ld operations in %.0f us, %.0f per second\n", qd, ops, t * 1e6, ops / t);
    fflush(stdout);
}

/* Queue depth 1: pread and pwrite with O_DIRECT. */
static void one_by_one(int fd) {
    unsigned long blocks = size / BS;
    long n = 0;
    begin();
    double t0 = now(), t;
    do {
        off_t at = rnd() % blocks * BS;
        if ((is_write ? pwrite(fd, mem, BS, at) : pread(fd, mem, BS, at)) != BS) {
            perror("a transfer");
            exit(1);
        }
        if (is_flush && fdatasync(fd)) {
            perror("fdatasync");
            exit(1);
        }
        n++;
        t = now();
    } while (t - t0 < secs);
    report(1, n, t - t0);
}

/* Queue depth `qd`, by io_uring, in turns for ever. */
static void uring(int fd, int qd) {
    struct io_uring_params p;
    memset(&p, 0, sizeof p);
    int rf = syscall(SYS_io_uring_setup, qd, &p);
    if (rf < 0) {
        perror("io_uring_setup");
        return;
    }
    char *sq = mmap(0, p.sq_off.array + p.sq_entries * 4, 3, MAP_SHARED | MAP_POPULATE, rf, IORING_OFF_SQ_RING);
    char *cq = mmap(0, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe), 3, MAP_SHARED | MAP_POPULATE, rf,
                    IORING_OFF_CQ_RING);
    struct io_uring_sqe *se = mmap(0, p.sq_entries * sizeof *se, 3, MAP_SHARED | MAP_POPULATE, rf, IORING_OFF_SQES);
    if (sq == MAP_FAILED || cq == MAP_FAILED || (void *)se == MAP_FAILED) {
        perror("mmap");
        return;
    }
    unsigned *st = (void *)(sq + p.sq_off.tail), *sm = (void *)(sq + p.sq_off.ring_mask),
             *sa = (void *)(sq + p.sq_off.array);
    unsigned *ch = (void *)(cq + p.cq_off.head), *ct = (void *)(cq + p.cq_off.tail),
             *cm = (void *)(cq + p.cq_off.ring_mask);
    struct io_uring_cqe *ce = (void *)(cq + p.cq_off.cqes);
    unsigned long blocks = size / BS;
    int freelist[256], nf = 0;
    for (int i = 0; i < qd; i++)
        freelist[nf++] = i;
turn:;
    long n = 0;
    int infl = 0, stop = 0;
    begin();
    double t0 = now(), t;
    do {
        int sub = 0;
        while (nf && !stop) {
            int id = freelist[--nf];
            unsigned tl = *st, ix = tl & *sm;
            struct io_uring_sqe *s = se + ix;
            memset(s, 0, sizeof *s);
            s->opcode = is_write ? IORING_OP_WRITE : IORING_OP_READ;
            s->fd = fd;
            s->addr = (unsigned long)(mem + (long)id * BS);
            s->len = BS;
            s->off = rnd() % blocks * BS;
            s->user_data = id;
            sa[ix] = ix;
            __atomic_store_n(st, tl + 1, __ATOMIC_RELEASE);
            sub++;
            infl++;
        }
        if (syscall(SYS_io_uring_enter, rf, sub, 1, IORING_ENTER_GETEVENTS, 0, 0) < 0) {
            perror("enter");
            return;
        }
        unsigned h = *ch;
        while (h != __atomic_load_n(ct, __ATOMIC_ACQUIRE)) {
            struct io_uring_cqe *c = ce + (h & *cm);
            if (c->res != BS) {
                fprintf(stderr, "a transfer ended with %d\n", c->res);
                return;
            }
            freelist[nf++] = c->user_data;
            infl--;
            n++;
            h++;
        }
        __atomic_store_n(ch, h, __ATOMIC_RELEASE);
        t = now();
        if (t - t0 >= secs)
            stop = 1;
    } while (infl || !stop);
    report(qd, n, t - t0);
    goto turn;
}

int main(int c, char **v) {
    if (c < 5) {
        fprintf(stderr, "usage: blk DEVICE SECONDS DEPTH read|write|flush\n");
        return 1;
    }
    secs = atof(v[2]);
    is_flush = !strcmp(v[4], "flush");
    is_write = is_flush || !strcmp(v[4], "write");
    int qd = atoi(v[3]), fd = open(v[1], (is_write ? O_RDWR : O_RDONLY) | O_DIRECT);
    if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size) || qd < 1 || qd > MOST) {
        perror(v[1]);
        return 1;
    }
    mem = mmap(0, MOST * BS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    while (qd == 1)
        one_by_one(fd);
    uring(fd, qd);
    return 0;
}
