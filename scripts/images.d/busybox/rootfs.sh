# shellcheck shell=sh
# Read by sh in the base image: writes a minimal root file system to stdout.
set -eu

root=$(mktemp -d)
chmod 755 "$root"
cd "$root"
mkdir -p bin dev etc home proc root sys usr/bin usr/sbin var/spool
ln -s ../bin sbin
mkdir -m 1777 tmp var/tmp
chmod 700 root
cp "$(command -v busybox)" bin/busybox
for applet in $(bin/busybox --list); do
	[ "$applet" = busybox ] || ln -s busybox "bin/$applet"
done
ln -s ../../bin/env usr/bin/env
cat >etc/passwd <<'END'
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
END
cat >etc/group <<'END'
root:x:0:
daemon:x:1:
www-data:x:33:
nogroup:x:65534:
END
printf 'root:*:::::::\n' >etc/shadow
chmod 640 etc/shadow
tar --owner=0 --group=0 -c .
