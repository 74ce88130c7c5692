// The one place that includes libfuse and knows how its versions differ (3.14 of Debian 12 up
// to 3.18.3).
//
// A feature that a version lacks is a capability of value 0 here, which is never granted, or a
// COWFS_FUSE_HAS_ macro of value 0. libfuse 3.18.0 has a broken ABI and is not supported.
#pragma once

#define FUSE_USE_VERSION 314

#include <fuse_lowlevel.h>

#include <cstdint>
#include <cstdio>
#include <tuple>

#define COWFS_FUSE_HAS_TMPFILE (FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17))
#define COWFS_FUSE_HAS_STATX (FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18))

#ifndef FUSE_CAP_HANDLE_KILLPRIV_V2
#define FUSE_CAP_HANDLE_KILLPRIV_V2 0
#endif
#ifndef FUSE_CAP_NO_EXPORT_SUPPORT
#define FUSE_CAP_NO_EXPORT_SUPPORT 0
#endif
#ifndef FUSE_CAP_OVER_IO_URING
#define FUSE_CAP_OVER_IO_URING 0
#endif

namespace cowfs::fuse_compat {

/// Whether the kernel and libfuse can do it.
inline bool is_capable(const fuse_conn_info& connection, std::uint64_t capability) {
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
  return capability != 0 && (connection.capable_ext & capability) == capability;
#else
  return capability != 0 && (connection.capable & capability) == capability;
#endif
}

/// Asks for a capability, or declines it. Asking for what is not offered would end the session
/// (EPROTO).
inline bool set_capability(fuse_conn_info& connection, std::uint64_t capability, bool wanted) {
  if (!is_capable(connection, capability)) return false;
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
  if (wanted) return fuse_set_feature_flag(&connection, capability);
  fuse_unset_feature_flag(&connection, capability);
#else
  const auto bits = static_cast<unsigned>(capability);
  connection.want = wanted ? connection.want | bits : connection.want & ~bits;
#endif
  return true;
}

template <typename Connection>
void disable_interrupts(Connection& connection) {
  if constexpr (requires { connection.no_interrupt = 1; }) connection.no_interrupt = 1;
}

template <typename Info>
concept HasKillFlag = requires(Info info) { info.kill_suidgid; };

/// Whether this libfuse, the one that runs, relays the kernel's "drop setuid and setgid" of a
/// write.
inline bool relays_write_kill() {
  if constexpr (HasKillFlag<fuse_file_info>) {
    int major = 0;
    int minor = 0;
    int patch = 0;
    (void)std::sscanf(fuse_pkgversion(), "%d.%d.%d", &major, &minor, &patch);
    return std::tuple(major, minor, patch) >= std::tuple(3, 18, 3);
  }
  return false;
}

template <typename Info>
bool write_kill_flag(const Info& info) {
  if constexpr (HasKillFlag<Info>) return info.kill_suidgid != 0;
  else return false;
}

/// 3.14 rejects "no limit of idle threads", so the limit of all threads alone is set there.
inline void set_unlimited_idle_threads([[maybe_unused]] fuse_loop_config* config) {
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
  fuse_loop_cfg_set_idle_threads(config, static_cast<unsigned>(-1));
#endif
}

}  // namespace cowfs::fuse_compat
