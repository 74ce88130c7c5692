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
  # Between holes reading and writing is faster on ext4; the named method is taken all the same.
  head -c 1000000 ext4/f >ext4/holes
  truncate -s 4M ext4/holes
  same copy-range "$(method_of ext4/f ext4/dense)" "method of a dense file on ext4"
  same read-write "$(method_of ext4/holes ext4/h1)" "method of a file with holes on ext4"
  same copy-range "$(method_of --method=copy-range ext4/holes ext4/h2)" "the named method"
  same_bytes ext4/holes ext4/h1
  same_bytes ext4/holes ext4/h2
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

# ext2 cannot reserve room, so that the mapping itself meets the full disk.
promise_a_full_disk_met_through_a_mapping_is_an_error() {
  need_tool strace
  host_image ext2 16M "$MNT"
  head -c 40000000 /dev/urandom >big
  refused "error writing '$MNT/new': No space left on device" \
    strace -f -o trace -e trace=fallocate "$COWCP" --method=mmap big "$MNT/new"
  has "$(cat trace)" 'fallocate.*EOPNOTSUPP' "system calls of cowcp"
  has "$(cat trace)" 'SIGBUS' "what cowcp met"
  same '' "$(ls -A "$MNT")" "what it left"
  echo old >"$MNT/old"
  refused "'$MNT/old' is incomplete" "$COWCP" --method=mmap big "$MNT/old"
  umount "$MNT"
}

