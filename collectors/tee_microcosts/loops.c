/* Small measured loops: each prints a line of JSON with the time of its operation in ns.
 *
 *     loops NAME SECONDS CPU OTHER_CPU [BYTES [small|huge|hugetlb|PATH]]
 *     loops tight CPU PROGRAM...      runs a program on that CPU, without timer slack
 *
 * A sample is the time of a block of operations divided by how many they are, by
 * CLOCK_MONOTONIC_RAW; the time stamp counter is read beside it. A block of short operations is
 * made so long that reading the clock is at most a hundredth of it. Nothing is subtracted: what the
 * clock and the empty loop cost is printed. What cannot be measured here is said in a line
 * {"left_out": ...}, with exit code 0. No device is written to but port 0x80 of a virtual machine,
 * where BIOSes show their progress and which no device answers.
 */
#include "loops.h"

/* ---- short operations, timed in blocks ---- */

static uint64_t retries;

static void do_syscall(long n) {
    while (n--) sink = syscall(SYS_getppid);
}
static void do_raw(long n) {
    struct timespec t;
    while (n--) clock_gettime(CLOCK_MONOTONIC_RAW, &t);
}
static void do_monotonic(long n) {
    struct timespec t;
    while (n--) clock_gettime(CLOCK_MONOTONIC, &t);
}
#if defined(__x86_64__)
static unsigned leaf;
static void do_cpuid(long n) {
    while (n--) { /* volatile, which the compiler's own macro is not everywhere: none is left out */
        unsigned a = leaf, b, c = 0, d;
        __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d)::"memory");
        sink = a;
    }
}
static void do_port(long n) {
    while (n--) outb(0, 0x80);
}
static void do_tsc(long n) {
    while (n--) sink = __builtin_ia32_rdtsc();
}
static void do_tscp(long n) {
    unsigned aux;
    while (n--) sink = __builtin_ia32_rdtscp(&aux);
}
enum { GIVE_UP = 1000000 };
#define RANDOM(NAME)                                                                           \
    static void do_##NAME(long n) {                                                            \
        while (n--) {                                                                          \
            uint64_t value;                                                                    \
            unsigned char good;                                                                \
            for (long tries = 0;; retries++) {                                                 \
                __asm__ volatile(#NAME " %0; setc %1" : "=r"(value), "=qm"(good)::"cc");       \
                if (good) break;                                                               \
                if (++tries == GIVE_UP) left_out("a million tries in a row gave no bits");     \
            }                                                                                  \
            sink = value;                                                                      \
        }                                                                                      \
    }
RANDOM(rdrand)
RANDOM(rdseed)

static void need_flag(unsigned leaf_, int reg, int bit, const char *name) {
    unsigned r[4] = {0};
    __get_cpuid_count(leaf_, 0, &r[0], &r[1], &r[2], &r[3]);
    if (!(r[reg] >> bit & 1)) left_out("the CPU shows no %s", name);
}
static void need_tscp(void) { need_flag(0x80000001, 3, 27, "RDTSCP"); }
static void need_rdrand(void) { need_flag(1, 2, 30, "RDRAND"); }
static void need_rdseed(void) { need_flag(7, 1, 18, "RDSEED"); }
/* A BIOS's port is harmless where a hypervisor stands in for it; some real machines lock up. */
static void need_port(void) {
    need_flag(1, 2, 31, "hypervisor, and a port of a real machine is left alone");
    if (ioperm(0x80, 1, 1)) left_out("port 0x80 is not to be had: %s", strerror(errno));
}
static void leaf_host(void) { leaf = 0x40000000; }
#endif
static const struct {
    const char *name;
    void (*body)(long);
    long operations;
    void (*ready)(void);
} SHORT[] = {
    {"syscall", do_syscall, 64, NULL},
    {"clock-monotonic-raw", do_raw, 256, NULL},
    {"clock-monotonic", do_monotonic, 256, NULL},
#if defined(__x86_64__)
    {"cpuid", do_cpuid, 16, NULL},
    {"cpuid-host", do_cpuid, 16, leaf_host},
    {"port", do_port, 16, need_port},
    {"clock-tsc", do_tsc, 256, NULL},
    {"clock-tscp", do_tscp, 256, need_tscp},
    {"rdrand", do_rdrand, 64, need_rdrand},
    {"rdseed", do_rdseed, 16, need_rdseed},
#endif
};

