#!/bin/bash
# Stores on the host filesystems that cowfs is promised for.
. "$(dirname "$0")/lib.sh"

on_host() {
  local type=$1 size=$2 before
  only_cowfs
  need_cowfs
  host_image "$type" "$size" "$T/host"
  STORE=$T/host/store
  make_store
  start_cowfs "$STORE" "$MNT"
  before=$(used_bytes)
  small_tree "$MNT"
  head -c 20000000 /dev/urandom >"$MNT/large"
  digest --no-dir-links "$MNT" >s.digest
  snapshot s
  head -c 5000000 /dev/urandom | dd of="$MNT/large" bs=4k seek=700 conv=notrunc status=none
  printf x | dd of="$MNT/large" bs=1 seek=3 conv=notrunc status=none
  rm -rf "$MNT/dir"
  cp "$MNT/large" "$MNT/copy"
  cp "$MNT/large" expected
  fork f
  echo fork >"$(volume f)/hello"
  digest --no-dir-links "$(volume s)" >seen.digest
  same_digest s.digest seen.digest "the snapshot"
  sync "$MNT/large"
  kill_cowfs
  start_cowfs "$STORE" "$MNT"
  same_bytes expected "$MNT/copy"
  same_bytes expected "$MNT/large"
  digest --no-dir-links "$(volume s)" >seen.digest
  same_digest s.digest seen.digest "the snapshot after the daemon died"
  stop_cowfs "$MNT"
  start_cowfs "$STORE" "$MNT"
  same_bytes expected "$MNT/large"
  delete_volume s
  if [ -e "$(volume f)" ]; then delete_volume f; fi
  rm -rf "${MNT:?}"/*
  space_back $((before + 1048576))
  stop_cowfs "$MNT"
  umount "$T/host"
}

promise_a_store_works_on_ext4() { on_host ext4 256M; }
promise_a_store_works_on_xfs() { on_host xfs 512M; }
promise_a_store_works_on_btrfs() { on_host btrfs 512M; }
promise_a_store_works_on_tmpfs() { on_host tmpfs 256M; }

# failing_host TYPE SIZE: a store on a host of its own, with a file and a snapshot that were synced.
failing_host() {
  only_cowfs
  need_cowfs
  host_image "$1" "$2" "$T/host" "${3:-}"
  STORE=$T/host/store
  make_store
  start_cowfs "$STORE" "$MNT"
  head -c 3000000 /dev/urandom >expected
  cp expected "$MNT/kept"
  snapshot s
  "$COWSNAP" sync "$MNT"
}
# The host turns itself read-only, as ext4 does after an error of its disk.
promise_a_host_that_turns_read_only_is_told_and_loses_nothing() {
  failing_host ext4 256M errors=remount-ro
  local device
  device=$(basename "$(mount_source "$T/host")")
  [ -w "/sys/fs/ext4/$device/trigger_fs_error" ] || skip "this kernel has no trigger_fs_error"
  echo cowfs >"/sys/fs/ext4/$device/trigger_fs_error"
  refused 'Read-only file system|Input/output error' dd if=/dev/zero of="$MNT/new" bs=64k count=64 conv=fsync status=none
  refused 'Read-only file system|Input/output error' "$COWSNAP" sync "$MNT"
  refused 'Read-only file system|Input/output error' touch "$MNT/newer"
  same_bytes expected "$MNT/kept"
  same_bytes expected "$(volume s)/kept"
  at_least 1 "$(grep -c . "$T/daemon.log")" "lines in the log"
  at_most 6 "$(wc -l <"$T/daemon.log")" "lines in the log"
  "$COWFS" --unmount "$MNT" || true
  wait "$DAEMON" || true
  umount "$T/host"
}

# Somebody removes the store while it is mounted: errors, no lie, no hang.
promise_a_store_removed_underneath_is_told() {
  failing_host ext4 256M
  rm -rf "$STORE"
  local code=0
  (head -c 30000000 /dev/urandom >"$MNT/new" && sync "$MNT/new" && mkdir "$MNT/dir" && "$COWSNAP" sync "$MNT") 2>errors || code=$?
  [ "$code" != 0 ] || fail "all was written into a store that is gone"
  has "$(cat errors)" 'Input/output error|Read-only file system|No such file|Stale' "the error"
  at_most 6 "$(wc -l <"$T/daemon.log")" "lines in the log"
  code=0
  "$COWFS" --unmount "$MNT" || true
  wait "$DAEMON" || code=$?
  different 0 "$code" "exit code of a daemon that could not make all durable"
  refused 'no such|not a store|No such file|does not exist|there is no' "$COWFS" "$STORE" "$MNT" -f
  umount "$T/host"
}

run_promises "$@"
