/* How the loops are timed: the clocks, the samples of a loop, and the line that it prints. */
#pragma once
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

/* What a reading of the clock costs, an empty loop, and nothing at all between both clocks. */
static double budget_ns, clock_ns, empty_ns, timed_ns;
/* The rate of the counter; by how much the clock's time of nothing is longer than the counter's. */
static double tsc_hz, bias_ns;
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

/* Counted from the first reading: of a machine that is up for months a double loses the ns. */
static double now_ns(void) {
    static time_t began_s;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_RAW, &t);
    if (!began_s) began_s = t.tv_sec;
    return (t.tv_sec - began_s) * 1e9 + t.tv_nsec;
}

static uint64_t ticks(void) {
#if defined(__x86_64__)
    __builtin_ia32_lfence(); /* not before what is timed has ended */
    return __builtin_ia32_rdtsc();
#else
    return 0;
#endif
}

/* Keep a thread or a process on a CPU; 0 is the thread that asks. */
static void pin(pid_t who, int where) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(where, &set);
    if (!sched_setaffinity(who, sizeof set, &set)) return;
    if (who) kill(who, SIGKILL);
    left_out("CPU %d may not be used", where);
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
    s->rates[at] = passed && ns > 0 ? (passed / tsc_hz * 1e9 + bias_ns) / ns : 0;
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
           " \"clock_ns\": %.2f, \"timed_ns\": %.2f, \"empty_ns\": %.3f, \"tsc_hz\": %.0f,"
           " \"tsc_rate\": %.5f",
           s->name, s->operations, s->n, s->sum_ns, clock_ns, timed_ns, empty_ns, tsc_hz,
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

static volatile uint64_t sink;

static void do_empty(long n) {
    while (n--) __asm__ volatile("" ::: "memory");
}

static double least(double a, double b) { return a < b ? a : b; }

/* What the clock, both clocks around nothing and the empty loop cost, and the counter's rate over
 * 20 ms. Of several rounds the least counts: an interrupt makes a round longer and none shorter. */
static void calibrate(void) {
    enum { ROUNDS = 20, READS = 200, EMPTY = 1 << 16 };
    double start = now_ns(), end = start, apart_ns = 1e9;
    uint64_t first = ticks();
    while ((end = now_ns()) - start < 20e6) {}
    tsc_hz = (ticks() - first) / ((end - start) / 1e9);
    clock_ns = timed_ns = empty_ns = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        start = now_ns();
        for (int i = 0; i < READS; i++) end = now_ns();
        clock_ns = least(clock_ns, (end - start) / READS);
        struct series nothing = {.operations = 1};
        for (int i = 0; i < READS; i++) TIMED(&nothing, );
        timed_ns = least(timed_ns, nothing.sum_ns / READS);
        double between_ns = 0;
        for (int i = 0; i < READS; i++) between_ns += nothing.samples[i] * (1 - nothing.rates[i]);
        apart_ns = least(apart_ns, between_ns / READS);
        start = now_ns();
        do_empty(EMPTY);
        empty_ns = least(empty_ns, (now_ns() - start) / EMPTY);
    }
    bias_ns = apart_ns;
}
