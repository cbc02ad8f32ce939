#!/bin/sh
# Compile the pins in requirements/ from the lists in pyproject.toml. Needs uv on PATH.
# No index address is written, so the files install from whatever index the machine uses.
set -eu
cd "$(dirname "$0")/.."

compile() {
    target=requirements/$1.txt
    shift
    uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --upgrade \
        --generate-hashes --no-emit-index-url --no-header --output-file "$target" "$@"
    echo "$target: $(grep -c '^[a-z0-9]' "$target") packages"
}

compile base
compile runtime --group build --extra report --extra images --constraints requirements/base.txt
compile collect --group build --extra report --extra collect --constraints requirements/runtime.txt
compile dev --group build --group dev --extra all --constraints requirements/collect.txt
compile benchmarks --group build --group benchmarks --extra report --extra llm --constraints requirements/dev.txt
