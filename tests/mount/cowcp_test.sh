#!/bin/bash
# cowcp: every method on every filesystem, whole trees in one request, permissions, full disks, interrupted runs.
. "$(dirname "$0")/lib.sh"
COWCP=$COWFS_BIN_DIR/cowcp

as() { local uid=$1; shift; setpriv --reuid "$uid" --regid "$uid" --clear-groups --inh-caps=-all -- "$@"; }
method_of() { "$COWCP" --debug "$@" | sed -n "s/.*: \(clone-tree\|clone\|copy-range\|mmap\|read-write\).*/\1/p" | tail -n 1; }
interesting_files() {  # interesting_files DIR: sizes around pages and windows, holes at all places
  local d=$1 size
  mkdir -p "$d"
  for size in 0 1 4095 4096 4097 8388607 8388609; do head -c $size /dev/urandom >"$d/size.$size"; done
  truncate -s 5G "$d/only.hole"
  truncate -s 1G "$d/holes"
  for size in 0 70000 500000000 1073741823; do printf 'data %s' $size | dd of="$d/holes" bs=1 seek=$size conv=notrunc status=none; done
  head -c 3000000 /dev/urandom >"$d/data.then.hole"
  truncate -s 30M "$d/data.then.hole"
  printf 'x' >"$d/"$'odd\nname\xff'
}
methods_on() {  # methods_on TYPE SIZE: all real methods keep bytes, holes and attributes
  local type=$1 method
  if [ "$type" = cowfs ]; then mount_fresh; else host_image "$type" "$2" "$MNT"; fi
  interesting_files "$MNT/from"
  for method in auto clone copy-range mmap read-write; do
    case $method:$type in clone:ext4 | clone:tmpfs) continue ;; esac
    "$COWCP" -a --method=$method "$MNT/from" "$MNT/$method"
    same_tree "$MNT/from" "$MNT/$method" --no-times
    at_most 2000000 "$(du -k --apparent-size "$MNT/$method/size.8388609" | cut -f1)" "size"
    at_most 200 "$(du -k "$MNT/$method/only.hole" | cut -f1)" "KiB of a copied hole by $method"
    at_most 4000 "$(du -k "$MNT/$method/holes" | cut -f1)" "KiB of a copied file with holes by $method"
    echo old >"$MNT/over"
    "$COWCP" --method=$method "$MNT/from/size.8388609" "$MNT/over"
    same_bytes "$MNT/from/size.8388609" "$MNT/over"
    rm -rf "${MNT:?}/$method" "$MNT/over"
  done
  if [ "$type" = cowfs ]; then unmount; else umount "$MNT"; fi
}
promise_every_method_copies_exactly_on_ext4() { methods_on ext4 512M; }
promise_every_method_copies_exactly_on_xfs() { methods_on xfs 512M; }
promise_every_method_copies_exactly_on_btrfs() { methods_on btrfs 512M; }
promise_every_method_copies_exactly_on_tmpfs() { methods_on tmpfs 256M; }
promise_every_method_copies_exactly_on_cowfs() { only_cowfs; methods_on cowfs; }

promise_it_clones_where_anything_can_and_says_why_not() {
  only_cowfs
  mount_fresh
  host_image btrfs 256M "$T/btrfs"
  host_image ext4 64M "$T/ext4"
  for d in "$MNT" btrfs ext4; do head -c 1000000 /dev/urandom >"$d/f"; done
  same clone "$(method_of "$MNT/f" "$MNT/g")" "method on cowfs"
  same clone "$(method_of btrfs/f btrfs/g)" "method on btrfs"
  has "$("$COWCP" --debug ext4/f ext4/g)" 'host filesystem cannot clone' "ext4"
  has "$("$COWCP" --debug "$MNT/f" ext4/g)" 'not the same mount' "from cowfs to ext4"
  same_bytes "$MNT/f" ext4/g
  refused 'failed to clone' "$COWCP" --reflink=always ext4/f ext4/new
  absent ext4/new
  echo there >ext4/old
  refused 'failed to clone' "$COWCP" --reflink=always ext4/f ext4/old
  same there "$(cat ext4/old)" "a target that could not be cloned to"
  "$COWCP" --reflink=always "$MNT/f" "$MNT/h"
  same_bytes "$MNT/f" "$MNT/h"
  umount btrfs ext4
}

