#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# quickstart.sh [FILE]: from a clone on a fresh Debian 12 to events that survived kill -9. Installs,
# builds, starts a server on a directory of its own, writes a real file into a stream of four
# segments while one segment is split, two are merged and the server is killed and restarted, then
# reads everything back and checks every line. FILE: by default the system's own package log.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

millrace=$root/build/release/bin/millrace
lines_min=1000
lines_made=50000
feed_batches=200  # the file is fed in this many pieces, so that there is time to do things meanwhile
feed_pause=0.03
stream=quickstart/events
# The package is the fourth word of a line of dpkg.log, and the fifth of its "status" lines.
package_key='^\S+ \S+ (?:status \S+|\S+) (\S+)'

work= server= writer= feeder= step=preparing finished=

on_exit() {
    local code=$?
    set +e
    for pid in $feeder $writer $server; do kill "$pid" 2>/dev/null; done
    for pid in $feeder $writer $server; do wait "$pid" 2>/dev/null; done
    if [[ -z $finished ]]; then
        ((code != 0)) || code=1
        echo >&2
        echo "quickstart.sh failed while $step." >&2
        if [[ -n $work && -d $work ]]; then
            echo "Logs and data are kept in $work; the server's log ends with:" >&2
            tail -n 5 "$work/server.log" >&2 2>/dev/null
            echo "If the reason is not clear from them, run scripts/quickstart.sh again after removing that directory." >&2
        else
            echo "The message above says why; the logs of installing and building are in $logs." >&2
        fi
        exit "$code"
    fi
    rm -rf "$work"
}
trap on_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

number=0
announce() {
    number=$((number + 1))
    step=$1
    printf '[%2d] %s\n' "$number" "$1"
}
result() { printf '     %s\n' "$*"; }

# Polls every 20 ms. wait_for SECONDS COMMAND...: fails when the command has not succeeded by then.
wait_for() {
    local until=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS <= until)) || return 1
        sleep 0.02
    done
}

ready_line() { grep -m1 '^ready ' "$work/ready" 2>/dev/null; }
server_up_or_dead() { ready_line >/dev/null || ! kill -0 "$server" 2>/dev/null; }
# start_server CONTROLLER_PORT SEGMENTSTORE_PORT HTTP_PORT: 0 is any free port.
start_server() {
    : >"$work/ready"
    "$millrace" standalone --data-dir "$work/data" --controller-port "$1" --segmentstore-port "$2" --http-port "$3" \
        >"$work/ready" 2>>"$work/server.log" &
    server=$!
    wait_for 30 server_up_or_dead && ready_line >/dev/null || die "The server did not start; see $work/server.log."
    local ready
    ready=$(ready_line)
    result "$ready (pid $server)"
    controller=$(sed -n 's/.* controller=\([^ ]*\).*/\1/p' <<<"$ready")
    segmentstore=$(sed -n 's/.* segmentstore=\([^ ]*\).*/\1/p' <<<"$ready")
    http=$(sed -n 's/.* http=\([^ ]*\).*/\1/p' <<<"$ready")
    export MILLRACE_CONTROLLER=$controller
}

fed_at_least() { (($(stat -c %s "$work/fed" 2>/dev/null || echo 0) >= $1)); }
# Waits until so many percent of the file have gone to the writer.
wait_fed() {
    wait_for 120 fed_at_least $(($1 * batches / 100)) || die "The writer stopped taking lines; see $work/write.log."
    kill -0 "$writer" 2>/dev/null || die "The writer ended early: $(tail -n 2 "$work/write.log")"
}

