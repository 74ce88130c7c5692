#!/bin/bash
# Programs at work while snapshots and forks are taken and deleted: a snapshot is one instant of the whole volume, and stays it.
. "$(dirname "$0")/lib.sh"
. "$TEST_DIR/workloads.sh"

take_cuts() {  # take_cuts COUNT DIR: exact_cut under COUNT snapshots, each checked at once and again at the end
  local count=$1 dir=$2 writers i last
  "$(program exact_cut)" write "$dir" "$T/shared" 4 &
  writers=$!
  snapshot_script "$T/take"
  while [ ! -s "$T/shared" ]; do sleep 0.01; done
  for last in "$dir"/{0,1,2,3}/last; do eventually 60 "$last" [ -e "$last" ]; done
  for i in $(seq "$count"); do
    "$(program exact_cut)" take "$T/shared" "$T/take c$i" "$T/c$i"
    "$(program exact_cut)" check "$(volume "c$i")/${dir#"$MNT"}" "$T/c$i" || fail "snapshot $i of $count"
    if [ $((i % 3)) = 0 ]; then delete_volume "c$((i - 1))"; rm "$T/c$((i - 1))"; fi
  done
  kill -TERM "$writers"
  wait "$writers" || fail "the writers"
  for i in $(seq "$count"); do
    [ ! -e "$T/c$i" ] || "$(program exact_cut)" check "$(volume "c$i")/${dir#"$MNT"}" "$T/c$i" || fail "snapshot $i at the end"
  done
}

promise_a_snapshot_is_one_instant_for_all_writers() {
  need_snapshots
  mount_fresh
  mkdir "$MNT/work"
  take_cuts "$(long && echo 1000 || echo 25)" "$MNT/work"
}

promise_a_snapshot_by_cowsnap_is_one_instant_for_all_writers() {
  only_cowfs
  mount_fresh
  mkdir "$MNT/work"
  snapshot_script() { printf '#!/bin/sh\nexec "%s" create "%s" "$1" >/dev/null\n' "$COWSNAP" "$MNT" >"$1"; chmod +x "$1"; }
  take_cuts "$(long && echo 500 || echo 12)" "$MNT/work"
}

promise_cuts_are_exact_while_snapshots_are_remounted() {
  local i
  need_snapshots
  mount_fresh
  mkdir "$MNT/work"
  take_cuts 6 "$MNT/work"
  remount
  for i in $(seq 6); do
    [ ! -e "$T/c$i" ] || "$(program exact_cut)" check "$(volume "c$i")/work" "$T/c$i" || fail "snapshot $i after a remount"
  done
}

# under_snapshots WORKLOAD…: the workload runs while a taker makes snapshots and forks, remembers each one's digest at once,
# writes into the forks, deletes old ones; at the end those that are left are what they were.
under_snapshots() {
  local taker code=0 i
  taker_loop &
  taker=$!
  "$@" || code=$?
  touch "$T/stop"
  wait "$taker" || fail "the taker of snapshots"
  [ "$code" = 0 ] || fail "$* (exit $code) under snapshots"
  for i in "$T"/taken/*; do
    i=$(basename "$i")
    digest --no-dir-links "$(volume "$i")" >"$T/seen.digest"
    same_digest "$T/taken/$i" "$T/seen.digest" "volume $i and what it was"
  done
}
taker_loop() {
  local i=0 old
  mkdir "$T/taken"
  while [ ! -e "$T/stop" ]; do
    i=$((i + 1))
    if [ $((i % 4)) = 0 ]; then
      fork "v$i"
      mkdir -p "$(volume "v$i")/only.here"
      head -c 100000 /dev/urandom >"$(volume "v$i")/only.here/file"
      find "$(volume "v$i")" -name '*.h' -type f | sort | sed -n 1,20p | while read -r old; do echo fork >>"$old"; done
    else
      snapshot "v$i"
    fi
    digest --no-dir-links "$(volume "v$i")" >"$T/taken/v$i"
    old=$((i - 6))
    if [ "$old" -gt 0 ] && [ $((old % 5)) != 0 ]; then
      rm "$T/taken/v$old"
      delete_volume "v$old"
    fi
    read -r -t 0.3 _ <&"$PAUSE" || true
  done
}
prepare() {
  need_snapshots
  mount_fresh
  mkfifo "$T/pause"
  exec {PAUSE}<>"$T/pause"
}

promise_a_build_succeeds_while_snapshots_are_taken_and_each_stays_what_it_was() {
  prepare
  mkdir "$MNT/project"
  under_snapshots build_project "$MNT/project"
}

promise_git_works_while_snapshots_are_taken_and_each_stays_what_it_was() {
  need_git
  prepare
  git_origin "$T/origin"
  under_snapshots git_work "$MNT" "$T/origin"
}

# A snapshot of a database at work is a database after a power cut: sqlite recovers it.
databases_in_snapshots_are_whole() {
  local taken count=0
  for taken in "$T"/taken/*; do
    rm -rf "$T/db"
    mkdir "$T/db"
    cp "$(volume "$(basename "$taken")")"/work.db* "$T/db/" 2>/dev/null || continue
    same ok "$(sqlite3 "$T/db/work.db" 'PRAGMA integrity_check')" "database in $(basename "$taken")"
    count=$((count + 1))
  done
  at_least 1 "$count" "databases found in snapshots"
}
promise_sqlite_with_a_write_ahead_log_works_under_snapshots_and_each_holds_a_whole_database() {
  prepare
  under_snapshots sqlite_work "$MNT" wal
  databases_in_snapshots_are_whole
}
promise_sqlite_with_a_rollback_journal_works_under_snapshots_and_each_holds_a_whole_database() {
  prepare
  under_snapshots sqlite_work "$MNT" delete
  databases_in_snapshots_are_whole
}

promise_fio_reads_back_what_it_wrote_while_snapshots_are_taken() {
  prepare
  under_snapshots all_fio
}
all_fio() {
  fio_work "$MNT" random --ioengine=psync --rw=randwrite --bs=4k
  fio_work "$MNT" mapped --ioengine=mmap --rw=randwrite --bs=4k
  if [ "$COWFS_TARGET" != tmpfs ]; then fio_work "$MNT" direct --ioengine=libaio --iodepth=8 --direct=1 --rw=randwrite --bs=16k; fi
  fio_work "$MNT" overwritten --ioengine=psync --rw=randwrite --bs=4k --numjobs=2 --norandommap --io_size=24M
}

run_promises "$@"
