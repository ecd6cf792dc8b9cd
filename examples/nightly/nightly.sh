#!/bin/sh
# One night of flakesync: bump every repo, publish, follow what people have merged, and report what is out of step.
# Runs in the folder of workspace.toml. It keeps no state of its own: a night that was cut off is finished by the next.
#
#   nightly.sh [SUMMARY]     SUMMARY: a file that the report, in markdown, is added to (default: standard output)
#
# Exit status
#   0   done; what is left waits for checks and people
#   1   a repo failed, or something is out of step that no update branch mends; everything else is done
#   2   flakesync could not run: the steps after that one were not tried
#   3   a bug in flakesync, which fails the repos that meet it and no others; everything else is done
set -u

summary=${1:-}
worst=0

worse() { # note the exit status of what did not go well
    if [ "$1" -gt "$worst" ]; then worst=$1; fi
}

report() { # add standard input to the summary
    if [ -n "$summary" ]; then cat >>"$summary"; else cat; fi
}

# Run one step. Repos that failed (1, 3) do not keep the others from the next step, and waiting (4) is no failure.
step() {
    printf '\n== flakesync %s\n' "$*" >&2
    flakesync "$@"
    status=$?
    case $status in
    0) said='done' ;;
    1) said='**some repos failed**, the log says why' ;;
    3) said='**a bug in flakesync**, the log says which; please report it' ;;
    4) said='done what can be done; the rest waits' ;;
    *) said="**could not run** (exit status $status), the log says why" ;;
    esac
    # The backquotes are markdown.
    # shellcheck disable=SC2016
    printf -- '- `flakesync %s`: %s\n' "$*" "$said" | report
    case $status in 0 | 4) ;; 1 | 3) worse "$status" ;; *) exit "$status" ;; esac
}

# Add an answer to the summary. Findings (1) are told apart from not being able to run by the caller.
answer() {
    text=$(flakesync "$@")
    status=$?
    printf '%s\n\n' "$text" | report
    case $status in 0 | 1) return "$status" ;; 3) worse 3 ;; *) exit "$status" ;; esac
}

printf '# Flakes, night of %s\n\n' "$(date -u +%Y-%m-%d)" | report
step sync
step publish
step land --no-merge

# Where every update stands. Four blanks make it a block of code, whatever is in it.
printf '\n## Updates\n\n' | report
text=$(flakesync status --quiet)
status=$?
# 1: of some repos it is not known where they stand, and the answer says why.
case $status in 0) ;; 1 | 3) worse "$status" ;; *) exit "$status" ;; esac
printf '%s\n' "$text" | sed 's/^/    /' | report
echo | report

# The base branches are behind until people have merged: that is told, and is no failure.
answer drift --quiet --markdown
# What is still out of step where all updates are in needs somebody to look at it.
answer drift --quiet --markdown --at update || worse 1
exit "$worst"
