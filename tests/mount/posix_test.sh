#!/bin/bash
# What programs expect of any POSIX filesystem on Linux, at its corners: mappings, locks, O_DIRECT, big directories, large
# offsets, long names, files without names, a full disk.
. "$(dirname "$0")/lib.sh"

promise_mappings_reads_writes_and_direct_io_are_coherent() {
  mount_fresh
  "$(program mapped_files)" "$MNT"
}

promise_locks_exclude_other_processes() {
  mount_fresh
  "$(program file_locks)" "$MNT"
}

promise_positions_in_a_big_directory_are_stable() {
  mount_fresh
  "$(program big_directory)" "$MNT" "$(long && echo 1000000 || echo 100000)"
}

edges() {
  local code=0
  mount_fresh
  "$(program file_edges)" "$1" "$MNT" || code=$?
  [ "$code" != 3 ] || skip "$COWFS_TARGET has other limits"
  return "$code"
}
promise_files_reach_to_8_eib() { edges offsets; }
promise_names_reach_to_255_bytes() { edges names; }
promise_unlinked_files_live_until_their_last_close() { edges orphans; }
promise_unnamed_files_can_get_a_name() { edges unnamed; }
promise_the_time_of_birth_is_told() { edges birth; }
promise_times_are_kept_to_the_nanosecond() { edges times; }
promise_extended_attributes_have_the_limits_of_linux() { edges attributes; }
promise_hard_links_are_counted() { edges links; }
promise_appending_writers_do_not_overwrite_each_other() { edges appends; }

promise_large_attributes_are_kept() {
  only_cowfs
  mount_fresh
  touch "$MNT/file"
  head -c 60000 /dev/zero | tr '\0' 'v' >value
  setfattr -n user.large -v "$(cat value)" "$MNT/file"
  getfattr --only-values -n user.large "$MNT/file" >seen
  same_bytes value seen
}

promise_everything_is_still_there_after_a_remount() {
  mount_fresh
  small_tree "$MNT"
  digest "$MNT" >before.digest
  remount
  digest "$MNT" >after.digest
  same_digest before.digest after.digest "before and after the remount"
}

promise_unlinked_files_give_back_their_space_after_the_close() {
  local before
  mount_fresh
  before=$(used_bytes)
  exec 8>"$MNT/orphan"
  head -c 33554432 /dev/urandom >&8
  rm "$MNT/orphan"
  at_least $((before + 33000000)) "$(used_bytes)" "bytes used while it is open"
  exec 8>&-
  space_back $((before + 1048576))
}

# hold_unnamed BYTES: a file without a name is open in the job $HOLDER until fifo hold gets a line.
hold_unnamed() {
  need_tool perl
  mkfifo hold ready
  perl -e 'use Fcntl; sysopen(F, $ARGV[0], O_RDWR | 020200000, 0600) or exit 77; syswrite(F, "x" x $ARGV[1]); print "ready\n"; close STDOUT; <STDIN>' \
    "$MNT" "$1" <hold >ready 2>/dev/null &
  HOLDER=$!
  exec 9>hold
  read -r _ <ready || skip "no O_TMPFILE here"
}
let_go_unnamed() {
  echo go >&9
  exec 9>&-
  wait "$HOLDER" || true
  rm hold ready
}

promise_unnamed_files_go_with_the_death_of_the_daemon() {
  local before
  only_cowfs
  mount_fresh
  before=$(used_bytes)
  hold_unnamed 33554432
  "$COWSNAP" sync "$MNT"
  at_least $((before + 33000000)) "$(used_bytes)" "bytes used while it is open"
  kill_cowfs
  mount_again
  space_back $((before + 1048576))
  same '' "$(ls -A "$MNT")" "names"
  let_go_unnamed
}

promise_unnamed_files_are_not_in_snapshots() {
  local before
  only_cowfs
  need_snapshots
  mount_fresh
  echo x >"$MNT/file"
  before=$(used_bytes)
  hold_unnamed 33554432
  snapshot s
  fork f
  same file "$(ls -A "$(volume s)")" "names in the snapshot"
  let_go_unnamed
  space_back $((before + 1048576))
}

promise_the_working_directory_is_found_and_dot_dot_leads_up() {
  mount_fresh
  mkdir -p "$MNT/a/b/c"
  cd "$MNT/a/b/c"
  same "$MNT/a/b/c" "$(/bin/pwd)" "pwd"
  mv "$MNT/a/b" "$MNT/moved"
  same "$MNT/moved/c" "$(/bin/pwd)" "pwd after a rename"
  same "$(stat -c %i "$MNT")" "$(stat -c %i ../..)" "../.."
  cd "$T"
}

