// What a host may show after a power cut, worked out from the calls that were made before it.
//
// The model walks forward through recorded calls and keeps, for each array, what is durable and
// which changes are pending; and the same for names. An image takes what is durable and any choice
// of what is pending:
//
//  1. A write, punch, reservation or resize is pending until a sync of its array, then durable.
//  2. A pending write may be there, be missing, or be torn: each sector (512 bytes, aligned) for
//  itself, and the size
//     may be ahead of the bytes, which are zero then. A pending punch may have reached a part of
//     its range.
//  3. Pending changes of one array may take effect in any order.
//  4. A creation or removal is pending until a sync_names of its kind, then durable. An array whose
//  creation is lost is
//     gone with its content, synced or not. One whose removal is lost is back, with its durable
//     content and any choice of its pending changes.
//  5. Nothing else: what is durable is in every image, and nothing is in an image that was never
//  written.
//
// Not thread-safe. Deterministic: the same calls and the same choice give the same image on every
// machine.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "lib/storage/crash_chooser.h"
#include "lib/storage/memory_array.h"
#include "lib/storage/storage.h"
#include "lib/storage/storage_call.h"

namespace cowfs {

class CrashModel {
 public:
  /// Starts with `base`, all of it durable.
  explicit CrashModel(const ArraySet& base);

  /// Moves over one more call.
  void apply(const StorageCall& call);

  /// What may be there when power is cut now.
  ArraySet image(CrashChoice choice);

 private:
  using Inode =
      std::uint64_t;  // an array apart from its name: one made anew under an old name is another
  struct Content {
    SharableArray durable;
    std::vector<CrashChange> pending;
  };
  struct NameChange {
    std::uint64_t sequence;
    ArrayName name;
    std::optional<Inode> inode;  // none: the name goes
  };
  using Names = std::map<ArrayName, Inode>;

  void sync_content(ArrayName name);
  void sync_names(ArrayKind kind);
  void forget_unreachable();
  std::vector<std::uint64_t> pending_sequences() const;
  Names choose_names(CrashChooser& chooser) const;

  std::map<Inode, Content> contents_;
  Names current_names_;
  Names durable_names_;
  std::vector<NameChange> pending_names_;  // in the order of calls
  Inode next_inode_ = 1;
  std::uint64_t sequence_ = 0;  // of the next call
};

}  // namespace cowfs