/* An instruction that the kernel lets no program execute ends it: that is the answer then. */
static void forbidden(int unused) {
    static const char said[] = "{\"left_out\": \"the kernel does not allow this instruction here\"}\n";
    (void)unused;
    _exit(write(STDOUT_FILENO, said, sizeof said - 1) < 0);
}

static void time_blocks(const char *name, void (*body)(long), long operations) {
    signal(SIGSEGV, forbidden), signal(SIGILL, forbidden), signal(SIGBUS, forbidden);
    for (;; operations *= 2) { /* long against the clock */
        body(operations);
        double start = now_ns();
        body(operations);
        if (now_ns() - start >= 100 * clock_ns || operations > 1 << 20) break;
    }
    retries = 0;
    struct series *s = begin(name, operations);
    while (room(s)) TIMED(s, body(operations));
    print(s, ", \"retries\": %llu", (unsigned long long)retries);
}

/* ---- events, timed one by one ---- */

static int ends[4];        /* of two pipes, there and back */
static volatile int *turn; /* whose it is */

static void ask_pipe(void) {
    char c = 0;
    if (write(ends[1], &c, 1) != 1 || read(ends[2], &c, 1) != 1) left_out("the pipe broke");
}
static void answer_pipe(void) {
    char c;
    if (read(ends[0], &c, 1) != 1 || write(ends[3], &c, 1) != 1) _exit(0);
}
static void hand_over(int to) {
    __atomic_store_n(turn, to, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, turn, FUTEX_WAKE, 1, NULL, NULL, 0);
}
static void await(int mine) {
    int seen;
    while ((seen = __atomic_load_n(turn, __ATOMIC_SEQ_CST)) != mine)
        syscall(SYS_futex, turn, FUTEX_WAIT, seen, NULL, NULL, 0);
}
static void ask_futex(void) { hand_over(1), await(0); }
static void answer_futex(void) { await(1), hand_over(0); }

/* Two processes that wake one another in turn. */
static void ping_pong(const char *name, void (*ask)(void), void (*answer)(void)) {
    turn = mmap(NULL, SMALL, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (pipe(ends) || pipe(ends + 2) || turn == MAP_FAILED) left_out("there is no pipe");
    int child = fork();
    if (child < 0) left_out("no second process could be started");
    if (!child) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) answer();
    }
    pin(child, other);
    for (int i = 0; i < 200; i++) ask();
    struct series *s = begin(name, 1);
    while (room(s)) TIMED(s, ask());
    kill(child, SIGKILL), waitpid(child, NULL, 0);
    print(s, "%s", "");
}

static void timer(void) {
    enum { EVERY_NS = 1000000 };
    prctl(PR_SET_TIMERSLACK, 1);
    struct series *s = begin("timer", 1);
    struct timespec next, woken;
    clock_gettime(CLOCK_MONOTONIC, &next);
    while (room(s)) {
        next.tv_nsec += EVERY_NS;
        if (next.tv_nsec >= 1000000000) next.tv_nsec -= 1000000000, next.tv_sec++;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
        clock_gettime(CLOCK_MONOTONIC, &woken);
        double late = (woken.tv_sec - next.tv_sec) * 1e9 + (woken.tv_nsec - next.tv_nsec);
        add(s, late, 0);
        if (late > EVERY_NS) next = woken; /* the ticks that were missed are not made up for */
    }
    print(s, "%s", "");
}

/* ---- a second thread that runs meanwhile ---- */

static volatile int stop, running;
static volatile char *page;

static void *spin(void *unused) {
    pin(0, other);
    running = 1;
    while (!stop) sink = page ? *page : 0;
    return unused;
}

