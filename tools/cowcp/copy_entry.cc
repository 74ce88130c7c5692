// One entry: look at both sides, settle what is there already, then make the copy by its kind.
#include <fmt/format.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>

#include "tools/cowcp/copier_item.h"
#include "tools/cowcp/new_file.h"
#include "tools/cowcp/quote.h"

namespace cowfs {
namespace {

/// Whether a target's own kind counts, so that a symbolic link there is not followed.
bool looks_at_the_name_itself(const CopyOptions& options, mode_t source_mode) {
  const bool replaced = !S_ISREG(source_mode) && (!options.copy_as_regular() ||
                                                  S_ISDIR(source_mode) || S_ISLNK(source_mode));
  return replaced || options.symbolic_link || options.hard_link ||
         options.backup != Backup::kNone || options.remove_destination;
}

}  // namespace

bool Copier::copy_entry(const Entry& entry) {
  Item item(entry);
  Verdict verdict = look_at_source(item);
  if (verdict == Verdict::kGoOn) verdict = look_at_target(item);
  if (verdict == Verdict::kGoOn && !item.is_new) verdict = settle_existing(item);
  if (verdict != Verdict::kGoOn) return verdict == Verdict::kDone;
  return copy_new(item);
}

bool Copier::copy_new(Item& item) {
  // A link that this very run made may lead anywhere.
  if (item.entry.command_line && !item.is_directory()) {
    const auto link = stat_place(item.target, Follow::kNo);
    if (link && S_ISLNK(link->st_mode) && !options_.remove_destination &&
        options_.backup == Backup::kNone && made_targets_.has(item.target.shown, id_of(*link))) {
      return fail(fmt::format("will not copy {} through just-created symlink {}",
                              quote(item.source.shown), quote(item.target.shown)));
    }
  }
  if (!item.is_directory())
    report_.copying(item.source.shown, item.target.shown, item.backup_shown);
  const Verdict linked = link_to_earlier(item);
  if (linked != Verdict::kGoOn) return linked == Verdict::kDone;
  const bool copied = copy_by_kind(item);
  if (!copied && item.noted) copied_.forget(id_of(item.status));
  if (!copied && item.backup) undo_backup(item);
  if (copied && item.entry.command_line) {
    if (const auto made = stat_place(item.target, Follow::kNo)) {
      made_targets_.add(item.target.shown, id_of(*made));
    }
  }
  return copied;
}

Copier::Verdict Copier::look_at_source(Item& item) {
  item.follow = follow_source(item.entry.command_line);
  const auto status = stat_place(item.source, item.follow);
  if (!status) {
    fail(fmt::format("cannot stat {}", quote(item.source.shown)), status.error().number);
    return Verdict::kFailed;
  }
  item.status = *status;
  if (item.is_directory() && !options_.recursive) {
    fail(fmt::format("-r not specified; omitting directory {}", quote(item.source.shown)));
    return Verdict::kFailed;
  }
  if (!item.entry.command_line) return Verdict::kGoOn;
  operand_device_ = item.status.st_dev;
  if (!item.is_directory() && options_.backup == Backup::kNone &&
      !named_sources_.add(item.source.shown, id_of(item.status))) {
    report_.warning(
        fmt::format("warning: source file {} specified more than once", quote(item.source.shown)));
    return Verdict::kDone;
  }
  return Verdict::kGoOn;
}

Copier::Verdict Copier::look_at_target(Item& item) {
  // Nothing of ours is in a directory that was just made; a stranger's is an error, as for cp. (The
  // look-up costs as much as a file without a name: docs/copying.md.)
  if (item.entry.parent != nullptr && item.entry.parent->is_new) {
    item.is_new = true;
    return Verdict::kGoOn;
  }
  auto status = stat_place(item.target, Follow::kNo);
  const bool is_link = status && S_ISLNK(status->st_mode);
  if (is_link && !looks_at_the_name_itself(options_, item.status.st_mode)) {
    status = stat_place(item.target, Follow::kYes);
    item.dangling = !status && status.error().number == ENOENT;
  }
  item.is_new = !status;
  if (status) item.target_status = *status;
  const bool looped = !status && status.error().number == ELOOP && options_.force;
  if (status || status.error().number == ENOENT || looped) return Verdict::kGoOn;
  fail(fmt::format("cannot stat {}", quote(item.target.shown)), status.error().number);
  return Verdict::kFailed;
}

/// Where the same inode was copied before: a hard link to its copy, or a directory that is met
/// again.
Copier::Verdict Copier::link_to_earlier(Item& item) {
  const FileId id = id_of(item.status);
  const Copied here{item.target, item.entry.target_directory};
  std::optional<Copied> earlier;
  if (item.is_directory()) {
    if (!options_.recursive) return Verdict::kGoOn;
    earlier = item.entry.command_line ? copied_.find_or_note(id, here) : copied_.find(id);
    item.noted = item.entry.command_line && !earlier;
    return earlier ? earlier_directory(item, *earlier) : Verdict::kGoOn;
  }
  const bool may_come_again =
      item.status.st_nlink > 1 || dereference() == Dereference::kAlways ||
      (dereference() == Dereference::kCommandLine && item.entry.command_line);
  if (!options_.preserve.links || options_.hard_link || !may_come_again) return Verdict::kGoOn;
  earlier = copied_.find_or_note(id, here);
  item.noted = !earlier;
  if (!earlier) return Verdict::kGoOn;
  if (!make_link_to(item, earlier->place, options_.names_each(), Follow::kNo)) {
    if (item.backup) undo_backup(item);
    return Verdict::kFailed;
  }
  report_.entry_done("hard link", item.source.shown, item.target.shown);
  return Verdict::kDone;
}

Copier::Verdict Copier::earlier_directory(Item& item, const Copied& earlier) {
  if (is_same_name(item.source, earlier.place)) {
    fail(fmt::format("cannot copy a directory, {}, into itself, {}", quote(operand_),
                     quote(operand_target_)));
    // Going on would meet what is being made, again and again.
    for (const auto& frame : stack_) frame->next = frame->names.size();
    return Verdict::kFailed;
  }
  if (is_same_name(item.target, earlier.place)) {
    report_.warning(
        fmt::format("warning: source directory {} specified more than once", quote(operand_)));
    return Verdict::kDone;
  }
  const bool followed = item.follow == Follow::kYes;
  if (followed) return Verdict::kGoOn;
  fail(fmt::format("will not create hard link {} to directory {}", quote(item.target.shown),
                   quote(earlier.place.shown)));
  return Verdict::kFailed;
}

/// A hard link, over an existing target too.
bool Copier::make_link_to(const Item& item, const Place& existing, bool verbose, Follow follow) {
  auto linked = make_hard_link(existing, item.target, follow);
  if (!linked && linked.error().number == EEXIST) {
    linked = replace_place(
        item.target, [&](const Place& place) { return make_hard_link(existing, place, follow); });
    if (linked && verbose) report_.line(fmt::format("removed {}", quote(item.target.shown)));
  }
  if (linked) return true;
  return fail(fmt::format("cannot create hard link {} to {}", quote(item.target.shown),
                          quote(existing.shown)),
              linked.error().number);
}

bool Copier::copy_by_kind(Item& item) {
  if (item.is_directory()) return copy_directory(item);
  if (options_.symbolic_link) return make_symbolic_link_to_source(item);
  if (options_.hard_link) {
    if (!item.is_new && !options_.force && options_.interactive != Interactive::kAsk) {
      const auto linked = make_hard_link(item.source, item.target, item.follow);
      if (!linked) {
        return fail(fmt::format("cannot create hard link {} to {}", quote(item.target.shown),
                                quote(item.source.shown)),
                    linked.error().number);
      }
    } else if (!make_link_to(item, item.source, false, item.follow)) {
      return false;
    }
    report_.entry_done("hard link", item.source.shown, item.target.shown);
    return true;
  }
  if (item.is_symlink()) return copy_symlink(item);
  if (item.is_regular() || options_.copy_as_regular()) return copy_regular(item);
  return copy_special(item);
}

/// -s: a link to the name that was given, which must be absolute unless the copy is made right
/// here.
bool Copier::make_symbolic_link_to_source(Item& item) {
  if (!item.source.shown.starts_with('/')) {
    const auto here = stat_place({AT_FDCWD, ".", {}}, Follow::kYes);
    const auto there =
        stat_place({item.target.directory, parent_path(item.target.name), {}}, Follow::kYes);
    if (here && there && id_of(*here) != id_of(*there)) {
      return fail(fmt::format("{}: can make relative symbolic links only in current directory",
                              quote_if_needed(item.target.shown)));
    }
  }
  auto made = make_symlink(item.source.shown, item.target);
  if (!made && made.error().number == EEXIST &&
      (options_.force || options_.interactive == Interactive::kAsk)) {
    made = replace_place(
        item.target, [&](const Place& place) { return make_symlink(item.source.shown, place); });
  }
  if (!made) {
    return fail(fmt::format("cannot create symbolic link {} to {}", quote(item.target.shown),
                            quote(item.source.shown)),
                made.error().number);
  }
  report_.entry_done("symbolic link", item.source.shown, item.target.shown);
  return true;
}

bool Copier::copy_symlink(Item& item) {
  const auto target = read_symlink(item.source);
  if (!target)
    return fail(fmt::format("cannot read symbolic link {}", quote(item.source.shown)),
                target.error().number);
  const auto made = make_symlink(*target, item.target);
  if (!made)
    return fail(fmt::format("cannot create symbolic link {}", quote(item.target.shown)),
                made.error().number);
  const AttributeCopy what{.source = item.source, .target = item.target, .status = item.status};
  const bool kept = attributes_.copy_special(what, 0);
  report_.entry_done("symbolic link", item.source.shown, item.target.shown);
  return kept;
}

bool Copier::copy_special(Item& item) {
  const mode_t omitted = options_.preserve.ownership ? 077 : 0;
  const mode_t mode = item.status.st_mode & ~omitted;
  const bool has_device = S_ISCHR(mode) || S_ISBLK(mode);
  const dev_t device = has_device ? item.status.st_rdev : 0;
  if (::mknodat(item.target.directory, item.target.name.c_str(), mode, device) != 0) {
    const char* kind = S_ISFIFO(mode) ? "fifo" : "special file";
    return fail(fmt::format("cannot create {} {}", kind, quote(item.target.shown)), errno);
  }
  const AttributeCopy what{.source = item.source, .target = item.target, .status = item.status};
  const bool kept = attributes_.copy_special(what, omitted & kPermissionBits);
  report_.entry_done(S_ISFIFO(mode) ? "fifo" : "special file", item.source.shown,
                     item.target.shown);
  return kept;
}

void Copier::undo_backup(const Item& item) {
  if (const auto back = rename_place(*item.backup, item.target); !back) {
    fail(fmt::format("cannot un-backup {}", quote(item.target.shown)), back.error().number);
  } else {
    report_.line(
        fmt::format("{} -> {} (unbackup)", quote(item.backup_shown), quote(item.target.shown)));
  }
}

}  // namespace cowfs
