#include "lib/sim/page_table.h"

#include <algorithm>

namespace cowfs::sim {

const Entry* PageTable::find(PageNumber page) const {
  const auto table = tables_.find(raw(page) / kEntriesPerTable);
  return table == tables_.end() ? nullptr : &table->second->entries[raw(page) % kEntriesPerTable];
}

Entry* PageTable::find(PageNumber page) {
  return const_cast<Entry*>(static_cast<const PageTable*>(this)->find(page));
}

Entry& PageTable::at(PageNumber page) {
  auto& table = tables_[raw(page) / kEntriesPerTable];
  if (!table) table = std::make_unique<Table>();
  const std::size_t index = raw(page) % kEntriesPerTable;
  table->touched.set(index);
  return table->entries[index];
}

void PageTable::drop_empty_tables() {
  std::erase_if(tables_, [](const auto& item) {
    return std::ranges::all_of(item.second->entries, [](const Entry& entry) {
      return entry.state == Entry::State::kNone;
    });
  });
}

}  // namespace cowfs::sim
