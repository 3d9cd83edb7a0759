/* xdp INTERFACE native|generic: reflects frames inside the kernel, Linux's fastest path. The program swaps the addresses of a
 * frame and returns XDP_TX; it is loaded and attached by system calls, as the guest has no libbpf. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#define I(op, d, s, o, im)                                                                                             \
    { .code = op, .dst_reg = d, .src_reg = s, .off = o, .imm = im }
int main(int c, char **v) {
    struct bpf_insn p[] = {I(0x61, 2, 1, 0, 0),  I(0x61, 3, 1, 4, 0),                        /* r2=data r3=data_end */
                           I(0xbf, 4, 2, 0, 0),  I(0x07, 4, 0, 0, 14), I(0x2d, 4, 3, 10, 0), /* if r4>r3 goto pass */
                           I(0x61, 5, 2, 0, 0),  I(0x69, 6, 2, 4, 0),  I(0x61, 7, 2, 6, 0),
                           I(0x69, 8, 2, 10, 0), I(0x63, 2, 7, 0, 0),  I(0x6b, 2, 8, 4, 0),
                           I(0x63, 2, 5, 6, 0),  I(0x6b, 2, 6, 10, 0), I(0xb7, 0, 0, 0, 3 /*XDP_TX*/),
                           I(0x95, 0, 0, 0, 0),  I(0xb7, 0, 0, 0, 2),  I(0x95, 0, 0, 0, 0)};
    static char log[65536];
    union bpf_attr a;
    memset(&a, 0, sizeof a);
    a.prog_type = BPF_PROG_TYPE_XDP;
    a.insns = (unsigned long)p;
    a.insn_cnt = sizeof p / sizeof *p;
    a.license = (unsigned long)"GPL";
    a.log_buf = (unsigned long)log;
    a.log_size = sizeof log;
    a.log_level = 1;
    int f = syscall(SYS_bpf, BPF_PROG_LOAD, &a, sizeof a);
    if (f < 0) {
        printf("XDP load errno %d %s\n", errno, log);
        return 1;
    }
    unsigned fl = !strcmp(v[2], "native") ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
    struct {
        struct nlmsghdr h;
        struct ifinfomsg i;
        char b[64];
    } r;
    memset(&r, 0, sizeof r);
    r.h.nlmsg_type = RTM_SETLINK;
    r.h.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    r.i.ifi_index = if_nametoindex(v[1]);
    struct rtattr *x = (void *)r.b;
    x->rta_type = IFLA_XDP | NLA_F_NESTED;
    struct rtattr *y = (void *)(r.b + 4);
    y->rta_type = IFLA_XDP_FD;
    y->rta_len = 8;
    memcpy(r.b + 8, &f, 4);
    struct rtattr *z = (void *)(r.b + 12);
    z->rta_type = IFLA_XDP_FLAGS;
    z->rta_len = 8;
    memcpy(r.b + 16, &fl, 4);
    x->rta_len = 20;
    r.h.nlmsg_len = NLMSG_LENGTH(sizeof r.i) + 20;
    int s = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    send(s, &r, r.h.nlmsg_len, 0);
    char b[4096];
    recv(s, b, sizeof b, 0);
    struct nlmsghdr *h = (void *)b;
    int e = h->nlmsg_type == NLMSG_ERROR ? *(int *)NLMSG_DATA(h) : 0;
    if (e) {
        printf("XDP attach err %d\n", e);
        return 1;
    }
    write(1, "READY\n", 6);
    for (;;)
        pause();
}
