"""What a TEE does: the costs behind all others; all that is said of them beforehand."""

from __future__ import annotations

from sitegen.catalogue import tool

_LOOP = ("measured_by", "loop")
_OURS = "a loop of sitegen's own, `loops.c`"
_BLOCKS = "It is timed in blocks, and p50 is of their means."
_PAGES = "Small pages are timed in blocks, and p50 is of their means."

TOOL = tool.Tool(
    metrics=(
        tool.Metric("tee-microcosts.exit_latency", "Trapped instruction", "s", tool.L, f"Time of an instruction that traps in a virtual machine. On bare metal nothing does: the time is that of CPUID itself. In a plain VM it leaves for the hypervisor, which answers. In a TD the TDX module answers leaf 0, and leaf 0x40000000 goes to the guest's kernel (#VE), which asks the hypervisor. Under SEV-SNP both leaves go to the guest's kernel (#VC), which answers from a table of its own: the hypervisor is not asked. {_BLOCKS}", source=_OURS),
        tool.Metric("tee-microcosts.syscall_latency", "System call", "s", tool.L, f"Time of getppid(), a call that does next to nothing: into the kernel and back. {_BLOCKS}", source=f"{_OURS}; `perf bench syscall basic`"),
        tool.Metric("tee-microcosts.context_switch", "Context switch", "s", tool.L, "Half a round trip of one byte through two pipes between two processes on one CPU: a write, a switch to the other process, and its read.", source=f"{_OURS}; `perf bench sched pipe`"),
        tool.Metric("tee-microcosts.wake_up_round_trip", "Wake-up round trip", "s", tool.L, "Two processes on two CPUs wake one another in turn, by a futex or a byte in a pipe; there and back. Where idle CPUs halt, each way takes an interrupt to another CPU and the end of its idling; where they watch memory instead (MWAIT, or haltpoll for a while) no interrupt is sent.", source=_OURS),
        tool.Metric("tee-microcosts.timer_lateness", "Timer lateness", "s", tool.L, "How late a thread runs that asked clock_nanosleep for a time, every millisecond, without timer slack: the timer's interrupt, the end of the CPU's idling, the scheduler.", source=f"{_OURS}; cyclictest"),
        tool.Metric("tee-microcosts.ipi_latency", "Interrupt to another CPU", "s", tool.L, "Time until another CPU, which runs a thread of the same process, has answered an interrupt: by membarrier, or by an mprotect that makes a page read-only, of which the other CPU has to be told.", source=_OURS),
        tool.Metric("tee-microcosts.clock_read", "Reading a clock", "s", tool.L, f"Time to read the time stamp counter (tsc, tscp) or a clock of the kernel. Where the kernel does not trust the counter, a clock costs a system call or more. {_BLOCKS}", source=_OURS),
        tool.Metric("tee-microcosts.random_latency", "64 random bits", "s", tool.L, f"Time until RDRAND or RDSEED has given 64 bits; tries that gave none are part of it. {_BLOCKS}", source=_OURS),
        tool.Metric("tee-microcosts.random_retries", "Tries without random bits", "ratio", tool.L, "Tries of RDRAND or RDSEED that gave nothing, of all.", scale=tool.Scale.DIFFERENCE, source=_OURS),
        tool.Metric("tee-microcosts.first_touch", "First touch", "s", tool.L, f"Time of the first write to a page of newly mapped memory, in one pass over all of it: the fault, a page of zeros, and, where the machine has not used the page since it began or gave it back, that the host backs it and the TEE accepts it. Those few are dear and most are not: the mean holds both. {_PAGES}", source=_OURS),
        tool.Metric("tee-microcosts.page_fault", "Page fault", "s", tool.L, f"Time of the first write to a page after the memory behind it was given back (madvise): the fault and a page of zeros. stress-ng's fault is of a page of a file. {_PAGES}", source=f"{_OURS}; stress-ng"),
        tool.Metric("tee-microcosts.mapped_touch", "Touch of a mapped page", "s", tool.L, f"Time of a write to each page of memory that was touched before, one after another: the translation of its address, and a line that the first cache no longer holds. {_BLOCKS}", source=_OURS),
        tool.Metric("tee-microcosts.memory_latency", "Memory latency", "s", tool.L, f"Time of a load whose address is the load's before, through all lines of memory larger than the caches, each once in no order: the memory itself, with what decrypts it, and the translation of the address. A guest does not see the size of the host's pages under it, which can move this as much as encryption does. {_BLOCKS}", source=_OURS),
        tool.Metric("tee-microcosts.copy_bandwidth", "Memory copy", "B/s", tool.H, "Bytes that one thread copies from one place to another, each counted once: memcpy, or likwid-bench's plain loop, which does not avoid fetching what it overwrites.", source=f"{_OURS}; `perf bench mem memcpy`; likwid-bench", shown_in="GB/s"),
        tool.Metric("tee-microcosts.block_read_bandwidth", "Reads past the page cache", "B/s", tool.H, "Bytes read from a file past the page cache, 1 MiB at a time, one after another. Where the disk is not trusted with the guest's memory they go through bounce buffers, which are copies: beside the memory copy it says how much those can matter.", source=f"{_OURS}; dd", shown_in="GB/s"),
        tool.Metric("tee-microcosts.bounce_buffers", "Bounce buffers in use", "B", tool.N, "Memory of the kernel's software IO TLB in use after the reads.", source="debugfs, swiotlb/io_tlb_used"),
        tool.Metric("tee-microcosts.bounce_buffers_most", "Most bounce buffers in use", "B", tool.N, "The most memory of the software IO TLB that was in use since the boot.", source="debugfs, swiotlb/io_tlb_used_hiwater"),
        tool.Metric("tee-microcosts.unaccepted_memory", "Memory not accepted yet", "B", tool.N, "Memory that the guest's kernel has not accepted from its host: its first touch is still to be paid.", source="/proc/meminfo, Unaccepted"),
        tool.Metric("tee-microcosts.quote_latency", "Quote", "s", tool.L, "Time from 64 bytes handed over to the quote read: the TEE's report, and the quoting service where there is one.", source="configfs-tsm; dstack"),
        tool.Metric("tee-microcosts.boot_time", "Boot", "s", tool.L, "Time from the kernel's start to its first program (user-space) and to the end of the boot (finished), and from the firmware's start to the kernel's (kernel). One value a boot.", source="systemd; the kernel's log"),
        tool.Metric("tee-microcosts.operations", "Operations", "count", tool.N, "How many operations a figure stands on.", source=_OURS),
        tool.Metric("tee-microcosts.clock_deviation", "Counter against clock", "ratio", tool.N, "How far the time by the time stamp counter is from that by the clock: the median of all blocks. Beyond 5 % the figures are suspect.", scale=tool.Scale.DIFFERENCE, source=_OURS),
        tool.Metric("tee-microcosts.loop_overhead", "Empty loop", "s", tool.N, "Time of one pass of the loop around the operations, without any. It is part of every figure of short operations.", source=_OURS),
    ),
    family=tool.Family("tee-microcosts", "Micro-costs", "What are the costs made of that a TEE adds?", area="TEE",
        headlines=(
            tool.Headline("tee-microcosts.exit_latency", "p50", (("exit", "cpuid"), ("leaf", "0x0"), _LOOP), title="CPUID, p50", loses="CPUID", whole=True),
            tool.Headline("tee-microcosts.wake_up_round_trip", "p50", (("mechanism", "futex"), _LOOP), title="Waking another CPU and back, p50", loses="waking another CPU", whole=True),
            tool.Headline("tee-microcosts.timer_lateness", "p50", (_LOOP,), title="Timer lateness, p50", loses="a timer", whole=True),
            tool.Headline("tee-microcosts.syscall_latency", "p50", (_LOOP,), title="System call, p50", loses="a system call", whole=True),
            tool.Headline("tee-microcosts.first_touch", "mean", (("page_size", "4096"), _LOOP), title="First touch of 4 KiB, mean", loses="the first touch of a page", whole=True),
            tool.Headline("tee-microcosts.memory_latency", "p50", (("backing", "huge"), _LOOP), title="Memory latency, huge pages, p50", loses="a load from memory", whole=True),
        ),
        panels=(
            tool.Panel("tee-microcosts.exit_latency", "p50", (_LOOP,), title="Trapped instructions, p50", group="leaf"),
            tool.Panel("tee-microcosts.wake_up_round_trip", "p50", (_LOOP,), title="Waking another CPU and back, p50", group="mechanism"),
            tool.Panel("tee-microcosts.timer_lateness", "p50", title="Timer lateness, p50", group="measured_by"),
            tool.Panel("tee-microcosts.ipi_latency", "p50", (_LOOP,), title="Interrupt to another CPU, p50", group="mechanism"),
            tool.Panel("tee-microcosts.syscall_latency", "mean", title="System call, mean", group="measured_by"),
            tool.Panel("tee-microcosts.context_switch", "mean", title="Context switch, mean", group="measured_by"),
            tool.Panel("tee-microcosts.first_touch", "mean", (_LOOP,), title="First touch of a page, mean", group="backing"),
            tool.Panel("tee-microcosts.page_fault", "mean", (_LOOP,), title="Page fault, mean", group="backing"),
            tool.Panel("tee-microcosts.memory_latency", "p50", (_LOOP,), title="Memory latency, p50", group="backing"),
            tool.Panel("tee-microcosts.copy_bandwidth", "mean", title="Memory copy, one thread", group="measured_by"),
            tool.Panel("tee-microcosts.block_read_bandwidth", "mean", title="Reads past the page cache", group="measured_by"),
            tool.Panel("tee-microcosts.random_latency", "p50", (_LOOP,), title="64 random bits, p50", group="instruction"),
            tool.Panel("tee-microcosts.clock_read", "p50", (_LOOP,), title="Reading a clock, p50", group="clock"),
            tool.Panel("tee-microcosts.quote_latency", "p50", title="A quote, p50", group="interface"),
            tool.Panel("tee-microcosts.boot_time", "value", title="Boot", group="until"),
        ),
        counted="operations",
        background=frozenset({"measured_by", "size"}),
        suspect="Two ways of measuring the same differ by more than their bound, or the loop did not do what it was to do: the run's parameters say which.",
        contrasts=(
            tool.PerOperation(
                "Interrupts and switches while an operation ran",
                unit=tool.SeriesPattern("tee-microcosts.exit_latency", "p50", (("exit", "cpuid"), ("leaf", "0x0"), _LOOP)),
                unit_title="CPUID",
                operations=(
                    ("fio", tool.SeriesPattern("fio.iops", "value")),
                    ("ab", tool.SeriesPattern("ab.requests_per_second", "mean")),
                    ("wrk", tool.SeriesPattern("wrk.requests_per_second", "value")),
                    ("redis", tool.SeriesPattern("redis.requests_per_second", "value")),
                    ("pgbench", tool.SeriesPattern("pgbench.transactions_per_second", "value")),
                ),
                counts=(("interrupts", "interrupts"), ("timers", "of them ticks"), ("sent", "of them between CPUs"), ("context_switches", "context switches")),
                first=("interrupts", "context_switches"),
            ),
        ),
    ),
    parameters=(
        tool.SeriesParameter("exit", values={"cpuid": "CPUID", "port": "port 0x80"}),
        tool.SeriesParameter("leaf", words="leaf {}"),
        tool.SeriesParameter("mechanism", words="by {}"),
        tool.SeriesParameter("clock", values={"tsc": "RDTSC", "tscp": "RDTSCP", "monotonic": "CLOCK_MONOTONIC", "monotonic-raw": "CLOCK_MONOTONIC_RAW"}),
        tool.SeriesParameter("instruction", values={"rdrand": "RDRAND", "rdseed": "RDSEED"}),
        tool.SeriesParameter("page_size", tool.Kind.SIZE, "pages of {}"),
        tool.SeriesParameter("backing", values={"small": "small pages", "huge": "huge pages", "hugetlb": "hugetlb pages", "file": "pages of a file"}),
        tool.SeriesParameter("measured_by", words="by {}", values={"loop": "by our loop"}),
        tool.SeriesParameter("interface", words="through {}"),
        tool.SeriesParameter("quote_provider", words="from {}"),
        tool.SeriesParameter("told_by", words="told by {}"),
        tool.SeriesParameter("until", words="until {}"),
        tool.SeriesParameter("of", words="of {}"),
    ),
)  # fmt: skip
