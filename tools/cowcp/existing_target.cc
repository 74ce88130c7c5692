// The target is there already: may it be replaced, and what has to happen before?
#include <fmt/format.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>

#include "tools/common/print_text.h"
#include "tools/cowcp/backup.h"
#include "tools/cowcp/copier_item.h"
#include "tools/cowcp/quote.h"

namespace cowfs {
namespace {

/// Whole seconds and nanoseconds, as far as both sides keep them.
bool is_older(const timespec& one, const timespec& other) {
  return one.tv_sec != other.tv_sec ? one.tv_sec < other.tv_sec : one.tv_nsec < other.tv_nsec;
}

/// "rw-r--r--".
std::string permission_letters(mode_t mode) {
  std::string out = "rwxrwxrwx";
  for (unsigned bit = 0; bit < 9; ++bit) {
    if ((mode >> (8 - bit) & 1) == 0) out[bit] = '-';
  }
  const auto special = [&](std::size_t at, mode_t bit, char lower, char upper) {
    if ((mode & bit) != 0) out[at] = out[at] == 'x' ? lower : upper;
  };
  special(2, S_ISUID, 's', 'S');
  special(5, S_ISGID, 's', 'S');
  special(8, S_ISVTX, 't', 'T');
  return out;
}

bool answered_yes() {
  std::fflush(stdout);
  std::fflush(stderr);
  std::string answer;
  for (int c = std::getchar(); c != EOF && c != '\n'; c = std::getchar())
    answer.push_back(static_cast<char>(c));
  return !answer.empty() && (answer[0] == 'y' || answer[0] == 'Y');
}

}  // namespace

Copier::Verdict Copier::settle_existing(Item& item) {
  bool leave_alone = false;
  if (options_.interactive != Interactive::kNeverOverwrite) {
    const Verdict same = check_same_file(item, leave_alone);
    if (same != Verdict::kGoOn) return same;
  }
  if (!item.is_directory()) {
    if (options_.update) {
      const Verdict newer = check_newer(item);
      if (newer != Verdict::kGoOn) return newer;
    }
    if (!may_overwrite(item)) return Verdict::kDone;
  }
  if (leave_alone) return Verdict::kDone;
  const Verdict kinds = check_kinds(item);
  if (kinds != Verdict::kGoOn) return kinds;
  if (options_.backup != Backup::kNone && !is_dot_or_dot_dot(last_component(item.source.name)) &&
      !item.target_is_directory()) {
    return back_up(item);
  }
  return remove_first(item);
}

/// Whether both names lead to one file, in a way that copying would destroy it. Cases as in cp(1):
/// with backups only one and the same name is wrong; with --remove-destination the target may be
/// another link; -l has nothing to do.
Copier::Verdict Copier::check_same_file(Item& item, bool& leave_alone) {
  const auto refuse = [&] {
    fail(fmt::format("{} and {} are the same file", quote(item.source.shown),
                     quote(item.target.shown)));
    return Verdict::kFailed;
  };
  const auto unless = [&](bool wrong) { return wrong ? refuse() : Verdict::kGoOn; };
  const bool same = id_of(item.status) == id_of(item.target_status);
  if (same && options_.hard_link) {
    leave_alone = true;
    return Verdict::kGoOn;
  }
  const bool never = dereference() == Dereference::kNever;
  struct stat source = item.status;
  struct stat target = item.target_status;
  if (never && S_ISLNK(source.st_mode) && S_ISLNK(target.st_mode)) {
    if (is_same_name(item.source, item.target)) return refuse();
    leave_alone = same && options_.backup == Backup::kNone;
    return Verdict::kGoOn;
  }
  if (!never) {
    if (!same) return Verdict::kGoOn;
    const auto source_link = stat_place(item.source, Follow::kNo);
    const auto target_link = stat_place(item.target, Follow::kNo);
    if (!source_link || !target_link) return Verdict::kGoOn;
    source = *source_link;
    target = *target_link;
    if (S_ISLNK(source.st_mode) && S_ISLNK(target.st_mode) && options_.remove_destination)
      return Verdict::kGoOn;
  }
  const bool same_link = id_of(source) == id_of(target);
  if (options_.backup != Backup::kNone) {
    if (same_link) return unless(is_same_name(item.source, item.target));
    return unless(!never && S_ISLNK(source.st_mode) && !S_ISLNK(target.st_mode));
  }
  if (options_.remove_destination) {
    if (S_ISLNK(target.st_mode)) return Verdict::kGoOn;
    if (same_link && target.st_nlink > 1 && !is_same_name(item.source, item.target))
      return Verdict::kGoOn;
  }
  if (!S_ISLNK(source.st_mode) && !S_ISLNK(target.st_mode) && !same_link) return Verdict::kGoOn;
  if (options_.symbolic_link && S_ISLNK(target.st_mode)) return Verdict::kGoOn;
  if (!never) return refuse();
  // One is a link: what it leads to counts.
  const auto source_file = stat_place(item.source, Follow::kYes);
  const auto target_file = stat_place(item.target, Follow::kYes);
  if (!source_file || !target_file || id_of(*source_file) != id_of(*target_file))
    return Verdict::kGoOn;
  if (!options_.hard_link) return refuse();
  leave_alone = !S_ISLNK(target.st_mode);
  return Verdict::kGoOn;
}

/// -u: a target that is as new is left; hard links of it are made all the same.
Copier::Verdict Copier::check_newer(Item& item) {
  if (is_older(item.target_status.st_mtim, item.status.st_mtim)) return Verdict::kGoOn;
  if (!options_.preserve.links || item.status.st_nlink < 2) return Verdict::kDone;
  const auto earlier =
      copied_.find_or_note(id_of(item.status), {item.target, item.entry.target_directory});
  if (!earlier) return Verdict::kDone;
  return make_link_to(item, earlier->place, options_.names_each(), Follow::kNo) ? Verdict::kDone
                                                                                : Verdict::kFailed;
}

bool Copier::may_overwrite(const Item& item) {
  if (options_.interactive == Interactive::kNeverOverwrite) return false;
  if (options_.interactive != Interactive::kAsk) return true;
  const std::string target = quote(item.target.shown);
  const mode_t mode = item.target_status.st_mode;
  const bool writable =
      S_ISLNK(mode) ||
      ::faccessat(item.target.directory, item.target.name.c_str(), W_OK, AT_EACCESS) == 0;
  if (writable) {
    print_text(stderr, "{}: overwrite {}? ", kCowcp, target);
  } else if (options_.force || options_.remove_destination) {
    print_text(stderr, "{}: replace {}, overriding mode {:04o} ({})? ", kCowcp, target,
               mode & 07777, permission_letters(mode));
  } else {
    print_text(stderr, "{}: unwritable {} (mode {:04o}, {}); try anyway? ", kCowcp, target,
               mode & 07777, permission_letters(mode));
  }
  return answered_yes();
}

Copier::Verdict Copier::check_kinds(Item& item) {
  const auto refuse = [this](const std::string& text) {
    fail(text);
    return Verdict::kFailed;
  };
  if (item.is_directory()) {
    if (item.target_is_directory()) return Verdict::kGoOn;
    return refuse(fmt::format("cannot overwrite non-directory {} with directory {}",
                              quote(item.target.shown), quote(item.source.shown)));
  }
  if (item.target_is_directory()) {
    return refuse(
        fmt::format("cannot overwrite directory {} with non-directory", quote(item.target.shown)));
  }
  // What this run has made is not overwritten by its next source.
  if (item.entry.command_line && options_.backup != Backup::kNumbered &&
      made_targets_.has(item.target.shown, id_of(item.target_status))) {
    return refuse(fmt::format("will not overwrite just-created {} with {}",
                              quote(item.target.shown), quote(item.source.shown)));
  }
  return Verdict::kGoOn;
}

Copier::Verdict Copier::back_up(Item& item) {
  const std::string name(last_component(item.target.name));
  const bool simple = options_.backup != Backup::kNumbered;
  if (simple && name + options_.backup_suffix == last_component(item.source.name)) {
    Place backup = item.target;
    backup.name += options_.backup_suffix;
    const auto status = stat_place(backup, Follow::kNo);
    if (status && id_of(*status) == id_of(item.status)) {
      fail(fmt::format("backing up {} might destroy source;  {} not copied",
                       quote(item.target.shown), quote(item.source.shown)));
      return Verdict::kFailed;
    }
  }
  const Place backup = backup_place(item.target, options_);
  const auto moved = rename_place(item.target, backup);
  if (!moved && moved.error().number != ENOENT) {
    fail(fmt::format("cannot backup {}", quote(item.target.shown)), moved.error().number);
    return Verdict::kFailed;
  }
  if (moved) {
    item.backup = backup;
    item.backup_shown = backup.shown;
  }
  item.is_new = true;
  return Verdict::kGoOn;
}

/// What is replaced and not overwritten goes first: with --remove-destination, of several links,
/// and where something that is not a regular file is copied as it is.
Copier::Verdict Copier::remove_first(Item& item) {
  if (item.target_is_directory()) return Verdict::kGoOn;
  const bool goes = options_.remove_destination ||
                    (options_.preserve.links && item.target_status.st_nlink > 1) ||
                    (dereference() == Dereference::kNever && !item.is_regular());
  if (!goes) return Verdict::kGoOn;
  const auto removed = remove_place(item.target);
  if (!removed && removed.error().number != ENOENT) {
    fail(fmt::format("cannot remove {}", quote(item.target.shown)), removed.error().number);
    return Verdict::kFailed;
  }
  item.is_new = true;
  report_.line(fmt::format("removed {}", quote(item.target.shown)));
  return Verdict::kGoOn;
}

}  // namespace cowfs
