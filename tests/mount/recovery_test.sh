#!/bin/bash
# The daemon dies (kill -9): the store mounts again without repair, at a consistent recent state, with all that was synced.
. "$(dirname "$0")/lib.sh"

# survivors of a kill: every name can be read, nothing reports an error.
readable() { digest "$MNT" >"$T/after.kill.digest"; }

promise_what_was_synced_survives() {
  local i
  only_cowfs
  mount_fresh
  for i in $(seq 50); do
    mkdir -p "$MNT/d$i"
    head -c $((i * 1000)) /dev/urandom >"$MNT/d$i/file"
    cp "$MNT/d$i/file" "expected$i"
    sync "$MNT/d$i/file" "$MNT/d$i"
  done
  kill_cowfs
  mount_again
  for i in $(seq 50); do same_bytes "expected$i" "$MNT/d$i/file"; done
}

promise_synced_overwrites_renames_and_removals_survive() {
  only_cowfs
  mount_fresh
  small_tree "$MNT"
  sync "$MNT/hello"
  printf 'new' | dd of="$MNT/dir/odd" conv=notrunc,fsync status=none
  mv "$MNT/hello" "$MNT/renamed"
  rm "$MNT/nothing"
  rm -r "$MNT/dir/sub/deep"
  setfattr -n user.late -v yes "$MNT/renamed"
  truncate -s 1000 "$MNT/dir/sub/big"
  sync "$MNT"
  digest "$MNT" >before.digest
  kill_cowfs
  mount_again
  digest "$MNT" >after.digest
  same_digest before.digest after.digest "before and after the kill"
}

promise_a_snapshot_that_was_synced_survives_and_is_unchanged() {
  only_cowfs
  mount_fresh
  small_tree "$MNT"
  digest --no-dir-links "$MNT" >s.digest
  snapshot s
  sync "$MNT/hello"
  echo changed >"$MNT/hello"
  head -c 3145728 /dev/urandom | dd of="$MNT/dir/sub/big" conv=notrunc status=none
  rm -rf "$MNT/dir/sub/deep"
  kill_cowfs
  mount_again
  digest --no-dir-links "$MNT/.cowfs/s" >seen.digest
  same_digest s.digest seen.digest "the snapshot after the kill"
}

# Whatever was going on: afterwards names, sizes and new files are of one instant, at or after the last sync.
promise_any_moment_of_a_kill_leaves_one_instant() {
  local i writers last
  only_cowfs
  mount_fresh
  for i in $(seq "$(long && echo 60 || echo 6)"); do
    rm -f "$T/shared"
    mkdir "$MNT/work$i"
    sync "$MNT/work$i"
    "$(program exact_cut)" write "$MNT/work$i" "$T/shared" 3 2>/dev/null &
    writers=$!
    for last in "$MNT/work$i"/{0,1,2}/last; do eventually 60 "$last" [ -e "$last" ]; done
    [ $((i % 2)) = 0 ] || sync "$MNT/work$i/0/last"
    "$(program exact_cut)" take "$T/shared" true "$T/cut"
    sync "$MNT/work$i/0/last"
    read -r -t "0.$((i * 37 % 10))" _ <> <(:) || true
    kill_cowfs
    wait "$writers" || true
    mount_again
    sed -i 's/ [0-9]*$/ 999999999/' "$T/cut"
    "$(program exact_cut)" check-crash "$MNT/work$i" "$T/cut" || fail "kill $i"
    readable
    rm -rf "$MNT/work$i"
  done
}

# A random tree, snapshots and deletions at work, killed many times: every volume can be read, what is a snapshot stays one.
promise_many_kills_under_load_leave_a_good_store() {
  local i worker name
  only_cowfs
  mount_fresh
  small_tree "$MNT"
  for i in $(seq "$(long && echo 40 || echo 6)"); do
    load "$i" >/dev/null 2>&1 &
    worker=$!
    read -r -t "0.$((3 + i % 6))" _ <> <(:) || true
    kill_cowfs
    wait "$worker" || true
    mount_again
    readable
    for name in "$MNT"/.cowfs/*; do
      name=$(basename "$name")
      [ "$name" != main ] || continue
      digest --no-dir-links "$MNT/.cowfs/$name" >"$T/now.digest"
      if [ -e "$T/known.$name" ]; then same_digest "$T/known.$name" "$T/now.digest" "volume $name after kill $i"; fi
      cp "$T/now.digest" "$T/known.$name"
    done
  done
  # Everything still works, and nothing is lost for ever.
  for name in "$MNT"/.cowfs/*; do
    name=$(basename "$name")
    [ "$name" = main ] || "$COWSNAP" delete "$MNT" "$name"
  done
  rm -rf "${MNT:?}"/*
  space_back 4194304
}
load() {
  local n=0
  while :; do
    n=$((n + 1))
    mkdir "$MNT/.cowfs/s$1.$n" || return
    cp -a "$MNT/dir" "$MNT/copy$n" || return
    head -c 200000 /dev/urandom | dd of="$MNT/dir/sub/big" bs=4k seek=$((n * 13 % 500)) conv=notrunc || return
    rm -rf "$MNT/copy$((n - 1))"
    if [ $((n % 3)) = 0 ]; then "$COWSNAP" delete "$MNT" "s$1.$((n - 1))" || return; fi
  done
}

promise_unlinked_open_files_are_freed_after_a_kill() {
  local before
  only_cowfs
  mount_fresh
  before=$(used_bytes)
  exec 8>"$MNT/orphan"
  head -c 30000000 /dev/urandom >&8
  rm "$MNT/orphan"
  sync "$MNT"
  kill_cowfs
  exec 8>&-
  mount_again
  same "" "$(ls -A "$MNT")" "names"
  space_back $((before + 2097152))
}

# Also where the kernel still knows the attributes of its root.
promise_nothing_is_mounted_over_a_dead_mount() {
  only_cowfs
  mount_fresh
  echo hello >"$MNT/file"
  ls -ld "$MNT" >/dev/null
  cat "$MNT/file" >/dev/null
  kill -KILL "$DAEMON"
  wait "$DAEMON" 2>/dev/null || true
  refused 'a mount without a daemon is here' "$COWFS" "$STORE" "$MNT"
  same 1 "$(grep -c " $MNT " /proc/self/mountinfo)" "mounts"
  umount "$MNT"
  mount_again
  same hello "$(cat "$MNT/file")" "content"
}

promise_a_dead_mount_gives_errors_and_can_be_taken_away() {
  only_cowfs
  mount_fresh
  echo hello >"$MNT/file"
  sync "$MNT/file"
  kill -KILL "$DAEMON"
  wait "$DAEMON" || true
  refused 'not connected|Transport endpoint' ls "$MNT"
  "$COWFS" --unmount "$MNT" || umount -l "$MNT"
  unmounted "$MNT" || fail "still mounted"
  mount_again
  same hello "$(cat "$MNT/file")" "file"
}

run_promises "$@"
