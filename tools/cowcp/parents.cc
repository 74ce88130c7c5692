// --parents: the directories of a source's path are made in the destination too, with their
// attributes.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "tools/cowcp/copier_item.h"
#include "tools/cowcp/quote.h"

namespace cowfs {

/// One directory on the way.
struct Copier::MadeParent {
  Place source;
  Place target;
  struct stat status{};
  bool is_new = false;
  std::shared_ptr<UniqueFd> fd;  // the target
};

bool Copier::make_parent(MadeParent& parent) {
  const auto status = stat_place(parent.source, Follow::kYes);
  if (!status)
    return fail(fmt::format("failed to get attributes of {}", quote(parent.source.shown)),
                status.error().number);
  parent.status = *status;
  if (::mkdirat(parent.target.directory, parent.target.name.c_str(),
                (status->st_mode & 0700) | 0700) == 0) {
    parent.is_new = true;
    if (options_.names_each())
      report_.line(fmt::format("{} -> {}", parent.source.shown, parent.target.shown));
  } else if (errno != EEXIST) {
    return fail(fmt::format("cannot make directory {}", quote(parent.target.shown)), errno);
  }
  auto fd = open_place(parent.target, O_PATH | O_DIRECTORY | (parent.is_new ? O_NOFOLLOW : 0));
  if (!fd && fd.error().number == ENOTDIR) {
    return fail(fmt::format("{} exists but is not a directory", quote(parent.target.shown)));
  }
  if (!fd)
    return fail(fmt::format("cannot access {}", quote(parent.target.shown)), fd.error().number);
  parent.fd = std::make_shared<UniqueFd>(std::move(*fd));
  return true;
}

bool Copier::copy_with_parents(const std::string& operand) {
  const std::string source = without_trailing_slashes(operand);
  std::vector<MadeParent> made;
  std::shared_ptr<UniqueFd> directory = target_directory_;
  std::string shown = target_.shown;
  std::size_t begin = 0;
  for (std::size_t slash = source.find('/'); slash != source.npos;
       slash = source.find('/', begin)) {
    const std::string name = source.substr(begin, slash - begin);
    begin = slash + 1;
    if (name.empty() || name == ".") continue;
    const std::string path = source.substr(0, slash);
    MadeParent parent{.source = {AT_FDCWD, path, path},
                      .target = {directory->get(), name, join_path(shown, name)},
                      .fd = nullptr};
    if (!make_parent(parent)) return false;
    directory = parent.fd;
    shown = parent.target.shown;
    made.push_back(std::move(parent));
  }
  const std::string last = source.substr(begin);
  operand_target_ = join_path(shown, last);
  const Entry entry{.source = {AT_FDCWD, operand, operand},
                    .target = {directory->get(), last.empty() ? "." : last, operand_target_},
                    .parent = nullptr,
                    .command_line = true,
                    .target_directory = directory};
  bool all = copy_entry(entry) && walk();
  pool_.drain();
  for (auto parent = made.rbegin(); parent != made.rend(); ++parent) {
    const UniqueFd fd(::openat(parent->fd->get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const AttributeCopy what{.source = parent->source,
                             .target = parent->target,
                             .target_fd = fd.get(),
                             .status = parent->status,
                             .is_new = parent->is_new};
    if (parent->is_new || options_.preserve.mode || options_.preserve.timestamps ||
        options_.preserve.ownership) {
      const mode_t held_back = parent->is_new ? parent->status.st_mode & 07077 : 0;
      all = attributes_.copy(what, held_back) && all;
    }
    if (options_.sync && (!fd || ::fsync(fd.get()) != 0)) {
      all = fail(fmt::format("failed to sync {}", quote(parent->target.shown)), errno);
    }
  }
  return all;
}

}  // namespace cowfs
