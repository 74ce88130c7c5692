#!/bin/bash
# A reader that was written from docs/format.md alone (tests/format/read_store.py) finds every file of every volume.
# shellcheck source=lib.sh disable=SC2031,SC2154
. "$(dirname "$0")/lib.sh"

# What the reader prints, told by the mount.
listing() {
  (
    cd "$1"
    find . -type f -exec sha256sum {} +
    find . -type l -printf '%l -> %p\n'
  ) | LC_ALL=C sort
}

write_files() {
  local i
  mkdir -p "$MNT/dir/deep/er"
  for i in $(seq 400); do echo "file $i" >"$MNT/dir/small $i"; done
  head -c 5000000 /dev/urandom >"$MNT/dir/deep/big"
  cp "$MNT/dir/deep/big" "$MNT/clone"
  head -c 700 /dev/urandom | base64 -w0 >"$MNT/long"
  ln -s "$(tr '/+' '__' <"$MNT/long" | sed 's/.\{200\}/&\//g')" "$MNT/dir/link"
  ln "$MNT/clone" "$MNT/dir/hard"
  truncate -s 3000000 "$MNT/sparse"
  echo middle | dd of="$MNT/sparse" bs=1 seek=1234567 conv=notrunc status=none
}

promise_the_document_alone_is_enough_to_read_a_store() {
  local name
  need_tool python3
  only_cowfs
  mount_fresh
  write_files
  snapshot s
  fork f
  fork gone
  dd if=/dev/urandom of="$MNT/clone" bs=4096 seek=17 count=3 conv=notrunc status=none
  rm "$MNT/dir/small 7"
  echo "in the fork" >"$MNT/.cowfs/f/dir/small 8"
  delete_volume gone
  listing "$MNT" >main.expected
  for name in s f; do listing "$MNT/.cowfs/$name" >"$name.expected"; done
  unmount
  for name in main s f; do
    python3 "$COWFS_SRC_DIR/tests/format/read_store.py" "$STORE" "$name" >"$name.seen"
    same_bytes "$name.expected" "$name.seen"
  done
  at_least 400 "$(wc -l <main.seen)" "files read"
}

run_promises "$@"
