// The words of `-o`: which are ours, which go on to the kernel, which say nothing to us.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fs/options.h"
#include "lib/base/error.h"

namespace cowfs {

/// Splits at commas; a backslash takes the meaning from the character after it.
std::vector<std::string> split_mount_options(std::string_view text);
/// The reverse for one word: commas and backslashes get a backslash.
std::string escape_mount_option(std::string_view word);

/// Applies one word. kInvalidArgument where it is unknown or its value is out of range.
Result<void> apply_mount_option(Options& options, std::string_view word);

/// Applies all words of one -o. `sloppy`: unknown words are skipped, as mount -s asks.
Result<void> apply_mount_options(Options& options, std::string_view text, bool sloppy);

}  // namespace cowfs
