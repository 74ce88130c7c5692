#!/bin/bash
# The daemon is killed again and again under load: what was acknowledged is there, bytes included, synced or not.
. "$(dirname "$0")/lib.sh"

rounds() { if long; then echo 200; else echo 20; fi; }

# answer WORD…: the next line of the workers, which must begin with WORD.
answer() {
  local line
  IFS= read -r -t 120 line <&"${WORKERS[0]}" || fail "the workers ended"
  has "$line" "^$1" "the workers' answer"
}

# start_workers COUNT SEED: pid in $WORKERS_PID, their input and output in $WORKERS.
start_workers() {
  coproc WORKERS { exec "$(program kill_workers)" "$MNT" "$1" "$2" "$T/killed"; }
  answer good
}

# kill_and_compare: at a moment of its own. The daemon must end by itself, also where it flushes an inode for a snapshot and
# waits in the kernel for a lock that a writer holds who waits for the daemon.
kill_and_compare() {
  local moment=$(((RANDOM % 500) + 30))
  read -r -t "0.$(printf %03d "$moment")" _ <> <(:) || true
  : >"$T/killed"
  kill -KILL "$DAEMON"
  eventually 20 "the end of a killed daemon" ended "$DAEMON"
  wait "$DAEMON" 2>/dev/null || true
  answer stopped
  if mounted "$MNT"; then umount -l "$MNT"; fi
  rm "$T/killed"
  mount_again "${OPTIONS[@]}"
  echo go >&"${WORKERS[1]}"
  answer good
}

end_workers() {
  local input=${WORKERS[1]}
  : >"$T/killed"
  kill_cowfs
  answer stopped
  exec {input}>&-
  wait "$WORKERS_PID" || fail "the workers' exit code is $?"
}

kill_rounds() {  # kill_rounds COUNT [mount options…]
  local i count=$1
  shift
  OPTIONS=("$@")
  only_cowfs
  mount_fresh "${OPTIONS[@]}"
  start_workers 3 "$count"
  for i in $(seq "$count"); do
    say "kill $i"
    kill_and_compare
  done 2>"$T/kills.log" || { tail -n 5 "$T/kills.log" >&2; fail "after $(grep -c '^kill' "$T/kills.log") kills"; }
  end_workers
}

promise_what_was_acknowledged_survives_kills() { kill_rounds "$(($(rounds) * 3 / 4))"; }

# A checkpoint each second: kills come in the middle of some.
promise_what_was_acknowledged_survives_kills_beside_checkpoints() { kill_rounds "$(($(rounds) / 4))" -o commit=1; }

promise_a_daemon_killed_in_the_flush_of_a_snapshot_ends() {
  local i
  only_cowfs
  mount_fresh
  for i in 1 2 3 4 5; do
    kill_in_flush "$i" "$MNT" "$DAEMON"
    umount -l "$MNT"
    wait
    mount_again
    present "$MNT/mapped.$i"
  done
}

run_promises "$@"
