#include "tools/cowsnap/commands.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tools/common/json.h"
#include "tools/common/message.h"
#include "tools/common/print_text.h"
#include "tools/cowsnap/mount.h"
#include "tools/cowsnap/report.h"
#include "tools/cowsnap/volume_name.h"

namespace cowfs {
namespace {

constexpr unsigned kDefaultNameAttempts = 1000;

ExitCode failed(const Error& error) {
  print_error(kCowsnap, error.text);
  return ExitCode::kFailed;
}

/// A name that cannot be is a usage error: nothing was tried.
ExitCode bad_name(const Error& error) {
  print_error(kCowsnap, error.text);
  return ExitCode::kUsage;
}

Result<api::VolumeRecord> create_by_time(const Mount& mount, api::Kind kind) {
  const Timestamp time = now();
  for (unsigned attempt = 1;; ++attempt) {
    auto made = mount.create(kind, default_snapshot_name(time, attempt));
    const bool taken = !made && made.error().code == ErrorCode::kExists;
    if (!taken || attempt == kDefaultNameAttempts) return made;
  }
}

void print_created(const Mount& mount, const api::VolumeRecord& volume, const char* command,
                   Output output) {
  if (output.quiet) return;
  if (!output.json) return print_name(api::get_name(volume.name));
  auto answer = json_answer(kCowsnap, command);
  answer["volume"] = volume_json(volume, mount.list().value_or(std::vector{volume}));
  print_json(answer);
}

}  // namespace

ExitCode create_volume(const std::string& path, api::Kind kind,
                       const std::optional<std::string>& name, Output output) {
  if (name) {
    if (const auto valid = check_volume_name(*name); !valid) return bad_name(valid.error());
  }
  const auto mount = Mount::open(path);
  if (!mount) return failed(mount.error());
  const auto made = name ? mount->create(kind, *name) : create_by_time(*mount, kind);
  if (!made) return failed(made.error());
  print_created(*mount, *made, kind == api::Kind::kSnapshot ? "create" : "fork", output);
  return finish_output(kCowsnap, ExitCode::kOk);
}

ExitCode list_volumes(const std::string& path, Output output) {
  const auto mount = Mount::open(path);
  if (!mount) return failed(mount.error());
  const auto volumes = mount->list();
  if (!volumes) return failed(volumes.error());
  if (output.json) {
    auto answer = json_answer(kCowsnap, "list");
    answer["volumes"] = nlohmann::ordered_json::array();
    for (const auto& volume : *volumes) answer["volumes"].push_back(volume_json(volume, *volumes));
    print_json(answer);
  } else {
    print_text("{}", volume_table(*volumes));
  }
  return finish_output(kCowsnap, ExitCode::kOk);
}

ExitCode rename_volume(const std::string& path, const std::string& name,
                       const std::string& new_name) {
  for (const std::string& each : {name, new_name}) {
    if (const auto valid = check_volume_name(each); !valid) return bad_name(valid.error());
  }
  const auto mount = Mount::open(path);
  if (!mount) return failed(mount.error());
  const auto renamed = mount->rename(name, new_name);
  return renamed ? ExitCode::kOk : failed(renamed.error());
}

ExitCode delete_volumes(const std::string& path, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (const auto valid = check_volume_name(name); !valid) return bad_name(valid.error());
  }
  const auto mount = Mount::open(path);
  if (!mount) return failed(mount.error());
  std::size_t deleted = 0;
  for (const std::string& name : names) {
    if (const auto result = mount->remove(name)) {
      ++deleted;
    } else {
      print_error(kCowsnap, result.error().text);
    }
  }
  if (deleted == names.size()) return ExitCode::kOk;
  return deleted == 0 ? ExitCode::kFailed : ExitCode::kPartial;
}

ExitCode sync_store(const std::string& path) {
  const auto mount = Mount::open(path);
  if (!mount) return failed(mount.error());
  const auto synced = mount->sync();
  return synced ? ExitCode::kOk : failed(synced.error());
}

}  // namespace cowfs
