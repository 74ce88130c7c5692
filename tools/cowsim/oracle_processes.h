// Real processes that do the operations of a trace, and what /proc says of their pages.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/unique_fd.h"
#include "lib/sim/machine.h"
#include "tools/cowsim/oracle_mailbox.h"

namespace cowfs::oracle {

/// What the kernel made of one operation.
struct Observation {
  sim::Outcome outcome = sim::Outcome::kOk;
  std::string value;
  std::uint64_t faults = 0;
};

/// One page of a process by /proc/PID/pagemap.
struct PageState {
  bool present = false;
  std::uint64_t frame = 0;  // page frame number; 0 without privileges
};

class Processes {
 public:
  /// `disk`: a directory on a disk filesystem, or empty.
  static Result<std::unique_ptr<Processes>> start(std::string disk);
  ~Processes();
  Processes(const Processes&) = delete;
  Processes& operator=(const Processes&) = delete;

  /// Does what the simulator is about to do; `machine` is asked where areas lie. kInvalid: no
  /// process can.
  Result<Observation> perform(const sim::Operation& operation, const sim::Machine& machine);

  /// The pages of an area.
  std::vector<PageState> pages(const std::string& process, const sim::Area& area);

  /// The bytes of a page that the process has mapped.
  std::optional<std::string> bytes(const std::string& process, const sim::Area& area,
                                   std::uint32_t index);

  /// How many page table entries name the frame.
  std::optional<std::uint64_t> map_count(std::uint64_t frame);

 private:
  struct Actor {
    std::uint32_t slot = 0;
    int pid = 0;
    std::string suspended_parent;
    UniqueFd page_map;
    UniqueFd memory;
  };

  Processes() = default;
  Result<Observation> request(Slot& slot);
  bool wait_for(Slot& slot);
  Result<Observation> make_file(const sim::Operation& op);
  Result<Observation> first_process(const sim::Operation& op);
  Result<Observation> access(const sim::Operation& op, const Actor& actor,
                             const sim::Machine& machine);
  Result<Observation> change_area(const sim::Operation& op, const Actor& actor,
                                  const sim::Machine& machine);
  Result<Observation> map(const sim::Operation& op, const Actor& actor,
                          const sim::Machine& machine);
  Result<Observation> use_file(const sim::Operation& op, const Actor& actor);
  Result<Observation> make_child(const sim::Operation& op, const Actor& actor);
  Result<Observation> leave(const sim::Operation& op, Actor& actor);
  Result<void> add_actor(const std::string& name, std::uint32_t slot, int pid);
  std::uint32_t free_slot() const;
  void end_all();

  std::string disk_;
  UniqueFd mailbox_fd_;
  Mailbox* mailbox_ = nullptr;
  UniqueFd map_counts_;
  std::map<std::string, Actor> actors_;
  std::map<std::string, UniqueFd> files_;
};

}  // namespace cowfs::oracle
