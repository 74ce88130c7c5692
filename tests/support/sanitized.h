// Whether this is a build with a sanitizer, in which tests that take long do less: the plain build
// does all of it.
#pragma once

namespace cowfs {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

/// As many as `plain`, or an eighth.
template <typename Number>
constexpr Number fewer_if_sanitized(Number plain) {
  return kSanitized ? plain / 8 : plain;
}

}  // namespace cowfs
