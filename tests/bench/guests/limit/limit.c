/* The limit of QEMU's device models: a 32-bit guest that polls, without interrupts and without an operating system. The
 * first word of its command line selects the work: hello, blk DEPTH READS BYTES, net (virtio), e1000. Booted by PVH or
 * Multiboot. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
static inline void outb(u16 p, u8 v) {
    __asm__ volatile("outb %0,%1" ::"a"(v), "Nd"(p));
}
static inline void outw(u16 p, u16 v) {
    __asm__ volatile("outw %0,%1" ::"a"(v), "Nd"(p));
}
static inline void outl(u16 p, u32 v) {
    __asm__ volatile("outl %0,%1" ::"a"(v), "Nd"(p));
}
static inline u8 inb(u16 p) {
    u8 v;
    __asm__ volatile("inb %1,%0" : "=a"(v) : "Nd"(p));
    return v;
}
static inline u16 inw(u16 p) {
    u16 v;
    __asm__ volatile("inw %1,%0" : "=a"(v) : "Nd"(p));
    return v;
}
static inline u32 inl(u16 p) {
    u32 v;
    __asm__ volatile("inl %1,%0" : "=a"(v) : "Nd"(p));
    return v;
}
#define BAR() __asm__ volatile("mfence" ::: "memory")
#define CB() __asm__ volatile("" ::: "memory")
static void puts(const char *s) {
    while (*s)
        outb(0x3f8, *s++);
}
static void putn(u32 n) {
    char b[12];
    int i = 11;
    b[i] = 0;
    do {
        b[--i] = '0' + n % 10;
        n /= 10;
    } while (n);
    puts(b + i);
}
static u32 pcir(u32 bdf, u32 o) {
    outl(0xcf8, 0x80000000u | bdf << 8 | o);
    return inl(0xcfc);
}
static void pciw(u32 bdf, u32 o, u32 v) {
    outl(0xcf8, 0x80000000u | bdf << 8 | o);
    outl(0xcfc, v);
}
static int find(u32 id) {
    for (u32 d = 0; d < 256; d++)
        if (pcir(d, 0) == id) {
            pciw(d, 4, pcir(d, 4) | 7);
            return d;
        }
    return -1;
}
#define QMAX 1024
struct desc {
    u64 a;
    u32 l;
    u16 f, n;
};
struct used {
    u16 f, idx;
    struct {
        u32 id, len;
    } r[QMAX];
};
struct vq {
    struct desc *d;
    volatile u16 *av;
    volatile struct used *us;
    u16 n, avi, usi, io, q;
};
static u8 ring[2][65536] __attribute__((aligned(4096)));
static u8 pool[512][4096] __attribute__((aligned(4096)));
static void vqinit(struct vq *v, u16 io, u16 q) {
    outw(io + 14, q);
    u16 n = inw(io + 12);
    u8 *b = ring[q];
    v->n = n;
    v->io = io;
    v->q = q;
    v->d = (void *)b;
    v->av = (void *)(b + 16 * n);
    u32 o = (16 * n + 6 + 2 * n + 4095) & ~4095u;
    v->us = (void *)(b + o);
    outl(io + 8, (u32)b >> 12);
    v->av[0] = 1; /* NO_INTERRUPT */
}
static inline void push(struct vq *v, u16 id) {
    v->av[2 + (v->avi % v->n)] = id;
    v->avi++;
}
static inline void kick(struct vq *v) {
    CB();
    v->av[1] = v->avi;
    BAR();
    if (!(v->us->f & 1))
        outw(v->io + 16, v->q);
}
static u16 vinit(int d, u32 feat) {
    u16 io = pcir(d, 0x10) & ~3u;
    outb(io + 18, 0);
    outb(io + 18, 1);
    outb(io + 18, 3);
    outl(io + 4, inl(io) & feat);
    return io;
}
static u32 rs = 2463534242u;
static u32 rnd(void) {
    rs ^= rs << 13;
    rs ^= rs >> 17;
    rs ^= rs << 5;
    return rs;
}
static struct {
    u32 t, r;
    u64 s;
} hd[256];
static volatile u8 st[256];
static struct vq rx, tx;
static void blk(u32 qd, u32 n, u32 bs) {
    int d = find(0x10011af4);
    if (d < 0) {
        puts("no blk\n");
        return;
    }
    u16 io = vinit(d, 0);
    vqinit(&rx, io, 0);
    outb(io + 18, 7);
    u32 sect = inl(io + 20);
    u32 blocks = sect / (bs / 512);
    puts("vq=");
    putn(rx.n);
    puts(" BEGIN\n");
    u32 sub = 0, done = 0;
    if (qd * 3 > rx.n)
        qd = rx.n / 3;
    for (u32 i = 0; i < qd; i++) {
        rx.d[3 * i] = (struct desc){(u32)&hd[i], 16, 1, 3 * i + 1};
        rx.d[3 * i + 1] = (struct desc){(u32)pool[i * (bs / 4096) % 480], bs, 3, 3 * i + 2};
        rx.d[3 * i + 2] = (struct desc){(u32)&st[i], 1, 2, 0};
        hd[i].t = 0;
        hd[i].s = (u64)(rnd() % blocks) * (bs / 512);
        push(&rx, 3 * i);
        sub++;
    }
    kick(&rx);
    while (done < n) {
        if (rx.us->idx == rx.usi) {
            CB();
            continue;
        }
        int k = 0;
        while (rx.us->idx != rx.usi) {
            u32 id = rx.us->r[rx.usi % rx.n].id;
            rx.usi++;
            done++;
            if (sub < n) {
                hd[id / 3].s = (u64)(rnd() % blocks) * (bs / 512);
                push(&rx, id);
                sub++;
                k++;
            }
        }
        if (k)
            kick(&rx);
    }
    puts("DONE ");
    putn(done);
    puts(" st=");
    putn(st[0]);
    puts("\n");
}
static inline void swap(u8 *f) {
    u32 a = *(u32 *)f, b = *(u32 *)(f + 6);
    u16 c = *(u16 *)(f + 4), e = *(u16 *)(f + 10);
    *(u32 *)f = b;
    *(u16 *)(f + 4) = e;
    *(u32 *)(f + 6) = a;
    *(u16 *)(f + 10) = c;
}
static void net(void) {
    int d = find(0x10001af4);
    if (d < 0) {
        puts("no net\n");
        return;
    }
    u16 io = vinit(d, 0);
    vqinit(&rx, io, 0);
    vqinit(&tx, io, 1);
    outb(io + 18, 7);
    for (u32 i = 0; i < 256 && i < rx.n; i++) {
        rx.d[i] = (struct desc){(u32)pool[i], 2048, 2, 0};
        push(&rx, i);
    }
    kick(&rx);
    puts("READY\n");
    for (;;) {
        int k = 0;
        while (tx.us->idx != tx.usi) {
            u32 id = tx.us->r[tx.usi++ % tx.n].id;
            push(&rx, id);
            k++;
        }
        if (k)
            kick(&rx);
        k = 0;
        while (rx.us->idx != rx.usi) {
            u32 id = rx.us->r[rx.usi % rx.n].id, len = rx.us->r[rx.usi % rx.n].len;
            rx.usi++;
            swap(pool[id] + 10);
            tx.d[id] = (struct desc){(u32)pool[id], len, 0, 0};
            push(&tx, id);
            k++;
        }
        if (k)
            kick(&tx);
        CB();
    }
}
static struct {
    u64 a;
    u16 len, cs;
    u8 st, er;
    u16 sp;
} erx[256] __attribute__((aligned(128)));
static struct {
    u64 a;
    u16 len;
    u8 cso, cmd, st, css;
    u16 sp;
} etx[256] __attribute__((aligned(128)));
static void e1000(void) {
    int d = find(0x100e8086);
    if (d < 0)
        d = find(0x10d38086);
    if (d < 0) {
        puts("no e1000\n");
        return;
    }
    volatile u32 *r = (void *)(pcir(d, 0x10) & ~15u);
    r[0xd8 / 4] = ~0u;
    r[0] |= 0x40;
    for (u32 i = 0; i < 256; i++) {
        erx[i].a = (u32)pool[i];
        etx[i].a = (u32)pool[256 + i];
        etx[i].st = 1;
    }
    r[0x2800 / 4] = (u32)erx;
    r[0x2804 / 4] = 0;
    r[0x2808 / 4] = 256 * 16;
    r[0x2810 / 4] = 0;
    r[0x2818 / 4] = 255;
    r[0x3800 / 4] = (u32)etx;
    r[0x3804 / 4] = 0;
    r[0x3808 / 4] = 256 * 16;
    r[0x3810 / 4] = 0;
    r[0x3818 / 4] = 0;
    r[0x400 / 4] = 0x4010a;
    r[0x100 / 4] = 0x0400801a;
    puts("READY\n");
    u32 h = 0, t = 0;
    for (;;) {
        int k = 0;
        volatile u8 *s;
        while (*(s = &erx[h].st) & 1) {
            while (!(*(volatile u8 *)&etx[t].st & 1)) {
                if (k)
                    r[0x3818 / 4] = t;
                CB();
            }
            swap((u8 *)(u32)erx[h].a);
            u64 a = etx[t].a;
            etx[t].a = erx[h].a;
            erx[h].a = a;
            etx[t].len = erx[h].len;
            etx[t].cmd = 0x0b;
            etx[t].st = 0;
            *s = 0;
            t = (t + 1) & 255;
            h = (h + 1) & 255;
            k++;
        }
        if (k) {
            r[0x3818 / 4] = t;
            r[0x2818 / 4] = (h - 1) & 255;
        }
        CB();
    }
}
static u32 num(const char **s) {
    while (**s == ' ')
        ++*s;
    u32 n = 0;
    while (**s >= '0' && **s <= '9')
        n = n * 10 + *(*s)++ - '0';
    return n;
}
static int has(const char *c, const char *w, const char **e) {
    for (; *c; c++) {
        const char *a = c, *b = w;
        while (*b && *a == *b)
            a++, b++;
        if (!*b) {
            *e = a;
            return 1;
        }
    }
    return 0;
}
void main32(u32 magic, u32 *info) {
    puts("APP-START\n");
    const char *c = magic == 0x2badb002 ? (info[0] & 4 ? (char *)info[4] : "") : (char *)info[6], *e;
    if (!c)
        c = "";
    if (has(c, "blk", &e)) {
        u32 q = num(&e), n = num(&e), b = num(&e);
        blk(q, n, b);
    } else if (has(c, "e1000", &e))
        e1000();
    else if (has(c, "net", &e))
        net();
    for (;;)
        __asm__ volatile("cli; hlt");
}
