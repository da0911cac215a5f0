#!/bin/sh
# Runs a command that sees no network, no other process and no file but those listed, and writes into EXCHANGE and its home only.
#     unshare --user --map-root-user --mount --net --pid --ipc --uts --fork --kill-child sh sandbox.sh EXCHANGE READABLE... -- COMMAND...
set -e
exchange=$1
root=$exchange/root
shift

see() {  # make a path of the machine visible inside
    [ -e "$root$1" ] && return
    if [ -d "$1" ]; then mkdir -p "$root$1"; else mkdir -p "$(dirname "$root$1")"; touch "$root$1"; fi
    mount --rbind "$1" "$root$1"
}

mkdir -p "$root"
mount -t tmpfs -o size=256m,mode=755 tmpfs "$root"
mkdir -p "$root/proc" "$root/dev/shm" "$root/tmp" "$root/etc" "$root/home/student" "$root/old"
echo "student:x:0:0::/home/student:/bin/sh" > "$root/etc/passwd"
mount -t proc proc "$root/proc"
for device in null zero full random urandom; do see "/dev/$device"; done
for folder in bin lib lib32 lib64; do
    if [ -L "/$folder" ]; then ln -s "$(readlink "/$folder")" "$root/$folder"; elif [ -d "/$folder" ]; then set -- "/$folder" "$@"; fi
done
while [ "$1" != -- ]; do
    see "$1"
    ! mountpoint -q "$root$1" || mount -o remount,bind,ro "$root$1"
    shift
done
shift
see "$exchange"

cd "$root"
pivot_root . old
umount -l /old
rmdir /old
cd /home/student
# Root inside, so that it could mount; without capabilities it cannot mount anything any more.
exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs "$@"