# shrink_meanwhile SIZE: copies a file of 20 MB that becomes that short when cowcp has looked at it and mapped nothing yet.
shrink_meanwhile() {
  local pid
  head -c 20000000 /dev/zero | tr '\0' a >big
  rm -f trace
  strace -f -o trace -e trace=fallocate -e inject=fallocate:delay_exit=2000000 "$COWCP" --method=mmap big copy 2>said &
  pid=$!
  eventually 30 "cowcp reserves room" grep -qs 'fallocate(' trace
  truncate -s "$1" big
  CODE=0
  wait "$pid" || CODE=$?
}
promise_a_source_that_shrinks_is_an_error_and_no_crash() {
  local size
  need_tool strace
  # Below a page that is copied: SIGBUS. Within the last page: zeros, which nobody may take for data.
  for size in 0 1000 12000000 19999990; do
    shrink_meanwhile "$size"
    same 1 "$CODE" "exit code of a source that shrank to $size"
    has "$(cat said)" "error reading 'big': it was truncated while it was copied" "what it said at $size"
    absent copy
  done
  has "$(cat trace)" 'exited with 1' "the last trace"
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
  strace -f -y -o sync.trace -e trace=fsync,fdatasync,syncfs "$COWCP" --sync -j1 -r tree synced
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

# big_tree DIR COPIES: COPIES times 6,001 entries, most of them by tree clones.
big_tree() {
  local i
  mkdir -p "$1/0"
  for i in $(seq 20); do mkdir "$1/0/d$i"; ( cd "$1/0/d$i" && seq 299 | xargs touch ); done
  for i in $(seq $(($2 - 1))); do "$COWCP" -r "$1/0" "$1/$i"; done
}

# Three requests: start, poll, cancel. One that is cancelled by Ctrl-C has really been cut, and its space comes back.
promise_a_cancelled_tree_clone_leaves_nothing() {
  local before copies=40 after try cut=0
  only_cowfs
  need_tool strace
  mount_fresh
  big_tree "$MNT/tree" $copies
  before=$(used_bytes)
  for try in 0.3 0.2 0.4 0.15 0.5 0.6 0.1; do
    timeout -s INT "$try" strace -f -o trace -e trace=ioctl "$COWCP" -r "$MNT/tree" "$MNT/copy" && fail "$copies copies took less than $try s"
    absent "$MNT/copy"
    # The cancel request, then polls until the job has gone; the program ends by the signal.
    if grep -qE 'ioctl\(.*_IOC_READ\|_IOC_WRITE, 0x[0-9a-f]+, 0xd, 0x8\).* = 0' trace; then cut=1; break; fi
  done
  same 1 "$cut" "runs that were cut while the daemon worked ($(tail -n 3 trace))"
  has "$(tail -n 1 trace)" 'killed by SIGINT' "the end of cowcp"
  same $((copies * 6001 + 2)) "$(find "$MNT" | wc -l)" "entries in all"
  after=$(used_bytes)
  at_most $((before + (1 << 20))) "$after" "bytes used after the cancelled run"
  # One that is killed: the daemon sees the closed descriptor.
  timeout -s KILL 0.3 "$COWCP" -r "$MNT/tree" "$MNT/copy" && fail "it was not killed"
  absent "$MNT/copy"
  remount
  absent "$MNT/copy"
  eventually 20 "the space comes back" used_at_most $((before + (1 << 20)))
}

promise_debug_tells_the_tree_and_changes_no_method() {
  only_cowfs
  mount_fresh
  mkdir -p "$MNT/tree/dir"
  echo x >"$MNT/tree/dir/f"
  echo y >"$MNT/tree/g"
  ln -s g "$MNT/tree/l"
  same "'$MNT/tree' -> '$MNT/told'
'$MNT/told': clone-tree (2 files, 2 directories, 1 others)" "$("$COWCP" -r --debug "$MNT/tree" "$MNT/told")" "what --debug says"
  has "$("$COWCP" -r --debug -v "$MNT/tree" "$MNT/each")" 'no clone-tree \(-v names each file\)' "with -v"
  has "$("$COWCP" -r --debug "$MNT/tree" "$T/other")" 'no clone-tree \(not the same mount\)' "to another filesystem"
  # By name: as one request where it can be, by walking where it cannot.
  has "$("$COWCP" -r --method=clone-tree --stats "$MNT/tree" "$MNT/by.name")" 'methods: clone-tree 1$' "by name"
  same "'$MNT/tree' -> '$MNT/by.name.v'" "$("$COWCP" -rv --method=clone-tree "$MNT/tree" "$MNT/by.name.v")" "by name with -v"
  has "$("$COWCP" -rT --method=clone-tree --stats "$MNT/tree" "$MNT/by.name")" 'methods: clone 2$' "over what is there"
  has "$("$COWCP" -r --method=clone-tree --stats "$T/other" "$T/another")" '2 files, 2 directories, 1 others' "outside of a mount"
  for copy in told each by.name by.name.v; do same_tree "$MNT/tree" "$MNT/$copy" --no-times; done
  same_tree "$MNT/tree" "$T/another" --no-times
}

# Numbers of --stats and --json: a tree clone and a walk count the same, and what is there.
promise_the_summary_counts_what_was_copied() {
  local how
  only_cowfs
  need_tool jq
  mount_fresh
  mkdir -p "$MNT/tree/a/b"
  head -c 1048576 /dev/urandom >"$MNT/tree/dense"
  head -c 5000 /dev/urandom >"$MNT/tree/a/odd"
  truncate -s 3M "$MNT/tree/a/b/hole"
  head -c 1048576 /dev/urandom | dd of="$MNT/tree/a/b/half" bs=1M seek=1 status=none
  : >"$MNT/tree/empty"
  ln -s x "$MNT/tree/link"
  mkfifo "$MNT/tree/fifo"
  for how in clone-tree clone; do
    "$COWCP" -r --json --method=$how "$MNT/tree" "$MNT/$how" >lines
    same '5 3 2 2102152 4194304 0' "$(jq -r 'select(.type == "summary") | "\(.files) \(.directories) \(.others) \(.shared_bytes) \(.hole_bytes) \(.copied_bytes)"' lines)" "files, directories, others, bytes shared, of holes, copied by $how"
  done
  same 'tree 10 5 3' "$("$COWCP" -r --json --method=clone-tree "$MNT/tree" "$MNT/j" | jq -r 'select(.type == "tree") | "\(.type) \(.inodes) \(.files) \(.directories)"')" "the object of a tree"
  "$COWCP" -r --stats "$MNT/tree" "$MNT/s" >said
  has "$(cat said)" '^5 files, 3 directories, 2 others, 0 failures$' "--stats"
  has "$(cat said)" '^2.0 MiB shared, 0 B copied, 4.0 MiB of holes kept$' "--stats"
  rm "$MNT/tree/fifo"
  "$COWCP" -r --stats "$MNT/tree" "$T/real" >said
  has "$(cat said)" '^5 files, 3 directories, 1 others, 0 failures$' "--stats of a real copy"
  has "$(cat said)" '^0 B shared, 2.0 MiB copied, 4.0 MiB of holes kept$' "--stats of a real copy"
}

# on_terminal WIDTH COMMAND…: its output on a terminal of that width (both streams).
on_terminal() {
  python3 - "$@" <<'PY'
import fcntl, os, pty, struct, sys, termios
width, command = int(sys.argv[1]), sys.argv[2:]
pid, master = pty.fork()
if pid == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    os.execvp(command[0], command)
while True:
    try:
        data = os.read(master, 65536)
    except OSError:
        break
    if not data:
        break
    sys.stdout.buffer.write(data)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
PY
}
promise_a_terminal_shows_a_bar_that_goes_again() {
  local slow
  need_tool strace
  head -c 4M /dev/urandom >big
  slow=(strace -f -o /dev/null -e trace=pwrite64 -e inject=pwrite64:delay_enter=150000 "$COWCP" --method=read-write big)
  on_terminal 120 "${slow[@]}" one >out
  has "$(tr '\r' '\n' <out)" $'\\[\033\\[32m#+\033\\[0m-+\\] +[0-9]+% [0-9.]+ [KM]iB/4\\.0 MiB 0/1 files [0-9.]+ [KM]?i?B/s [0-9]:[0-9][0-9] left' "the bar"
  same "$(printf '\r\033[K' | od -c)" "$(tail -c 4 out | od -c)" "what ends it"
  same_bytes big one
  NO_COLOR=1 on_terminal 120 "${slow[@]}" two >out
  has "$(tr '\r' '\n' <out)" '\[#+-+\]' "the bar with NO_COLOR"
  has_not "$(cat out)" $'\033\\[32m' "NO_COLOR"
  NO_COLOR='' on_terminal 120 "${slow[@]}" three >out
  has "$(cat out)" $'\033\\[32m' "an empty NO_COLOR"
  on_terminal 40 "${slow[@]}" four >out
  has_not "$(tr '\r' '\n' <out)" '.{60}' "a narrow terminal"
  on_terminal 120 "${slow[@]}" five --progress=never >out
  same '' "$(cat out)" "--progress=never"
  "${slow[@]}" six >out 2>&1
  same '' "$(cat out)" "where nobody looks"
  "${slow[@]}" seven --progress=always >out 2>&1
  has "$(cat out)" '4\.0 MiB 0/1 files' "--progress=always into a file"
  has_not "$(cat out)" $'\033\\[32m' "--progress=always into a file"
}

promise_a_tree_clone_moves_the_bar() {
  only_cowfs
  mount_fresh
  big_tree "$MNT/tree" 60
  # Nothing is drawn in the first second: a tree that takes longer than two.
  local begin
  while true; do
    begin=${EPOCHREALTIME/./}
    "$COWCP" -r "$MNT/tree" "$MNT/again"
    [ "$((${EPOCHREALTIME/./} - begin))" -lt 2000000 ] || break
    mkdir "$MNT/both"
    mv "$MNT/tree" "$MNT/again" "$MNT/both"
    mv "$MNT/both" "$MNT/tree"
  done
  on_terminal 120 "$COWCP" -r --progress=always "$MNT/tree" "$MNT/copy" >out || fail "$(cat out)"
  has "$(tr '\r' '\n' <out)" '(B|^.\[K) [1-9][0-9]*(/[0-9]+)? files' "the bar while a large tree is cloned"
}

promise_a_tree_clone_tells_how_far_it_is_and_ends_when_told() {
  only_cowfs
  mount_fresh
  big_tree "$MNT/tree" 30
  python3 - "$MNT" <<'PY'
import errno, fcntl, os, struct, sys, time
mount = sys.argv[1]
def ask(fd, number, size, body=b""):
    request = bytearray(size)
    struct.pack_into("<II", request, 0, 1, size)
    request[8:8 + len(body)] = body
    fcntl.ioctl(fd, 3 << 30 | size << 16 | 0xC3 << 8 | number, request, True)
    return bytes(request[8:])
def poll(fd):
    return struct.unpack("<IIQQQQQ", ask(fd, 12, 56))
def start(name):
    source = os.open(mount + "/tree", os.O_RDONLY)
    token = ask(source, 10, 24)
    os.close(source)
    target = os.open(mount, os.O_RDONLY)
    ask(target, 11, 288, token + name.encode().ljust(256, b"\0") + struct.pack("<II", 0, 0o22))
    return target
RUNNING, DONE, FAILED = 1, 2, 3
job = start("cancelled")
seen = set()
while len(seen) < 3:  # it moves
    state, error, inodes, files, directories, shared, holes = poll(job)
    assert state == RUNNING, (state, error, seen)
    assert inodes == files + directories, (inodes, files, directories)
    seen.add(inodes)
ask(job, 13, 8)
while poll(job)[0] == RUNNING:
    time.sleep(0.001)
state, error, inodes = poll(job)[:3]
assert (state, error) == (FAILED, errno.ECANCELED), (state, error)
assert inodes < 180031, inodes
assert not os.path.exists(mount + "/cancelled")
os.close(job)
job = start("whole")
last = 0
while True:
    state, error, inodes, files, directories, shared, holes = poll(job)
    assert inodes >= last
    last = inodes
    if state != RUNNING:
        break
assert (state, inodes, files, directories) == (DONE, 180031, 179400, 631), (state, error, inodes, files, directories)
ask(job, 13, 8)  # too late
assert poll(job)[0] == DONE
assert os.path.isdir(mount + "/whole")
other = os.open(mount, os.O_RDONLY)
for number, size in ((13, 8), (12, 56)):
    try:
        ask(other, number, size)
        raise AssertionError("a descriptor without a job")
    except OSError as error:
        assert error.errno == errno.ENOENT, error
PY
}

has_temporary_name() { compgen -G '.cowcp-*' >/dev/null; }

# Where a directory gives no unnamed files, a temporary name stands in, and goes.
promise_a_temporary_name_serves_where_no_unnamed_file_can_be_made() {
  local run
  need_tool strace cc
  cat >no_tmpfile.c <<'C'
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>
static int opened(int directory, const char *path, int flags, int mode) {
  if ((flags & O_TMPFILE) == O_TMPFILE) return errno = EOPNOTSUPP, -1;
  return (int)syscall(SYS_openat, directory, path, flags, mode);
}
int openat(int directory, const char *path, int flags, ...) {
  va_list rest; va_start(rest, flags); int mode = va_arg(rest, int); va_end(rest);
  return opened(directory, path, flags, mode);
}
int openat64(int directory, const char *path, int flags, ...) {
  va_list rest; va_start(rest, flags); int mode = va_arg(rest, int); va_end(rest);
  return opened(directory, path, flags, mode);
}
C
  cc -shared -fPIC -o no_tmpfile.so no_tmpfile.c
  run=(env LD_PRELOAD="$T/no_tmpfile.so")
  mkdir from
  head -c 300000 /dev/urandom >from/f
  printf x >from/$'odd\nname\xff'
  chmod 640 from/f
  strace -f -o trace -e trace=openat,renameat2,linkat "${run[@]}" "$COWCP" -a -j1 from to
  has "$(cat trace)" 'renameat2\([0-9]+, "\.cowcp-[0-9a-f]{16}", [0-9]+, "f", RENAME_NOREPLACE\) += 0' "system calls of cowcp"
  has_not "$(cat trace)" 'linkat' "system calls of cowcp"
  same_tree from to
  # An error leaves neither name.
  host_image tmpfs 4M "$MNT"
  head -c 8000000 /dev/urandom >big
  refused 'No space left on device' "${run[@]}" "$COWCP" big "$MNT/new"
  same '' "$(ls -A "$MNT")" "what it left"
  # Only a kill leaves the temporary name; never the asked one.
  # (Not strace is killed: it would let go of cowcp, which is done before its own signal comes.)
  strace -f -o /dev/null -e inject=pwrite64:delay_enter=500000 "${run[@]}" "$COWCP" --method=read-write big killed &
  local tracer=$!
  eventually 20 "the temporary name" has_temporary_name
  kill -KILL "$(pgrep -P "$tracer")"
  wait "$tracer" || true
  absent killed
  has_temporary_name || fail "a killed run left no temporary name: was it killed in the middle?"
  umount "$MNT"
}

# agree ARGUMENTS…: cp and cowcp do the same in two equal directories, by.cp and by.cowcp, with umask $MASK.
agree() {
  local program
  for program in cp cowcp; do
    : >out.$program
    : >err.$program
    (
      cd "by.$program"
      code=0
      umask "${MASK:-022}"
      "$([ $program = cp ] && echo cp || echo "$COWCP")" "$@" >../out.$program 2>../err.$program </dev/null || code=$?
      echo "exit $code" >>../out.$program
    )
    sed -i 's/cowcp: /cp: /; s/cowcp --help/cp --help/' err.$program
  done
  diff out.cp out.cowcp >&2 || fail "output of $*"
  diff err.cp err.cowcp >&2 || fail "messages of $*"
  same_tree by.cp by.cowcp --no-times
}
promise_one_file_system_stops_at_a_mount_as_cp_does() {
  local side
  need_root
  for side in by.cp by.cowcp; do
    mkdir -p $side/src/mnt $side/src/dir
    echo 1 >$side/src/dir/f
    mount -t tmpfs tmpfs $side/src/mnt
    mkdir $side/src/mnt/inside
    echo 2 >$side/src/mnt/g
  done
  agree -rvx src out
  same '' "$(ls -A by.cowcp/out/mnt)" "what lies in the other filesystem"
  agree -ax src out2
  agree -rv src out3
  present by.cowcp/out3/mnt/g
  agree -rx src/mnt out4
  present by.cowcp/out4/g
  umount by.cp/src/mnt by.cowcp/src/mnt
}
promise_symbolic_links_and_parents_do_what_cp_does() {
  local side
  for side in by.cp by.cowcp; do
    mkdir -p $side/a/b/c $side/d/e $side/to
    echo 1 >$side/a/b/c/f
    echo 2 >$side/d/e/g
    echo 3 >$side/h
    echo old >$side/to/h
    echo old >$side/link
    chmod 750 $side/a/b
    chmod 711 $side/d
  done
  agree -sb "$PWD/by.cp/h" link
  agree -s --backup=numbered "$PWD/by.cp/h" to
  agree -s --backup=none "$PWD/by.cp/h" to
  agree -sf --backup=existing "$PWD/by.cp/h" to
  agree -sv h to/new
  agree -s h here
  # (cp 9.1 takes what is there for new after a source whose directories were: hence nothing is.)
  rm by.cp/to/h* by.cowcp/to/h*
  agree -v --parents a/b/c/f d/e/g h to
  agree -rv --parents a/b d/e to
  agree -rp --parents a/b/c/ d to
  agree --parents a/b/c/f a/b/c/none d/e/g to
  agree -v --parents --backup a/b/c/f d/e/g to
  agree --parents a/b/c/f d/e/g none
  agree -v -- h to
  agree -v --sparse=auto --preserve h to/again
  agree --reflink=always --sparse=always h x
}

# What a link is to replace goes when the link is there, not before.
promise_a_link_that_cannot_be_made_leaves_what_was_there() {
  local side
  for side in by.cp by.cowcp; do
    mkdir -p $side/o
    echo 1 >$side/f
    echo old >$side/o/f
    echo old >$side/o/g
    ln -s nowhere $side/o/l
    ln $side/o/g $side/o/second
  done
  agree -sf f o
  agree -srf f o
  same old "$(cat by.cowcp/o/f)" "what no link could replace"
  agree -lfv f o/g
  agree -lf f o/g
  agree -sfv "$PWD/by.cp/f" o/f
  agree -sf "$PWD/by.cp/f" o/l
  agree -l f o/second
  agree -s "$PWD/by.cp/f" o/second
  host_image tmpfs 1M "$MNT"
  echo old >"$MNT/f"
  for side in cp "$COWCP"; do
    exit_code 1 "$side" -lf by.cowcp/f "$MNT/f"
    same old "$(cat "$MNT/f")" "a file that no hard link could replace ($side)"
  done
  same f "$(ls -A "$MNT")" "what is left beside it"
  umount "$MNT"
}

# Who may not give files away keeps what only guards.
promise_the_sticky_bit_of_a_directory_stays_as_with_cp() {
  local program
  need_root
  mkdir -m 1777 from
  mkdir -m 2755 from/setgid
  touch from/setuid
  chmod 6755 from/setuid
  mkdir -m 777 cp cowcp
  chmod 755 .
  for program in cp "$COWCP"; do
    as 61001 "$program" -a from "$(basename "$program")"
    as 61001 "$program" -rp from "$(basename "$program")/again"
  done
  same_tree cp cowcp --no-times
  same 1777 "$(stat -c %a cowcp/from)" "mode of a directory for all"
}

promise_force_and_backup_of_a_file_onto_itself_do_what_cp_does() {
  local side
  for side in by.cp by.cowcp; do
    mkdir -p $side/d
    echo 1 >$side/a
    ln -s a $side/l
    ln $side/a $side/h
  done
  agree --backup -f a a
  agree -vbf l l
  agree -vf --backup=numbered a a
  agree -vf --backup=numbered a a
  agree -f --backup=simple -S.x a a
  agree -f --backup a ./a
  agree -f --backup a h
  agree --backup a a
  agree -f --backup=none a a
  agree -f --backup -t d a
  agree -fT --backup a a
  agree -vn a a
}
promise_values_that_are_empty_or_not_wanted_do_what_cp_does() {
  local side option
  for side in by.cp by.cowcp; do mkdir -p $side; echo 1 >$side/a; done
  for option in --preserve= '--preserve=mode,' '--preserve=,mode' --no-preserve= --reflink= --sparse= --update=none --update= --recursive=x; do
    LC_ALL=C agree "$option" a b
  done
  agree --backup= a c
  agree -v --backup= a c
  agree --suffix= a c
}
# parents_of MODE OPTIONS…: where modes are kept, the destination hands down no setgid bit, which cp 9.1 keeps beside
# them (man/cowcp.1).
parents_of() {
  local mode=$1 side
  shift
  for side in by.cp by.cowcp; do
    [ ! -e $side ] || chmod -R u+rwx $side
    rm -rf $side
    mkdir -p $side/s/p/q $side/to $side/there/s
    case "$*" in *-p* | *=mode*) ;; *) chmod 2775 $side/to ;; esac
    echo 1 >$side/s/p/q/f
    chmod "$mode" $side/s/p/q $side/s/p
    chmod 2755 $side/s
  done
  agree "$@" --parents s/p/q/f to
  agree "$@" --parents s/p/q/f there
}
promise_parents_of_any_mode_are_made_as_by_cp() {
  local mode mask options
  for mode in 0555 2750 0500 1777; do
    for mask in 022 0277; do
      for options in '' -p --preserve=timestamps --no-preserve=mode; do
        # shellcheck disable=SC2086
        MASK=$mask parents_of $mode $options || fail "mode $mode, umask $mask, $options"
      done
    done
  done
}
promise_parents_of_any_mode_are_made_as_by_cp_for_an_ordinary_user() {
  need_root
  need_tool setpriv
  mkdir mine
  chmod 755 "$T"
  chown 61001:61001 mine
  T=$T/mine
  cd mine
  export -f parents_of agree fail say same_tree same_digest digest program promise_parents_of_any_mode_are_made_as_by_cp
  export T COWCP COWFS_BIN_DIR
  as 61001 bash -euc promise_parents_of_any_mode_are_made_as_by_cp
}
promise_contradictions_of_method_are_refused() {
  echo 1 >a
  refused "method=mmap cannot be used with --reflink=always" "$COWCP" --reflink=always --method=mmap a b
  refused "method=clone cannot be used with --reflink=never" "$COWCP" --method=clone --reflink=never a b
  refused "method=clone cannot be used with --sparse=always" "$COWCP" --method=clone --sparse=always a b
  absent b
  refused "invalid number of jobs: '99999': must be a number from 1 to 64" "$COWCP" -j 99999 a b
}

