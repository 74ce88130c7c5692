#!/bin/bash
# POSIX access control lists: kept, inherited, decided by the kernel, and the same as on ext4. (syscalls_test.sh sets random ones.)
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/users.sh"

need_acl() { need_root; need_tool setfacl getfacl; }

# listed DIR: what getfacl says of a whole tree, paths relative.
listed() { (cd "$1" && find . -mindepth 1 ! -type l -print0 | LC_ALL=C sort -z | xargs -0 getfacl -n -p --absolute-names); }

# acl_tree DIR: lists of every kind, set and inherited, under several umasks.
acl_tree() {
  local dir=$1 mask
  cd "$dir"
  mkdir plain inherits minimal
  setfacl -d -m u:61001:rwx,u:61002:r--,g:61100:r-x,o::- inherits
  setfacl -d -m u::rwx,g::r-x,o::--x minimal
  for mask in 000 022 027 077; do
    (
      umask "$mask"
      for where in plain inherits minimal; do
        touch "$where/file.$mask"
        mkdir "$where/dir.$mask"
        mkdir -m 700 "$where/private.$mask"
        touch "$where/dir.$mask/file"
        mkfifo "$where/fifo.$mask"
        mknod "$where/device.$mask" c 1 3
        ln -s nowhere "$where/link.$mask"
        cp /bin/true "$where/true.$mask"
      done
    )
  done
  setfacl -m u:61001:rw- plain/file.022
  setfacl -m u:61001:rw-,g:61002:r--,m::r-- plain/file.027
  chmod 755 plain/file.027
  chmod 600 inherits/file.000
  chmod 2775 inherits/dir.000
  mkdir inherits/dir.000/below
  setfacl -b inherits/file.022
  setfacl -k inherits/dir.022
  setfacl -x u:61001 inherits/file.077
  setfacl -m m::- inherits/dir.077
  setfacl -n -m u:61002:rwx inherits/dir.027
  setfacl --restore=- <<'END'
# file: minimal/file.000
user::rw-
user:61003:rwx
group::rwx
mask::rwx
other::---
END
  cd "$T"
}

promise_a_tree_of_lists_is_as_on_ext4_and_stays_so() {
  need_acl
  host_image ext4 64M "$T/reference" nosuid,nodev
  mount_fresh -o allow_other
  mkdir "$T/reference/tree" "$MNT/tree"
  acl_tree "$T/reference/tree"
  acl_tree "$MNT/tree"
  listed "$T/reference/tree" >expected.lists
  listed "$MNT/tree" >seen.lists
  same_digest expected.lists seen.lists "lists on ext4 and here"
  at_least 40 "$(grep -c '^user:[0-9]' seen.lists)" "named users in the lists"
  same_tree "$T/reference/tree" "$MNT/tree" --no-times
  remount -o allow_other
  listed "$MNT/tree" >seen.lists
  same_digest expected.lists seen.lists "lists after a remount"
  kill_cowfs
  mount_again -o allow_other
  listed "$MNT/tree" >seen.lists
  same_digest expected.lists seen.lists "lists after the death of the daemon"
}

promise_rsync_brings_lists_in_and_out() {
  need_acl
  need_tool rsync
  host_image ext4 256M "$T/host"
  mount_fresh -o allow_other
  mkdir "$T/host/in" "$T/host/out" "$MNT/tree"
  small_tree "$T/host/in"
  mkdir "$T/host/in/lists"
  acl_tree "$T/host/in/lists"
  # rsync takes times within one second of each other for the same: none may be.
  find "$T/host/in" -exec touch -h -d '2002-03-04 05:06:07.123456789' {} +
  rsync -aHAX "$T/host/in/" "$MNT/tree/"
  same_tree "$T/host/in" "$MNT/tree"
  rsync -aHAX "$MNT/tree/" "$T/host/out/"
  same_tree "$T/host/in" "$T/host/out"
  same '' "$(rsync -naHAXi --delete "$T/host/in/" "$MNT/tree/")" "what rsync would still change"
}

promise_copies_keep_lists() {
  need_acl
  only_cowfs
  local cowcp=$COWFS_BIN_DIR/cowcp
  mount_fresh -o allow_other
  mkdir "$MNT/tree"
  acl_tree "$MNT/tree"
  has "$("$cowcp" -a --stats "$MNT/tree" "$MNT/in.one.request")" 'methods: clone-tree 1$' "how cowcp copied"
  has "$("$cowcp" -a --debug "$MNT/tree" "$MNT/told" 2>&1)" "'$MNT/told': clone-tree \\([0-9]+ files" "how cowcp copied"
  "$cowcp" -a --method=clone "$MNT/tree" "$MNT/file.by.file" || "$cowcp" -a --reflink=never "$MNT/tree" "$MNT/file.by.file"
  cp -a "$MNT/tree" "$MNT/by.cp"
  (cd "$MNT" && tar --acls --xattrs -cf "$T/tree.tar" tree && mkdir by.tar && tar --acls --xattrs -C by.tar --strip-components=1 -xpf "$T/tree.tar")
  for copy in in.one.request told file.by.file by.cp by.tar; do
    listed "$MNT/tree" >expected.lists
    listed "$MNT/$copy" >seen.lists
    same_digest expected.lists seen.lists "lists of $copy"
  done
  # Without its mode a copy has no list, in one request as file by file.
  "$cowcp" -r "$MNT/tree" "$MNT/plain.one"
  cp -r "$MNT/tree" "$MNT/plain.cp"
  same_tree "$MNT/plain.cp" "$MNT/plain.one" --no-times
  # A directory that hands lists down does so to a copy.
  mkdir "$MNT/heir.one" "$MNT/heir.cp"
  setfacl -d -m u:61001:rwx "$MNT/heir.one" "$MNT/heir.cp"
  "$cowcp" -r "$MNT/tree" "$MNT/heir.one/copy"
  cp -r "$MNT/tree" "$MNT/heir.cp/copy"
  same_tree "$MNT/heir.cp" "$MNT/heir.one" --no-times
}

