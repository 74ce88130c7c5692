// The calls of random_steps.h that set and get access control lists.
#pragma once

#include "tests/mount/random_steps.h"

namespace mount_test {

// The bytes of an access control list, now and then not a sound one. The group's bits of the mode
// that it makes have execute: see do_umask.
inline std::vector<char> Side::acl_value() {
  std::vector<char> value{2, 0, 0, 0};
  const auto add = [&](char tag, std::uint32_t id) {
    const char some = static_cast<char>(pick({7, 7, 6, 5, 4, 0, 3}));
    const char permissions =
        one_in(100) ? '\11' : static_cast<char>(tag == 4 || tag == 16 ? some | 1 : some);
    for (const char byte : {tag, '\0', permissions, '\0'}) value.push_back(byte);
    for (unsigned shift = 0; shift < 32; shift += 8)
      value.push_back(static_cast<char>(id >> shift & 0xff));
  };
  constexpr std::uint32_t kNobody = 0xffffffff;
  const bool names_user = one_in(2);
  const bool names_group = one_in(3);
  const bool broken = one_in(20);
  if (!(broken && one_in(2))) add(1, kNobody);
  if (names_user) add(2, pick<std::uint32_t>({61001, 61002, 61003}));
  if (names_user && one_in(3)) add(2, pick<std::uint32_t>({61001, 61002, 61003}));
  add(4, kNobody);
  if (names_group) add(8, pick<std::uint32_t>({61001, 61002, 61100}));
  if (((names_user || names_group) && !broken) || one_in(5)) add(16, kNobody);
  add(32, kNobody);
  if (one_in(60)) value.pop_back();
  return value;
}

inline void Side::do_set_acl() {
  const std::string name = path();
  const char* attribute =
      pick({"system.posix_acl_access", "system.posix_acl_access", "system.posix_acl_default"});
  const std::vector<char> value = acl_value();
  const unsigned how = static_cast<unsigned>(below(6));
  const std::size_t index = slot();
  call("set acl", name, index, attribute, value.size(), how);
  data(value);
  watch(name);
  watch_fd(index);
  switch (how) {
    case 0: return result(::removexattr(name.c_str(), attribute));
    case 1: return result(::fsetxattr(fds_[index], attribute, value.data(), value.size(), 0));
    default: return result(::setxattr(name.c_str(), attribute, value.data(), value.size(), 0));
  }
}

inline void Side::do_get_acl() {
  const std::string name = path();
  const char* attribute = pick({"system.posix_acl_access", "system.posix_acl_default"});
  std::vector<char> buffer(pick<std::size_t>({0, 10, 256}));
  call("get acl", name, attribute, buffer.size());
  const auto n = ::getxattr(name.c_str(), attribute, buffer.data(), buffer.size());
  result(n);
  if (!buffer.empty()) data({buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0))});
}

}  // namespace mount_test
