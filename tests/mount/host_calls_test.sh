#!/usr/bin/env bash
# What the daemon asks of the host, and what it does where the host fails at one call: seen and made to happen by strace.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "$0")/lib.sh"

# trace_daemon ARGUMENT…: strace follows the daemon until it ends, with these arguments; what it saw is in $T/trace.
trace_daemon() {
  need_tool strace
  rm -f trace.said
  strace -f -y -o "|cat >'$T/trace'" "$@" -p "$DAEMON" 2>trace.said &  # to a pipe it writes line by line
  TRACER=$!
  eventually 20 "strace follows the daemon" grep -qs attached trace.said
}
# stop_traced: unmounts; the daemon's exit code is left in $code.
stop_traced() {
  code=0
  "$COWFS" --unmount "$MNT" || true
  wait "$DAEMON" || code=$?
  wait "$TRACER" || true
  DAEMON=
}
calls() { grep -cE -- "$1" "$T/trace" || true; }
# calls_during PATTERN COMMAND…: how often the daemon makes calls like PATTERN while COMMAND runs.
calls_during() {
  local pattern=$1 before
  shift
  sleep 0.2
  before=$(calls "$pattern")
  "$@"
  sleep 0.2  # for the last lines to arrive
  echo $(($(calls "$pattern") - before))
}
JOURNAL='(write|writev|pwrite64|pwritev2?)\([0-9]+</[^>]*/journal/'
SYNC='(fsync|fdatasync)\([0-9]+<'

promise_calls_that_a_signal_interrupts_are_made_again() {
  only_cowfs
  need_cowfs
  make_store
  start_cowfs "$STORE" "$MNT"
  trace_daemon -e trace=pwritev,pread64,fdatasync,fsync,fallocate -e inject=pwritev,pread64,fdatasync,fsync,fallocate:error=EINTR:when=1+3
  mkdir tree
  small_tree tree
  cp -a tree "$MNT/tree"
  snapshot s
  rm "$MNT/tree/dir/odd"
  dd if=/dev/urandom of="$MNT/tree/sparse" bs=4k seek=77 count=20 conv=notrunc,fsync status=none
  "$COWSNAP" sync "$MNT"
  same_tree tree "$(volume s)/tree"
  stop_traced
  same 0 "$code" "exit code of the daemon"
  at_least 10 "$(calls 'EINTR.*INJECTED')" "calls that were interrupted"
  has "$(cat trace)" 'fdatasync.*INJECTED' "syncs, too"
  same 2 "$(wc -l <daemon.log)" "lines of the log ($(cat daemon.log))"
  start_cowfs "$STORE" "$MNT"
  same_tree tree "$(volume s)/tree"
  stop_cowfs "$MNT"
}

# after_a_failing CALL ERROR FROM ACTION: from the FROM-th such call of each thread on the host answers ERROR; ACTION meets it.
after_a_failing() {
  only_cowfs
  need_cowfs
  make_store
  start_cowfs "$STORE" "$MNT" -o commit=1
  head -c 3000000 /dev/urandom >expected
  cp expected "$MNT/kept"
  "$COWSNAP" sync "$MNT"
  trace_daemon -e "trace=$1" -e "inject=$1:error=$2:when=$3+"
  "$4"
  same 1 "$(grep -vc ': mounted at' daemon.log)" "lines of the log ($(cat daemon.log))"
  has "$(cat daemon.log)" "the store takes no more changes: .*sync" "the line"
  stop_traced
  different 0 "$code" "exit code of a daemon that could not make all durable"
  has "$(cat trace)" INJECTED "what strace did"
  start_cowfs "$STORE" "$MNT"
  same_bytes expected "$MNT/kept"
  echo more >"$MNT/more"
  stop_cowfs "$MNT"
}
write_until_a_sync_fails() {
  local i
  for i in 1 2 3 4 5 6; do
    dd if=/dev/urandom of="$MNT/new.$i" bs=64k count=4 conv=fsync status=none 2>said || return 0
  done
  fail "no fsync failed"
}
sync_fails() {
  write_until_a_sync_fails
  has "$(cat said)" 'Input/output error' "what an fsync says that failed"
  refused 'Read-only file system' touch "$MNT/newer"
  refused 'Read-only file system|Input/output error' "$COWSNAP" sync "$MNT"
  same_bytes expected "$MNT/kept"
}
nobody_waits() {
  echo new >"$MNT/new"
  eventually 20 "a store that takes no more changes" no_change_works
}
no_change_works() { ! mkdir "$MNT/d$RANDOM" 2>/dev/null; }

