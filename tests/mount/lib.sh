# shellcheck shell=bash
# Helpers of the tests of the mounted filesystem; sourced by every *_test.sh here.
#
# A script defines functions named promise_WHAT_IS_PROMISED and ends with `run_promises "$@"`, which runs each of them in a
# subshell of its own: own directory $T (the working directory), own store, own mount. A promise is kept when its function
# returns with every command successful (set -e). `bash X_test.sh REGEX` runs only the promises whose names match.
#
# Run as root, everything happens in a private mount namespace, so that no mount outlives the test, whatever happens to it.
# At the end of each promise, kept or not, sweep() unmounts what lies below $WORK (a hanging FUSE mount is aborted) and
# ends the processes of the promise.
#
# Exit code: 0 kept, 1 a promise broken, 77 nothing could be tried here. COWFS_NO_SKIP=1 turns a skip into a failure.
# COWFS_LONG=1: longer variants. COWFS_KEEP=1: $WORK stays for a look.
#
# COWFS_TARGET, for debugging the tests themselves, replaces cowfs by another filesystem behind the same functions:
# ext4, xfs, btrfs (with subvolumes as snapshots), tmpfs, overfuse (a FUSE mount: COWFS_OVERFUSE names passthrough_ll).

set -u
COWFS_TARGET=${COWFS_TARGET:-cowfs}
COWFS_LONG=${COWFS_LONG:-}
COWFS_PROMISE_LIMIT_S=${COWFS_PROMISE_LIMIT_S:-300}
TEST_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TEST_NAME=$(basename "$0" _test.sh)
COWFS_SRC_DIR=${COWFS_SRC_DIR:-$(cd "$TEST_DIR/../.." && pwd)}
COWFS_BIN_DIR=${COWFS_BIN_DIR:-$COWFS_SRC_DIR/build/release/bin}
COWFS=$COWFS_BIN_DIR/cowfs
MKFS=$COWFS_BIN_DIR/mkfs.cowfs
COWSNAP=$COWFS_BIN_DIR/cowsnap
LC_ALL=C TZ=UTC
export LC_ALL TZ COWFS_BIN_DIR COWFS_SRC_DIR

if [ "$(id -u)" = 0 ] && [ -z "${COWFS_TEST_NAMESPACE:-}" ]; then
  exec unshare --mount --propagation private env COWFS_TEST_NAMESPACE=1 bash "$0" "$@"
fi

# ---- reporting ----------------------------------------------------------------------------------------------------------

say() { printf '%s\n' "$*" >&2; }
fail() { say "FAILED: $*"; exit 1; }
skip() { say "SKIPPED: $*"; exit 77; }
long() { [ -n "$COWFS_LONG" ]; }
# only_cowfs: for what no substitute has.
only_cowfs() { [ "$COWFS_TARGET" = cowfs ] || skip "needs cowfs itself, not $COWFS_TARGET"; }
need_root() { [ "$(id -u)" = 0 ] || skip "needs root"; }
need_tool() {
  local tool
  for tool in "$@"; do command -v "$tool" >/dev/null || skip "$tool is not installed"; done
}
# program NAME: the path of a test program (tests/mount/NAME.cc), built by CMake.
program() {
  [ -x "$COWFS_BIN_DIR/$1" ] || { say "test program $COWFS_BIN_DIR/$1 is missing"; exit 1; }
  printf '%s\n' "$COWFS_BIN_DIR/$1"
}

# ---- assertions: each says what differed --------------------------------------------------------------------------------