promise_a_full_disk_leaves_no_new_file_and_names_the_old_one() {
  local method
  need_root
  host_image tmpfs 8M "$MNT"
  head -c 20000000 /dev/urandom >big
  for method in auto copy-range mmap read-write; do
    refused "error writing '$MNT/new': No space left on device" "$COWCP" --method=$method big "$MNT/new"
    same '' "$(ls -A "$MNT")" "what $method left"
    echo old >"$MNT/old"
    refused "'$MNT/old' is incomplete" "$COWCP" --method=$method big "$MNT/old"
    rm "$MNT/old"
  done
  umount "$MNT"
}

promise_a_source_that_shrinks_is_an_error_and_no_crash() {
  local i code
  head -c 100M /dev/zero >big
  for i in $(seq "$(long && echo 20 || echo 3)"); do
    truncate -s 100M big
    ( for _ in $(seq 60); do truncate -s 1000 big; truncate -s 100M big; done ) &
    code=0
    "$COWCP" --method=mmap --sparse=auto big copy.$i 2>said || code=$?
    wait $!
    [ "$code" -le 1 ] || fail "exit code $code: $(cat said)"
    if [ "$code" = 1 ]; then
      has "$(cat said)" "error reading 'big'" "what it said"
      absent "copy.$i"
    fi
    rm -f "copy.$i"
  done
}

# What the copy has is what the source had at some moment: a prefix of what is appended, of at least the size at the beginning.
promise_a_source_that_grows_is_copied_as_far_as_it_was() {
  local method pid
  for method in mmap copy-range read-write; do
    head -c 40M /dev/zero | tr '\0' a >big
    (while :; do head -c 100000 /dev/zero | tr '\0' b; done >>big) &
    pid=$!
    "$COWCP" "--method=$method" big "copy.$method"
    kill "$pid"
    wait "$pid" 2>/dev/null || true
    at_least $((40 << 20)) "$(stat -c %s "copy.$method")" "bytes copied with $method"
    cmp -n "$(stat -c %s "copy.$method")" big "copy.$method"
    rm big "copy.$method"
  done
}

promise_json_is_one_object_a_line_for_any_name() {
  need_tool jq
  mkdir -p tree/dir
  head -c 100000 /dev/urandom >tree/file
  echo x >"tree/dir/$(printf 'new\nline')"
  echo x >"tree/$(printf 'no\xffutf8')"
  ln -s nowhere tree/link
  "$COWCP" --json -r tree copy >lines
  same 7 "$(wc -l <lines)" "lines"
  same 7 "$(jq -s 'length' lines)" "objects"
  same 3 "$(jq -s 'map(select(.type == "file")) | length' lines)" "files"
  same 100004 "$(jq -s 'map(select(.type == "summary"))[0] | .copied_bytes + .shared_bytes' lines)" "bytes in the summary"
  same 3 "$(jq -s 'map(select(.type == "summary"))[0].files' lines)" "files in the summary"
  same 747265652f6e6fff75746638 "$(jq -r 'select(.source_hex) | .source_hex' lines)" "the name that is no UTF-8"
  local code=0
  "$COWCP" --json tree/none there >lines 2>said || code=$?
  same 1 "$code" "exit code"
  same 1 "$(jq '.failures' lines)" "failures"
  has "$(cat said)" "cannot stat 'tree/none': No such file" "what it said"
}

# --sync: each file, and each directory that got a name, is synced after its last change; without it nothing is.
promise_sync_makes_all_that_was_copied_durable() {
  need_tool strace
  mkdir -p tree/dir
  echo one >tree/file
  echo two >tree/dir/file
  strace -f -o plain.trace -e trace=fsync,fdatasync,syncfs "$COWCP" -r tree plain
  same 0 "$(grep -c 'sync' plain.trace || true)" "syncs without --sync"
  strace -f -y -o sync.trace -e trace=fsync,fdatasync,syncfs "$COWCP" --sync -r tree synced
  local synced path
  synced=$(sed -n 's/.*sync([0-9]*<\([^>]*\)>.*/\1/p' sync.trace)
  for path in "$PWD" "$PWD/synced" "$PWD/synced/dir"; do
    has "$synced" "^$path\$" "the directories that were synced"
  done
  at_least 5 "$(wc -l <<<"$synced")" "syncs of two files and three directories"
  # A name alone, and directories made for --parents.
  ln -s nowhere link
  mkdir target
  strace -f -y -o sync.trace -e trace=fsync "$COWCP" --sync -P link target/
  has "$(cat sync.trace)" "<$PWD/target>" "the directory that got a link"
  strace -f -y -o sync.trace -e trace=fsync "$COWCP" --sync --parents tree/dir/file target
  for path in target target/tree target/tree/dir; do has "$(cat sync.trace)" "<$PWD/$path>" "the directories of --parents"; done
}

