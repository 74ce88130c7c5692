#!/bin/bash
# The model test over a real mount: random file operations, snapshots, forks, clones, deletions, remounts and kills after a
# sync, every volume compared with a plain reference, space back to zero at the end. COWFS_SEED=N: that seed alone.
. "$(dirname "$0")/lib.sh"

seeds() {  # seeds BASE COUNT
  if [ -n "${COWFS_SEED:-}" ]; then echo "$COWFS_SEED"; else seq "$1" $(($1 + $2 - 1)); fi
}

# remount_program: what random_volumes calls with `remount` or `kill`.
remount_program() {
  cat <<END
#!/bin/bash
set -e
case \$1 in
  remount) "$COWFS" --unmount "$MNT" ;;
  kill)
    kill -KILL \$(cat "$T/pid")
    umount -l "$MNT"
    ;;
esac
"$COWFS" "$STORE" "$MNT" -f -o commit=1 >>"$T/daemon.log" 2>&1 </dev/null &
echo \$! >"$T/pid"
for i in \$(seq 2000); do
  ! mountpoint -q "$MNT" || exit 0
  sleep 0.01
done
exit 1
END
}

run_seeds() {  # run_seeds BASE COUNT STEPS
  local seed before
  only_cowfs
  need_root
  for seed in $(seeds "$1" "$2"); do
    STORE=$T/store$seed
    mount_fresh -o commit=1
    disown "$DAEMON"  # it may be killed: the shell shall not tell of it
    echo "$DAEMON" >"$T/pid"
    remount_program >remount.sh
    chmod +x remount.sh
    before=$(used_bytes)
    "$(program random_volumes)" "$seed" "$3" "$MNT" "$COWSNAP" "$T/remount.sh" 2>said ||
      { cat said >&2; fail "seed $seed; again with: COWFS_SEED=$seed bash $0"; }
    space_back $((before + 65536))
    "$COWFS" --unmount "$MNT"
  done
}

promise_random_changes_in_all_volumes_agree_with_a_plain_reference() {
  run_seeds 1 "$(long && echo 200 || echo 2)" 1500
}

run_promises "$@"