promise_snapshots_and_forks_have_the_lists_of_their_time() {
  need_acl
  need_snapshots
  mount_fresh -o allow_other
  mkdir "$MNT/tree"
  acl_tree "$MNT/tree"
  listed "$MNT/tree" >expected.lists
  snapshot s
  fork f
  setfacl -R -b "$MNT/tree"
  listed "$(volume s)/tree" >seen.lists
  same_digest expected.lists seen.lists "lists in a snapshot"
  listed "$(volume f)/tree" >seen.lists
  same_digest expected.lists seen.lists "lists in a fork"
  refused 'Read-only' setfacl -m u:61003:r "$(volume s)/tree/plain/file.022"
  setfacl -m u:61003:r "$(volume f)/tree/plain/file.022"
  has "$(getfacl -n -p "$(volume f)/tree/plain/file.022")" 'user:61003:r--' "a list in a fork"
}

promise_lists_decide_and_what_they_take_away_is_gone_at_once() {
  need_acl
  local place
  mount_fresh -o allow_other
  chmod 755 "$MNT"
  mkdir -m 755 "$MNT/place"
  echo secret >"$MNT/place/file"
  chmod 600 "$MNT/place/file"
  [ "$COWFS_TARGET" != cowfs ] || fork f
  for place in "$MNT/place" $([ "$COWFS_TARGET" != cowfs ] || echo "$MNT/.cowfs/f/place" "$MNT/place/.cowfs/f"); do
    denied 61001 cat "$place/file"
    setfacl -m u:61001:r "$place/file"
    same secret "$(as 61001 cat "$place/file")" "a named user reads"
    denied 61002 cat "$place/file"
    denied 61001 sh -c "echo x >>'$place/file'"
    setfacl -m m::- "$place/file"
    denied 61001 cat "$place/file"
    chmod 640 "$place/file"
    as 61001 cat "$place/file" >/dev/null
    setfacl -x u:61001 "$place/file"
    denied 61001 cat "$place/file"
    setfacl -m g:61002:rw "$place/file"
    as 61002 sh -c "echo more >>'$place/file'"
    setfacl -b "$place/file"
    chmod 600 "$place/file"
    denied 61002 cat "$place/file"
    # Of a directory: names, search.
    denied 61001 touch "$place/new"
    setfacl -m u:61001:rwx "$place/"
    as 61001 touch "$place/new"
    setfacl -m u:61001:rx "$place/"
    denied 61001 rm -f "$place/new"
    setfacl -m u:61002:- "$place/"
    denied 61002 stat "$place/new"
    as 61001 stat "$place/new" >/dev/null
    setfacl -b "$place/"
    as 61002 stat "$place/new" >/dev/null
    rm "$place/new"
    printf 'secret\n' >"$place/file"
  done
  denied 61001 setfacl -m u:61001:rwx "$MNT/place/file"
  denied 61001 setfacl -m g::rwx "$MNT/place"
  setfacl -m u:61002:r "$MNT/place/file"
  denied 61002 setfacl -b "$MNT/place/file"
  denied 61002 setfattr -x system.posix_acl_access "$MNT/place/file"
}

promise_lists_that_are_none_are_refused() {
  need_acl
  mount_fresh
  touch "$MNT/file"
  mkdir "$MNT/dir"
  refused 'Invalid argument|Operation not supported' setfattr -n system.posix_acl_access -v 0x02000000ffff0700ffffffff "$MNT/file"
  refused 'Invalid argument' setfattr -n system.posix_acl_access -v 0x0200000001000700 "$MNT/file"
  refused 'Permission denied' setfattr -n system.posix_acl_default \
    -v 0x0200000001000700ffffffff04000500ffffffff20000500ffffffff "$MNT/file"
  refused 'Operation not supported' setfattr -n system.other -v x "$MNT/file"
  same '' "$(getfattr -d -m - "$MNT/file" "$MNT/dir")" "attributes"
  # As many entries as the kernel reads back.
  setfacl -M - "$MNT/file" < <(seq -f 'u:%g:r' 500)
  same 500 "$(getfacl -n "$MNT/file" 2>/dev/null | grep -c '^user:[0-9]')" "named users"
  remount
  same 500 "$(getfacl -n "$MNT/file" 2>/dev/null | grep -c '^user:[0-9]')" "named users after a remount"
}

run_promises "$@"
