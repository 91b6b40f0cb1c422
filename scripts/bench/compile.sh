#!/bin/sh
set -eu
o=$2/$(basename "$1" .txt).o
# shellcheck disable=SC2018 # the packages have no other letters
tr -cs 'a-z' '\n' <"$1" | sort | uniq -c | sort -rn >"$o"
sha256sum "$o" >>"$2/manifest"
