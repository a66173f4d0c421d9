#!/usr/bin/env bash
# Have a Docker daemon that knows runsc: use the running one, or start one and remember its pid.
. "$(dirname "$0")/lib.sh"

PID_FILE=${CODERL_DOCKERD_PID_FILE:-/run/coderl-dockerd.pid}
LOG=/var/log/coderl-dockerd.log

knows_runsc() { docker info --format '{{json .Runtimes}}' 2>/dev/null | grep -q '"runsc"'; }

knows_runsc && exit 0
if docker info >/dev/null 2>&1; then # it runs, but has not read its settings since
  need_root "Reloading the Docker daemon" "sudo systemctl reload docker"
  kill -HUP "$(cat /var/run/docker.pid)" || die "cannot reload the Docker daemon: restart it"
  wait_until 20 knows_runsc || die "the Docker daemon has no runtime runsc: check 'runtimes' in /etc/docker/daemon.json and restart it"
  exit 0
fi

need_root "Starting the Docker daemon" "sudo systemctl start docker"
setsid nohup dockerd >"$LOG" 2>&1 </dev/null &
echo $! >"$PID_FILE"
wait_until 90 docker info || die "the Docker daemon did not answer within 90 s; its last words: $(tail -n 5 "$LOG")"
knows_runsc || die "the Docker daemon has no runtime runsc: check 'runtimes' in /etc/docker/daemon.json"
