#!/usr/bin/env bash
# Install gVisor (runsc) unless it is there. Debian 12 has a current one in its backports only.
. "$(dirname "$0")/lib.sh"

REMEDY="see https://gvisor.dev/docs/user_guide/install"
OLDEST=20230000 # the first versions with systrap; plain Debian 12 has 20221219

current() {
  local version
  version=$(runsc --version 2>/dev/null | grep -o '20[0-9]\{6\}' | head -n 1)
  [ -n "$version" ] && [ "$version" -ge "$OLDEST" ]
}

current && exit 0
need_root "gVisor" "$REMEDY"
need_apt "gVisor" "$REMEDY"

suite=$(codename)
if [ "$suite" = bookworm ]; then
  if ! grep -rqs '^[^#]*bookworm-backports' /etc/apt/sources.list /etc/apt/sources.list.d; then
    find_mirror
    echo "deb $MIRROR bookworm-backports main" >/etc/apt/sources.list.d/bookworm-backports.list
  fi
  apt-get update -q >&2
  apt_install -t bookworm-backports runsc
else
  apt-get update -q >&2
  apt_install runsc || die "no package runsc in $suite; $REMEDY"
fi
current || die "the installed runsc is older than $OLDEST ($(runsc --version | head -n 1)); $REMEDY"
