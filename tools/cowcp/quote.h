// Names in messages, quoted so that a shell reads them back: 'a b', "it's", 'a'$'\n''b'; as GNU
// tools do.
#pragma once

#include <string>
#include <string_view>

namespace cowfs {

std::string quote(std::string_view name);
/// Quoted only where a shell needs it.
std::string quote_if_needed(std::string_view name);

}  // namespace cowfs
