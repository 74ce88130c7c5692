// A machine: physical memory, a swap area, files with their page cache, and processes with address
// spaces.
//
// apply() executes one operation. A memory access is what the CPU does: translate; where the entry
// does not allow it, fault, let the kernel handle the fault, and execute the access again. What
// happened on the way is in the result as a list of events. Everything is a function of the
// operations: no clock, no chance.
//
//   fork, exec, exit, vfork      machine_processes.cc
//   the access and its faults    machine_fault.cc
//   replacement, swap            machine_replace.cc
//   files, msync, write-back     machine_files.cc
//   areas                        machine.cc
//
// Invariants: those of lib/sim/checker.h hold between operations.
//
// Not here: what the bytes should be (lib/sim/reference_model.h), text and pictures.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "lib/sim/address_space.h"
#include "lib/sim/counters.h"
#include "lib/sim/event.h"
#include "lib/sim/frame_table.h"
#include "lib/sim/operation.h"
#include "lib/sim/settings.h"
#include "lib/sim/swap_area.h"

namespace cowfs::sim {

enum class Outcome : std::uint8_t {
  kOk,
  kSegv,
  kBus,
  kOutOfMemory,  // nothing changed that a process can see
  kSuspended,    // the process waits for its vfork child
  kBusy,     // a file that is being executed would be written, or the reverse; a lock that another
             // holds
  kInvalid,  // a name that does not exist, or exists already; nothing was tried
};

std::string_view outcome_name(Outcome outcome);

struct StepResult {
  Outcome outcome = Outcome::kOk;
  std::string value;         // of a read: one byte a page
  std::uint64_t number = 0;  // what a call returned: pid of fork, size of stat
  Events events;
};

enum class ProcessState : std::uint8_t { kRunning, kVforkWait, kZombie };

struct Process {
  std::string name;
  std::uint32_t pid = 0;
  std::string parent;  // empty: none
  SpaceId space{};
  ProcessState state = ProcessState::kRunning;
  std::uint32_t thread = 0;
  std::uint64_t result = 0;  // the register that fork returns in
  std::string vfork_parent;  // not empty: it runs in its parent's memory
};

struct CachePage {
  std::optional<FrameId> frame;
  std::optional<SlotId> slot;
  std::string disk;  // of FileKind::kDisk
};

struct MemoryObject {
  std::string name;  // empty: the memory of a shared anonymous area
  FileKind kind = FileKind::kDisk;
  bool is_program = false;
  ProgramLayout layout;
  std::vector<CachePage> pages;
};

class Machine {
 public:
  explicit Machine(const MachineSettings& settings);

  StepResult apply(const Operation& operation);

  /// The page as its process would read it, without touching anything; nothing where it must not.
  std::optional<std::string> peek(std::string_view process, std::string_view area,
                                  std::uint32_t index) const;

  /// The page of a file as read(2) would return it; and as it is on disk.
  std::optional<std::string> file_page(std::string_view file, std::uint32_t page) const;
  std::optional<std::string> disk_page(std::string_view file, std::uint32_t page) const;

  /// The entry of a page; nullptr where there is no such page or no table.
  const Entry* entry(std::string_view process, std::string_view area, std::uint32_t index) const;

  /// Forgets all files, as at shutdown after the last process: what is left in memory then has
  /// leaked.
  void forget_files();

  /// The kernel chose otherwise where it is free to (lib/sim documentation of the oracle): a page
  /// that was mapped around a fault was not; a page that was re-used was copied.
  void adopt_unmapped(std::string_view process, std::string_view area, std::uint32_t index);
  void adopt_copy(std::string_view process, std::string_view area, std::uint32_t index);

  const MachineSettings& settings() const { return settings_; }
  const Counters& counters() const { return counters_; }
  const FrameTable& frames() const { return frames_; }
  const SwapArea& swap() const { return swap_; }
  const std::map<std::string, Process, std::less<>>& processes() const { return processes_; }
  const std::map<SpaceId, AddressSpace>& spaces() const { return spaces_; }
  const std::map<ObjectId, MemoryObject>& objects() const { return objects_; }
  const Process* process(std::string_view name) const;
  const AddressSpace* space_of(std::string_view process) const;
  std::optional<ObjectId> file(std::string_view name) const;

  /// Live threads: a vfork child runs in its parent's until exec.
  std::size_t threads() const;
  std::size_t page_tables() const;

  /// Modified since it was last the same as its backing store.
  bool is_dirty(FrameId frame) const;

 private:
  enum class AccessKind : std::uint8_t { kRead, kWrite, kFetch, kPin };

  struct MemoryAccess {
    const Process& process;
    AccessKind kind;
    std::uint32_t offset;
    std::string_view in;
    std::string* out;
    bool whole_page;
  };

  struct Fault {
    const Process& process;
    AddressSpace& space;
    Area& area;
    std::uint32_t index;
    PageNumber page;
    bool write;
    const MemoryAccess& access;
  };

  // machine.cc
  Outcome dispatch(const Operation& op, StepResult& result);
  Outcome machine_operation(const Operation& op);
  Outcome process_operation(Process& process, const Operation& op, StepResult& result);
  void warn_of_vfork(const Process& process, Verb verb);
  Outcome map(Process& process, const Operation& op);
  Outcome unmap(Process& process, const Operation& op);
  Outcome protect(Process& process, const Operation& op);
  Outcome dont_need(Process& process, const Operation& op);
  Outcome lock(Process& process, const Operation& op);
  Outcome unlock(Process& process, const Operation& op);
  void restore_permissions(AddressSpace& space, Area& area);
  void zap(AddressSpace& space, PageNumber page, Entry& entry);
  void remove_area(AddressSpace& space, const std::string& name);
  std::optional<PageRange> clipped(const Area& area, const PageRange& pages) const;
  void emit(EventKind kind, const Event& about = {});
  void emit_frame(EventKind kind, FrameId frame);

