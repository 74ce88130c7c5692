#!/bin/bash
# fsck.cowfs on real stores: after a kill, damaged, and mounted.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/users.sh"

FSCK=$COWFS_BIN_DIR/fsck.cowfs

# Names, modes, sizes and bytes of every file of the store.
store_digest() { digest "$STORE" >"$T/$1"; }

# break_bytes FILE OFFSET: other bytes there.
break_bytes() {
  local byte
  byte=$(dd if="$1" bs=1 skip="$2" count=1 status=none | od -An -tu1)
  printf '%b' "\\0$(printf '%o' $(((byte + 85) % 256)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# fill: a tree, a snapshot, and changes after it.
fill() {
  small_tree "$MNT"
  snapshot before
  cp -a "$MNT/dir" "$MNT/copy"
  rm "$MNT/dir/sub/deep/file7"
  head -c 500000 /dev/urandom >"$MNT/late"
}

promise_a_store_that_was_unmounted_is_clean_and_left_alone() {
  only_cowfs
  mount_fresh
  fill
  unmount
  store_digest before
  has "$("$FSCK" "$STORE")" ': clean' "a glance"
  has "$("$FSCK" -f -v "$STORE")" ': clean, 2 volumes' "a check"
  "$FSCK" -fn --scrub "$STORE" >/dev/null
  store_digest after
  same_digest before after "the store"
}

promise_a_killed_store_has_no_problem_and_a_check_changes_nothing() {
  only_cowfs
  mount_fresh
  fill
  sync "$MNT/late"
  head -c 300000 /dev/urandom >"$MNT/later"
  kill_cowfs
  store_digest before
  "$FSCK" -n --scrub "$STORE" || fail "problems after a kill"
  store_digest after
  same_digest before after "the store"
  mount_again
  present "$MNT/later"
}

promise_a_mounted_store_is_checked_and_not_repaired() {
  local i worker
  only_cowfs
  mount_fresh -o commit=1
  fill
  exit_code 8 "$FSCK" -y "$STORE"
  exit_code 8 "$FSCK" -f -p "$STORE"
  refused 'in use' "$FSCK" -y "$STORE"
  "$FSCK" -n "$STORE" || fail "problems of a mounted store"
  # While files come and go.
  touch "$T/go"
  (while [ -e "$T/go" ]; do cp -a "$MNT/dir" "$MNT/busy" && rm -rf "$MNT/busy"; done) >/dev/null 2>&1 &
  worker=$!
  for i in 1 2 3 4 5 6; do "$FSCK" -n "$STORE" >"$T/said" || { cat "$T/said"; fail "problems under load, check $i"; }; done
  rm "$T/go"
  wait "$worker"
  unmount
  exit_code 0 "$FSCK" -fn "$STORE"
}

promise_a_read_only_mount_is_checked_too() {
  only_cowfs
  mount_fresh
  fill
  unmount
  mount_again -o ro
  "$FSCK" -n "$STORE" || fail "problems of a read-only mount"
}

# The request itself, not the way to it: a stranger may open the directory, and can read no store.
promise_only_the_owner_may_have_a_checkpoint_held() {
  only_cowfs
  user_place user_allow_other
  as 61001 "$COWFS" --create "$T/mine/store" "$T/mine/mnt" -o allow_other
  as 61001 chmod 755 "$T/mine/mnt"
  as 61001 mkdir "$T/mine/mnt/.cowfs/s"
  as 61001 "$COWSNAP" fork "$T/mine/mnt" f
  as 61002 "$(program forged_requests)" ioctls "$T/mine/mnt" 1 20
  as 61001 "$(program forged_requests)" owner "$T/mine/mnt"
  "$(program forged_requests)" owner "$T/mine/mnt"
  as 61001 "$FSCK" -n --scrub "$T/mine/store"
  refused 'Permission denied' as 61002 "$FSCK" -n "$T/mine/store"
  as 61001 fusermount3 -u "$T/mine/mnt"
  end_world
}

promise_damaged_nodes_cost_only_what_is_told() {
  local i
  only_cowfs
  mount_fresh
  fill
  unmount
  mkdir "$T/whole"
  mount_again -o ro
  cp -a "$MNT/." "$T/whole"
  unmount
  for i in 3 9 14; do break_bytes "$STORE/nodes/0000000000000000" $((i * 4096 + 300)); done
  # Until something cannot be found out from the rest.
  for i in $(seq 4 8) $(seq 10 13) $(seq 15 30); do
    break_bytes "$STORE/nodes/0000000000000000" $((i * 4096 + 300))
    "$FSCK" -fn --json "$STORE" >check.json || true
    ! grep -q '"loss"' check.json || break
  done
  at_most 29 "$i" "nodes that were damaged"
  store_digest before
  exit_code 4 "$FSCK" -fn "$STORE"
  store_digest after
  same_digest before after "the store"
  "$FSCK" -fn --json "$STORE" >check.json || true
  python3 -c 'import json; a = json.load(open("check.json")); assert a["state"] == "damaged" and a["problems"]'
  # Something is lost: nothing is repaired without a word of the user.
  exit_code 4 "$FSCK" -fp "$STORE"
  store_digest after
  same_digest before after "the store"
  "$FSCK" -fy --json "$STORE" >repair.json || same 1 $? "exit code of the repair"
  python3 -c 'import json; a = json.load(open("repair.json")); assert a["left"] == [], a["left"]'
  exit_code 0 "$FSCK" -fn "$STORE"
  mount_again
  python3 - "$T/whole" "$MNT" repair.json <<'PYTHON'
import filecmp, json, os, sys
whole, seen, report = sys.argv[1:]
answer = json.load(open(report))
told = {p["path"] for p in answer["problems"] + answer["mended"] if p.get("volume") == "main" and "path" in p}
for folder, _, files in os.walk(whole):
    for name in files:
        path = os.path.relpath(os.path.join(folder, name), whole)
        a, b = os.path.join(whole, path), os.path.join(seen, path)
        if not os.path.isfile(a) or os.path.islink(a):
            continue
        same = os.path.isfile(b) and filecmp.cmp(a, b, shallow=False)
        parts = path.split("/")
        assert same or any("/".join(parts[:i]) in told for i in range(1, len(parts) + 1)), f"{path} differs and nobody said so"
PYTHON
  digest "$MNT" >/dev/null
  unmount
}

promise_damaged_data_is_told_by_file_and_offset() {
  local object offset said
  only_cowfs
  mount_fresh
  head -c 3000000 /dev/urandom >"$MNT/big"
  ln "$MNT/big" "$MNT/second"
  snapshot s
  unmount
  object=$(find "$STORE/objects" -type f -size +2M | head -n 1)
  offset=$((4096 * 100 + 17))
  break_bytes "$object" $offset
  said=$("$FSCK" -fn --scrub "$STORE") && fail "nothing was found"
  has "$said" 'main:(big|second): damaged data: 4096 bytes from offset [0-9]+' "the file"
  has "$said" 's:(big|second): damaged data' "the snapshot's file"
  exit_code 0 "$FSCK" -fn "$STORE"
}

promise_the_exit_code_says_what_is_left() {
  local object
  only_cowfs
  mount_fresh
  fill
  head -c 3000000 /dev/urandom >"$MNT/big"
  unmount
  exit_code 16 "$FSCK" -n -y "$STORE"
  exit_code 8 "$FSCK" "$T"
  exit_code 0 "$FSCK" -p "$STORE"
  # Damaged data is told, and stays what it is: 4, whatever else was repaired.
  object=$(find "$STORE/objects" -type f -size +2M | head -n 1)
  break_bytes "$object" $((4096 * 50))
  exit_code 4 "$FSCK" -y --scrub "$STORE"
  break_bytes "$STORE/superblock" 4196
  has "$("$FSCK" -y --scrub "$STORE" || echo "code $?")" 'code 4' "a repair that leaves damaged data"
  exit_code 0 "$FSCK" -fn "$STORE"
  exit_code 4 "$FSCK" -n --scrub "$STORE"
}

# own_object FILE: the host file that holds its blocks at equal offsets.
own_object() {
  local object
  while read -r object; do
    ! cmp -s -n 65536 "$1" "$object" || { echo "$object"; return; }
  done < <(find "$STORE/objects" -type f -size +1M)
  fail "no object of $1"
}

# overwrite FILE: its blocks in place, without an end.
overwrite() {
  exec python3 - "$1" <<'PYTHON'
import os, random, sys
fd = os.open(sys.argv[1], os.O_RDWR)
blocks = os.fstat(fd).st_size // 4096
while True:
    os.pwrite(fd, os.urandom(4096), random.randrange(blocks) * 4096)
PYTHON
}

promise_a_mounted_store_is_scrubbed_while_files_are_overwritten() {
  local i worker object said
  only_cowfs
  mount_fresh -o commit=1
  fill
  head -c 8000000 /dev/urandom >"$MNT/busy"
  head -c 3000000 /dev/urandom >"$MNT/quiet"
  ln "$MNT/quiet" "$MNT/other"
  "$COWSNAP" sync "$MNT"
  overwrite "$MNT/busy" &
  worker=$!
  for i in $(seq "$(long && echo 200 || echo 20)"); do
    "$FSCK" -n --scrub "$STORE" >said || { cat said; fail "a false alarm in scrub $i"; }
    [ "$i" != 3 ] || snapshot s
  done
  object=$(own_object "$MNT/quiet")
  dd if="$object" of=saved bs=4096 skip=100 count=1 status=none
  break_bytes "$object" $((4096 * 100 + 17))
  said=$("$FSCK" -n --scrub "$STORE") && fail "the damage was not found"
  has "$said" 'main:(quiet|other): damaged data: 4096 bytes from offset 409600' "the file"
  has "$said" 's:(quiet|other): damaged data' "the snapshot's file"
  has_not "$said" 'busy' "what is not damaged"
  kill "$worker"
  wait "$worker" || true
  dd if=saved of="$object" bs=4096 seek=100 conv=notrunc status=none
  "$FSCK" -n --scrub "$STORE" || fail "what is mended is still told"
  unmount
  exit_code 0 "$FSCK" -fn --scrub "$STORE"
}

promise_a_read_only_mount_is_scrubbed_too() {
  local object
  only_cowfs
  mount_fresh
  head -c 3000000 /dev/urandom >"$MNT/big"
  unmount
  mount_again -o ro
  "$FSCK" -n --scrub "$STORE" || fail "problems of a read-only mount"
  object=$(find "$STORE/objects" -type f -size +2M | head -n 1)
  break_bytes "$object" 5000
  has "$("$FSCK" -n --scrub "$STORE" || true)" 'main:big: damaged data: 4096 bytes from offset 4096' "the file"
}

# Printed, not judged: machines are shared.
promise_the_speed_is_told() {
  local i begin
  only_cowfs
  mount_fresh
  for i in $(seq 30); do mkdir "$MNT/d$i"; (cd "$MNT/d$i" && seq 100 | xargs touch); done
  for i in $(seq 8); do cp -a "$MNT/d1" "$MNT/c$i"; done
  unmount
  begin=$(date +%s%N)
  "$FSCK" -fn "$STORE"
  say "3900 inodes in $((($(date +%s%N) - begin) / 1000000)) ms"
}

run_promises "$@"
