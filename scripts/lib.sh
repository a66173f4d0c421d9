# Shared by the scripts beside it; sourced, not run.
set -euo pipefail

say() { printf '%s\n' "$*" >&2; }

die() {
  say "error: $*"
  exit 1
}

# need_root WHAT: end with a remedy unless we are root.
need_root() {
  [ "$(id -u)" -eq 0 ] || die "$1 needs root. Run 'sudo make $(basename "$0" .sh)', or install it yourself: $2"
}

# need_apt WHAT REMEDY: end with a remedy where there is no apt.
need_apt() {
  command -v apt-get >/dev/null || die "$1 can be installed here only with apt (Debian, Ubuntu). $2"
}

codename() { (. /etc/os-release && echo "${VERSION_CODENAME:-unknown}"); }

# Set MIRROR to the Debian mirror that this machine's apt uses; DEBIAN_MIRROR overrides it.
find_mirror() {
  MIRROR=${DEBIAN_MIRROR:-$(apt_mirror)}
  if [ -z "$MIRROR" ]; then # apt knows its sources only once it has their lists
    apt-get update -q >&2
    MIRROR=$(apt_mirror)
  fi
  [ -n "$MIRROR" ] || die "apt names no Debian mirror: set DEBIAN_MIRROR to the address of one"
}

# Debian's cloud images name a list of mirrors instead (mirror+file:…): then it is Debian's own.
apt_mirror() {
  local named
  named=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages')
  grep -m 1 '^https\?:.*/debian/\?$' <<<"$named" ||
    { grep -q '^mirror+file:' <<<"$named" && grep -qx ID=debian /etc/os-release &&
      echo http://deb.debian.org/debian; } || true
}

apt_install() {
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >&2
}

# wait_until SECONDS COMMAND…: 0 as soon as the command succeeds, 1 at the deadline.
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.2
  done
}
