#!/bin/bash
# `-o ro` writes nothing to the store, whatever state the store is in.
. "$(dirname "$0")/lib.sh"

# Names, modes, owners, sizes, times and bytes of every file of the store.
store_digest() { digest "$STORE" >"$T/$1"; }

promise_a_read_only_mount_writes_nothing_after_a_clean_unmount() {
  only_cowfs
  mount_fresh
  small_tree "$MNT"
  snapshot s
  digest "$MNT" >tree.digest
  unmount
  store_digest before
  mount_again -o ro
  digest "$MNT" >seen.digest
  same_digest tree.digest seen.digest "the tree"
  digest --no-dir-links "$MNT/.cowfs/s" >/dev/null
  unmount
  store_digest after
  same_digest before after "the store"
}

promise_a_read_only_mount_writes_nothing_after_the_death_of_the_daemon() {
  only_cowfs
  mount_fresh
  small_tree "$MNT"
  sync "$MNT/hello"
  snapshot s
  exec 8>"$MNT/orphan"
  head -c 1000000 /dev/urandom >&8
  rm "$MNT/orphan"
  sync "$MNT"
  digest "$MNT" >tree.digest
  fork f
  "$COWSNAP" delete "$MNT" s
  kill_cowfs
  exec 8>&-
  store_digest before
  mount_again -o ro
  digest "$MNT" >seen.digest
  same_digest tree.digest seen.digest "the tree"
  unmount
  store_digest after
  same_digest before after "the store"
  mount_again
  digest "$MNT" >seen.digest
  same_digest tree.digest seen.digest "the tree, mounted for writing"
}

promise_every_change_is_refused() {
  local said='[Rr]ead-only file system'
  only_cowfs
  mount_fresh
  small_tree "$MNT"
  unmount
  store_digest before
  mount_again -o ro
  refused "$said" touch "$MNT/new"
  refused "$said" sh -c "echo x >>'$MNT/hello'"
  refused "$said" rm -f "$MNT/hello"
  refused "$said" mkdir "$MNT/new"
  refused "$said" chmod 600 "$MNT/hello"
  refused "$said" setfattr -n user.x -v y "$MNT/hello"
  refused "$said" truncate -s 0 "$MNT/hello"
  refused "$said" mkdir "$MNT/.cowfs/s"
  cat "$MNT/hello" >/dev/null
  sync "$MNT/hello"
  unmount
  store_digest after
  same_digest before after "the store"
}

promise_a_store_that_cannot_be_written_can_be_mounted_read_only() {
  only_cowfs
  need_root
  need_cowfs
  host_image ext4 64M "$T/host"
  STORE=$T/host/store
  make_store
  start_cowfs "$STORE" "$MNT"
  small_tree "$MNT"
  digest "$MNT" >tree.digest
  stop_cowfs "$MNT"
  mount -o remount,ro "$T/host"
  refused '.' "$COWFS" "$STORE" "$MNT"
  start_cowfs "$STORE" "$MNT" -o ro
  digest "$MNT" >seen.digest
  same_digest tree.digest seen.digest "the tree"
  stop_cowfs "$MNT"
}

run_promises "$@"
