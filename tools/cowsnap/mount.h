// The door to a mounted cowfs: an open file or directory in it, and the requests of
// lib/api/ioctl.h.
//
// PATH may be any file or directory inside a mount; the requests work on the volume that it lies
// in. A file is only ever opened for reading. What cannot be opened without a side effect (FIFOs,
// sockets, devices) or may not be read stands for the directory that it lies in.
//
// Errors carry a whole sentence, "WHAT: WHY", and as code what the daemon said: kExists, kNotFound,
// kBusy, kNotPermitted, kReadOnly, kStale, kNoSpace, ...; kNotSupported where PATH is not inside a
// mount.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/api/ioctl.h"
#include "lib/base/error.h"
#include "lib/base/unique_fd.h"

namespace cowfs {

class Mount {
 public:
  static Result<Mount> open(const std::string& path);

  /// Makes a snapshot or a fork of the volume that the path lies in.
  Result<api::VolumeRecord> create(api::Kind kind, std::string_view name) const;
  Result<void> remove(std::string_view name) const;
  Result<void> rename(std::string_view name, std::string_view new_name) const;
  Result<void> sync() const;

  /// All volumes, oldest first.
  Result<std::vector<api::VolumeRecord>> list() const;

 private:
  Mount(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  template <typename Request>
  Result<void> ask(unsigned number, Request& request, std::string_view what) const;

  std::string path_;
  UniqueFd fd_;
};

}  // namespace cowfs