  // machine_processes.cc
  Outcome start_process(const Operation& op);
  Outcome fork(Process& parent, const Operation& op, StepResult& result);
  Outcome vfork(Process& parent, const Operation& op, StepResult& result);
  Outcome exec(Process& process, std::string_view program);
  Outcome exit(Process& process);
  Outcome wait(Process& process, const Operation& op);
  Process& add_process(const std::string& name, const std::string& parent, SpaceId space);
  std::uint32_t next_pid();
  SpaceId new_space();
  void leave_space(Process& process);
  void drop_space(SpaceId space);
  void release_pins(const std::string& process);
  Outcome load_program(AddressSpace& space, ObjectId program);
  Outcome copy_tables(Process& parent, Process& child);
  Outcome copy_entry(const Fault& parent, AddressSpace& child_space);
  bool copies_at_fork(const Area& area, std::uint32_t index, const Entry& entry) const;
  Outcome copy_page_for_child(const Fault& parent, AddressSpace& child_space);

  // machine_fault.cc
  Outcome access_range(Process& process, const Operation& op, AccessKind kind, StepResult& result);
  Outcome access(const MemoryAccess& access, std::string_view area, std::uint32_t index);
  Outcome copy_memory(Process& process, const Operation& op);
  Outcome pin(Process& process, const Operation& op);
  Outcome unpin(Process& process, const Operation& op);
  bool grow_stack(const Process& process, AddressSpace& space, Area& area, std::uint32_t index);
  void complete(const MemoryAccess& access, Area& area, std::uint32_t index, Entry& entry);
  Outcome handle_fault(const Fault& fault);
  Outcome handle_missing(const Fault& fault);
  Outcome handle_protection(const Fault& fault);
  Outcome map_anonymous(const Fault& fault);
  Outcome map_shared(const Fault& fault);
  Outcome map_private_file(const Fault& fault);
  Outcome swap_in(const Fault& fault);
  Outcome break_copy(const Fault& fault);
  Outcome copy_to_new_frame(const Fault& fault, FrameId old);
  void fault_around(const Fault& fault);
  void notice_write(const Fault& fault, FrameId frame);
  void set_entry(const Fault& fault, FrameId frame, bool writable);
  bool sole_owner(FrameId frame) const;
  void note_race(const Process& process, const Area& area, std::uint32_t index);

  // machine_replace.cc
  std::optional<FrameId> take_frame(FrameUse use);
  bool replace_one();
  std::optional<FrameId> choose_victim();
  bool can_replace(FrameId frame) const;
  bool was_accessed(FrameId frame);
  bool evict(FrameId frame);
  bool save_to_slot(FrameId frame, bool dirty);
  std::optional<SlotId> take_slot();
  Outcome evict_page(const Operation& op);
  void put_frame(FrameId frame);
  void put_slot(SlotId slot);
  template <typename Visit>
  void for_each_entry_of(FrameId frame, Visit visit);

  // machine_files.cc
  Outcome add_file(const Operation& op);
  Outcome file_operation(Process& process, const Operation& op, StepResult& result);
  Outcome read_file(ObjectId object, const Operation& op, StepResult& result);
  Outcome write_file(ObjectId object, const Operation& op);
  Outcome truncate(ObjectId object, std::uint32_t pages);
  Outcome close(Process& process, ObjectId object);
  Outcome msync(Process& process, const Operation& op);
  Outcome warm(std::string_view file);
  void write_back(ObjectId object, std::uint32_t page);
  void write_back_all();
  std::optional<FrameId> cache_frame(ObjectId object, std::uint32_t page);
  void read_ahead(ObjectId object, std::uint32_t page);
  bool load_page(ObjectId object, std::uint32_t page, FrameId frame);
  void drop_cache_page(CachePage& page);
  void drop_object(ObjectId object);
  void drop_object_if_unused(ObjectId object);
  bool notices_writes(ObjectId object) const;
  bool is_executing(ObjectId object) const;
  bool is_mapped_shared(ObjectId object) const;
  std::string page_of_object(const MemoryObject& object, std::uint32_t page) const;

  bool has_bug(SeededBug bug) const { return settings_.bug == bug; }

  MachineSettings settings_;
  FrameTable frames_;
  SwapArea swap_;
  Counters counters_;
  std::map<std::string, Process, std::less<>> processes_;
  std::map<SpaceId, AddressSpace> spaces_;
  std::map<ObjectId, MemoryObject> objects_;
  std::map<std::string, ObjectId, std::less<>> files_;
  std::map<std::string, std::string, std::less<>> locks_;  // name -> holder

  struct Sharing {
    std::set<std::string> writers;
    std::set<std::string> locks;  // held at every write so far
    bool warned = false;
  };
  std::map<std::pair<ObjectId, std::uint32_t>, Sharing> sharing_;
  std::map<std::string, std::pair<std::string, FrameId>> pins_;  // "area.index" of a process

  std::vector<FrameId> guarded_;  // in use by the operation under way: never replaced
  Events* events_ = nullptr;      // of the operation under way
  bool read_from_disk_ = false;   // by the fault under way
  std::uint32_t clock_hand_ = 0;
  std::uint32_t next_pid_ = 1;
  std::uint32_t next_thread_ = 1;
  std::uint32_t next_space_ = 1;
  std::uint32_t next_object_ = 1;
};

}  // namespace cowfs::sim
