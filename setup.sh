# Sourced by ./run and ./test: Debian packages and the virtualenv, each only when something is missing.

shuishan_packages=(
  # engines
  qemu-system-x86 qemu-utils libvirt-daemon-system libvirt-clients seabios ipxe-qemu
  # lab: guest images from Debian packages, hosts in namespaces
  mmdebstrap e2fsprogs iproute2 openssh-client zstd cpio kmod hostname mount
  # building libvirt-python for the system's libvirt
  python3 python3-dev python3-venv libvirt-dev pkg-config gcc
)

shuishan_need_root() {
  if [ "$(id -u)" -ne 0 ]; then
    echo "shuishan: this needs root (it makes network namespaces and runs libvirt); run it with sudo" >&2
    exit 1
  fi
}

shuishan_apt() {
  local missing=()
  for package in "$@"; do
    dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  echo "shuishan: installing ${#missing[@]} Debian packages: ${missing[*]}" >&2
  # No service of this machine is started: the lab runs its own in namespaces.
  local guard=/usr/sbin/policy-rc.d made=no
  if [ ! -e "$guard" ]; then printf '#!/bin/sh\nexit 101\n' > "$guard"; chmod +x "$guard"; made=yes; fi
  local log; log=$(mktemp)
  if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
         "${missing[@]}"; } > "$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "shuishan: apt-get could not install them (above: its last words)" >&2
    [ "$made" = yes ] && rm -f "$guard"
    exit 1
  fi
  [ "$made" = yes ] && rm -f "$guard"
  rm -f "$log"
}

# shuishan_venv LOCK: .venv as LOCK says, rebuilt when the lock or the interpreter changes.
shuishan_venv() {
  local lock=$1 stamp
  stamp=$( { cat "$lock" pyproject.toml; /usr/bin/python3 --version; pwd; } | sha256sum | cut -c1-64)
  if [ -x .venv/bin/shuishan ] && [ "$(cat .venv/stamp-"$lock" 2>/dev/null)" = "$stamp" ]; then return; fi
  echo "shuishan: building .venv from $lock" >&2
  [ -x .venv/bin/python ] || /usr/bin/python3 -m venv .venv
  .venv/bin/python -m pip install -qq --use-pep517 --disable-pip-version-check --require-hashes -r "$lock" >&2
  .venv/bin/python -m pip install -qq --use-pep517 --disable-pip-version-check --no-deps -e . >&2
  echo "$stamp" > .venv/stamp-"$lock"
}

# shuishan_setup lab|dev
shuishan_setup() {
  shuishan_need_root
  shuishan_apt "${shuishan_packages[@]}"
  if [ "$1" = dev ]; then
    shuishan_venv requirements-dev.lock
  else
    # A checkout that was set up for tests has all that running needs.
    [ -e .venv/stamp-requirements-dev.lock ] || shuishan_venv requirements.lock
  fi
}
