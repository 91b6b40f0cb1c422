#!/bin/sh
set -e
case ${1:-} in
*.yml | *.yaml) set -- docker-registry serve "$@" ;;
serve | garbage-collect | help | -*) set -- docker-registry "$@" ;;
registry) shift && set -- docker-registry "$@" ;;
esac
exec "$@"
