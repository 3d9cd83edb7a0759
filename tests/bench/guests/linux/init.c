/* The first process of the Linux guest: loads the modules listed in /mods/order, sets the address, and runs the
 * program that `mode=` on the kernel command line selects: serve, web (with nginx), xdp, blk (a disk) or share (a directory
 * of the host). */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
/* The kernel command line. */
static char cl[4096];

/* Returns the value of `key=` on it, or an empty string. */
static char *arg(const char *k) {
    static char r[8][256];
    static int ri;
    char *p = strstr(cl, k);
    if (!p)
        return 0;
    p += strlen(k);
    char *o = r[ri++ & 7];
    int i = 0;
    while (*p && *p != ' ' && *p != '\n' && i < 255)
        o[i++] = *p++;
    o[i] = 0;
    return o;
}

static void mods(void) {
    FILE *f = fopen("/mods/order", "r");
    char l[256];
    if (!f)
        return;
    while (fgets(l, 256, f)) {
        l[strcspn(l, "\n")] = 0;
        char p[300];
        snprintf(p, 300, "/mods/%s", l);
        int fd = open(p, O_RDONLY);
        if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
            fprintf(stderr, "mod %s fail\n", l);
        close(fd);
    }
}

static void ifup(const char *ifn, int ip) {
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    struct ifreq r;
    memset(&r, 0, sizeof r);
    strcpy(r.ifr_name, ifn);
    struct sockaddr_in *a = (void *)&r.ifr_addr;
    a->sin_family = AF_INET;
    if (ip) {
        inet_aton("10.0.2.15", &a->sin_addr);
        ioctl(s, SIOCSIFADDR, &r);
        inet_aton("255.255.255.0", &a->sin_addr);
        ioctl(s, SIOCSIFNETMASK, &r);
    }
    ioctl(s, SIOCGIFFLAGS, &r);
    r.ifr_flags |= IFF_UP | IFF_RUNNING | (ip ? 0 : IFF_PROMISC);
    ioctl(s, SIOCSIFFLAGS, &r);
    if (ip) {
        struct rtentry rt;
        memset(&rt, 0, sizeof rt);
        a = (void *)&rt.rt_gateway;
        a->sin_family = AF_INET;
        inet_aton("10.0.2.2", &a->sin_addr);
        ((struct sockaddr *)&rt.rt_dst)->sa_family = AF_INET;
        ((struct sockaddr *)&rt.rt_genmask)->sa_family = AF_INET;
        rt.rt_flags = RTF_UP | RTF_GATEWAY;
        ioctl(s, SIOCADDRT, &rt);
    }
    close(s);
}

static void run(char *const v[]) {
    if (fork() == 0) {
        execv(v[0], v);
        perror(v[0]);
        _exit(1);
    }
    wait(0);
}

int main(void) {
    mkdir("/proc", 0755);
    mkdir("/sys", 0755);
    mkdir("/dev", 0755);
    mount("proc", "/proc", "proc", 0, 0);
    mount("sysfs", "/sys", "sysfs", 0, 0);
    mount("dev", "/dev", "devtmpfs", 0, 0);
    int fd = open("/dev/console", O_RDWR);
    if (fd >= 0) {
        dup2(fd, 0);
        dup2(fd, 1);
        dup2(fd, 2);
    }
    fd = open("/proc/cmdline", O_RDONLY);
    if (fd >= 0) {
        read(fd, cl, sizeof cl - 1);
        close(fd);
    }
    char *mode = arg("mode=");
    if (!mode)
        mode = "serve";
    mods();
    if (!strcmp(mode, "serve")) {
        ifup("lo", 0);
        ifup("eth0", 1);
        run((char *[]){"/bin/serve", 0});
    }
    if (!strcmp(mode, "web")) {
        struct rlimit files = {4096, 4096};
        setrlimit(RLIMIT_NOFILE, &files);
        ifup("lo", 0);
        ifup("eth0", 1);
        if (fork() == 0) {
            execl("/usr/sbin/nginx", "nginx", "-c", "/etc/nginx.conf", "-e", "/dev/console", (char *)0);
            perror("nginx");
            _exit(1);
        }
        run((char *[]){"/bin/web", 0});
    }
    if (!strcmp(mode, "xdp")) {
        ifup("eth0", 0);
        run((char *[]){"/bin/xdp", "eth0", arg("xdp="), 0});
    }
    if (!strcmp(mode, "blk")) {
        char *disk = arg("disk=");
        /* Some drivers find their disks after their modules are loaded. */
        for (int i = 0; i < 1000 && access(disk, R_OK); i++)
            usleep(10000);
        run((char *[]){"/bin/blk", disk, arg("secs="), arg("qd="), arg("do="), 0});
    }
    if (!strcmp(mode, "share")) {
        if (mount("bench", "/share", "9p", 0, "trans=virtio,version=9p2000.L,msize=524288"))
            perror("9p");
        run((char *[]){"/bin/share", "/share/64mib.bin", arg("secs="), 0});
    }
    sync();
    reboot(RB_POWER_OFF);
    for (;;)
        pause();
}
