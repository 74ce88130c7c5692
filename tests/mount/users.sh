# shellcheck shell=bash
# Commands run as ordinary users, and a world in which two of them exist; sourced after lib.sh.

as() { local uid=$1; shift; setpriv --reuid "$uid" --regid "$uid" --clear-groups --inh-caps=-all -- "$@"; }
denied() { local uid=$1; shift; refused 'Permission denied|not permitted' as "$uid" "$@"; }

# user_world: in this mount namespace alone, two users exist, everybody may open /dev/fuse, and allow_other is allowed.
user_world() {
  need_root
  need_tool setpriv fusermount3
  mkdir world
  mount -t tmpfs -o mode=755 tmpfs world
  mknod -m 666 world/fuse c 10 229
  cp /etc/passwd world/passwd
  printf 'cowfs-one:x:61001:61001::/:/bin/sh\ncowfs-two:x:61002:61002::/:/bin/sh\n' >>world/passwd
  mount --bind world/fuse /dev/fuse
  mount --bind world/passwd /etc/passwd
  if [ -n "${1:-}" ]; then
    echo "$1" >world/fuse.conf
    touch world/empty
    [ -e /etc/fuse.conf ] || skip "no /etc/fuse.conf"
    mount --bind world/fuse.conf /etc/fuse.conf
  fi
}
# user_place: in such a world, the user's directory `mine` with a mount point in it.
user_place() {
  user_world "$@"
  mkdir mine mine/mnt
  chmod 755 "$T" mine
  chown -R 61001:61001 mine
}
end_world() {
  umount /etc/passwd /dev/fuse
  ! mountpoint -q /etc/fuse.conf || umount /etc/fuse.conf
  umount "$T/world"
}