file=${1:-/var/log/dpkg.log}
[[ $# -le 1 ]] || die "Usage: scripts/quickstart.sh [FILE]"
if [[ $# -eq 1 ]]; then [[ -f $file && -r $file ]] || die "quickstart.sh: '$file' is not a file that can be read."; fi

announce "installing packages (a few minutes on a fresh machine)"
"$root/scripts/install-build.sh"
announce "building (some minutes the first time)"
"$root/scripts/build.sh" release millrace

mkdir -p "$root/build"
work=$(mktemp -d "$root/build/quickstart.XXXXXX")
input=$work/input

announce "choosing lines to write"
have=0
[[ ! -r $file ]] || have=$(wc -l <"$file")
key_words=()
if ((have < lines_min)); then
    result "$file has $have lines, fewer than $lines_min: making $lines_made in the format of a package log"
    awk -v n=$lines_made 'BEGIN {
        split("install configure upgrade trigproc", actions, " ")
        for (i = 0; i < n; i++)
            if (i % 3) printf "2026-01-01 %02d:%02d:%02d status installed package-%d:amd64 1.%d\n", i / 3600 % 24, i / 60 % 60, i % 60, i * 7919 % 997, i
            else printf "2026-01-01 %02d:%02d:%02d %s package-%d:amd64 1.%d 1.%d\n", i / 3600 % 24, i / 60 % 60, i % 60, actions[i % 4 + 1], i * 7919 % 997, i, i + 1
    }' >"$input"
    key_words=(--key-regex "$package_key")
elif [[ $# -eq 0 ]]; then
    cp "$file" "$input"
    key_words=(--key-regex "$package_key")
else
    cp "$file" "$input"
    key_words=(--key-field 1)
fi
lines=$(awk 'END { print NR }' "$input")
bytes=$(stat -c %s "$input")
if [[ ${key_words[0]} == --key-regex ]]; then
    result "$lines lines, $bytes bytes, keyed by package"
    awk_key='($4 == "status" ? $6 : $5)'
else
    result "$lines lines, $bytes bytes of $file, keyed by the first word"
    awk_key='$2'
fi

announce "starting a server on $work/data"
start_server 0 0 0

announce "creating scope and stream with 4 segments"
"$millrace" scope create quickstart >/dev/null
"$millrace" stream create "$stream" --segments 4 >/dev/null
"$millrace" stream describe "$stream" | sed 's/^/     /'

announce "writing, each line with its number before it"
batches=$feed_batches
per_batch=$(((lines + batches - 1) / batches))
batches=$(((lines + per_batch - 1) / per_batch))
mkfifo "$work/pipe"
: >"$work/fed"
"$millrace" write "$stream" "$work/pipe" --number "${key_words[@]}" 2>"$work/write.log" &
writer=$!
# Passes the lines on in batches and grows "fed" by one byte after each.
LC_ALL=C awk -v per="$per_batch" -v pause="$feed_pause" -v fed="$work/fed" '
    { print }
    NR % per == 0 { fflush(); printf "." >>fed; fflush(fed); system("sleep " pause) }
    END { printf "." >>fed }' "$input" >"$work/pipe" &
feeder=$!

wait_fed 20
announce "splitting segment 0 while it is being written"
"$millrace" stream scale "$stream" --seal 0 --ranges 0-0.125,0.125-0.25 | sed 's/^/     /'
wait_fed 40
announce "merging segments 2 and 3 while they are being written"
"$millrace" stream scale "$stream" --seal 2,3 --ranges 0.5-1 | sed 's/^/     /'
announce "looking at the epochs of the stream"
"$millrace" stream epochs "$stream" | sed 's/^/     /'
wait_fed 60
announce "killing the server with kill -9 in the middle of writing"
{ kill -9 "$server" && wait "$server"; } 2>/dev/null || true  # bash would report the death too
result "pid $server is gone; the writer (pid $writer) does not know yet and will reconnect"
announce "restarting it on the same directory and ports"
start_server "${controller##*:}" "${segmentstore##*:}" "${http##*:}"
announce "waiting for the writer to finish"
wait "$writer" || { cat "$work/write.log" >&2; die "The writer failed."; }
writer=
wait "$feeder"
feeder=
result "$(tail -n 1 "$work/write.log")"
[[ $(tail -n 1 "$work/write.log") == "acknowledged $lines events" ]] || die "That should have been $lines events."

announce "reading everything back"
"$millrace" read "$stream" >"$work/output"
result "$(wc -l <"$work/output") events"

announce "checking that every line came back exactly once and unchanged"
export LC_ALL=C
awk '{ print NR " " $0 }' "$input" | sort >"$work/expected.sorted"
sort "$work/output" >"$work/output.sorted"
if ! cmp -s "$work/expected.sorted" "$work/output.sorted"; then
    comm -23 "$work/expected.sorted" "$work/output.sorted" | head -n 3 | sed 's/^/     lost: /' >&2
    comm -13 "$work/expected.sorted" "$work/output.sorted" | head -n 3 | sed 's/^/     doubled or damaged: /' >&2
    die "What came back is not what was written: this is a bug in Millrace. Please report it with $work/server.log."
fi
result "$lines of $lines lines, none lost, none doubled"

announce "checking that the lines of each key came back in order"
awk "{ key = $awk_key
       if (!(key in last)) keys++
       else if (\$1 + 0 <= last[key]) { print \"     line \" \$1 \" of key \" key \" came after line \" last[key]; bad = 1 }
       last[key] = \$1 + 0 }
     END { if (bad) exit 1; print \"     \" keys \" keys, all in order\" }" "$work/output" ||
    die "A key's lines came back out of order: this is a bug in Millrace. Please report it with $work/server.log."

announce "measuring throughput on another stream: 1,000,000 events of 100 bytes, durable"
"$millrace" stream create quickstart/bench --segments 4 >/dev/null
"$millrace" bench write quickstart/bench --events 1000000 --size 100 --writers 2 | sed 's/^/     /'
begin=$(date +%s%N)
events=$("$millrace" read quickstart/bench | wc -l)
((events == 1000000)) || die "Only $events of 1000000 events came back."
took=$((($(date +%s%N) - begin) / 1000000 + 1))
result "read back: $events events in $took ms, $((events * 1000 / took)) events/s"

announce "stopping the server"
kill "$server"
wait "$server" || die "The server did not stop cleanly; see $work/server.log."
server=
finished=yes
cat <<END

Everything that was written came back, in order, through a split, a merge and a kill -9.
How to go on:
  export PATH=$root/build/release/bin:\$PATH
  millrace standalone --data-dir ~/millrace-data        # a server of your own; stop it with Ctrl-C
  millrace scope create logs && millrace stream create logs/mine --segments 4
  millrace write logs/mine /var/log/dpkg.log --key-field 5
  millrace read logs/mine --follow
  millrace help                                         # all commands
END