promise_new_files_have_no_name_until_they_are_whole() {
  only_cowfs
  need_tool strace
  mount_fresh
  echo hello >"$MNT/file"
  exec 8<"$MNT"
  perl -e 'use Fcntl; sysopen(F, "/proc/self/fd/8", O_RDWR | 020200000, 0600) or exit 1' || skip "no O_TMPFILE here"
  exec 8<&-
  strace -f -e trace=openat,open,linkat -o trace "$COWCP" "$MNT/file" "$MNT/copy"
  has "$(cat trace)" 'O_TMPFILE.*= [0-9]' "system calls of cowcp"
  has "$(cat trace)" 'linkat.*= 0' "system calls of cowcp"
  same hello "$(cat "$MNT/copy")" "the copy"
}

promise_a_killed_run_leaves_nothing_under_the_name() {
  local signal
  host_image ext4 512M "$MNT"
  head -c 150M /dev/urandom >"$MNT/big"
  for signal in INT TERM KILL; do
    timeout -s $signal 0.05 "$COWCP" --method=read-write "$MNT/big" "$MNT/copy" || true
    [ ! -e "$MNT/copy" ] || same_bytes "$MNT/big" "$MNT/copy"
    same 0 "$(find "$MNT" -name '.cowcp-*' | wc -l)" "temporary names after $signal"
    rm -f "$MNT/copy"
  done
  umount "$MNT"
}

promise_nothing_is_written_outside_of_the_destination() {
  local i
  mkdir from from/d outside
  for i in $(seq 200); do echo x >"from/d/f$i"; done
  ( while [ ! -e stop ]; do { mv to/d to/e && ln -s "$T/outside" to/d; rm -f to/d; } 2>/dev/null || true; done ) &
  for i in $(seq "$(long && echo 100 || echo 8)"); do
    until rm -rf to 2>/dev/null && mkdir to 2>/dev/null; do :; done
    "$COWCP" -rT from to >/dev/null 2>&1 || true
  done
  touch stop
  wait $!
  same '' "$(ls -A outside)" "what was written outside"
}

promise_a_whole_tree_is_one_request() {
  only_cowfs
  mount_fresh -o allow_other
  mkdir "$MNT/tree"
  small_tree "$MNT/tree"
  ls "$MNT/copy" 2>/dev/null || true  # the kernel remembers that there is none
  has "$("$COWCP" -a --stats "$MNT/tree" "$MNT/copy")" 'clone-tree 1' "what it did"
  same_tree "$MNT/tree" "$MNT/copy"
  cp -r "$MNT/tree" "$MNT/by.cp"
  has "$("$COWCP" -r --stats "$MNT/tree" "$MNT/plain")" 'clone-tree 1' "what it did"
  same_tree "$MNT/by.cp" "$MNT/plain" --no-times
  ( umask 077; cp -r "$MNT/tree" "$MNT/by.cp.077"; "$COWCP" -r "$MNT/tree" "$MNT/plain.077" )
  same_tree "$MNT/by.cp.077" "$MNT/plain.077" --no-times
  snapshot s
  has "$("$COWCP" -a --stats "$(volume s)/tree" "$MNT/from.snapshot")" 'clone-tree 1' "from a snapshot"
  same_tree "$MNT/tree" "$MNT/from.snapshot"
  refused 'into itself' "$COWCP" -r "$MNT/tree" "$MNT/tree/inside"
  kill_cowfs
  mount_again
  same_tree "$MNT/from.snapshot" "$MNT/copy"  # acknowledged survives
}

