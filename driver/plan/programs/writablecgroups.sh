# writablecgroups comes before the entrypoint where the engine mounts cgroups
# read-only and the inner daemon must make some.
# shellcheck shell=sh
while read -r _ _ _ _ point _; do
	case $point in /sys/fs/cgroup | /sys/fs/cgroup/*) mount -o remount,bind,rw "$point" || exit 1 ;; esac
done </proc/self/mountinfo