static void beside(const char *name, int (*once)(void)) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, spin, NULL)) left_out("no second thread could be started");
    while (!running) sched_yield();
    struct series *s = begin(name, 1);
    int failed = 0;
    while (room(s) && !failed) {
        if (page) *page = 1; /* writable and dirty: the next change has to be told to all */
        TIMED(s, failed = once());
        if (page) mprotect((void *)page, SMALL, PROT_READ | PROT_WRITE);
    }
    if (failed) left_out("the kernel refuses it: %s", strerror(errno));
    stop = 1, pthread_join(thread, NULL);
    print(s, "%s", "");
}

static int barrier(void) {
    return syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) < 0;
}
static int protect(void) { return mprotect((void *)page, SMALL, PROT_READ); }

static void ipi(void) {
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) < 0)
        left_out("the kernel has no membarrier");
    beside("ipi", barrier);
}

static void shootdown(void) {
    page = memory(SMALL, 0);
    beside("shootdown", protect);
}

/* ---- memory ---- */

/* Memory that nothing has touched, and that begins where a huge page does. */
static char *region(const char *backing) {
    if (!strcmp(backing, "hugetlb")) return memory(bytes, MAP_HUGETLB);
    char *all = memory(bytes + HUGE, 0);
    madvise(all, bytes + HUGE, strcmp(backing, "huge") ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
    return (char *)(((uintptr_t)all + HUGE - 1) & ~(uintptr_t)(HUGE - 1));
}

/* How many bytes of a region lie in huge pages, as the kernel tells it; -1 where it does not. */
static long huge_bytes(const char *start) {
    FILE *file = fopen("/proc/self/smaps", "r");
    char line[512];
    long kib, total = 0, inside = 0;
    if (!file) return -1;
    while (fgets(line, sizeof line, file)) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            inside = from < (unsigned long)start + bytes && (unsigned long)start < to;
        else if (inside && (sscanf(line, "AnonHugePages: %ld kB", &kib) == 1 ||
                            sscanf(line, "Private_Hugetlb: %ld kB", &kib) == 1))
            total += kib << 10;
    }
    fclose(file);
    return total;
}

/* One pass over all pages in blocks; returns the faults that it took. Each page is written to at
 * another line than the page before: at one line in all, they would share a set of the cache. */
static long pass(struct series *s, char *start, size_t step) {
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    size_t block = s->operations * step;
    for (size_t at = 0; at + block <= bytes; at += block)
        TIMED(s, for (size_t i = at; i < at + block; i += step)
                     *(volatile char *)(start + i + i / step * LINE % SMALL) = 1);
    getrusage(RUSAGE_SELF, &after);
    return after.ru_minflt - before.ru_minflt;
}

/* The first touch is one pass: memory that was given back is no longer new. */
static void touch(const char *backing) {
    size_t step = strcmp(backing, "small") ? HUGE : SMALL;
    char *start = region(backing);
    struct series *first = begin("touch-first", step == SMALL ? 64 : 1);
    long faults = pass(first, start, step);
    print(first, ", \"faults\": %ld, \"huge_bytes\": %ld", faults, huge_bytes(start));
    if (step == SMALL) {
        struct series *mapped = begin("touch-mapped", 4096);
        do pass(mapped, start, step);
        while (room(mapped));
        print(mapped, "%s", "");
    }
    struct series *again = begin("touch-again", first->operations);
    for (faults = 0; room(again) && !madvise(start, bytes, MADV_DONTNEED);)
        faults += pass(again, start, step);
    if (again->n) print(again, ", \"faults\": %ld, \"huge_bytes\": %ld", faults, huge_bytes(start));
}

/* A full-period generator (Hull and Dobell) visits every line once, in no order of addresses. */
static void chase(const char *backing) {
    enum { HOPS = 4096 };
    char *start = region(backing);
    size_t lines = bytes / LINE;
    for (size_t i = 0; i < lines; i++)
        *(char **)(start + i * LINE) = start + ((i * 1664525 + 1013904223) & (lines - 1)) * LINE;
    struct series *s = begin("chase", HOPS);
    char *at = start;
    while (room(s)) TIMED(s, for (int i = 0; i < HOPS; i++) at = *(char *volatile *)at);
    sink = (uintptr_t)at;
    print(s, ", \"huge_bytes\": %ld", huge_bytes(start));
}

