#include "tools/cowsnap/report.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "tools/common/json.h"
#include "tools/common/print_text.h"
#include "tools/common/text.h"

namespace cowfs {
namespace {

Timestamp created(const api::VolumeRecord& volume) {
  return {volume.created_seconds, volume.created_nanoseconds};
}

bool has_parent(const api::VolumeRecord& volume) {
  return (volume.flags & api::kVolumeHasParent) != 0;
}

std::optional<std::string_view> parent_name(const api::VolumeRecord& volume,
                                            const std::vector<api::VolumeRecord>& all) {
  if (!has_parent(volume)) return std::nullopt;
  const auto parent = std::ranges::find(all, volume.parent, &api::VolumeRecord::id);
  if (parent == all.end()) return std::nullopt;
  return api::get_name(parent->name);
}

std::string parent_cell(const api::VolumeRecord& volume,
                        const std::vector<api::VolumeRecord>& all) {
  if (!has_parent(volume)) return "-";
  const auto name = parent_name(volume, all);
  return name ? escape_word(*name) : "(deleted)";
}

}  // namespace

const char* kind_name(const api::VolumeRecord& volume) {
  if (!has_parent(volume)) return "main";
  return (volume.flags & api::kVolumeReadOnly) != 0 ? "snapshot" : "fork";
}

std::string volume_table(const std::vector<api::VolumeRecord>& volumes) {
  std::vector<std::vector<std::string>> rows{{"NAME", "KIND", "PARENT", "CREATED"}};
  for (const api::VolumeRecord& volume : volumes) {
    rows.push_back({escape_word(api::get_name(volume.name)), kind_name(volume),
                    parent_cell(volume, volumes), format_utc(created(volume))});
  }
  return format_table(rows);
}

nlohmann::ordered_json volume_json(const api::VolumeRecord& volume,
                                   const std::vector<api::VolumeRecord>& all) {
  nlohmann::ordered_json out;
  set_bytes(out, "name", api::get_name(volume.name));
  out["id"] = volume.id;
  out["kind"] = kind_name(volume);
  out["read_only"] = (volume.flags & api::kVolumeReadOnly) != 0;
  out["mounted"] = (volume.flags & api::kVolumeMounted) != 0;
  out["parent_id"] = nullptr;
  if (has_parent(volume)) out["parent_id"] = volume.parent;
  out["parent"] = nullptr;
  if (const auto name = parent_name(volume, all)) set_bytes(out, "parent", *name);
  out["created"] = format_utc_exact(created(volume));
  return out;
}

void print_name(std::string_view name) {
  print_text("{}\n", ::isatty(STDOUT_FILENO) != 0 ? escape_controls(name) : std::string(name));
}

}  // namespace cowfs
