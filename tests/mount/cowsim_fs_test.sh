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

promise_forked_volumes_share_blocks_as_forks_share_frames() {
  need_cowsim
  mount_fresh
  "$COWSIM" fs "--seeds=$(seeds 4 300)" --fork=volume "$MNT"
  unmount
}

promise_remounts_and_dead_daemons_change_nothing_that_was_synced() {
  need_cowsim
  need_root
  restart_scripts
  mkdir "$MNT/sim"
  "$COWSIM" fs "--seeds=$(seeds 3 200)" "--remount=bash $T/remount" "--kill=bash $T/kill" "$MNT/sim"
  "$COWSIM" fs "--seeds=$(seeds 2 100)" --fork=volume "--remount=bash $T/remount" "--kill=bash $T/kill" "$MNT"
  "$COWFS" --unmount "$MNT"
}

# One trace on the simulator, on processes and on files.
promise_one_trace_agrees_on_three_systems() {
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
END
  "$COWSIM" run -q three.trace
  local code=0
  "$COWSIM" oracle three.trace || code=$?
  [ "$code" = 77 ] || same 0 "$code" "exit code of cowsim oracle"
  mkdir "$MNT/sim"
  "$COWSIM" fs "$MNT/sim" three.trace
  unmount
}

promise_other_filesystems_are_refused() {
  need_cowsim
  mkdir plain
  refused "not inside a cowfs mount" "$COWSIM" fs plain
}

run_promises "$@"
