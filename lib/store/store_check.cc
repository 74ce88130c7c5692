#include "lib/store/store_check.h"

#include "lib/journal/journal_reader.h"
#include "lib/store/key_text.h"
#include "lib/store/log_entry.h"

namespace cowfs {
namespace {

std::string owner_of(const StoreSurvey::Lost& lost, const StoreItems& items) {
  if (lost.of_store) return "";
  const auto found = items.volumes.find(lost.volume);
  return found == items.volumes.end() ? "" : found->second.name;
}

// How much of it comes back is for a repair to find out.
void report_lost(const StoreSurvey& survey, ProblemList& problems) {
  for (const StoreSurvey::Lost& lost : survey.lost()) {
    Problem problem{"node-damaged", Severity::kSafe, lost.node.why};
    if (!lost.dropped)
      problem.text +=
          "; it holds, or leads to, what lies " + describe_range(lost.node.from, lost.node.to);
    problem.volume = lost.dropped ? "" : owner_of(lost, survey.facts().items);
    if (lost.of_store) problem.text += " (of the store's own tree)";
    problems.add(std::move(problem));
  }
}

}  // namespace

Result<StoreCheck> check_structures(Storage& storage, const Superblock& superblock) {
  StoreCheck check;
  check.superblock = superblock;
  check.nodes = std::make_unique<NodeReader>(storage, superblock.node_segments);
  COWFS_ASSIGN(StoreSurvey survey, StoreSurvey::make(*check.nodes, storage, superblock));
  check.survey = std::make_unique<StoreSurvey>(std::move(survey));
  const StoreFacts& facts = check.survey->facts();
  const NodeTally& nodes = check.survey->volume_nodes().tally();
  report_lost(*check.survey, check.problems);
  const OnDifference differs = [&](Problem problem, const std::vector<Mend>&) {
    check.problems.add(std::move(problem));
  };
  if (facts.items.volumes.empty())
    check.problems.add({"no-volume", Severity::kSafe, "no volume can be found"});
  compare_segments(facts, differs);
  compare_items(facts, differs);
  compare_node_counts(facts, nodes, differs);
  compare_block_counts(facts, differs);
  const std::uint64_t live = compare_objects(facts, differs);
  compare_bitmaps(facts, nodes, check.survey->store_nodes().tally(), differs);
  compare_ownership(facts, *check.nodes, nodes, differs);
  compare_superblock(facts, live, differs);
  return check;
}

Result<JournalCheck> check_journal(Storage& storage, const Superblock& superblock) {
  JournalCheck check;
  auto journal = JournalReader::open(storage, superblock.store_id, superblock.journal,
                                     JournalReader::OnDamage::kStop);
  if (!journal) {
    check.problems.add(
        {"journal", Severity::kLoss, "the journal cannot be read: " + journal.error().text});
    return check;
  }
  if (journal->damage()) check.problems.add({"journal", Severity::kLoss, *journal->damage()});
  const auto decodes = [](const JournalRecord& record) {
    switch (record.type) {
      case RecordType::kTransaction: return decode_transaction(record.body).has_value();
      case RecordType::kVolume: return decode_logged_volume(record.body).has_value();
      case RecordType::kObject: return decode_logged_object(record.body).has_value();
      case RecordType::kMark: return true;
      case RecordType::kOverwrites: return record.body.size() % 20 == 0;
    }
    return false;
  };
  auto replayed = journal->replay([&](const JournalRecord& record) -> Result<void> {
    ++check.records;
    if (decodes(record)) return {};
    check.problems.add(
        {"journal", Severity::kLoss,
         "record " + std::to_string(record.sequence) + " of the journal makes no sense"});
    return {};
  });
  if (!replayed)
    check.problems.add(
        {"journal", Severity::kLoss, "the journal cannot be read: " + replayed.error().text});
  return check;
}

}  // namespace cowfs