same() {  # same EXPECTED SEEN WHAT
  [ "$1" = "$2" ] || fail "$3: expected '$1', seen '$2'"
}
different() { [ "$1" != "$2" ] || fail "$3: still '$1'"; }
at_most() {  # at_most LIMIT SEEN WHAT
  [ "$2" -le "$1" ] || fail "$3: expected at most $1, seen $2"
}
at_least() { [ "$2" -ge "$1" ] || fail "$3: expected at least $1, seen $2"; }
has() {  # has TEXT PATTERN WHAT (PATTERN: extended regular expression)
  grep -qE -- "$2" <<<"$1" || fail "$3: no '$2' in: $1"
}
has_not() { ! grep -qE -- "$2" <<<"$1" || fail "$3: '$2' in: $1"; }
same_bytes() {  # same_bytes EXPECTED_FILE SEEN_FILE
  cmp -- "$1" "$2" >&2 || fail "$2 differs from $1"
}
present() { local p; for p in "$@"; do [ -e "$p" ] || [ -L "$p" ] || fail "$p is missing"; done; }
absent() { local p; for p in "$@"; do { [ ! -e "$p" ] && [ ! -L "$p" ]; } || fail "$p exists"; done; }
# refused PATTERN COMMAND…: COMMAND fails and says PATTERN on stdout or stderr.
refused() {
  local pattern=$1 said code=0
  shift
  said=$("$@" 2>&1 </dev/null) || code=$?
  [ "$code" != 0 ] || fail "'$*' succeeded, expected: $pattern"
  grep -qE -- "$pattern" <<<"$said" || fail "'$*' (exit $code): expected '$pattern', said: $said"
}
# exit_code CODE COMMAND…
exit_code() {
  local expected=$1 code=0
  shift
  "$@" >/dev/null 2>&1 </dev/null || code=$?
  same "$expected" "$code" "exit code of '$*'"
}
digest() { "$(program tree_digest)" "$@"; }
# same_tree EXPECTED SEEN [tree_digest options]: names, kinds, modes, owners, links, sizes, times, attributes, contents.
same_tree() {
  local expected=$1 seen=$2
  shift 2
  digest "$@" "$expected" >"$T/expected.digest"
  digest "$@" "$seen" >"$T/seen.digest"
  same_digest "$T/expected.digest" "$T/seen.digest" "$expected and $seen"
}
same_digest() {
  diff -U0 "$1" "$2" >"$T/digest.diff" || { head -n 40 "$T/digest.diff" >&2; fail "trees differ: $3"; }
}
# eventually LIMIT_S WHAT COMMAND…: COMMAND becomes true within the limit (for work in the background only).
eventually() {
  local limit=$1 what=$2 end=$((SECONDS + $1))
  shift 2
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || fail "not within $limit s: $what"
    sleep 0.05
  done
}

# ---- mounting -----------------------------------------------------------------------------------------------------------

