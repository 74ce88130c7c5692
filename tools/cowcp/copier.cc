#include "tools/cowcp/copier.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>

#include <cerrno>

#include "lib/base/process.h"
#include "tools/cowcp/command_line.h"
#include "tools/cowcp/copier_item.h"
#include "tools/cowcp/quote.h"
#include "tools/cowcp/tree_clone.h"

namespace cowfs {
namespace {

bool is_directory(const Place& place) {
  const auto status = stat_place(place, Follow::kYes);
  return status && S_ISDIR(status->st_mode);
}

/// The name that a source gets in a directory: "" for "..", which cp copies into the directory
/// itself.
std::string name_in_directory(const std::string& source) {
  const std::string name(last_component(source));
  return name == ".." ? "." : name;
}

/// Brings the counters up to what a tree clone has done, or back.
class TreeCounting {
 public:
  explicit TreeCounting(Counters& counters) : counters_(counters) {}

  void update(const TreeCloneProgress& progress) {
    counters_.files += progress.files - counted_.files;
    counters_.directories += progress.directories - counted_.directories;
    counters_.others += progress.others() - counted_.others();
    counters_.shared += progress.shared_bytes - counted_.shared_bytes;
    counters_.holes += progress.hole_bytes - counted_.hole_bytes;
    counted_ = progress;
  }

 private:
  Counters& counters_;
  TreeCloneProgress counted_;
};

constexpr unsigned kJobsUnlessTold = 4;
// A tree of 50 small files took 1.2 to 1.4 times as long with threads from the first one on.
constexpr std::size_t kFilesBeforeThreads = 64;

/// By sched_getaffinity(2), as what a container or taskset(1) leaves us; the library's way reads a
/// file of sysfs, each time that one small file is copied.
bool has_one_processor() {
  cpu_set_t allowed;
  return ::sched_getaffinity(0, sizeof allowed, &allowed) == 0 && CPU_COUNT(&allowed) == 1;
}

unsigned jobs_for(const CopyOptions& options) {
  if (options.interactive == Interactive::kAsk) return 1;  // questions come one at a time
  if (options.jobs != 0) return options.jobs;
  if (options.debug) return 1;  // how a file was copied is told below its name
  return has_one_processor() ? 1 : kJobsUnlessTold;
}

}  // namespace

Copier::Copier(const CopyOptions& options, Report& report)
    : options_(options),
      report_(report),
      attributes_(options, report),
      data_(options, report.counters()),
      pool_(jobs_for(options), options.jobs == 0 ? kFilesBeforeThreads : 0, descriptor_limit()) {}

bool Copier::fail(const std::string& text, int error_number) {
  report_.error(text, error_number);
  return false;
}

Follow Copier::follow_source(bool command_line) const {
  const bool follows = dereference() == Dereference::kAlways ||
                       (dereference() == Dereference::kCommandLine && command_line);
  return follows ? Follow::kYes : Follow::kNo;
}

int Copier::run(std::vector<std::string> operands) {
  if (const auto code = choose_target(operands)) return *code;
  sole_source_ = operands.size() == 1;
  bool all = true;
  for (const std::string& source : operands) {
    all = copy_operand(source) && all;
    pool_.drain();
  }
  if (options_.sync) all = sync_target() && all;
  return all && !jobs_failed_ && !report_.failed() ? 0 : 1;
}

/// The names that operands got; all below them was synced when it was finished.
bool Copier::sync_target() {
  const std::string directory = several_ ? target_.name : parent_path(target_.name);
  const auto synced = sync_directory({AT_FDCWD, directory, directory});
  return synced ? true
                : fail(fmt::format("failed to sync {}", quote(directory)), synced.error().number);
}

/// Finds out what the destination is, and takes it off the operands.
std::optional<int> Copier::choose_target(std::vector<std::string>& operands) {
  const bool given = options_.has_target_directory;
  if (operands.size() <= (given ? 0U : 1U)) {
    if (operands.empty()) return usage_error("missing file operand");
    return usage_error(
        fmt::format("missing destination file operand after {}", quote(operands[0])));
  }
  if (options_.no_target_directory) {
    if (given) {
      report_.error("cannot combine --target-directory (-t) and --no-target-directory (-T)");
      return 1;
    }
    if (operands.size() > 2)
      return usage_error(fmt::format("extra operand {}", quote(operands[2])));
  }
  const std::string name = given ? options_.target_directory : operands.back();
  if (!given) operands.pop_back();
  target_ = {AT_FDCWD, name, name};
  const bool must = given || operands.size() > 1;
  several_ = must;
  if (!must && !options_.no_target_directory) several_ = is_directory(target_);
  if (several_) {
    auto opened = open_place(target_, O_PATH | O_DIRECTORY);
    if (!opened) {
      report_.error(fmt::format("{} {}", given ? "target directory" : "target", quote(name)),
                    opened.error().number);
      return 1;
    }
    target_directory_ = std::make_shared<UniqueFd>(std::move(*opened));
  }
  if (options_.parents && !several_)
    return usage_error("with --parents, the destination must be a directory");
  return std::nullopt;
}

bool Copier::copy_operand(std::string source) {
  if (options_.strip_trailing_slashes && several_)
    source = without_trailing_slashes(std::move(source));
  operand_ = source;
  operand_directory_noted_ = false;
  if (options_.parents) return copy_with_parents(source);
  if (!several_) {
    // `cp -b b b` backs b up under its new name and copies that.
    return copy_operand_to(source, target_);
  }
  return copy_operand_to(source,
                         target_.below(target_directory_->get(), name_in_directory(source)));
}

bool Copier::copy_operand_to(const std::string& source, const Place& target) {
  operand_target_ = target.shown;
  const Entry entry{.source = {AT_FDCWD, source, source},
                    .target = target,
                    .parent = nullptr,
                    .command_line = true,
                    .target_directory = target.directory == AT_FDCWD ? nullptr : target_directory_};
  if (try_tree_clone(entry)) return true;
  return copy_entry(entry) && walk();
}

/// Remembers a tree clone as the walk does the directories that it makes.
void Copier::note_tree(const Entry& entry, FileId source) {
  const Copied here{entry.target, entry.target_directory};
  copied_.find_or_note(source, here);
  const auto made = stat_place(entry.target, Follow::kNo);
  if (!made) return;
  copied_.find_or_note(id_of(*made), here);
  made_targets_.add(entry.target.shown, id_of(*made));
}

/// The daemon's tree clone where the options allow it; false: the walk has to do it.
bool Copier::try_tree_clone(const Entry& entry) {
  const auto source = stat_place(entry.source, follow_source(true));
  // What was copied before is the walk's business: it warns or refuses.
  if (!source || copied_.find(id_of(*source))) return false;
  const TreeCloneRequest request{entry.source, entry.target, sole_source_};
  TreeCounting counting(report_.counters());
  const TreeCloneResult result = clone_tree(
      options_, request, [&](const TreeCloneProgress& progress) { counting.update(progress); });
  if (result.done) {
    note_tree(entry, id_of(*source));
    report_.tree_done(entry.source.shown, entry.target.shown, result.progress);
    return true;
  }
  counting.update({});
  if (!result.why.empty())
    report_.note(fmt::format("{}: no clone-tree ({})", quote(entry.source.shown), result.why));
  return false;
}

}  // namespace cowfs
