#!/usr/bin/env bash
# Stop the Docker daemon if start-docker.sh started it; leave any other alone.
. "$(dirname "$0")/lib.sh"

PID_FILE=${CODERL_DOCKERD_PID_FILE:-/run/coderl-dockerd.pid}

[ -f "$PID_FILE" ] || exit 0
pid=$(cat "$PID_FILE")
rm -f "$PID_FILE"
[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ] || exit 0
gone() { ! kill -0 "$pid"; }
kill "$pid"
wait_until 30 gone || kill -KILL "$pid"
