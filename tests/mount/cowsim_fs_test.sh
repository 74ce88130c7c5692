#!/usr/bin/env bash
# The simulator's traces on files of a mount: bytes, blocks in use and the sharing of blocks are those of its frames.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib.sh"

COWSIM=$COWFS_BIN_DIR/cowsim

need_cowsim() {
  only_cowfs
  need_cowfs
  [ -x "$COWSIM" ] || fail "$COWSIM is missing"
}
# seeds SHORT LONG
seeds() { if long; then echo "1..$2"; else echo "1..$1"; fi; }

# restart_scripts: $T/remount and $T/kill, for cowsim to call; the daemon is theirs from now on.
restart_scripts() {
  cat >"$T/start" <<END
"$COWFS" "$STORE" "$MNT" -f >>"$T/daemon.log" 2>&1 </dev/null &
echo \$! >"$T/pid"
for i in \$(seq 2000); do grep -q " $MNT fuse" /proc/self/mounts && exit 0; sleep 0.01; done
exit 1
END
  cat >"$T/remount" <<END
"$COWFS" --unmount "$MNT" && bash "$T/start"
END
  cat >"$T/kill" <<END
kill -KILL \$(cat "$T/pid") && umount -l "$MNT" && bash "$T/start"
END
  make_store "$STORE"
  bash "$T/start"
}

promise_clones_share_blocks_as_forks_share_frames() {
  need_cowsim
  mount_fresh
  mkdir "$MNT/sim"
  "$COWSIM" fs "--seeds=$(seeds 8 1000)" "$MNT/sim"
  unmount
}

promise_what_is_in_the_way_is_named() {
  need_cowsim
  mount_fresh
  mkdir "$MNT/sim"
  echo mine >"$MNT/sim/p1"
  refused "$MNT/sim/p1: there already, .*: remove it, or name an empty directory" "$COWSIM" fs --seeds=1..3 "$MNT/sim"
  same mine "$(cat "$MNT/sim/p1")" "the file in the way"
  mkdir "$MNT/.cowfs/cowsim-p1"
  refused "$MNT/.cowfs/cowsim-p1: there already, .*cowsnap delete" "$COWSIM" fs --seeds=1..3 --fork=volume "$MNT"
  "$COWSNAP" delete "$MNT" cowsim-p1
  unmount
}

promise_forked_volumes_share_blocks_as_forks_share_frames() {
  need_cowsim
  mount_fresh
  "$COWSIM" fs "--seeds=$(seeds 4 300)" --fork=volume "$MNT"
  unmount
}

# replayed SAID: some of the kills came before a checkpoint, so that the journal had to bring back what was done.
replayed() {
  has "$1" 'all agree; [1-9][0-9]* kills before a checkpoint' "kills that the journal had to answer"
}
promise_remounts_and_dead_daemons_change_nothing_that_was_acknowledged() {
  local said
  need_cowsim
  need_root
  restart_scripts
  mkdir "$MNT/sim"
  said=$("$COWSIM" fs "--seeds=$(seeds 6 1000)" "--remount=bash $T/remount" "--kill=bash $T/kill" "$MNT/sim")
  echo "$said"
  replayed "$said"
  said=$("$COWSIM" fs "--seeds=$(seeds 4 200)" --fork=volume "--remount=bash $T/remount" "--kill=bash $T/kill" "$MNT")
  echo "$said"
  replayed "$said"
  "$COWFS" --unmount "$MNT"
}

# compared_frames SAID: not only values. Where root is not told which frames pages are in, that is no pass.
compared_frames() {
  [ "$(id -u)" = 0 ] || return 0
  has "$1" 'compared with processes: values, outcomes, faults and frames' "what was compared"
}
# Each trace on the simulator, on real processes and on files, at once, step by step.
promise_random_traces_agree_on_three_systems() {
  local said
  need_cowsim
  mount_fresh
  mkdir "$MNT/sim"
  said=$("$COWSIM" fs --three-way "--seeds=$(seeds 30 1000)" "$MNT/sim")
  echo "$said"
  compared_frames "$said"
  said=$("$COWSIM" fs --three-way "--seeds=$(seeds 10 200)" --fork=volume "$MNT")
  echo "$said"
  compared_frames "$said"
  unmount
}
promise_random_traces_agree_on_three_systems_through_kills() {
  local said
  need_cowsim
  need_root
  restart_scripts
  mkdir "$MNT/sim"
  said=$("$COWSIM" fs --three-way "--seeds=$(seeds 6 200)" "--remount=bash $T/remount" "--kill=bash $T/kill" "$MNT/sim")
  echo "$said"
  compared_frames "$said"
  replayed "$said"
  "$COWFS" --unmount "$MNT"
}

# One trace that can be read, and one in which the simulator does what the kernel does not: that must be noticed.
promise_one_trace_agrees_on_three_systems() {
  local said
  need_cowsim
  mount_fresh
  cat >three.trace <<'END'
machine frames=64 swap=0 profile=linux
proc p1
p1 map A anon private 4
p1 write A.0 'a'
p1 write A.2 'c'
p1 fork p2
p2 write A.0 'b'
p1 read A.1
p1 fork p3
p3 dontneed A.2
p3 write A.3+7 'd'
p2 exit
p1 write A.0 'e'
p1 write A.2 'f'
END
  "$COWSIM" run -q three.trace
  mkdir "$MNT/sim"
  said=$("$COWSIM" fs --three-way "$MNT/sim" three.trace)
  echo "$said"
  compared_frames "$said"
  has "$said" 'three.trace: all agree' "verdict"
  sed 's/profile=linux/profile=linux reuse=off/' three.trace >copies.trace
  if [ "$(id -u)" = 0 ]; then
    refused 'the simulator copied the page, the kernel let its owner take it' \
      "$COWSIM" fs --three-way "$MNT/sim" copies.trace
  fi
  "$COWSIM" fs "$MNT/sim" copies.trace
  sed 's/profile=linux/profile=linux fork=full/' three.trace >full.trace
  refused 'blocks are in use, the simulator uses' "$COWSIM" fs "$MNT/sim" full.trace
  printf '%s\n' 'proc p1' 'p1 map C anon private 2' "p1 write C 'C'" 'p1 read C.1' "p1 write C.0-1+3 \"xyz\"" >whole.trace
  "$COWSIM" fs "$MNT/sim" whole.trace
  unmount
}

promise_other_filesystems_are_refused() {
  need_cowsim
  mkdir plain
  refused "not inside a cowfs mount" "$COWSIM" fs plain
}

run_promises "$@"
