// The page table of one address space: two levels, 512 entries a table, as on x86-64.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <map>
#include <memory>

#include "lib/sim/ids.h"

namespace cowfs::sim {

inline constexpr std::uint64_t kEntriesPerTable = 512;

struct Entry {
  enum class State : std::uint8_t { kNone, kPresent, kSwapped };
  State state = State::kNone;
  bool writable = false;
  bool accessed = false;
  bool dirty = false;
  FrameId frame{};  // when present
  SlotId slot{};    // when swapped

  bool present() const { return state == State::kPresent; }
  bool swapped() const { return state == State::kSwapped; }
};

class PageTable {
 public:
  /// The entry of a page; nullptr where its table does not exist.
  Entry* find(PageNumber page);
  const Entry* find(PageNumber page) const;

  /// The entry of a page; makes its table where it is missing.
  Entry& at(PageNumber page);

  /// Tables that exist, the root not counted. What fork copies and `VmPTE` counts.
  std::size_t tables() const { return tables_.size(); }

  /// Gives up tables that hold no entry.
  void drop_empty_tables();

  /// visit(page, entry) for every entry that is not empty, in the order of pages.
  template <typename Visit>
  void for_each(Visit visit) const {
    for (const auto& [index, table] : tables_) table->for_each(index * kEntriesPerTable, visit);
  }
  template <typename Visit>
  void for_each(Visit visit) {
    for (const auto& [index, table] : tables_) table->for_each(index * kEntriesPerTable, visit);
  }

 private:
  struct Table {
    std::array<Entry, kEntriesPerTable> entries;
    std::bitset<kEntriesPerTable> touched;  // entries that were ever asked for

    template <typename Visit>
    void for_each(std::uint64_t first_page, Visit& visit) {
      for (std::size_t i = touched._Find_first(); i < kEntriesPerTable; i = touched._Find_next(i)) {
        if (entries[i].state != Entry::State::kNone) visit(PageNumber{first_page + i}, entries[i]);
      }
    }
    template <typename Visit>
    void for_each(std::uint64_t first_page, Visit& visit) const {
      const_cast<Table*>(this)->for_each(first_page, visit);
    }
  };
  std::map<std::uint64_t, std::unique_ptr<Table>> tables_;
};

}  // namespace cowfs::sim
