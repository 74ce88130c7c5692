// How cowsnap shows volumes: as a table, as JSON, and as a bare name.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "lib/api/ioctl.h"

namespace cowfs {

/// "main", "snapshot" or "fork".
const char* kind_name(const api::VolumeRecord& volume);

/// NAME, KIND, PARENT, CREATED; a parent that no volume of the list has is "(deleted)".
std::string volume_table(const std::vector<api::VolumeRecord>& volumes);

/// One volume as JSON; `all` is where the name of its parent is looked up.
nlohmann::ordered_json volume_json(const api::VolumeRecord& volume,
                                   const std::vector<api::VolumeRecord>& all);

/// A name as a line on stdout: its very bytes for a program, escaped for a terminal.
void print_name(std::string_view name);

}  // namespace cowfs
