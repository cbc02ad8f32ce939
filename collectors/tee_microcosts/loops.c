/* Small measured loops: each prints a line of JSON with the time of its operation in ns.
 *
 *     loops NAME SECONDS CPU OTHER_CPU [BYTES [small|huge|hugetlb|PATH]]
 *     loops tight CPU PROGRAM...      runs a program on that CPU, without timer slack
 *
 * A sample is the time of a block of operations divided by how many they are, by
 * CLOCK_MONOTONIC_RAW; the time stamp counter is read beside it. A block of short operations is
 * made so long that reading the clock is at most a hundredth of it. Nothing is subtracted: what the
 * clock and the empty loop cost is printed. What cannot be measured here is said in a line
 * {"left_out": ...}, with exit code 0. No device is written to but port 0x80, where BIOSes show
 * their progress and which no device answers.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/magic.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/io.h>
#endif

enum { MOST = 4000, LINE = 64, SMALL = 4096, HUGE = 2 << 20, MIB = 1 << 20 };

static double budget_ns, clock_ns, empty_ns, tsc_hz;
static int other;
static size_t bytes;

struct series {
    const char *name;
    long operations; /* in a block */
    long n;          /* blocks; of more than MOST a fair draw is kept */
    double sum_ns, until_ns;
    float samples[MOST], rates[MOST]; /* ns an operation; time by the counter over that */
};

__attribute__((noreturn, format(printf, 1, 2))) static void left_out(const char *form, ...) {
    va_list args;
    va_start(args, form);
    fputs("{\"left_out\": \"", stdout);
    vprintf(form, args); /* our own words: no character that JSON would escape */
    puts("\"}");
    fflush(stdout);
    _exit(0);
}

static double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_RAW, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static uint64_t ticks(void) {
#if defined(__x86_64__)
    __builtin_ia32_lfence(); /* not before what is timed has ended */
    return __builtin_ia32_rdtsc();
#else
    return 0;
#endif
}

static void pin(int where) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(where, &set);
    if (sched_setaffinity(0, sizeof set, &set)) left_out("CPU %d may not be used", where);
}

static void *memory(size_t size, int flags) {
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    if (p == MAP_FAILED) left_out("%zu bytes of memory were refused: %s", size, strerror(errno));
    return p;
}

static struct series *begin(const char *name, long operations) {
    struct series *s = calloc(1, sizeof *s);
    if (!s) left_out("there is no memory for samples");
    s->name = name;
    s->operations = operations;
    s->until_ns = now_ns() + budget_ns;
    return s;
}

static int room(const struct series *s) { return now_ns() < s->until_ns; }

/* Of many blocks each is kept with the same chance (Vitter's algorithm R). */
static void add(struct series *s, double ns, uint64_t passed) {
    static uint64_t state = 0x9e3779b97f4a7c15u;
    long at = s->n++;
    s->sum_ns += ns;
    if (at >= MOST) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        at = state % s->n;
    }
    if (at >= MOST) return;
    s->samples[at] = ns / s->operations;
    /* The counter is read between two readings of the clock, which have their cost too. */
    s->rates[at] = passed && ns > 0 ? (passed / tsc_hz * 1e9 + clock_ns) / ns : 0;
}

static int by_size(const void *a, const void *b) {
    float one = *(const float *)a, two = *(const float *)b;
    return (one > two) - (one < two);
}

/* `more` is further members of the object, each after a comma. */
__attribute__((format(printf, 2, 3))) static void print(struct series *s, const char *more, ...) {
    va_list args;
    long kept = s->n < MOST ? s->n : MOST;
    if (!kept) left_out("not one operation was timed");
    qsort(s->rates, kept, sizeof *s->rates, by_size);
    printf("{\"loop\": \"%s\", \"operations\": %ld, \"blocks\": %ld, \"sum_ns\": %.0f,"
           " \"clock_ns\": %.2f, \"empty_ns\": %.3f, \"tsc_hz\": %.0f, \"tsc_rate\": %.5f",
           s->name, s->operations, s->n, s->sum_ns, clock_ns, empty_ns, tsc_hz,
           s->rates[kept / 2]);
    va_start(args, more);
    vprintf(more, args);
    va_end(args);
    fputs(", \"samples\": [", stdout);
    for (long i = 0; i < kept; i++) printf("%s%.5g", i ? "," : "", s->samples[i]);
    puts("]}");
    fflush(stdout);
}