static void copy(void) {
    char *from = memory(bytes, 0), *to = memory(bytes, 0);
    memset(from, 1, bytes), memset(to, 2, bytes);
    struct series *s = begin("copy", 1);
    while (room(s)) TIMED(s, memcpy(to, from, bytes); __asm__ volatile("" ::"r"(to) : "memory"));
    print(s, ", \"bytes\": %zu", bytes);
}

static void write_file(const char *path, char *buffer) {
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
    if (file < 0) left_out("the scratch file cannot be made: %s", strerror(errno));
    for (size_t done = 0; done < bytes; done += MIB) {
        for (size_t i = 0; i < MIB / 8; i++) /* nothing that a disk could leave out or pack */
            ((uint64_t *)buffer)[i] = (done + i + 1) * 0x9e3779b97f4a7c15u;
        if (write(file, buffer, MIB) != MIB) left_out("the scratch file cannot be written");
    }
    fsync(file), close(file);
}

static void read_file(const char *path) {
    struct stat is;
    struct statfs on;
    char *buffer = memory(MIB, 0);
    if (stat(path, &is) || (size_t)is.st_size != bytes) write_file(path, buffer);
    int file = open(path, O_RDONLY | O_DIRECT);
    if (file < 0) left_out("the file system of the work folder refuses O_DIRECT");
    if (!fstatfs(file, &on) && (on.f_type == TMPFS_MAGIC || on.f_type == RAMFS_MAGIC))
        left_out("the work folder lies in memory and not on a disk");
    struct series *s = begin("read", 1);
    ssize_t got = MIB;
    for (size_t at = 0; room(s) && got == MIB; at = at + MIB < bytes ? at + MIB : 0)
        TIMED(s, got = pread(file, buffer, MIB, at));
    if (got != MIB) left_out("the scratch file was not read");
    print(s, ", \"bytes\": %d", MIB);
}

/* A program begins with the slack that its process was born with: of a child that is ours. */
__attribute__((noreturn)) static void tight(int where, char **program) {
    int status;
    pin(0, where);
    prctl(PR_SET_TIMERSLACK, 1);
    int child = fork();
    if (!child) execvp(program[0], program);
    if (child <= 0 || waitpid(child, &status, 0) < 0) _exit(127);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 127);
}

int main(int argc, char **argv) {
    if (argc > 3 && !strcmp(argv[1], "tight")) tight(atoi(argv[2]), argv + 3);
    if (argc < 5) return 2;
    const char *name = argv[1], *how = argc > 6 ? argv[6] : "small";
    budget_ns = atof(argv[2]) * 1e9;
    other = atoi(argv[4]);
    bytes = argc > 5 ? strtoull(argv[5], NULL, 10) : 0;
    pin(0, atoi(argv[3]));
    calibrate();
    for (size_t i = 0; i < sizeof SHORT / sizeof *SHORT; i++)
        if (!strcmp(name, SHORT[i].name)) {
            if (SHORT[i].ready) SHORT[i].ready();
            time_blocks(name, SHORT[i].body, SHORT[i].operations);
            return 0;
        }
    if (!strcmp(name, "pipe")) ping_pong(name, ask_pipe, answer_pipe);
    else if (!strcmp(name, "futex")) ping_pong(name, ask_futex, answer_futex);
    else if (!strcmp(name, "timer")) timer();
    else if (!strcmp(name, "ipi")) ipi();
    else if (!strcmp(name, "shootdown")) shootdown();
    else if (!strcmp(name, "touch")) touch(how);
    else if (!strcmp(name, "chase")) chase(how);
    else if (!strcmp(name, "copy")) copy();
    else if (!strcmp(name, "read")) read_file(how);
    else left_out("this kind of CPU has no such operation");
    return 0;
}