# mounted PATH: without touching the mount, which may hang.
mounted() {
  local escaped=$1
  escaped=${escaped//\\/\\134}; escaped=${escaped// /\\040}; escaped=${escaped//$'\t'/\\011}; escaped=${escaped//$'\n'/\\012}
  E="$escaped" awk '$5 == ENVIRON["E"] { found = 1 } END { exit !found }' /proc/self/mountinfo
}
unmounted() { ! mounted "$1"; }
mount_source() { E="$1" awk '$5 == ENVIRON["E"] { split($0, part, " - "); split(part[2], f, " "); print f[2] }' /proc/self/mountinfo; }
dead() { ! kill -0 "$1" 2>/dev/null; }
# ended PID…: no thread is left, not even one that waits in the kernel while the others are gone.
ended() {
  local p
  for p in "$@"; do
    [ ! -e "/proc/$p" ] || ! grep -hs '^State:' /proc/"$p"/task/*/status | grep -qv 'Z (zombie)' || return 1
  done
}

need_cowfs() {
  local f
  [ "$COWFS_TARGET" = cowfs ] || return 0
  [ -c /dev/fuse ] || skip "no /dev/fuse here"
  [ -r /dev/fuse ] && [ -w /dev/fuse ] || skip "no access to /dev/fuse"
  for f in "$COWFS" "$MKFS" "$COWSNAP"; do [ -x "$f" ] || fail "$f is missing"; done
}
make_store() {  # make_store [STORE]
  "$MKFS" "${1:-$STORE}" >/dev/null
}
# start_cowfs STORE MOUNTPOINT [options…]: the daemon in the foreground of a job of ours; its pid in $DAEMON.
start_cowfs() {
  local store=$1 mnt=$2
  shift 2
  "$COWFS" "$store" "$mnt" -f "$@" >>"$T/daemon.log" 2>&1 </dev/null &
  DAEMON=$!
  local end=$((SECONDS + 60))
  until mounted "$mnt"; do
    if dead "$DAEMON"; then cat "$T/daemon.log" >&2; fail "cowfs ended before it was mounted"; fi
    [ "$SECONDS" -lt "$end" ] || fail "cowfs was not ready within 60 s"
    sleep 0.01
  done
  # A mount is in the table before the daemon has done all it does before it serves: the first request waits for that.
  stat "$mnt" >/dev/null 2>&1 || true
}
# stop_cowfs MOUNTPOINT: unmounts, waits for the end of $DAEMON, which must be a clean one.
stop_cowfs() {
  local code=0
  "$COWFS" --unmount "$1" || fail "cowfs --unmount $1 failed"
  wait "$DAEMON" || code=$?
  same 0 "$code" "exit code of the daemon ($(tail -n 5 "$T/daemon.log"))"
  DAEMON=
}
# mount_fresh [options…]: a new store (or its substitute) mounted at $MNT.
mount_fresh() {
  case $COWFS_TARGET in
    cowfs) need_cowfs; make_store "$STORE"; start_cowfs "$STORE" "$MNT" "$@" ;;
    *) substitute_fresh ;;
  esac
}
mount_again() {  # the same store, after unmount
  case $COWFS_TARGET in
    cowfs) start_cowfs "$STORE" "$MNT" "$@" ;;
    *) substitute_again ;;
  esac
}
unmount() {
  case $COWFS_TARGET in
    cowfs) stop_cowfs "$MNT" ;;
    *) umount "$MNT" ;;
  esac
}
remount() { unmount; mount_again "$@"; }
# kill_cowfs: the daemon dies at once, the dead mount is taken away.
kill_cowfs() {
  kill -KILL "$DAEMON"
  wait "$DAEMON" 2>/dev/null || true
  umount -l "$MNT"
}

# host_image TYPE SIZE DIR [mount options]: a filesystem of TYPE in a file, mounted at DIR.
host_image() {
  local type=$1 size=$2 dir=$3 options=${4:-}
  need_root
  mkdir -p "$dir"
  if [ "$type" = tmpfs ]; then mount -t tmpfs -o "size=$size${options:+,$options}" tmpfs "$dir"; return; fi
  need_tool "mkfs.$type"
  local image=$WORK/image.$RANDOM$RANDOM
  truncate -s "$size" "$image"
  case $type in
    ext2 | ext4) "mkfs.$type" -q -F -m 0 "$image" ;;
    xfs) mkfs.xfs -q "$image" ;;
    btrfs) mkfs.btrfs -q "$image" >/dev/null ;;
  esac
  mount -o "loop${options:+,$options}" "$image" "$dir" || skip "this kernel cannot mount $type"
  rm -f "$image"  # the mount keeps it
  if [ "$type" != "${type#ext}" ]; then rmdir "$dir/lost+found"; fi
}
substitute_fresh() {
  mkdir -p "$T/sub"
  case $COWFS_TARGET in
    ext4 | xfs) host_image "$COWFS_TARGET" 4G "$T/sub" nosuid,nodev; mkdir "$T/sub/root" ;;
    btrfs) host_image btrfs 4G "$T/sub" nosuid,nodev; btrfs -q subvolume create "$T/sub/root"; mkdir "$T/sub/root/.cowfs" ;;
    tmpfs) host_image tmpfs 4G "$T/sub" nosuid,nodev; mkdir "$T/sub/root" ;;
    overfuse) mkdir "$T/sub/root" ;;
    *) fail "unknown COWFS_TARGET '$COWFS_TARGET'" ;;
  esac
  substitute_again
}
substitute_again() {
  if [ "$COWFS_TARGET" = overfuse ]; then
    "$COWFS_OVERFUSE" -o "source=$T/sub/root,allow_other,default_permissions,cache=always,xattr" "$MNT"
  else
    mount --bind "$T/sub/root" "$MNT"
  fi
}

# ---- snapshots and forks ------------------------------------------------------------------------------------------------

need_snapshots() {
  case $COWFS_TARGET in cowfs | btrfs) ;; *) skip "$COWFS_TARGET has no snapshots" ;; esac
}
snapshot() {  # snapshot NAME
  if [ "$COWFS_TARGET" = btrfs ]; then btrfs -q subvolume snapshot -r "$MNT" "$MNT/.cowfs/$1" >/dev/null
  else mkdir "$MNT/.cowfs/$1"; fi
}
fork() {  # fork NAME
  if [ "$COWFS_TARGET" = btrfs ]; then btrfs -q subvolume snapshot "$MNT" "$MNT/.cowfs/$1" >/dev/null
  else "$COWSNAP" fork "$MNT" "$1" >/dev/null; fi
}
delete_volume() {  # delete_volume NAME
  if [ "$COWFS_TARGET" = btrfs ]; then btrfs -q subvolume delete "$MNT/.cowfs/$1" >/dev/null
  else "$COWSNAP" delete "$MNT" "$1"; fi
}
volume() { printf '%s\n' "$MNT/.cowfs/$1"; }  # the path of volume NAME

# used_bytes [PATH]: what statfs calls used.
used_bytes() {
  local path=${1:-$MNT}
  if [ "$COWFS_TARGET" = btrfs ]; then btrfs filesystem sync "$path" >/dev/null; fi
  echo $(( ( $(stat -f -c '%b - %f' "$path") ) * $(stat -f -c %S "$path") ))
}
used_at_most() { [ "$(used_bytes)" -le "$1" ]; }
# space_back LIMIT: used bytes fall to the limit, which may take a while in the background.
space_back() {
  local end=$((SECONDS + 60))
  until used_at_most "$1"; do
    [ "$SECONDS" -lt "$end" ] || fail "space is not given back: expected at most $1 bytes used, seen $(used_bytes)"
    sleep 0.05
  done
}

# ---- running promises ---------------------------------------------------------------------------------------------------

own_mounts() { awk -v w="$WORK/" 'index($5, w) == 1 { print $3 "\t" $5 }' /proc/self/mountinfo | tac; }
# processes_naming TEXT: the pids of those that name it in their command line.
processes_naming() {
  local pids=(/proc/[0-9]*/cmdline)
  { grep -lsaF -f - "${pids[@]}" <<<"$1" || true; } | cut -d/ -f3
}
own_processes() { processes_naming "$WORK/"; }
abort_connection() {  # abort_connection MAJOR:MINOR of a FUSE mount
  local control=/sys/fs/fuse/connections/${1#*:}/abort
  [ -e /sys/fs/fuse/connections/"${1#*:}" ] || mount -t fusectl fusectl /sys/fs/fuse/connections 2>/dev/null || true
  if [ -w "$control" ]; then echo 1 >"$control"; fi
}
unmount_one() {
  if [ "$(id -u)" = 0 ]; then timeout -k 5 20 umount "$1" 2>/dev/null; else timeout -k 5 20 fusermount3 -u "$1" 2>/dev/null; fi
}
sweep() {
  local device path pid
  own_mounts | while IFS=$'\t' read -r device path; do
    path=$(printf '%b' "${path//\\0/\\00}")
    unmount_one "$path" && continue
    abort_connection "$device"
    umount -l "$path" 2>/dev/null || fusermount3 -uz "$path" 2>/dev/null || say "cannot unmount $path"
  done
  local end=$((SECONDS + 30))
  while [ "$SECONDS" -lt "$end" ] && [ -n "$(own_processes)" ]; do sleep 0.05; done
  for pid in $(own_processes); do kill -KILL "$pid" 2>/dev/null; done
}
abort_own_connections() {
  local device path
  own_mounts | while IFS=$'\t' read -r device path; do abort_connection "$device"; done
}

# one_promise NAME: in a process group of its own, ended when it takes too long.
one_promise() {
  local name=$1 code pid dog never
  exec {never}<>"$WORK/never"
  set -m
  (
    set -eEo pipefail
    trap 'code=$?; [ "$BASHPID" != $$ ] && [ "${FUNCNAME[0]:-}" != skip ] && say "  at line $LINENO of ${FUNCNAME[0]:-}: $BASH_COMMAND (exit $code)"' ERR
    T=$WORK/$name STORE=$WORK/$name/store MNT=$WORK/$name/mnt DAEMON=
    mkdir -p "$MNT"
    cd "$T"
    "$name"
  ) {never}<&- &
  pid=$!
  (
    read -r -t "$COWFS_PROMISE_LIMIT_S" _ <&"$never"
    say "TIMEOUT: $name did not end within $COWFS_PROMISE_LIMIT_S s"
    abort_own_connections
    kill -TERM -- "-$pid" 2>/dev/null
    read -r -t 20 _ <&"$never"
    kill -KILL -- "-$pid" 2>/dev/null
  ) &
  dog=$!
  set +m
  wait "$pid"
  code=$?
  kill -KILL -- "-$dog" 2>/dev/null
  wait "$dog" 2>/dev/null
  exec {never}<&-
  if [ "$code" != 0 ] && [ "$code" != 77 ] && [ -s "$WORK/$name/daemon.log" ]; then
    say "--- the daemon's last words:"
    tail -n 30 "$WORK/$name/daemon.log" >&2
  fi
  sweep
  return "$code"
}
run_promises() {
  local pattern=${1:-.} name code kept=0 broken=0 skipped=0 start
  WORK=$(realpath "$(mktemp -d "${TMPDIR:-/tmp}/cowfs-$TEST_NAME.XXXXXX")")
  chmod 711 "$WORK"
  mkfifo "$WORK/never"
  trap 'sweep; [ -n "${COWFS_KEEP:-}" ] || rm -rf --one-file-system "$WORK"' EXIT
  trap 'exit 130' INT TERM
  for name in $(grep -oE '^promise_[a-z0-9_]+' "$0" | grep -E -- "$pattern"); do
    start=$SECONDS
    one_promise "$name"  # not in a condition, where bash ignores set -e
    code=$?
    case $code in
      0) kept=$((kept + 1)); echo "ok      $name ($((SECONDS - start)) s)" ;;
      77) skipped=$((skipped + 1)); echo "skipped $name" ;;
      *) broken=$((broken + 1)); echo "FAILED  $name (exit $code)" ;;
    esac
    [ -n "${COWFS_KEEP:-}" ] || rm -rf --one-file-system "${WORK:?}/$name"
  done
  echo "$kept passed, $broken failed, $skipped skipped"
  [ "$broken" = 0 ] || exit 1
  if [ "$skipped" != 0 ] && [ -n "${COWFS_NO_SKIP:-}" ]; then exit 1; fi
  [ "$kept" != 0 ] || exit 77
}

