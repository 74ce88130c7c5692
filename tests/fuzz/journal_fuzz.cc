// Any bytes as a journal record, a segment's head, the body of a record of each kind, and as a
// whole segment of a journal that is read back.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include "lib/journal/journal_reader.h"
#include "lib/storage/memory_storage.h"
#include "lib/store/log_entry.h"
#include "tests/fuzz/target.h"

namespace cowfs::fuzz {
namespace {

// What decodes is encoded the same way again.
void check_bodies(std::string_view bytes) {
  if (const auto logged = decode_transaction(bytes)) {
    const auto again = decode_transaction(encode_transaction(logged->transaction, logged->taken));
    if (!again || again->taken.size() != logged->taken.size() ||
        again->transaction.changes().size() != logged->transaction.changes().size())
      std::abort();
  }
  if (const auto volume = decode_logged_volume(bytes)) {
    if (!decode_logged_volume(encode_logged_volume(*volume))) std::abort();
  }
  if (const auto object = decode_logged_object(bytes)) {
    if (!decode_logged_object(encode_logged_object(*object))) std::abort();
  }
}

// A record with a right checksum around the bytes, so that the fuzzer gets past it; then the bytes
// raw.
void check_segment(std::string_view bytes) {
  const StoreId store{};
  MemoryStorage storage;
  std::string segment =
      encode_segment_head(store, {.first = 1, .previous = 0, .session = 0, .size = 65536});
  segment += encode_record(
      store, {.type = RecordType::kTransaction, .sequence = 1, .body = bytes.substr(0, 4096)});
  segment += bytes.substr(0, 32768);
  if (!storage.create({ArrayKind::kJournal, 0}) ||
      !storage.write({ArrayKind::kJournal, 0}, 0, std::as_bytes(std::span(segment)))) {
    std::abort();
  }
  auto reader = JournalReader::open(storage, store, {});
  if (!reader) return;
  reader->count_everything();
  std::uint64_t expected = 1;
  const auto replayed = reader->replay([&](const JournalRecord& record) -> Result<void> {
    if (record.sequence != expected++) std::abort();
    check_bodies(record.body);
    return {};
  });
  if (!replayed) std::abort();
}

}  // namespace

COWFS_FUZZ_TARGET(journal) {
  (void)decode_record(StoreId{}, input);
  (void)decode_segment_head(StoreId{}, input);
  check_bodies(input);
  check_segment(input);
}

}  // namespace cowfs::fuzz
