#!/usr/bin/env bash
# Install the tools of the languages that programs may be written in, beside Python: the embedded
# sandboxes show them the /usr of this machine. The packages of executor_api/languages.py.
. "$(dirname "$0")/lib.sh"

missing=()
command -v bash >/dev/null || missing+=(bash)
command -v g++ >/dev/null || missing+=(g++)
command -v node >/dev/null || missing+=(nodejs)
[ ${#missing[@]} -eq 0 ] && exit 0

need_root "Installing ${missing[*]}" "packages ${missing[*]}"
need_apt "Installing ${missing[*]}" "Install your distribution's packages of that name."
apt-get update -q >&2
apt_install "${missing[@]}"
