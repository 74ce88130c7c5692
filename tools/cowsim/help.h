// The help pages of cowsim.
#pragma once

namespace cowfs {

inline constexpr const char* kCowsimHelp = R"(Usage: cowsim COMMAND [OPTION]... [ARGUMENT]...

Simulates pages, page tables, page faults, copy on write, fork, vfork, mapped
files and swap; draws them; and checks itself against the Linux kernel and
against a mounted cowfs.

  run FILE       run a trace; its 'expect' lines make it a test
  explain FILE   run a trace and say in words what each step does
  demo NAME      fig-c, fig-mmap, vfork, cp8, swap, or fork-cost
  quiz           exercises from a seed, and their answers
  fuzz           random traces: all invariants, and a plain model of the bytes
  oracle         random traces on real processes of this kernel
  live           random traces on real page faults inside of one process
  fs DIR         random traces on the files of a mounted cowfs

  -h, --help     show this and exit; 'cowsim COMMAND --help' shows more
  -V, --version  show the version and exit

Exit codes: 0 all is as expected; 1 it is not, or something failed; 2 usage
error; 77 this cannot be tried here.

Examples:
  cowsim demo fig-c --svg .          draw the textbook figure
  cowsim explain trace.txt
  cowsim oracle --seeds 1..200

See cowsim(1), and docs/simulator.md: a tutorial.
)";

inline constexpr const char* kRunHelp = R"(Usage: cowsim run [OPTION]... FILE

Runs the trace in FILE (- is standard input) and prints each step, then who
maps what, then all counts.

      --svg=DIR    write the pictures of its 'snapshot' lines to DIR
      --html=PAGE  write a page that steps through the trace to the file PAGE
      --json       print JSON
  -q, --quiet      print only what is not as expected
  -h, --help       show this and exit

Exit codes: 0 all expectations hold; 1 one does not; 2 usage error.
)";

inline constexpr const char* kExplainHelp = R"(Usage: cowsim explain [OPTION]... FILE

Runs the trace in FILE (- is standard input) and says in words what each step
does: which page faulted, why, what was copied.

      --svg=DIR    write the pictures of its 'snapshot' lines to DIR
      --html=PAGE  write a page that steps through the trace to the file PAGE
  -h, --help       show this and exit
)";

inline constexpr const char* kDemoHelp = R"(Usage: cowsim demo [OPTION]... NAME

Explains and draws one of the figures of the textbooks:

  fig-c      before and after process 1 modifies page C
  fig-mmap   memory-mapped files, shared and private
  vfork      vfork: one memory, one process at a time
  cp8        copying a file through two mappings, in eight steps
  swap       replacement: what is dropped, and what goes to swap
  fork-cost  what fork, vfork and posix_spawn cost on this machine, by size

      --svg=DIR    write its pictures to DIR
      --html=PAGE  write a page that steps through it to the file PAGE
      --trace      print the trace itself, to begin one of your own
      --json       print JSON
  -q, --quiet      print only what is not as expected
      --most=MIB   fork-cost: the largest size, 1 to 8192 (256 unless given)
  -h, --help       show this and exit
)";

inline constexpr const char* kQuizHelp = R"(Usage: cowsim quiz [OPTION]...

Prints exercises made from a seed: who shares which frame, how many copies,
what does it read.

      --seed=N   another seed, other exercises (1 unless given)
      --answers  with the answers, and why
  -h, --help     show this and exit
)";

inline constexpr const char* kFuzzHelp = R"(Usage: cowsim fuzz [OPTION]...

Runs random traces. After every operation ten invariants are checked, and all
bytes are compared with a plain model without sharing. A trace that fails is
made small and printed; 'cowsim run' runs it again.

      --seeds=A..B  these seeds (1..1000 unless given)
      --bug=NAME    with a planted mistake, which must be found; 'list' names
                    them, 'all' tries each
  -h, --help        show this and exit
)";

inline constexpr const char* kOracleHelp = R"(Usage: cowsim oracle [OPTION]... [FILE]

Runs random traces, or the one in FILE, on real processes of this kernel and
compares after every step: values, outcomes, page faults and, where root
allows, which pages share a frame (/proc/PID/pagemap, /proc/kpagecount).

      --seeds=A..B       these seeds (1..100 unless given)
      --profile=PROFILE  linux; or textbook, whose values must agree too but
                         whose mechanics do not (implies --values-only)
      --values-only      compare no faults and no frames; so it is anyway where
                         the kernel does not tell frames: it tells root
      --strict           accept no choice of the kernel's, not even once
      --tolerant         accept its choices, also those of every run
      --unpinned         do not bind the processes to one processor; tolerant
      --disk=DIR         put half of the files on the filesystem of DIR
      --bug=NAME         with a planted mistake in the simulator ('cowsim fuzz
                         --bug=list'), to see that it is found
  -h, --help             show this and exit

Where the kernel is free to choose (it may leave out a page around a fault,
copy a page that it could re-use, write back at any time) its choice is
adopted and counted. On one processor it has no reason to choose: there a
choice that it makes in each of 5 quiet runs of a trace is a difference.

Exit codes: 0 all agree; 1 not; 2 usage error; 77 cannot be tried here.
)";

inline constexpr const char* kLiveHelp = R"(Usage: cowsim live [OPTION]... [FILE]

Runs random traces, or the one in FILE, on page faults of its own: a memfd is
the physical memory, mprotect(2) and mmap(2) are the page table, a handler of
SIGSEGV is the kernel, and the processor executes the store again. After every
step values, counts and sharing are compared with the simulator.
Needs no privileges.

      --seeds=A..B  these seeds (1..100 unless given)
      --bug=NAME    with a planted mistake in the simulator ('cowsim fuzz
                    --bug=list'), to see that it is found
  -h, --help        show this and exit
)";

inline constexpr const char* kFsHelp = R"(Usage: cowsim fs [OPTION]... DIR [FILE]

Runs random traces, or the one in FILE, on files in DIR, a directory of a
mounted cowfs that nothing else writes to: an area is a file, a page a block,
fork a clone, exit an unlink, a page never written a hole. After every step
all bytes, the blocks in use and who shares which block are compared with the
simulator.

      --seeds=A..B   these seeds (1..20 unless given)
      --fork=KIND    clone: every file is cloned; volume: the whole volume is
                     forked
      --remount=CMD  a shell command that unmounts and mounts again: traces
                     have 'remount' steps then
      --kill=CMD     a shell command that kills the daemon and mounts again:
                     traces have 'kill' steps then; nothing is synced before
      --three-way    real processes do the same at the same time, as in
                     'cowsim oracle': all three must agree
  -h, --help         show this and exit
)";

}  // namespace cowfs
