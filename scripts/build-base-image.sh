#!/usr/bin/env bash
# Have the images' base: there already, pulled, or, where it cannot be pulled, made here: Debian
# trixie's own Python 3.13 under the official image's name, with this machine's certificates and
# pip and apt settings. Usage: build-base-image.sh [NAME]
. "$(dirname "$0")/lib.sh"

NAME=${1:-python:3.13-slim}
CERTIFICATES=/etc/ssl/certs/ca-certificates.crt

docker image inspect "$NAME" >/dev/null 2>&1 && exit 0
timeout 300 docker pull -q "$NAME" >/dev/null 2>&1 && exit 0
need_root "Building a base image" "docker pull $NAME"
command -v debootstrap >/dev/null || die "no debootstrap: run 'make docker'"

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
find_mirror
debootstrap --variant=minbase --include=ca-certificates,python3,python3-pip,python3-venv \
  trixie "$root" "$MIRROR" >&2

ln -s /usr/bin/python3 "$root/usr/local/bin/python"
ln -s /usr/bin/python3 "$root/usr/local/bin/python3"
rm -f "$root"/usr/lib/python3.*/EXTERNALLY-MANAGED # as in the official image, pip may install
[ -f "$CERTIFICATES" ] && cp "$CERTIFICATES" "$root$CERTIFICATES"
[ -f /etc/pip.conf ] && cp /etc/pip.conf "$root/etc/pip.conf"
apt-config dump | grep -E '^Acquire::(Check-|https?::)' >"$root/etc/apt/apt.conf.d/90host" || true
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*

tar -C "$root" -c . | docker import --change 'CMD ["python3"]' --change 'ENV LANG=C.UTF-8' - "$NAME" >&2
