// What journal records of a store say: the bodies of their three kinds. docs/format.md has the
// tables.
//
// A transaction names blocks and decides nothing. `taken` are the blocks that were new: replay
// takes the same ones. `overwritten` are the objects in which blocks were written in place before
// it: their data may not be durable yet.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/store/records.h"
#include "lib/store/transaction.h"

namespace cowfs {

/// Blocks that were new, with the checksum of each where the store keeps checksums and knows them:
/// as many as there are blocks, or none.
struct TakenBlocks {
  BlockRange range;
  std::vector<std::uint32_t> checksums;
};

struct LoggedTransaction {
  Transaction transaction;
  std::vector<TakenBlocks> taken;
};
std::string encode_transaction(const Transaction& transaction,
                               const std::vector<TakenBlocks>& taken);
std::optional<LoggedTransaction> decode_transaction(std::string_view body);

enum class VolumeAction : std::uint8_t { kFork = 1, kRename = 2, kDelete = 3, kOrphansErased = 4 };

struct LoggedVolume {
  VolumeAction action = VolumeAction::kFork;
  VolumeId id{};      // the child of a fork
  VolumeId parent{};  // of a fork
  bool read_only = false;
  bool has_orphans = false;
  Timestamp created{};
  std::string name{};  // of a fork, or the new one of a rename
};
std::string encode_logged_volume(const LoggedVolume& entry);
std::optional<LoggedVolume> decode_logged_volume(std::string_view body);

/// An object was made.
struct LoggedObject {
  ObjectNumber object = kNoObject;
  ObjectRecord record;
};
std::string encode_logged_object(const LoggedObject& entry);
std::optional<LoggedObject> decode_logged_object(std::string_view body);

}  // namespace cowfs
