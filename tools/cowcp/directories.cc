// Directories: made, walked without recursion, finished when all below them is done.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "tools/cowcp/copier_item.h"
#include "tools/cowcp/quote.h"

namespace cowfs {

/// Pushes a frame; walk() goes through it.
bool Copier::copy_directory(Item& item) {
  if (is_own_ancestor(item)) {
    return fail(fmt::format("cannot copy cyclic symbolic link {}", quote(item.source.shown)));
  }
  auto copy = std::make_shared<DirectoryCopy>();
  copy->parent = item.entry.parent;
  copy->source = item.source;
  copy->target = item.target;
  copy->status = item.status;
  copy->is_new = item.is_new;
  if (item.is_new && !make_directory(item, *copy)) return false;
  copy->entered = !options_.one_file_system || item.status.st_dev == operand_device_;
  const bool opened = open_directory(item, *copy);
  if (copy->parent) ++copy->parent->under_way;
  stack_.push_back(std::move(copy));
  return opened;
}

bool Copier::make_directory(Item& item, DirectoryCopy& copy) {
  const mode_t wanted = item.status.st_mode & kPermissionBits;
  copy.omitted = options_.preserve.ownership ? 077 : 022;
  if (::mkdirat(item.target.directory, item.target.name.c_str(), wanted & ~copy.omitted) != 0) {
    return fail(fmt::format("cannot create directory {}", quote(item.target.shown)), errno);
  }
  const auto made = stat_place(item.target, Follow::kNo);
  if (!made)
    return fail(fmt::format("cannot stat {}", quote(item.target.shown)), made.error().number);
  copy.target_id = id_of(*made);
  if ((made->st_mode & S_IRWXU) != S_IRWXU) {
    copy.restore = made->st_mode & kPermissionBits;
    if (::fchmodat(item.target.directory, item.target.name.c_str(), *copy.restore | S_IRWXU, 0) !=
        0) {
      return fail(fmt::format("setting permissions for {}", quote(item.target.shown)), errno);
    }
  }
  if (!operand_directory_noted_) {
    operand_directory_noted_ = true;
    copied_.find_or_note(copy.target_id, {item.target, item.entry.target_directory});
  }
  report_.copying(item.source.shown, item.target.shown);
  return true;
}

/// Opens both sides. A target that we made must still be the directory that we made.
bool Copier::open_directory(Item& item, DirectoryCopy& copy) {
  const int no_link = copy.is_new || item.follow == Follow::kNo ? O_NOFOLLOW : 0;
  auto target = open_place(
      item.target, O_PATH | O_DIRECTORY | (item.entry.command_line && !copy.is_new ? 0 : no_link));
  if (!target) {
    copy.entered = false;
    return fail(fmt::format("cannot access {}", quote(item.target.shown)), target.error().number);
  }
  copy.target_fd = std::make_shared<UniqueFd>(std::move(*target));
  if (!copy.entered) return true;
  const int source_flags = O_RDONLY | O_DIRECTORY | (item.follow == Follow::kNo ? O_NOFOLLOW : 0);
  auto source = open_place(item.source, source_flags);
  if (source) {
    copy.source_fd = std::make_shared<UniqueFd>(std::move(*source));
    auto names = read_names(copy.source_fd->get());
    if (names) {
      copy.names = std::move(*names);
      return true;
    }
    source = std::unexpected(names.error());
  }
  copy.entered = false;
  return fail(fmt::format("cannot access {}", quote(item.source.shown)), source.error().number);
}

bool Copier::is_own_ancestor(const Item& item) const {
  for (const DirectoryCopy* up = item.entry.parent.get(); up != nullptr; up = up->parent.get()) {
    if (id_of(up->status) == id_of(item.status)) return true;
  }
  return false;
}

bool Copier::walk() {
  bool all = true;
  while (!stack_.empty()) {
    const std::shared_ptr<DirectoryCopy> copy = stack_.back();
    if (!copy->entered || copy->next == copy->names.size()) {
      stack_.pop_back();
      copy->names = {};
      let_go(copy);
      continue;
    }
    const std::string& name = copy->names[copy->next++].name;
    const Entry entry{.source = copy->source.below(copy->source_fd->get(), name),
                      .target = copy->target.below(copy->target_fd->get(), name),
                      .parent = copy,
                      .command_line = false,
                      .target_directory = copy->target_fd};
    all = copy_entry(entry) && all;
  }
  return all;
}

/// One who held the frame is done; the last one finishes it, and lets go of the one above.
void Copier::let_go(std::shared_ptr<DirectoryCopy> copy) {
  while (copy && --copy->under_way == 0) {
    finish_directory(*copy);
    copy = copy->parent;
  }
}

void Copier::finish_directory(DirectoryCopy& copy) {
  // What is below it is looked up in these no more.
  const int source = copy.source_fd ? copy.source_fd->get() : -1;
  UniqueFd target;
  if (copy.target_fd)
    target = UniqueFd(::openat(copy.target_fd->get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const Place itself{copy.target_fd ? copy.target_fd->get() : copy.target.directory,
                     copy.target_fd ? "." : copy.target.name, copy.target.shown};
  const AttributeCopy what{.source = copy.source,
                           .source_fd = source,
                           .target = itself,
                           .target_fd = target.get(),
                           .status = copy.status,
                           .is_new = copy.is_new};
  bool kept = attributes_.copy(what, copy.is_new ? copy.omitted : 0);
  if (copy.restore && !options_.preserve.mode && !options_.preserve.no_mode) {
    const mode_t given_back =
        *copy.restore | (copy.omitted & copy.status.st_mode & ~current_umask());
    if (target ? ::fchmod(target.get(), given_back) != 0
               : ::fchmodat(itself.directory, itself.name.c_str(), given_back, 0) != 0) {
      kept = fail(fmt::format("preserving permissions for {}", quote(copy.target.shown)), errno);
    }
  }
  if (options_.sync && target && ::fsync(target.get()) != 0) {
    kept = fail(fmt::format("failed to sync {}", quote(copy.target.shown)), errno);
  }
  if (!kept) jobs_failed_ = true;
  copy.source_fd.reset();
  if (!options_.preserve.links) copy.target_fd.reset();
  report_.entry_done("directory", copy.source.shown, copy.target.shown);
}

}  // namespace cowfs
