// Copy on write made of user space: a memfd is the physical memory, mappings of its pages are the
// page table entries, and the handler of SIGSEGV is the kernel's fault handler.
//
// Every simulated process has a window of real addresses. read() and write() execute a real load or
// store there; when the processor faults, the handler maps, copies or re-uses a page of the memfd
// and returns, and the processor executes the same instruction again. No privileges are needed.
//
//   window of p1     memfd                       window of p2
//   A.0 (r--) -----> frame 3 <------------------ A.0 (r--)        after fork: one frame, two
//   mappings A.1 (rw-) -----> frame 5     frame 4 <------ A.1 (r--)        p1 wrote A.1: SIGSEGV,
//   copy to 5, mapped rw
//
// The rules are those of the simulator's textbook profile. One LiveMachine at a time: there is one
// SIGSEGV handler.
#pragma once

#include <csignal>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/unique_fd.h"
#include "lib/sim/machine.h"

namespace cowfs {

class LiveMachine {
 public:
  static Result<std::unique_ptr<LiveMachine>> create(std::uint32_t frames);
  ~LiveMachine();
  LiveMachine(const LiveMachine&) = delete;
  LiveMachine& operator=(const LiveMachine&) = delete;

  /// Does the operation for real. `place` is where the simulator puts a new area.
  sim::StepResult apply(const sim::Operation& operation, sim::PageNumber place);

  struct PageState {
    bool present = false;
    bool writable = false;
    std::uint32_t frame = 0;
  };
  std::optional<PageState> page(const std::string& process, const std::string& area,
                                std::uint32_t index) const;

  struct Counts {
    std::uint64_t faults = 0;  // handled signals
    std::uint64_t copies = 0;
    std::uint64_t zero_fills = 0;
    std::uint64_t reuses = 0;
    std::uint32_t used = 0;  // frames
  };
  Counts counts() const;

 private:
  struct Area {
    std::string name;
    sim::PageNumber start{};
    sim::Access access = sim::Access::kReadWrite;
    bool shared = false;
    std::optional<std::uint32_t> object;
    std::uint32_t from = 0;
    std::vector<PageState> pages;
  };
  struct Space {
    std::uint32_t window = 0;
    std::vector<Area> areas;
    std::uint32_t users = 1;
  };
  struct Process {
    std::shared_ptr<Space> space;
    std::string parent;
    std::string wakes;
    bool waits = false;
    bool zombie = false;
  };
  struct Object {
    std::vector<std::optional<std::uint32_t>> frames;
    std::uint32_t users = 0;
    bool named = false;
  };
  struct Frame {
    std::uint32_t references = 0;
    bool exclusive = false;
  };

  LiveMachine() = default;
  static void on_signal(int signal, siginfo_t* info, void* context);
  bool handle(std::uintptr_t address, bool write);
  bool handle_missing(Space& space, Area& area, std::uint32_t index, bool write);
  bool handle_protection(Space& space, Area& area, std::uint32_t index);
  bool copy_page(Space& space, Area& area, std::uint32_t index, std::optional<std::uint32_t> old);

  sim::Outcome dispatch(const sim::Operation& op, sim::PageNumber place, std::string& value);
  /// False where the handler has jumped back: what it found is in fault_outcome_.
  static bool touch(volatile std::uint8_t* place, bool writes, std::uint8_t& byte);
  sim::Outcome access(const sim::Operation& op, Process& process, std::string& value);
  sim::Outcome map(const sim::Operation& op, Process& process, sim::PageNumber place);
  sim::Outcome use_file(const sim::Operation& op, std::string& value);
  sim::Outcome fork(const sim::Operation& op, Process& process);
  void exit(const std::string& name, Process& process);
  void protect(Space& space, Area& area, sim::Access access);
  void zap(Space& space, Area& area, std::uint32_t index);
  void remove_area(Space& space, std::size_t index);
  void leave(Process& process);
  void set_page(Space& space, Area& area, std::uint32_t index, std::uint32_t frame, bool writable);
  void map_real(const Space& space, const Area& area, std::uint32_t index);
  std::uintptr_t address(const Space& space, const Area& area, std::uint32_t index) const;
  Area* find(Space& space, const std::string& name) const;
  std::optional<std::uint32_t> take_frame();
  void put_frame(std::uint32_t frame);
  std::uint8_t* bytes(std::uint32_t frame) const;
  std::optional<std::uint32_t> object_frame(std::uint32_t object, std::uint32_t page);

  UniqueFd memory_fd_;
  std::uint8_t* memory_ = nullptr;  // all frames, as the kernel sees them
  std::size_t memory_size_ = 0;
  std::vector<Frame> frames_;        // [0] is the zero frame
  std::vector<std::uint32_t> free_;  // highest first
  std::map<std::string, Process> processes_;
  std::map<std::uint32_t, Object> objects_;
  std::map<std::string, std::uint32_t> files_;
  std::uint32_t next_object_ = 0;
  std::uint32_t next_window_ = 0;
  Counts counts_;
  sim::Outcome fault_outcome_ = sim::Outcome::kOk;  // why the handler gave up
  struct sigaction old_segv_{};
  struct sigaction old_bus_{};
};

}  // namespace cowfs