promise_executables_and_scripts_run() {
  mount_fresh
  cp /bin/true "$MNT/true"
  printf '#!%s/interpreter\nexit 1\n' "$MNT" >"$MNT/script"
  cp /bin/true "$MNT/interpreter"
  chmod 755 "$MNT"/*
  "$MNT/true"
  "$MNT/script"
  cp /bin/sleep "$MNT/sleep"
  "$MNT/sleep" 30 &
  local sleeper=$!
  until [ "$(readlink "/proc/$sleeper/exe")" = "$MNT/sleep" ]; do sleep 0.01; done
  refused 'busy' sh -c "echo x >'$MNT/sleep'"
  kill "$sleeper"
  wait "$sleeper" || true
}

promise_sockets_and_fifos_connect_programs() {
  mount_fresh
  mkfifo "$MNT/fifo"
  echo through >"$MNT/fifo" &
  local writer=$!
  same through "$(cat "$MNT/fifo")" "bytes through the FIFO"
  wait "$writer"
  perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0) or die; bind(S, sockaddr_un($ARGV[0])) or die "bind: $!"; listen(S, 1) or die;
    if (!fork) { socket(C, AF_UNIX, SOCK_STREAM, 0); connect(C, sockaddr_un($ARGV[0])) or die "connect: $!"; exit 0; }
    accept(A, S) or die; wait; exit($? >> 8)' "$MNT/socket"
  same socket "$(stat -c %F "$MNT/socket")" "kind of the socket"
}

# on_full_host TYPE: the store lies on a small filesystem that runs full.
on_full_host() {
  local type=$1 i
  only_cowfs
  need_cowfs
  host_image "$type" "$2" "$T/host"
  STORE=$T/host/store
  make_store "$STORE"
  start_cowfs "$STORE" "$MNT" -o commit=1
  mkdir "$MNT/keep"
  head -c 2000000 /dev/urandom >"$MNT/keep/data"
  cp "$MNT/keep/data" kept
  for i in $(seq 20); do echo "$i" >"$MNT/keep/small$i"; done
  head -c 30000000 /dev/urandom >"$MNT/old"
  snapshot s
  rm "$MNT/old"  # the snapshot alone holds it now
  refused 'No space left' sh -c "head -c 400000000 /dev/urandom >'$MNT/fill'"
  refused 'No space left' sh -c "i=0; while i=\$((i + 1)); do head -c 50000 /dev/urandom >'$MNT/fill'\$i || exit 1; done"
  refused 'No space left' sh -c "head -c 4000000 /dev/urandom | dd of='$MNT/keep/data' conv=notrunc bs=4k"
  same_bytes kept "$MNT/.cowfs/s/keep/data"
  ! room_again || fail "there is room on a full host"
  "$COWSNAP" delete "$MNT" s
  eventually 60 "room again after the snapshot's end" room_again
  refused 'No space left' sh -c "head -c 400000000 /dev/urandom >'$MNT/fill.again'"
  rm "$MNT"/fill*
  eventually 60 "room again after rm" room_again
  for i in $(seq 20); do same "$i" "$(cat "$MNT/keep/small$i")" "a small file"; done
  cp kept "$MNT/keep/data"
  stop_cowfs "$MNT"
  start_cowfs "$STORE" "$MNT"
  same_bytes kept "$MNT/keep/data"
  for i in $(seq 20); do same "$i" "$(cat "$MNT/keep/small$i")" "a small file after a remount"; done
  head -c 10000000 /dev/urandom >"$MNT/again"
  stop_cowfs "$MNT"
  umount "$T/host"
}
room_again() { head -c 10000000 /dev/zero | tr '\0' x >"$MNT/probe" 2>/dev/null && rm "$MNT/probe"; }
promise_a_full_ext4_host_is_reported_and_survived() { on_full_host ext4 128M; }
# btrfs writes each block to a new place unless it is told not to: nodes have to be writable all the same.
promise_a_full_btrfs_host_takes_deletes() {
  only_cowfs
  need_cowfs
  host_image btrfs 256M "$T/host"
  STORE=$T/host/store
  make_store "$STORE"
  start_cowfs "$STORE" "$MNT"
  refused 'No space left' dd if=/dev/zero of="$MNT/fill" bs=1M
  mkdir "$MNT/small"
  refused 'No space left' bash -c "i=0; while i=\$((i + 1)); do echo x >'$MNT/small/\$i' || exit 1; done"
  sync "$MNT/fill"
  timeout 60 rm -r "$MNT/fill" "$MNT/small"
  eventually 60 "room again after rm" room_again
  stop_cowfs "$MNT"
  umount "$T/host"
}
promise_a_full_tmpfs_host_is_reported_and_survived() { on_full_host tmpfs 100M; }

# Freed space waits for checkpoints: who needs it does not have to know that.
promise_space_of_what_was_just_removed_can_be_used_at_once() {
  only_cowfs
  need_cowfs
  host_image ext4 200M "$T/host"
  STORE=$T/host/store
  make_store "$STORE"
  start_cowfs "$STORE" "$MNT" -o commit=300
  head -c 80000000 /dev/urandom >expected
  for _ in 1 2 3; do
    dd if=expected of="$MNT/db" bs=1M conv=fsync status=none
    same_bytes expected "$MNT/db"
  done
  refused 'No space left' dd if=/dev/zero of="$MNT/fill" bs=1M
  rm "$MNT/fill"
  head -c 40000000 expected >smaller
  cp --sparse=never smaller "$MNT/again"
  same_bytes expected "$MNT/db"
  snapshot s
  rm "$MNT/again"
  refused 'No space left' dd if=/dev/zero of="$MNT/fill" bs=1M
  delete_volume s
  dd if=smaller of="$MNT/fill" bs=1M conv=notrunc status=none
  same_bytes smaller "$MNT/fill"
  stop_cowfs "$MNT"
  umount "$T/host"
}

promise_df_tells_the_hosts_room() {
  only_cowfs
  mount_fresh
  local host mine
  host=$(stat -f -c '%a * %S' "$STORE")
  mine=$(stat -f -c '%a * %S' "$MNT")
  at_most "$((host))" "$((mine))" "bytes free"
  at_least "$((host / 2))" "$((mine))" "bytes free"
  df "$MNT" >/dev/null
}

run_promises "$@"