# ---- shared by several scripts ------------------------------------------------------------------------------------------

# kill_in_flush NUMBER MOUNTPOINT PID [PREFIX…]: the daemon PID is killed, and ends, while the dirty pages of a mapping are on their
# way to it for a snapshot and the mapped file is written to beside that. By commands that PREFIX runs as somebody else.
kill_in_flush() {
  local i=$1 mnt=$2 pid=$3
  shift 3
  rm -f hold.fifo ready.fifo
  mkfifo hold.fifo ready.fifo
  "$@" "$(program dirty_mapping)" store "$mnt/mapped.$i" $((64 << 20)) "$i" <hold.fifo >ready.fifo 2>/dev/null &
  exec 9>hold.fifo
  read -r _ <ready.fifo
  "$@" sh -c "while echo more; do :; done >>'$mnt/mapped.$i'" 2>/dev/null &
  local writer=$!
  "$@" mkdir "$mnt/.cowfs/s$i" 2>/dev/null &
  sleep "0.0$((i * 15))"
  kill -KILL "$pid"
  eventually 20 "the end of a killed daemon" ended "$pid"
  exec 9>&-
  # Its writes fail now. It is not waited for to notice: where it was about to open the file, that may be on the disk below.
  pkill -KILL -P "$writer" || true
  kill -KILL "$writer" 2>/dev/null || true
}

