#include "tools/fsck.cowfs/fsck_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tools/common/json.h"
#include "tools/common/print_text.h"
#include "tools/common/text.h"

namespace cowfs {
namespace {

/// "main:dir/file", or what there is of it.
std::string place_of(const Problem& problem) {
  if (problem.volume.empty()) return "";
  std::string place = escape_controls(problem.volume);
  if (!problem.path.empty()) place += ":" + escape_controls(problem.path);
  else if (problem.inode != 0) place += fmt::format(": inode {}", problem.inode);
  return place + ": ";
}

std::string_view severity_name(Severity severity) {
  switch (severity) {
    case Severity::kNote: return "note";
    case Severity::kSafe: return "safe";
    case Severity::kLoss: return "loss";
  }
  return "";
}

std::string_view state_of(const FsckAnswer& answer) {
  switch (answer.exit) {
    case FsckExit::kClean: return "clean";
    case FsckExit::kCorrected: return "corrected";
    default: return "damaged";
  }
}

void print_list(const ProblemList& problems, bool notes, Severity at_least) {
  for (const Problem& problem : problems.kept()) {
    if (problem.severity == Severity::kNote ? !notes : problem.severity < at_least) continue;
    print_text("{}{}\n", place_of(problem), escape_controls(problem.text));
  }
  if (problems.dropped() > 0) print_text("and {} problems more\n", problems.dropped());
}

nlohmann::ordered_json json_of(const ProblemList& problems) {
  auto list = nlohmann::ordered_json::array();
  for (const Problem& problem : problems.kept()) {
    nlohmann::ordered_json entry;
    entry["code"] = problem.code;
    entry["severity"] = severity_name(problem.severity);
    if (!problem.volume.empty()) set_bytes(entry, "volume", problem.volume);
    if (!problem.path.empty()) set_bytes(entry, "path", problem.path);
    if (problem.inode != 0) entry["inode"] = problem.inode;
    set_bytes(entry, "text", problem.text);
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace

void print_problems(const FsckCommand& command, const ProblemList& problems) {
  print_list(problems, command.verbose, Severity::kSafe);
}

void print_mended(const FsckCommand& command, const FsckAnswer& answer) {
  // What is lost was told before.
  if (command.verbose) print_list(answer.mended, true, Severity::kSafe);
  if (!answer.after.problems.clean()) {
    print_text("left after the repair:\n");
    print_list(answer.after.problems, false, Severity::kSafe);
  }
}

void print_summary(const FsckCommand& command, const FsckAnswer& answer) {
  const std::string store = escape_controls(command.store);
  if (answer.skipped) {
    print_text("{}: clean, {} blocks in use (as the superblock says; -f looks at all)\n", store,
               answer.found.live_blocks);
    return;
  }
  const FsckReport& last = answer.repaired ? answer.after : answer.found;
  const std::string looked_at = fmt::format("{} volumes, {} inodes, {} blocks in use", last.volumes,
                                            last.inodes, last.live_blocks);
  if (command.verbose) {
    print_text("{}: {} tree nodes, {} records in the journal beyond the checkpoint\n", store,
               last.nodes, answer.found.journal_records);
    if (command.scrub) print_text("{}: {} blocks of data read\n", store, last.scrubbed_blocks);
  }
  const std::uint64_t problems = answer.found.problems.count();
  switch (answer.exit) {
    case FsckExit::kClean: print_text("{}: clean, {}\n", store, looked_at); break;
    case FsckExit::kCorrected:
      print_text("{}: repaired, {}; {} problems were found\n", store, looked_at, problems);
      break;
    default:
      print_text("{}: damaged, {}; {} problems are left\n", store, looked_at,
                 last.problems.count() + answer.found.damaged_data.count());
      break;
  }
}

void print_fsck_json(const FsckCommand& command, const FsckAnswer& answer) {
  auto out = json_answer(kFsck, "fsck");
  const FsckReport& last = answer.repaired ? answer.after : answer.found;
  set_bytes(out, "store", command.store);
  out["state"] = state_of(answer);
  out["was_unmounted"] = answer.found.was_clean;
  out["looked_at"] = !answer.skipped;
  out["live_blocks"] = last.live_blocks;
  if (!answer.skipped) {
    out["volumes"] = last.volumes;
    out["inodes"] = last.inodes;
    out["nodes"] = last.nodes;
    out["journal_records"] = answer.found.journal_records;
    if (command.scrub) out["scrubbed_blocks"] = last.scrubbed_blocks;
    out["problems"] = json_of(answer.found.problems);
    if (command.scrub || !answer.found.damaged_data.clean())
      out["damaged_data"] = json_of(answer.found.damaged_data);
    out["problems_not_shown"] = answer.found.problems.dropped();
  }
  if (answer.repaired) {
    out["mended"] = json_of(answer.mended);
    out["left"] = json_of(answer.after.problems);
  }
  print_json(out);
}

}  // namespace cowfs
