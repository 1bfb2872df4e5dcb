#!/bin/sh
# Runs a program as a container would, as far as that goes without one: start-read-only.sh FOLDER PROGRAM ARGUMENT…
# As user 1000, FOLDER as /mnt/app, every file system read-only but an empty /tmp. Needs root, and mount namespaces;
# without them it runs the program as it is, where FOLDER lies.
set -eu
app="$1"
shift
if [ "${IN_NAMESPACE:-}" = '' ]; then
  if [ "$(id -u)" -eq 0 ] && unshare --mount true 2>/dev/null; then
    IN_NAMESPACE=1 exec unshare --mount --propagation private "$0" "$app" "$@"
  fi
  echo 'no mount namespace here: nothing is read-only' >&2
  cd "$app"
  exec "$@"
fi
unset IN_NAMESPACE
mount -t tmpfs tmpfs /mnt
mkdir /mnt/app
mount --bind "$app" /mnt/app
mount -t tmpfs -o mode=1777 tmpfs /tmp
for place in / /mnt /mnt/app; do mount -o remount,bind,ro "$place"; done
cd /mnt/app
exec setpriv --reuid=1000 --regid=1000 --clear-groups --no-new-privs "$@"
