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

run_promises "$@"
