#!/usr/bin/env bash
# Install the system tools that are missing: `system.sh site|test PYTHON`.
#
# With apt-get and root, or sudo that asks for no password, they are installed; otherwise the line
# to run is printed and set-up goes on with what is there. Nothing is done when all are there.
set -euo pipefail

purpose=$1
python=${2:-python3}
PATH=$PATH:/usr/sbin:/sbin # where nginx is, and not on everybody's PATH

has() {
    local name
    for name in "$@"; do
        if command -v "$name" >/dev/null; then return 0; fi
    done
    return 1
}

known() { apt-cache show "$1" >/dev/null 2>&1; }

# Debian names on the left, the same in Homebrew on the right; "-" is what macOS has by itself.
missing=()
brew=()
need() {
    missing+=("$1")
    if [ "$2" != - ]; then brew+=("$2"); fi
}

"$python" -c 'import ensurepip, venv' 2>/dev/null || need "$(basename "$python")-venv" -
has fio || need fio fio
has ab || need apache2-utils -
has 7zz 7z 7za || need 7zip sevenzip
has nginx || need nginx-light nginx
has openssl || need openssl -
has likwid-bench || need likwid -
has sysbench || need sysbench sysbench
has redis-server || need redis-server redis
has redis-benchmark || need redis-tools -
has pgbench || need postgresql postgresql
has sockperf || need sockperf -
has stress-ng || need stress-ng stress-ng
has mbw || need mbw -
has iperf3 || need iperf3 iperf3
has wrk || need wrk wrk
has node || need nodejs node
has npm || need npm -
if [ "$purpose" = test ]; then
    has git || need git git
    has hyperfine || need hyperfine hyperfine
    has chromium-headless-shell chromium-browser google-chrome || need chromium-headless-shell -
    if has fc-list; then
        fc-list | grep -qi liberation || need fonts-liberation -
    elif [ "$(uname)" = Linux ]; then
        need fontconfig -
        need fonts-liberation -
    fi
fi

if [ ${#missing[@]} -eq 0 ]; then exit 0; fi

if [ "$(uname)" = Darwin ]; then
    if [ ${#brew[@]} -gt 0 ]; then
        echo "Missing tools. To have everything measured: brew install ${brew[*]}"
    fi
    exit 0
fi
if ! has apt-get; then
    echo "Missing tools, by their Debian names: ${missing[*]}. Going on without them."
    exit 0
fi

if [ "$(id -u)" = 0 ]; then
    sudo=()
elif has sudo && sudo -n true 2>/dev/null; then
    sudo=(sudo -n)
else
    echo "Missing tools. To have everything measured: sudo apt-get install ${missing[*]}"
    exit 0
fi

echo "Installing system tools: ${missing[*]}"
"${sudo[@]}" apt-get update -q

packages=()
for package in "${missing[@]}"; do
    # Older distributions have 7-Zip under its old name.
    if [ "$package" = 7zip ] && ! known 7zip; then package=p7zip-full; fi
    # apt-get installs nothing at all when it does not know one of the names. Chromium's is not
    # known to Ubuntu, where it is a snap; set-up then takes Playwright's.
    if known "$package"; then
        packages+=("$package")
    else
        echo "$package is not packaged here. Going on without it."
    fi
done
if [ ${#packages[@]} -eq 0 ]; then exit 0; fi

# Debian starts a server as it installs it: nginx on port 80 of every address, others on loopback.
# Benchmarks start their own on loopback, so these must not run, now or after a restart.
guard=/usr/sbin/policy-rc.d
servers=()
for package in "${packages[@]}"; do
    case $package in
        nginx-light) servers+=(nginx) ;;
        redis-server | postgresql | memcached) servers+=("$package") ;;
    esac
done
if [ ${#servers[@]} -gt 0 ] && [ ! -e "$guard" ]; then
    trap '"${sudo[@]}" rm -f "$guard"' EXIT
    printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee "$guard" >/dev/null
    "${sudo[@]}" chmod +x "$guard"
fi

install=(apt-get install -y -q --no-install-recommends)
if ! "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive "${install[@]}" "${packages[@]}"; then
    echo "apt-get did not install everything. Going on with what is there."
fi

if [ ${#servers[@]} -gt 0 ] && has systemctl; then
    "${sudo[@]}" systemctl disable --quiet "${servers[@]}" 2>/dev/null || true
fi