promise_what_stdout_cannot_take_is_told_as_by_cp() {
  echo text >f
  LC_ALL=C refused 'write error: No space left on device' bash -c 'exec "$1" -v f to >/dev/full' _ "$COWCP"
  LC_ALL=C refused 'write error: Bad file descriptor' bash -c 'exec "$1" -v f again >&-' _ "$COWCP"
  same_bytes f to
}

promise_what_stderr_cannot_take_stops_nothing() {
  echo text >f
  mkdir to
  exit_code 1 bash -c 'exec "$1" missing f to 2>/dev/full' _ "$COWCP"
  same_bytes f to/f
  exit_code 1 bash -c 'exec "$1" missing f to/again 2>&-' _ "$COWCP"
}

promise_few_descriptors_are_enough() {
  local i limit jobs
  mkdir from
  for i in $(seq 300); do mkdir "from/$i"; echo "$i" >"from/$i/f"; done
  for limit in 16 32 64 128; do
    for jobs in '' -j4 -j64; do
      # shellcheck disable=SC2086
      (ulimit -n "$limit" && exec "$COWCP" -r $jobs from "to.$limit$jobs") || fail "$limit descriptors, '$jobs'"
      diff -r from "to.$limit$jobs" || fail "$limit descriptors, '$jobs'"
    done
  done
}

