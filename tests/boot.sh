#!/bin/bash
# Boots systemd in namespaces of its own, on an overlay over this very system, and runs a program in
# it as root: tests/boot.sh FOLDER PROGRAM. Nothing outside FOLDER is written, and all ends with the
# program. FOLDER is there as /mnt; FOLDER/units are installed; each line "FROM TO" of FOLDER/binds
# shows a folder elsewhere, where nothing can be written into it.
set -euo pipefail
if [ "${3:-}" != inside ]; then
  exec unshare --mount --pid --fork --cgroup --uts --ipc --net --kill-child "$0" "$1" "$2" inside
fi
folder=$(realpath "$1")
mount --make-rprivate /
mkdir "$folder/over"
mount -t tmpfs tmpfs "$folder/over"
mkdir "$folder"/over/{upper,work,root}
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/over/upper,workdir=$folder/over/work" \
  "$folder/over/root"
root=$folder/over/root
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs tmpfs "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mount -t devpts devpts "$root/dev/pts" -o newinstance,ptmxmode=0666
ln -s pts/ptmx "$root/dev/ptmx"
mkdir -p "$root/mnt"
mount --bind "$folder" "$root/mnt"
while read -r from to; do
  mkdir -p "$root$to"
  mount --bind "$from" "$root$to"
  mount -o remount,bind,ro "$root$to"
done <"$folder/binds"
ip link set lo up
cp -r "$folder"/units/. "$root/etc/systemd/system/"
ln -sf /etc/systemd/system/test.target "$root/etc/systemd/system/default.target"
cat >"$root/etc/systemd/system/test.target" <<UNIT
[Unit]
Description=test
DefaultDependencies=no
Wants=test.service
UNIT
cat >"$root/etc/systemd/system/test.service" <<UNIT
[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
ExecStart=$2
ExecStopPost=/bin/systemctl --no-block exit
StandardOutput=file:/mnt/out
StandardError=file:/mnt/out
UNIT
cd "$root"
mkdir -p old
pivot_root . old
umount -l /old
mount --make-rshared /  # as at a real boot: credentials are mounted in a namespace and must be seen here
exec env -i container=rnnd-test PATH="$PATH" /lib/systemd/systemd --log-target=null </dev/null >/dev/null 2>&1