/* Measure one operation between both clocks. */
#define TIMED(S, ...)                            \
    do {                                         \
        double begun_ = now_ns();                \
        uint64_t first_ = ticks();               \
        __VA_ARGS__;                             \
        uint64_t passed_ = ticks() - first_;     \
        add(S, now_ns() - begun_, passed_);      \
    } while (0)

/* ---- short operations, timed in blocks ---- */

static volatile uint64_t sink;
static uint64_t retries;

static void do_empty(long n) {
    while (n--) __asm__ volatile("" ::: "memory");
}
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
    unsigned a, b, c, d;
    while (n--) {
        __cpuid_count(leaf, 0, a, b, c, d);
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
#define RANDOM(NAME)                                                                           \
    static void do_##NAME(long n) {                                                            \
        while (n--) {                                                                          \
            uint64_t value;                                                                    \
            unsigned char good;                                                                \
            for (;;) {                                                                         \
                __asm__ volatile(#NAME " %0; setc %1" : "=r"(value), "=qm"(good)::"cc");       \
                if (good) break;                                                               \
                retries++;                                                                     \
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
static void need_port(void) {
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

/* What reading the clock and the empty loop cost, and the rate of the counter over 20 ms. */
static void calibrate(void) {
    enum { READS = 2000, EMPTY = 1 << 20 };
    double start = now_ns(), end;
    for (int i = 0; i < READS; i++) end = now_ns();
    clock_ns = (end - start) / READS;
    start = now_ns();
    do_empty(EMPTY);
    empty_ns = (now_ns() - start) / EMPTY;
    uint64_t first = ticks();
    start = now_ns();
    while ((end = now_ns()) - start < 20e6) {}
    tsc_hz = (ticks() - first) / ((end - start) / 1e9);
}

static void time_blocks(const char *name, void (*body)(long), long operations) {
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
        pin(other);
        for (;;) answer();
    }
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
    pin(other);
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

static void *region(size_t size, const char *backing, char **start) {
    int hugetlb = !strcmp(backing, "hugetlb");
    char *all = memory(size + HUGE, hugetlb ? MAP_HUGETLB : 0);
    *start = (char *)(((uintptr_t)all + HUGE - 1) & ~(uintptr_t)(HUGE - 1));
    if (!hugetlb) madvise(all, size + HUGE, strcmp(backing, "huge") ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
    return all;
}

/* One pass over all pages in blocks; returns the faults that it took. */
static long pass(struct series *s, char *start, size_t step) {
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    size_t block = s->operations * step;
    for (size_t at = 0; at + block <= bytes; at += block)
        TIMED(s, for (size_t i = at; i < at + block; i += step) *(volatile char *)(start + i) = 1);
    getrusage(RUSAGE_SELF, &after);
    return after.ru_minflt - before.ru_minflt;
}

static void touch(const char *backing) {
    size_t step = strcmp(backing, "small") ? HUGE : SMALL;
    struct series *first = begin("touch-first", step == SMALL ? 64 : 1);
    struct series *again = begin("touch-again", first->operations);
    struct series *mapped = begin("touch-mapped", 4096);
    long took = 0, took_again = 0;
    do {
        char *start, *all = region(bytes, backing, &start);
        took += pass(first, start, step);
        if (step == SMALL) pass(mapped, start, step);
        if (!madvise(start, bytes, MADV_DONTNEED)) took_again += pass(again, start, step);
        munmap(all, bytes + HUGE);
    } while (room(first));
    print(first, ", \"faults\": %ld", took);
    if (again->n) print(again, ", \"faults\": %ld", took_again);
    if (mapped->n) print(mapped, "%s", "");
}

/* A full-period generator (Hull and Dobell) visits every line once, in no order of addresses. */
static void chase(const char *backing) {
    enum { HOPS = 4096 };
    char *start;
    region(bytes, backing, &start);
    size_t lines = bytes / LINE;
    for (size_t i = 0; i < lines; i++)
        *(char **)(start + i * LINE) = start + ((i * 1664525 + 1013904223) & (lines - 1)) * LINE;
    struct series *s = begin("chase", HOPS);
    char *at = start;
    while (room(s)) TIMED(s, for (int i = 0; i < HOPS; i++) at = *(char *volatile *)at);
    sink = (uintptr_t)at;
    print(s, "%s", "");
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
    pin(where);
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
    pin(atoi(argv[3]));
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