# Clones wait for each other in the host's metadata, real copies for its disk.
promise_threads_are_as_many_as_help() {
  local host threads run=()
  need_root
  for host in 'btrfs 2' 'tmpfs 4'; do
    read -r host threads <<<"$host"
    [ "$(nproc)" -gt 1 ] || threads=0
    host_image "$host" 256M "$T/$host"
    mkdir "$host/from"
    for i in $(seq 80); do head -c 5000 /dev/urandom >"$host/from/$i"; done
    same "$threads" "$(threads_of "$host/from" "$host/to")" "threads on $host"
    same 3 "$(threads_of -j3 "$host/from" "$host/three")" "threads on $host with -j3"
    same 0 "$(run=(taskset -c 0); threads_of "$host/from" "$host/one")" "threads on one processor"
    diff -r "$host/from" "$host/to"
    umount "$host"
  done
}
threads_of() {
  strace -f -o threads.trace -e trace=clone,clone3 "${run[@]}" "$COWCP" -r "$@"
  grep -c 'CLONE_THREAD' threads.trace || true
}

promise_json_is_all_that_stdout_has() {
  local options
  need_tool python3
  mkdir d
  echo 1 >d/f
  for options in -v --debug '--debug -b' '-v --remove-destination' '-v --parents'; do
    rm -rf to
    mkdir -p to/d
    echo 2 >to/d/f
    # shellcheck disable=SC2086
    "$COWCP" -r --json $options d to >said.json
    python3 -c 'import json, sys; [json.loads(line) for line in sys.stdin]' <said.json || fail "$options: $(cat said.json)"
    has "$(cat said.json)" '^{"type":"file","source":"d/f","target":"to/d/f","method"' "$options"
  done
  rm -rf to/d/f
  ln d/f d/g
  "$COWCP" -rv --json --backup d to >said.json
  "$COWCP" -rv --json --backup=numbered d to >said.json
  has "$(cat said.json)" '{"type":"backup","target":"to/d/f","backup":"to/d/f.~1~"}' "a backup"
  "$COWCP" -rv --json --remove-destination d to >said.json
  has "$(cat said.json)" "\"type\":\"note\",\"text\":\"removed 'to/d/f'\"" "what was removed"
}

