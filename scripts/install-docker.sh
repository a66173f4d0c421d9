#!/usr/bin/env bash
# Install the Docker daemon, its compose plugin and debootstrap, and register runsc with the daemon.
. "$(dirname "$0")/lib.sh"

REMEDY="see https://docs.docker.com/engine/install"
SETTINGS=/etc/docker/daemon.json

"$(dirname "$0")/install-runsc.sh"

missing=()
command -v dockerd >/dev/null || missing+=(docker.io)
command -v debootstrap >/dev/null || missing+=(debootstrap)
if [ ${#missing[@]} -gt 0 ]; then
  need_root "Docker" "$REMEDY"
  need_apt "Docker" "$REMEDY"
  apt-get update -q >&2
  apt_install "${missing[@]}" iptables
fi
if ! command -v docker >/dev/null; then # newer releases package the client on its own
  need_root "The Docker client" "$REMEDY"
  apt_install docker-cli
fi

# Debian 12 packages only the old docker-compose 1; trixie's 2.26 runs on it. Its package lists go
# to a directory of their own, so that nothing else is ever taken from trixie.
install_compose() {
  local work
  find_mirror
  work=$(mktemp -d)
  trap 'rm -rf "$work"' RETURN
  mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
  echo "deb $MIRROR trixie main" >"$work/sources.list"
  local options=(
    -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root
  )
  apt-get "${options[@]}" update -q >&2
  (cd "$work" && apt-get "${options[@]}" download -q docker-compose/trixie >&2)
  apt_install "$work"/docker-compose_*.deb
}

if ! docker compose version >/dev/null 2>&1; then
  need_root "The compose plugin" "$REMEDY"
  need_apt "The compose plugin" "$REMEDY"
  install_compose
  docker compose version >/dev/null || die "the compose plugin does not run; $REMEDY"
fi

# gVisor of 2024 on newer kernels takes Docker's network namespace for the host's and refuses to
# start with a network: hence --network=none, which is what a sandbox gets anyway.
register_runsc() {
  python3 - "$SETTINGS" "$(command -v runsc)" <<'PYTHON'
import json, pathlib, sys

path, runsc = pathlib.Path(sys.argv[1]), sys.argv[2]
settings = json.loads(path.read_text()) if path.exists() else {}
settings.setdefault("runtimes", {})["runsc"] = {"path": runsc, "runtimeArgs": ["--network=none"]}
path.parent.mkdir(parents=True, exist_ok=True)
path.write_text(json.dumps(settings, indent=2) + "\n")
PYTHON
}

# A runtime of that name is somebody's who may need it as it is.
has_runsc() {
  python3 - "$SETTINGS" <<'PYTHON'
import json, pathlib, sys

path = pathlib.Path(sys.argv[1])
sys.exit(not (path.exists() and "runsc" in json.loads(path.read_text()).get("runtimes", {})))
PYTHON
}

if ! has_runsc; then
  need_root "Registering runsc in $SETTINGS" "add \"runtimes\": {\"runsc\": {\"path\": \"$(command -v runsc)\", \"runtimeArgs\": [\"--network=none\"]}} to it"
  register_runsc
fi
