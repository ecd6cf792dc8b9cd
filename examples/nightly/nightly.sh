#!/bin/sh
# One night of flakesync: bump every repo, publish, follow what people have merged, and report what is out of step.
# It keeps no state of its own: a night that was cut off is finished by the next. The package installs this file as
# `flakesync-nightly`; the recipes, the action, the component and the units all run it.
set -uf

usage() {
    cat <<'END'
Usage: flakesync-nightly [OPTIONS] [SUMMARY]

  One night of flakesync: bump every repo, publish, follow what people have
  merged, and report what is out of step.

Arguments:
  [SUMMARY]         A file that the report, in Markdown, is added to.
                    [default: standard output]

Options:
  --workspace PATH  The manifest, or its folder.  [default: nearest
                    workspace.toml upward]
  --steps "STEP…"   Which of sync, publish, land, drift and report; they run in
                    this order.  [default: all; report only with --report]
  --report DIR      Where `flakesync report` writes its page.
  --history PLACE   A file or URL: what history.jsonl of DIR begins with where
                    DIR has none yet.
  --merge           Let land merge what is approved and green.
  --strict          Fail the night when base branches are out of step, too.
  -h, --help        Show this message and exit.

  An option with an empty value counts as not given.

  Exit status:
  0  done; what is left waits for checks and people
  1  a repo failed, or something is out of step that no update branch mends;
     everything else is done
  2  flakesync could not run: the steps after that one were not tried
  3  a bug in flakesync, which fails the repos that meet it and no others;
     everything else is done
END
}

fail() { # could not run
    printf 'flakesync-nightly: %s\n' "$1" >&2
    exit 2
}

workspace='' steps='' report='' history='' merge=no strict=no summary=''
while [ $# -gt 0 ]; do
    option=$1
    shift
    case $option in
    --workspace=* | --steps=* | --report=* | --history=*) set -- "${option#*=}" "$@" && option=${option%%=*} ;;
    esac
    case $option in
    --workspace | --steps | --report | --history) [ $# -gt 0 ] || fail "$option needs a value" ;;
    esac
    case $option in
    --workspace) workspace=$1 && shift ;;
    --steps) steps=$1 && shift ;;
    --report) report=$1 && shift ;;
    --history) history=$1 && shift ;;
    --merge) merge=yes ;;
    --strict) strict=yes ;;
    -h | --help) usage && exit 0 ;;
    -*) fail "there is no option $option; --help lists them" ;;
    *)
        [ -z "$summary" ] || fail "only one SUMMARY can be given"
        summary=$option
        ;;
    esac
done

given=no
for each in $steps; do
    case $each in
    sync | publish | land | drift | report) given=yes ;;
    *) fail "there is no step $each; the steps are sync, publish, land, drift and report" ;;
    esac
done
if [ "$given" = no ]; then steps="sync publish land drift${report:+ report}"; fi

wants() { # whether one of these steps was asked for
    for one in "$@"; do
        for each in $steps; do
            if [ "$each" = "$one" ]; then return 0; fi
        done
    done
    return 1
}

if wants report && [ -z "$report" ]; then fail "the step report needs --report DIR"; fi
if [ -n "$history" ] && [ -z "$report" ]; then fail "--history goes with --report DIR"; fi
if [ -d "$workspace" ]; then workspace=$workspace/workspace.toml; fi
case $report in -*) report=./$report ;; esac
if [ -n "$summary" ] && ! true >>"$summary"; then fail "the summary cannot be written"; fi
if [ -n "$report" ] && ! mkdir -p -- "$report"; then fail "the folder of the report cannot be made"; fi

