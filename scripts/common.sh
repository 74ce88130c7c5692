# Shared by the scripts of this folder: where things are, how to speak, which libfuse will do. Sourced, never run.
# shellcheck shell=bash
# shellcheck disable=SC2034  # These names are used by the scripts that source this.

scripts_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root_dir=$(dirname "$scripts_dir")
deps_dir=$root_dir/build/deps
libfuse_prefix=$deps_dir/libfuse

say() { printf '%s: %s\n' "${0##*/}" "$*"; }

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# libfuse_is_good VERSION: 3.17 or later, but not 3.18.0 (its ABI is broken) to 3.18.2 (memory errors, fixed in 3.18.3).
libfuse_is_good() {
  dpkg --compare-versions "$1" ge 3.17.0 || return 1
  dpkg --compare-versions "$1" lt 3.18 || dpkg --compare-versions "$1" ge 3.18.3
}

# The version that CMake will find: the private one first.
chosen_libfuse_version() {
  PKG_CONFIG_PATH="$libfuse_prefix/lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}" pkg-config --modversion fuse3
}

# cxx_sources: the C++ files of the repository, one a line, relative to its root.
cxx_sources() {
  local folder
  for folder in lib fs tools tests bench; do
    [ ! -d "$root_dir/$folder" ] || (cd "$root_dir" && find "$folder" -name '*.h' -o -name '*.cc')
  done | sort
}

# shell_scripts: the shell scripts of the repository, with or without an extension, relative to its root.
shell_scripts() {
  (cd "$root_dir" && grep -lIE '^#!.*\b(ba)?sh\b|^# shellcheck shell=' -r scripts .ci tests bench tools 2>/dev/null) | sort
}
