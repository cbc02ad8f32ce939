#!/usr/bin/env bash
# Have a Chromium for the browser tests: `browser.sh PLAYWRIGHT`.
#
# The distribution's is taken where there is one (tools/system.sh installs it). Ubuntu has it as a
# snap only, which servers and containers lack; there Playwright fetches its own.
set -euo pipefail

playwright=$1
for name in chromium-headless-shell chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then exit 0; fi
done
case $(uname) in
Darwin) cache=$HOME/Library/Caches/ms-playwright ;;
*) cache=${XDG_CACHE_HOME:-$HOME/.cache}/ms-playwright ;;
esac
if compgen -G "${PLAYWRIGHT_BROWSERS_PATH:-$cache}/chromium-*" >/dev/null; then exit 0; fi

echo "No Chromium on this machine: fetching Playwright's"
if [ "$(id -u)" = 0 ] || { command -v sudo >/dev/null && sudo -n true 2>/dev/null; }; then
    with_libraries=(--with-deps)
else
    with_libraries=()
fi
"$playwright" install "${with_libraries[@]}" chromium ||
    echo "It could not be fetched: the browser tests will say so."