# Directories that the daemon copied count as copied, as those do that cowcp walked.
promise_sources_given_twice_are_told_in_a_mount_too() {
  local side
  only_cowfs
  mount_fresh
  cd "$MNT"
  for side in by.cp by.cowcp; do
    mkdir -p $side/d/sub $side/x/d $side/to $side/to2 $side/to3 $side/to4 $side/y
    echo 1 >$side/d/sub/f
    echo 2 >$side/x/d/g
    echo 3 >$side/y/d
    ln -s d $side/link
  done
  has "$(cd by.cowcp && "$COWCP" -r --debug d to5)" 'clone-tree' "the method"
  rm -rf by.cowcp/to5
  agree -r d d to
  agree -r d x/d d/. to2
  agree -r d y/d to3
  agree -r d to4 to4
  agree -rH d link d to3
  for side in by.cp by.cowcp; do echo 4 >$side/f; echo 5 >$side/x/f; done
  agree f x/f to4
  agree f f to3
  cd "$T"
  unmount
}

promise_debug_says_why_a_tree_of_others_is_not_cloned() {
  local said
  only_cowfs
  need_root
  need_tool setpriv
  mount_fresh -o allow_other
  chmod 755 "$T"
  chmod 1777 "$MNT"
  mkdir "$MNT/tree"
  echo 1 >"$MNT/tree/open"
  echo 2 >"$MNT/tree/closed"
  chmod 600 "$MNT/tree/closed"
  said=$(as 61001 "$COWCP" -r --debug "$MNT/tree" "$MNT/copy" 2>&1) || true
  has "$said" 'no clone-tree \(Permission denied: something in it may not be read' "the reason"
  rm "$MNT/tree/closed"
  said=$(as 61001 "$COWCP" -a --debug "$MNT/tree" "$MNT/copy2" 2>&1)
  has "$said" 'no clone-tree \(Operation not supported: something in it belongs to another user' "the reason"
  unmount
}

promise_cp_and_cowcp_agree_in_a_mount() {
  only_cowfs
  mount_fresh
  TMPDIR=$MNT COWFS_CASES=$(long && echo 3000 || echo 15) "$COWFS_BIN_DIR/test_cowcp" --gtest_filter='Oracle.DoesWhatCpDoes' >oracle.log 2>&1 || { tail -n 40 oracle.log >&2; fail "the oracle disagrees"; }
  has "$(cat oracle.log)" 'PASSED' "the oracle's tests"
}

run_promises "$@"
