# The last part of the fast boot: the question to the mirror ends, name servers
# are added, and the entrypoint takes over. Behind Docker's own resolver in
# /etc/resolv.conf they serve every container inside.
# shellcheck shell=sh
# shellcheck disable=SC2154 # $m is of askmirror.sh
[ -z "$m" ] || wait "$m"
for d in $GITLAB_DIND_EXECUTOR_DNS; do echo "nameserver $d"; done >>/etc/resolv.conf
exec "$0" "$@"
