# findnames comes first in a sidecar with a cached data root, $DATA, which this
# program has cleared behind the last job. What containerd has in it still has
# the names of images: dockerd would take what they name without asking the
# registry for a newer one.
# shellcheck shell=sh
# shellcheck disable=SC2034 # forgetfirst.sh and dropnamed.sh read both
seeded=
names=
[ ! -e "$DATA/containerd" ] || names=containerd
