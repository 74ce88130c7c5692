// The traces of `cowsim demo`.
#pragma once

#include <span>
#include <string_view>

namespace cowfs {

struct Demo {
  std::string_view name;
  std::string_view about;
  std::string_view trace;
};

std::span<const Demo> demos();

}  // namespace cowfs