# The flakesync of the same environment, which need not be on PATH.
flakesync=flakesync
case $0 in
*/flakesync-nightly) if [ -f "${0%/*}/flakesync" ]; then flakesync=${0%/*}/flakesync; fi ;;
esac
command -v "$flakesync" >/dev/null || fail "there is no flakesync on PATH"

worst=0

worse() { # note the exit status of what did not go well
    if [ "$1" -gt "$worst" ]; then worst=$1; fi
}

tell() { # add standard input to the summary; a night that cannot be told of goes on, and ends with 2
    if [ -n "$summary" ]; then cat >>"$summary"; else cat; fi
}

# A signal is handed on to the flakesync that runs: where this script is the first process of a container, nobody else
# sends it there. A command runs in the background, as a shell acts on a trap only after what it runs in the foreground.
child='' ended=''
# shellcheck disable=SC2329 # traps call it
on_signal() {
    if [ -z "$child" ]; then exit "$1"; fi
    ended=$1
    kill -TERM "$child" 2>/dev/null
}
heed_signals() { # a subshell has to say it once more
    trap 'on_signal 129' HUP
    trap 'on_signal 130' INT
    trap 'on_signal 143' TERM
}
heed_signals

run() {
    if [ -n "$workspace" ]; then set -- "$@" --workspace="$workspace"; fi
    "$flakesync" "$@" &
    child=$!
    while :; do
        wait "$child"
        status=$?
        # A trap ends wait, and flakesync goes on for as long as it needs to tidy up.
        kill -0 "$child" 2>/dev/null || break
    done
    child=''
    if [ -n "$ended" ]; then exit "$ended"; fi
    return "$status"
}

# Tell how a command ended: its name, its exit status.
tell_end() {
    case $2 in
    0) said='done' ;;
    1) said='**some repos failed**, the log says why' ;;
    3) said='**a bug in flakesync**, the log says which; please report it' ;;
    4) said='done what can be done; the rest waits' ;;
    *) said="**could not run** (exit status $2), the log says why" ;;
    esac
    # The backquotes are markdown.
    # shellcheck disable=SC2016
    printf -- '- `flakesync %s`: %s\n' "$1" "$said" | tell || worse 2
}

# Run a command and tell of it by its name, the first argument. Returns its exit status.
told() {
    name=$1
    shift
    printf '\n== flakesync %s\n' "$name" >&2
    run "$@"
    status=$?
    tell_end "$name" "$status"
    return "$status"
}

# Run one step. Repos that failed (1, 3) do not keep the others from the next step, and waiting (4) is no failure.
step() {
    told "$@"
    status=$?
    case $status in 0 | 4) ;; 1 | 3) worse "$status" ;; *) exit "$status" ;; esac
}

# Add an answer to the summary. Findings (1) are told apart from not being able to run by the caller.
answer() {
    text=$(heed_signals && run "$@")
    status=$?
    case $status in 0 | 1) ;; *) tell_end "$1" "$status" ;; esac
    if [ -n "$text" ]; then printf '%s\n\n' "$text" | tell || worse 2; fi
    case $status in 0 | 1) return "$status" ;; 3) worse 3 ;; *) exit "$status" ;; esac
}

printf '# Flakes, night of %s\n\n' "$(date -u +%Y-%m-%d)" | tell || worse 2
if wants sync; then
    # The page shows what sync did, too: tonight, and not the night before.
    if [ -n "$report" ]; then
        rm -f -- "$report/sync.json"
        step sync sync --json-file="$report/sync.json"
    else
        step sync sync
    fi
fi
if wants publish; then step publish publish; fi
if wants land; then
    if [ "$merge" = yes ]; then step land land; else step 'land --no-merge' land --no-merge; fi
fi

# Where every update stands. Four blanks make it a block of code, whatever is in it.
if wants publish land; then
    printf '\n## Updates\n\n' | tell || worse 2
    text=$(heed_signals && run status --quiet)
    status=$?
    case $status in 0 | 1) ;; *) tell_end status "$status" ;; esac
    # 1: of some repos it is not known where they stand, and the answer says why.
    case $status in 0) ;; 1 | 3) worse "$status" ;; *) exit "$status" ;; esac
    printf '%s\n' "$text" | sed 's/^/    /' | tell || worse 2
    echo | tell || worse 2
fi

if wants drift; then
    # The base branches are behind until people have merged: that is told, and fails only a strict night.
    answer drift --quiet --markdown || [ "$strict" = no ] || worse 1
    # What is still out of step where all updates are in needs somebody to look at it.
    answer drift --quiet --markdown --at update || worse 1
fi

if wants report; then
    # A page that could not be made is a worse night, and takes nothing back of what is done.
    if [ -n "$history" ]; then
        told report report "$report" --history="$history"
    else
        told report report "$report"
    fi || worse $?
fi
exit "$worst"
