#!/usr/bin/env bash
# The gate of `action.yml`: holds SIDE against BASELINE, tells the workflow, and ends as it should.
#
#   gate.sh install   put the tool where the gate finds it: VERSION, or that of this checkout
#   gate.sh           judge
#
# All that it is told comes in the environment, and nothing of it is ever read as code: names of runs
# are written by whoever opens a pull request.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tool=${SITEGEN:-sitegen}
most=${MOST:-60000} # bytes: a comment of GitHub may have 65,536 characters

# Say something on the page of the workflow: error, warning or notice.
annotate() {
    local text=$2
    text=${text//'%'/%25}
    text=${text//$'\r'/%0D}
    echo "::$1 title=sitegen::${text//$'\n'/%0A}"
}

stop() {
    annotate error "$1"
    exit 2
}

install() {
    local version=${VERSION:-}
    if [[ -z $version ]]; then
        version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$here/sitegen/__init__.py")
    fi
    [[ $version =~ ^[0-9][0-9A-Za-z.+-]*$ ]] || stop "version: '$version' is none, such as 1.2.3"
    "${PYTHON:-python3}" -m venv "$(dirname "$(dirname "$tool")")"
    "$(dirname "$tool")/pip" --disable-pip-version-check --quiet install "sitegen-tee[report]==$version" ||
        stop "sitegen-tee==$version could not be installed"
}

# Put a text on the pull request, in the place of the one that the gate put there before.
comment() {
    local comments="repos/$GITHUB_REPOSITORY/issues/$NUMBER/comments" ids
    # Only one of ours: anybody may write a comment that begins as ours do.
    ids=$(gh api --paginate "$comments" --jq \
        '.[] | select(.user.type == "Bot" and (.body | startswith(env.MARKER))) | .id') || return 1
    if [[ -n $ids ]]; then
        gh api --silent --method PATCH -F "body=@$1" \
            "repos/$GITHUB_REPOSITORY/issues/comments/${ids%%$'\n'*}"
    else
        gh api --silent --method POST -F "body=@$1" "$comments"
    fi
}

judge() {
    local limit=${FAIL_ABOVE:-5%} unjudged=${UNJUDGED:-warn} code=0 result mark
    [[ -n ${BASELINE:-} && -n ${SIDE:-} ]] || stop "baseline and side: name both"
    [[ $unjudged =~ ^(fail|warn|pass)$ ]] || stop "unjudged: '$unjudged' is none of fail, warn, pass"
    local options=(--fail-above "$limit" --format markdown)
    [[ ${STRICT:-false} != true ]] || options+=(--strict)
    [[ -z ${ARCHIVE:-} ]] || options+=(--archive "$ARCHIVE")

    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    "$tool" compare "${options[@]}" -- "$BASELINE" "$SIDE" >"$work/table" 2>"$work/said" || code=$?

    result="could not be held: the command ended with $code"
    case $code in
        0) result="passed: nothing is surely more than $limit worse" ;;
        1)
            # Whatever breaks ends so too, and has judged nothing.
            if grep -q '^sitegen: above ' "$work/said"; then
                result="failed: something is surely more than $limit worse"
            elif grep -q '^sitegen: .* could be judged' "$work/said"; then
                result="failed: not everything could be judged, and it is strict"
            fi
            ;;
        3) result="undecided: not everything could be judged" ;;
    esac
    {
        echo "**The gate ${result%%:*}**:${result#*:}."
        if [[ -s $work/table ]]; then echo && cat "$work/table"; fi
        if [[ -s $work/said ]]; then
            # Indented it is a text: nothing in it is markup, and nobody is called.
            printf '\n<details open><summary>What was said</summary>\n\n'
            sed 's/^/    /' "$work/said"
            printf '\n</details>\n'
        fi
    } | LC_ALL=C awk -v most="$most" '
        { size += length($0) + 1 }
        size > most { print "\n</details>\n\nThe rest is cut: it is longer than a comment may be."; exit }
        { print }' >"$work/text"

    mark=$(od -An -tx1 -N16 /dev/urandom | tr -d ' \n')
    cat "$work/text" >>"${GITHUB_STEP_SUMMARY:-/dev/null}"
    {
        echo "exit-code=$code"
        echo "text<<$mark"
        cat "$work/text"
        echo "$mark"
    } >>"${GITHUB_OUTPUT:-/dev/null}"
    # A line that begins with :: would be a command to the runner.
    echo "::stop-commands::$mark"
    cat "$work/text"
    echo "::$mark::"

    if [[ ${COMMENT:-false} == true && -z ${NUMBER:-} ]]; then
        annotate notice "no comment: this is not about a pull request"
    elif [[ ${COMMENT:-false} == true ]]; then
        export MARKER="<!-- sitegen gate ${BASELINE//[^A-Za-z0-9._]/-} ${SIDE//[^A-Za-z0-9._]/-} -->"
        { echo "$MARKER" && cat "$work/text"; } >"$work/comment"
        comment "$work/comment" ||
            annotate warning "no comment: the token may not write one, as that of a fork may not"
    fi

    local last
    last="The gate $result. $(tail -n 1 "$work/said")"
    case $code in
        0) return 0 ;;
        3)
            case $unjudged in
                pass) annotate notice "$last" && return 0 ;;
                warn) annotate warning "$last" && return 0 ;;
            esac
            ;;
    esac
    annotate error "$last"
    return "$code"
}

case ${1:-judge} in
    install) install ;;
    judge) judge ;;
    *) stop "gate.sh: no such order: $1" ;;
esac