promise_a_failed_sync_ends_all_changes_whatever_the_host_calls_it() {
  after_a_failing fdatasync ENOSPC 1 sync_fails
}
promise_a_failed_sync_of_another_kind_too() {
  after_a_failing fdatasync EIO 2 sync_fails
}
promise_a_failure_that_no_program_waits_for_is_told_in_the_log() {
  after_a_failing fdatasync EDQUOT 1 nobody_waits
}

promise_what_is_made_has_a_name_that_lasts() {
  only_cowfs
  need_cowfs
  need_tool strace
  mkdir parent
  STORE=$PWD/parent/store
  strace -f -y -qq -o trace -e trace=fsync,fdatasync "$MKFS" "$STORE" >/dev/null
  has "$(cat trace)" "fsync\([0-9]+<$STORE>\)" "the store's folder"
  has "$(cat trace)" "fsync\([0-9]+<$PWD/parent>\)" "the folder that the store lies in"
  start_cowfs "$STORE" "$MNT" -o commit=300
  trace_daemon -e trace=openat,fsync,fdatasync,pwritev
  head -c 3000000 /dev/zero >"$MNT/new"
  sync "$MNT/new"
  sleep 0.2
  # The object is new: its bytes, its name, and only then the mark that says that the journal can be believed.
  local object
  object=$(grep -oE 'O_CREAT.*= [0-9]+<[^>]*/objects/[0-9a-f/]+>' trace | tail -n 1 | sed 's/.*<\(.*\)>/\1/')
  different "" "$object" "the object that was made"
  has "$(cat trace)" "fdatasync\([0-9]+<$object>" "the object's bytes"
  has "$(cat trace)" "fsync\([0-9]+<$(dirname "$object")>" "the object's name"
  local order
  order=$(grep -nE "fdatasync\([0-9]+<$object>|fsync\([0-9]+<$(dirname "$object")>|fdatasync\([0-9]+<$STORE/journal/" trace | cut -d: -f1 | tail -n 1)
  has "$(sed -n "${order}p" trace)" /journal/ "what is synced last"
  stop_traced
  same 0 "$code" "exit code of the daemon"
}

