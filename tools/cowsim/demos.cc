#include "tools/cowsim/demos.h"

#include <array>

namespace cowfs {
namespace {

constexpr std::string_view kPageC = R"(# Before and after process p1 modifies page C.
machine frames=8 swap=0
proc p1
p1 map A anon private 1
p1 map B anon private 1
p1 map C anon private 1
p1 write A.0 'A'
p1 write B.0 'B'
p1 write C.0 'C'
p1 fork p2
snapshot fig-c-before
expect frame p1:C.0 == p2:C.0
p1 write C.0 'X'
snapshot fig-c-after
expect frame p1:A.0 == p2:A.0
expect frame p1:C.0 != p2:C.0
expect read p2 C.0 'C'
expect copies 1
p2 write C.0 'Y'
expect reuses 1
)";

constexpr std::string_view kMmap =
    R"(# Two processes map one file; a third looks at it through a private mapping.
machine frames=12 swap=0
file f pages=6
proc p1
proc p2
p1 map M f shared 6
p2 map M f shared 6
p1 read M.0
p1 read M.2
p2 read M.2
p2 read M.5
snapshot fig-mmap
p1 write M.2 'X'
expect read p2 M.2 'X'
expect disk f.2 'c'
writeback tick
expect disk f.2 'X'
p2 map P f private 6
p2 write P.0 'Z'
expect file f.0 'a'
snapshot fig-mmap-private
)";

constexpr std::string_view kVfork =
    R"(# vfork: the child runs in its parent's memory, and the parent waits.
machine frames=12 swap=0
program prog text=1 data=1 stack=1
proc p1
p1 map C anon private 2
p1 write C 'C'
p1 vfork p2
expect state p1 vfork-wait
p2 write C.0 '!'
expect copies 0
snapshot vfork-child
p2 exec prog
expect state p1 run
p1 read C.0
expect value '!'
p2 fetch text.0
snapshot vfork-exec
)";

constexpr std::string_view kCopy =
    R"(# Copying a file in eight steps: open, fstat, mmap; create, ftruncate, mmap; memcpy; close.
machine frames=16 swap=0
file src pages=3
file dst pages=0
proc p1
p1 open src
p1 stat src
p1 map S src private 3 ro
p1 open dst
p1 truncate dst 3
p1 map D dst shared 3
p1 copy D.0-2 S.0-2
expect missing 6
snapshot cp8
p1 close src
p1 close dst
expect disk dst.2 'c'
)";

constexpr std::string_view kSwap =
    R"(# Four frames, three slots of swap: what is replaced, and where it goes.
machine frames=4 swap=3 policy=clock
program prog text=2 heap=3 stack=1
proc p1 exec prog
p1 fetch text.0
p1 fetch text.1
p1 write heap.0 '0'
p1 write heap.1 '1'
p1 write heap.2 '2'
snapshot swap
p1 write stack.0 's'
p1 read heap.0
expect value '0'
p1 fetch text.0
snapshot swap-later
)";

}  // namespace

std::span<const Demo> demos() {
  static constexpr std::array<Demo, 5> all{{
      {"fig-c", "before and after process 1 modifies page C", kPageC},
      {"fig-mmap", "memory-mapped files, shared and private", kMmap},
      {"vfork", "vfork: one memory, one process at a time", kVfork},
      {"cp8", "copying a file through two mappings, in eight steps", kCopy},
      {"swap", "replacement: clean pages are dropped, modified ones go to swap", kSwap},
  }};
  return all;
}

}  // namespace cowfs