promise_dirty_pages_are_in_the_copy_of_a_tree() {
  only_cowfs
  mount_fresh
  mkdir "$MNT/tree"
  head -c 40960 /dev/zero >"$MNT/tree/f"
  python3 - "$MNT" "$COWCP" <<'PY'
import mmap, subprocess, sys
mount, cowcp = sys.argv[1:]
with open(mount + "/tree/f", "r+b") as file:
    pages = mmap.mmap(file.fileno(), 40960)
    pages[5000:5005] = b"dirty"
    out = subprocess.run([cowcp, "-r", "--stats", mount + "/tree", mount + "/copy"], check=True, capture_output=True, text=True).stdout
    assert "clone-tree 1" in out, out
    assert open(mount + "/copy/f", "rb").read()[5000:5005] == b"dirty"
PY
}

promise_a_tree_is_copied_for_those_who_may_read_it() {
  only_cowfs
  need_root
  need_tool setpriv
  mount_fresh -o allow_other
  chmod 1777 "$MNT"
  as 61001 sh -c "mkdir -p '$MNT/tree/open' '$MNT/tree/private'; echo x >'$MNT/tree/open/f'; echo secret >'$MNT/tree/private/s'"
  has "$(as 61001 "$COWCP" -r --stats "$MNT/tree" "$MNT/own")" 'clone-tree 1' "the owner's copy"
  has "$(as 61002 "$COWCP" -r --stats "$MNT/tree" "$MNT/others")" 'clone-tree 1' "another user's copy"
  same 61002 "$(stat -c %u "$MNT/others/open/f")" "owner of another user's copy"
  as 61001 chmod 600 "$MNT/tree/private/s"
  refused "cannot open '$MNT/tree/private/s' for reading: Permission denied" as 61002 "$COWCP" -r "$MNT/tree" "$MNT/part"
  present "$MNT/part/open/f"
  absent "$MNT/part/private/s"
  as 61001 chmod 700 "$MNT/tree/private"
  refused "cannot access '$MNT/tree/private': Permission denied" as 61002 "$COWCP" -r "$MNT/tree" "$MNT/less"
  absent "$MNT/less/private/s"
  as 61001 mkdir -m 755 "$MNT/mine"
  refused 'Permission denied' as 61002 "$COWCP" -r "$MNT/tree/open" "$MNT/mine/new"
  absent "$MNT/mine/new"
  as 61001 chmod 644 "$MNT/tree/private/s"
  as 61001 chgrp 61001 "$MNT/tree/private"; as 61001 chmod 750 "$MNT/tree/private"
  has "$(setpriv --reuid 61002 --regid 61002 --groups 61001 --inh-caps=-all -- "$COWCP" -r --stats "$MNT/tree" "$MNT/by.group")" 'clone-tree 1' "a member's copy"
  same secret "$(cat "$MNT/by.group/private/s")" "what a member of the group read"
}

promise_a_cancelled_tree_clone_leaves_nothing() {
  local used i
  only_cowfs
  mount_fresh
  mkdir -p "$MNT/tree"
  for i in $(seq 20); do mkdir "$MNT/tree/d$i"; ( cd "$MNT/tree/d$i" && seq 300 | xargs touch ); done
  for i in 1 2 4; do
    timeout -s INT 0.0$i "$COWCP" -r "$MNT/tree" "$MNT/copy" || true
    if [ -e "$MNT/copy" ]; then
      same 6021 "$(find "$MNT/copy" | wc -l)" "entries of a copy that is there"
      rm -rf "$MNT/copy"
    fi
  done
  remount
  same 6022 "$(find "$MNT" | wc -l)" "entries in all"
}

promise_cp_and_cowcp_agree_in_a_mount() {
  only_cowfs
  mount_fresh
  TMPDIR=$MNT COWFS_CASES=$(long && echo 3000 || echo 15) "$COWFS_BIN_DIR/test_cowcp" --gtest_filter='Oracle.DoesWhatCpDoes' >oracle.log 2>&1 || { tail -n 40 oracle.log >&2; fail "the oracle disagrees"; }
  has "$(cat oracle.log)" 'PASSED' "the oracle's tests"
}

run_promises "$@"
