// A regular file that gets its name only when it is whole.
//
// Made without a name (O_TMPFILE) in the directory where it belongs, then linked there; where the
// filesystem has no O_TMPFILE, under a temporary name, which goes when it is given up. So neither
// an error nor a kill leaves half a file under the name that was asked for.
#pragma once

#include <functional>

#include "tools/cowcp/user_files.h"

namespace cowfs {

class NewFile {
 public:
  /// `permissions` as for open(2). Errors as open(2) of the place itself would have them.
  static SystemResult<NewFile> create(const Place& place, mode_t permissions, bool readable);
  NewFile(NewFile&& other) noexcept;
  NewFile& operator=(NewFile&&) = delete;
  /// Takes the temporary name away where it was not published.
  ~NewFile();

  int fd() const { return fd_.get(); }
  /// Gives it its name. EEXIST where somebody else made one meanwhile.
  SystemResult<void> publish();
  /// Makes its name durable.
  SystemResult<void> sync_name();

 private:
  NewFile(UniqueFd held, int parent, std::string name)
      : held_(std::move(held)), parent_(parent), name_(std::move(name)) {}
  SystemResult<void> make_unnamed(mode_t permissions, int access);
  SystemResult<void> make_temporary(mode_t permissions, int access);

  UniqueFd held_;  // the directory, where the place's own is not it
  int parent_;     // the directory
  std::string name_;
  std::string temporary_;  // empty: it has no name
  UniqueFd fd_;
};

/// Puts what `make` makes in the place of what is there, which stays where making it fails: under a
/// temporary name beside it, then renamed. Not for directories.
SystemResult<void> replace_place(const Place& place,
                                 const std::function<SystemResult<void>(const Place&)>& make);

}  // namespace cowfs