# unsynced_files: names of files of the store that the daemon wrote to, as it was traced, and did not sync after that.
unsynced_files() {
  S="$STORE/" awk '
    match($0, /(write|writev|pwrite64|pwritev|pwritev2|fsync|fdatasync)\([0-9]+<[^>]*>/) {
      call = substr($0, RSTART, RLENGTH)
      path = call; sub(/^[^<]*</, "", path); sub(/>$/, "", path)
      if (index(path, ENVIRON["S"]) == 1) dirty[path] = call !~ /sync\(/
    }
    END { for (path in dirty) if (dirty[path]) print substr(path, length(ENVIRON["S"]) + 1) }' trace
}

# waits_for_the_store COMMAND…: it unmounts $MNT, and when it returns all is durable and the store free, however slow the host.
waits_for_the_store() {
  local code=0
  start_cowfs "$STORE" "$MNT" -o commit=300
  trace_daemon -e trace=write,writev,pwrite64,pwritev,pwritev2,fsync,fdatasync -e inject=fsync,fdatasync:delay_enter=100000
  rm -rf "$MNT/tree"
  cp -a tree "$MNT/tree"
  snapshot "s$RANDOM"
  "$@" "$MNT"
  "$COWFS_BIN_DIR/fsck.cowfs" -n "$STORE" >checked 2>&1 || fail "the store, when '$*' returned: $(cat checked)"
  has "$(cat checked)" 'clean' "what is said of a store that was unmounted"
  digest "$STORE" >at.return
  unmounted "$MNT" || fail "still mounted"
  wait "$DAEMON" || code=$?
  same 0 "$code" "exit code of the daemon"
  wait "$TRACER" || true
  digest "$STORE" >at.end
  same_digest at.return at.end "the store when '$*' returned, and when the daemon had ended"
  at_least 3 "$(calls "$SYNC.*(INJECTED|DELAYED)")" "slow syncs"
  same "" "$(unsynced_files)" "files that were written and not synced"
}
promise_who_unmounts_waits_until_all_is_durable_and_the_store_is_free() {
  only_cowfs
  need_cowfs
  make_store
  mkdir tree
  small_tree tree
  waits_for_the_store "$COWFS" --unmount
  ln -s "$COWFS" umount.fuse.cowfs  # as umount(8) calls it
  waits_for_the_store ./umount.fuse.cowfs
  start_cowfs "$STORE" "$MNT"
  same_tree tree "$MNT/tree"
  stop_cowfs "$MNT"
}

promise_an_operation_is_one_append_and_no_sync() {
  only_cowfs
  need_cowfs
  make_store
  start_cowfs "$STORE" "$MNT" -o commit=300
  trace_daemon -e trace=write,writev,pwrite64,pwritev,pwritev2,fsync,fdatasync
  mkdir "$MNT/d"
  same 50 "$(calls_during "$JOURNAL" make_fifty)" "appends to the journal of 50 mkdirs"
  same 50 "$(calls_during "$JOURNAL" rename_fifty)" "appends of 50 renames"
  # What has lost its name goes in a transaction of its own, once the kernel knows it no more.
  same 100 "$(calls_during "$JOURNAL" remove_fifty)" "appends of 50 rmdirs"
  same 0 "$(calls_during "$SYNC" make_fifty)" "syncs of operations that nobody wants durable"
  stop_traced
  same 0 "$code" "exit code of the daemon"
}
make_fifty() { (cd "$MNT/d" && mkdir $(seq 50)); }
rename_fifty() { (cd "$MNT/d" && for i in $(seq 50); do mv -T "$i" "x$i"; done); }
remove_fifty() { (cd "$MNT/d" && rmdir x*); }

promise_a_database_pays_one_sync_for_an_overwrite() {
  only_cowfs
  need_cowfs
  make_store
  start_cowfs "$STORE" "$MNT" -o commit=300
  trace_daemon -e trace=fsync,fdatasync
  head -c 4000000 /dev/urandom >"$MNT/db"
  "$COWSNAP" sync "$MNT"
  # Before the first overwrite in a range of 1 MiB the journal says so, durably; the first fdatasync of a file that was opened also
  # makes durable what others have left.
  need_tool python3
  mkfifo more.fifo done.fifo
  python3 -c "$OVERWRITE" "$MNT/db" <more.fifo >done.fifo &
  exec 7>more.fifo 8<done.fifo
  at_most 3 "$(calls_during "$SYNC" overwrite 1)" "syncs for the first overwrite and fdatasync"
  same 20 "$(calls_during "$SYNC" overwrite 20)" "syncs for 20 more of them"
  exec 7>&- 8<&-
  wait $!
  stop_traced
  same 0 "$code" "exit code of the daemon"
}
# A program that keeps its file open: for each number that it reads it overwrites so many blocks of 4 KiB, each with an fdatasync.
OVERWRITE='
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
place = 0
for line in sys.stdin:
    for _ in range(int(line)):
        os.pwrite(fd, os.urandom(4096), place * 7 % 250 * 4096)
        os.fdatasync(fd)
        place += 1
    print("done", flush=True)
'
overwrite() { echo "$1" >&7; read -r _ <&8; }

promise_attributes_come_from_memory() {
  only_cowfs
  need_cowfs
  make_store
  start_cowfs "$STORE" "$MNT"
  trace_daemon -e trace=pread64,preadv,openat,newfstatat,statx,fstat
  (cd "$MNT" && for i in $(seq 100); do echo "$i" >"file$i"; done)
  same 0 "$(calls_during . ask_for_attributes)" "calls to the host for 200 GETATTRs"
  stop_traced
  same 0 "$code" "exit code of the daemon"
}
ask_for_attributes() { (cd "$MNT" && stat --cached=never -c %s file* file* >/dev/null); }

run_promises "$@"