# snapshot_script FILE: a program for test programs to call with a name: takes a snapshot of $MNT.
snapshot_script() {
  if [ "$COWFS_TARGET" = btrfs ]; then
    printf '#!/bin/sh\nexec btrfs -q subvolume snapshot -r "%s" "%s/.cowfs/$1" >/dev/null\n' "$MNT" "$MNT" >"$1"
  else
    printf '#!/bin/sh\nexec mkdir "%s/.cowfs/$1"\n' "$MNT" >"$1"
  fi
  chmod +x "$1"
}

# small_tree DIR: a tree with one of everything.
small_tree() {
  local d=$1 i
  mkdir -p "$d/dir/sub/deep" "$d/empty" "$d/sticky"
  chmod 1777 "$d/sticky"
  chmod 2775 "$d/dir/sub"
  printf 'hello\n' >"$d/hello"
  printf '' >"$d/nothing"
  head -c 100000 /dev/urandom >"$d/dir/odd"
  head -c 3145728 /dev/urandom >"$d/dir/sub/big"
  truncate -s 64M "$d/sparse"
  printf 'in the middle' | dd of="$d/sparse" bs=1 seek=33554432 conv=notrunc status=none
  ln "$d/hello" "$d/dir/hello.link"
  ln -s ../hello "$d/dir/to.hello"
  ln -s /nowhere/at/all "$d/dangling"
  mkfifo -m 640 "$d/fifo"
  chmod 4711 "$d/dir/odd"
  setfattr -n user.colour -v blue "$d/hello"
  setfattr -n user.empty "$d/dir"
  touch -d '2001-02-03 04:05:06.123456789' "$d/nothing" "$d/empty"
  if [ "$(id -u)" = 0 ]; then
    mknod "$d/null" c 1 3
    chown 61001:61002 "$d/dir/sub/big"
    setfattr -n trusted.colour -v red "$d/dir"
  fi
  for i in $(seq 60); do printf '%s\n' "$i" >"$d/dir/sub/deep/file$i"; done
}
