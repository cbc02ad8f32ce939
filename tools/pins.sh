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

# The largest first: what all of it can agree on holds for each part.
compile dev --group build --group dev --extra all
compile base --constraints requirements/dev.txt
compile runtime --group build --extra report --extra images --constraints requirements/dev.txt
compile collect --group build --extra report --extra collect --constraints requirements/dev.txt
compile benchmarks --group build --group benchmarks --extra report --extra llm --constraints requirements/dev.txt
