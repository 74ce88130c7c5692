// The specification: what every process must read, with plain bytes and without sharing.
//
// No frames, no page tables, no faults: a private page is the process's own bytes once it was
// written, a shared one is its object's. A machine is right when its outcomes and all bytes are
// these. Memory never runs out here: an operation that the machine refused for want of frames is
// not given to this model.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/sim/address_space.h"
#include "lib/sim/machine.h"
#include "lib/sim/operation.h"

namespace cowfs::sim {

class ReferenceModel {
 public:
  explicit ReferenceModel(const MachineSettings& settings);

  struct Answer {
    Outcome outcome = Outcome::kOk;
    std::string value;
  };
  Answer apply(const Operation& operation);

  /// The page as the process reads it; nothing where it cannot.
  std::optional<std::string> page(std::string_view process, std::string_view area,
                                  std::uint32_t index) const;
  std::optional<std::string> file_page(std::string_view file, std::uint32_t page) const;

  /// The areas of a process that is no zombie, with their pages.
  std::vector<std::pair<std::string, std::uint32_t>> areas(std::string_view process) const;
  std::vector<std::string> live_processes() const;
  /// Those of them that do not wait for a vfork child.
  std::vector<std::string> running_processes() const;
  bool is_vfork_child(std::string_view process) const;
  std::vector<std::pair<std::string, std::uint32_t>> files() const;

 private:
  struct Object {
    ProgramLayout layout;
    std::vector<std::string> pages;
  };
  struct Region {
    std::string name;
    std::uint32_t pages = 0;
    Access access = Access::kReadWrite;
    bool shared = false;
    bool grows_down = false;
    bool from_program = false;
    std::shared_ptr<Object> object;
    std::uint32_t from = 0;
    std::map<std::uint32_t, std::string> own;  // private pages that were written
  };
  struct Space {
    std::vector<Region> regions;
  };
  struct Task {
    std::shared_ptr<Space> space;
    std::string parent;
    std::string wakes;  // its vfork parent
    bool waits = false;
    bool zombie = false;
  };

  Answer of_machine(const Operation& op);
  Answer of_process(const Operation& op, Task& task);
  Answer access(const Operation& op, Task& task);
  Answer of_file(const Operation& op, Task& task);
  Outcome touch(Task& task, std::string_view area, std::uint32_t page, bool write, bool fetch);
  Outcome map(const Operation& op, Task& task);
  Outcome fork(const Operation& op, Task& task);
  Outcome exec(const Operation& op, Task& task);
  Outcome copy(const Operation& op, Task& task);
  Outcome truncate(const std::shared_ptr<Object>& object, std::uint32_t pages);
  Outcome exit(const std::string& name, Task& task);
  void wake(Task& task);
  void load(Space& space, const std::shared_ptr<Object>& program);
  Region* find(const Task& task, std::string_view area) const;
  std::string content(const Region& region, std::uint32_t page) const;
  void put(Region& region, std::uint32_t page, std::uint32_t offset, std::string_view bytes);
  bool is_executing(const Object* object) const;
  bool is_mapped_shared(const Object* object) const;
  std::shared_ptr<Object> file(std::string_view name) const;

  MachineSettings settings_;
  std::map<std::string, Task, std::less<>> tasks_;
  std::map<std::string, std::shared_ptr<Object>, std::less<>> files_;
  std::map<std::string, std::string, std::less<>> locks_;
};

}  // namespace cowfs::sim
