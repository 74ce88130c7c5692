#include "tools/cowcp/report.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "tools/common/json.h"
#include "tools/common/message.h"
#include "tools/cowcp/quote.h"
#include "tools/cowcp/units.h"

namespace cowfs {

using Json = nlohmann::ordered_json;

std::string_view method_name(Method method) {
  switch (method) {
    case Method::kAuto: return "auto";
    case Method::kCloneTree: return "clone-tree";
    case Method::kClone: return "clone";
    case Method::kCopyRange: return "copy-range";
    case Method::kMmap: return "mmap";
    case Method::kReadWrite: return "read-write";
  }
  return "?";
}

void Report::clear_line() {
  if (progress_shown_.exchange(false)) std::fputs("\r\033[K", stderr);
}

void Report::write_out(const std::string& text) {
  const MutexLock lock(mutex_);
  clear_line();
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void Report::say(const std::string& text, int error_number) {
  const std::string why = error_number == 0 ? "" : fmt::format(": {}", std::strerror(error_number));
  const MutexLock lock(mutex_);
  clear_line();
  std::fflush(stdout);
  const std::string whole = fmt::format("{}: {}{}\n", kCowcp, text, why);
  std::fwrite(whole.data(), 1, whole.size(), stderr);
}

void Report::error(const std::string& text, int error_number) {
  ++counters_.failures;
  say(text, error_number);
}

void Report::warning(const std::string& text, int error_number) { say(text, error_number); }

void Report::copying(std::string_view source, std::string_view target, std::string_view backup) {
  if (!options_.names_each()) return;
  if (options_.json) {  // the objects say it, but for the backup
    if (backup.empty()) return;
    Json answer{{"type", "backup"}};
    set_bytes(answer, "target", target);
    set_bytes(answer, "backup", backup);
    return write_out(answer.dump() + "\n");
  }
  std::string text = fmt::format("{} -> {}", quote(source), quote(target));
  if (!backup.empty()) text += fmt::format(" (backup: {})", quote(backup));
  write_out(text + "\n");
}

void Report::line(const std::string& text) {
  if (options_.names_each()) write_text(text);
}

/// Stdout has JSON alone where it was asked for.
void Report::write_text(const std::string& text) {
  if (!options_.json) return write_out(text + "\n");
  Json answer{{"type", "note"}};
  set_bytes(answer, "text", text);
  write_out(answer.dump() + "\n");
}

void Report::note(const std::string& text) {
  if (options_.debug) write_text(text);
}

void Report::file_done(std::string_view source, std::string_view target, const DataDone& done) {
  ++counters_.files;
  counters_.shared += done.shared;
  counters_.holes += done.holes;
  {
    const MutexLock lock(mutex_);
    ++methods_[done.method];
  }
  if (options_.debug && !options_.json) {
    std::string text = fmt::format("{}: {}", quote(target), method_name(done.method));
    if (!done.why.empty()) text += fmt::format(" ({})", done.why);
    write_out(text + "\n");
  }
  if (!options_.json) return;
  Json answer{{"type", "file"}};
  set_bytes(answer, "source", source);
  set_bytes(answer, "target", target);
  answer["method"] = method_name(done.method);
  if (!done.why.empty()) answer["why"] = done.why;
  answer["shared_bytes"] = done.shared;
  answer["copied_bytes"] = done.copied;
  answer["hole_bytes"] = done.holes;
  write_out(answer.dump() + "\n");
}

void Report::entry_done(std::string_view kind, std::string_view source, std::string_view target) {
  if (kind == "directory") ++counters_.directories;
  else ++counters_.others;
  if (!options_.json) return;
  Json answer{{"type", kind}};
  set_bytes(answer, "source", source);
  set_bytes(answer, "target", target);
  write_out(answer.dump() + "\n");
}

void Report::tree_done(std::string_view source, std::string_view target,
                       const TreeCloneProgress& progress) {
  {
    const MutexLock lock(mutex_);
    ++methods_[Method::kCloneTree];
  }
  copying(source, target, {});
  if (!options_.json) {
    return note(fmt::format("{}: {} ({} files, {} directories, {} others)", quote(target),
                            method_name(Method::kCloneTree), progress.files, progress.directories,
                            progress.others()));
  }
  Json answer{{"type", "tree"}};
  set_bytes(answer, "source", source);
  set_bytes(answer, "target", target);
  answer["method"] = method_name(Method::kCloneTree);
  answer["inodes"] = progress.inodes;
  answer["files"] = progress.files;
  answer["directories"] = progress.directories;
  answer["shared_bytes"] = progress.shared_bytes;
  answer["hole_bytes"] = progress.hole_bytes;
  write_out(answer.dump() + "\n");
}

void Report::print_summary_json() {
  Json answer{{"type", "summary"}};
  answer["header"] = json_answer(kCowcp, "copy")["header"];
  answer["files"] = counters_.files.load();
  answer["directories"] = counters_.directories.load();
  answer["others"] = counters_.others.load();
  answer["failures"] = counters_.failures.load();
  answer["shared_bytes"] = counters_.shared.load();
  answer["copied_bytes"] = counters_.copied.load();
  answer["hole_bytes"] = counters_.holes.load();
  answer["methods"] = Json::object();
  {
    const MutexLock lock(mutex_);
    for (const auto& [method, count] : methods_)
      answer["methods"][std::string(method_name(method))] = count;
  }
  answer["seconds"] =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  write_out(answer.dump() + "\n");
}

void Report::print_summary() {
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  std::string methods;
  {
    const MutexLock lock(mutex_);
    for (const auto& [method, count] : methods_) {
      methods += fmt::format("{}{} {}", methods.empty() ? "" : ", ", method_name(method), count);
    }
  }
  write_out(fmt::format(
      "{} files, {} directories, {} others, {} failures\n"
      "{} shared, {} copied, {} of holes kept\n"
      "methods: {}\n"
      "{:.3f} s\n",
      counters_.files.load(), counters_.directories.load(), counters_.others.load(),
      counters_.failures.load(), format_bytes(counters_.shared), format_bytes(counters_.copied),
      format_bytes(counters_.holes), methods.empty() ? "none" : methods, seconds));
}

bool Report::finish() {
  if (options_.json) print_summary_json();
  else if (options_.stats) print_summary();
  const std::optional<int> failure = flush_stdout();
  if (failure) error("write error", *failure);
  return !failure;
}

}  // namespace cowfs
