#!/bin/bash
# The one command for everyday work; `./do` alone lists its verbs. Needs a shell and apt: each verb installs
# the Debian packages it lacks, builds what it needs and goes.
set -euo pipefail
cd "$(dirname "$0")"

build_packages=(
    cmake gcc git libc6-dev ninja-build pkg-config
    libcurl4-openssl-dev libidn2-dev libjansson-dev libluajit-5.1-dev libpcre2-dev libseccomp-dev libsqlite3-dev libssl-dev
    libunbound-dev libuv1-dev libyaml-dev libcmocka-dev
)
lint_packages=(clang-format-14 clang-tidy-14 cppcheck lua-check python3)
fuzz_packages=(clang-14 libclang-rt-14-dev)
test_packages=(
    "${lint_packages[@]}" "${fuzz_packages[@]}"
    libmail-dkim-perl libnet-ssleay-perl openssl postfix python3-aiosmtpd python3-dkim python3-dnspython
    python3-pytest python3-pytest-xdist python3-spf swaks
)

usage() {
    cat <<'END'
./do run [ARGUMENT...]   build, and serve rules/ on this machine only: nothing is delivered, all is captured
./do test                build twice (release; ASan and UBSan), lint, run every test; the last line is the sum
./do lint                formatting, static analysis, the include rule
./do docs                the reference pages of docs/, from the annotations and the option tables
./do bench [--smoke]     speed and memory between a load generator and a sink; figures in build/bench.json
./do torture [MODE...]   hosts killed, disks that fail, damage: the last line counts what was promised, arrived, was lost
./do fuzz [TARGET...]    each fuzz target for FUZZ_SECONDS (60)
END
}

# --- packages ---

need_packages() {
    missing=()
    local package log
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed$' || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        echo "./do: run me as root or install sudo, for these packages are missing: ${missing[*]}" >&2
        exit 1
    fi
    echo "== installing ${missing[*]}"
    log=$(mktemp)
    if ! install_packages >"$log" 2>&1; then
        cat "$log" >&2
        echo "./do: could not install ${missing[*]}" >&2
        exit 1
    fi
    rm -f "$log"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -- "$@"; fi
}

# Postfix comes as a test's peer: without a configuration, Debian's package neither sets it up nor starts it.
install_packages() {
    as_root apt-get update -q || return
    case " ${missing[*]} " in *" postfix "*)
        echo 'postfix postfix/main_mailer_type select No configuration' |
            as_root debconf-set-selections || return
        ;;
    esac
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "${missing[@]}"
}

# --- building ---

# Quiet as long as all is well.
build() { # PRESET [TARGET...]
    local preset=$1 log="build/$1.log"
    shift
    mkdir -p build
    if ! { cmake --preset "$preset" && cmake --build --preset "$preset" ${1:+--target "$@"}; } >"$log" 2>&1; then
        tail -n 80 "$log" >&2
        echo "./do: the $preset build failed; all it said is in $log" >&2
        return 1
    fi
}

# --- stages of ./do test: all run, whatever failed before; their sum is the last line ---

passed=0 failed=0 skipped=0

count() { # PASSED FAILED SKIPPED
    passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}

# A stage that counts as one test.
stage() { # NAME COMMAND...
    local name=$1 begin=$SECONDS
    shift
    echo "== $name"
    if "$@"; then
        count 1 0 0
    else
        count 0 1 0
        echo "== $name FAILED"
    fi
    echo "   $((SECONDS - begin)) s"
}

# A stage whose command leaves a JUnit report: its tests are counted. Without a report, or when the command
# failed though no test did, the stage itself is the failure.
junit_stage() { # NAME REPORT COMMAND...
    local name=$1 report=$2 begin=$SECONDS status=0 sum
    shift 2
    rm -f "$report"
    echo "== $name"
    "$@" || status=$?
    sum=$(/usr/bin/python3 tests/junit_sum.py "$report" "$status")
    # shellcheck disable=SC2086
    count $sum
    echo "   $((SECONDS - begin)) s"
}

unit_tests() {
    ctest --test-dir build/dev --output-on-failure --no-tests=error -j "$(nproc)" --timeout 180 \
        --output-junit "$PWD/build/ctest.xml" >build/ctest.log 2>&1 || {
        tail -n +4 build/ctest.log
        return 1
    }
}

integration_tests() {
    POSTERN=$PWD/build/release/postern /usr/bin/python3 -m pytest tests/integration \
        tests/lint -q -p no:cacheprovider -n 3 --dist loadfile --junitxml=build/pytest.xml
}

sum_up() {
    local line="$passed passed, $failed failed"
    [ "$skipped" = 0 ] || line="$line, $skipped skipped"
    echo "$line"
    [ "$failed" = 0 ]
}

# --- verbs ---

do_run() {
    need_packages "${build_packages[@]}"
    build release postern
    exec build/release/postern dev rules "$@"
}

do_lint() {
    need_packages "${build_packages[@]}" "${lint_packages[@]}"
    cmake --preset dev >/dev/null
    tests/lint/run build/dev
}

do_docs() {
    need_packages "${build_packages[@]}" python3
    build release postern
    /usr/bin/python3 docs/generate.py build/release/postern
}

do_fuzz() {
    need_packages "${build_packages[@]}" "${fuzz_packages[@]}"
    build fuzz
    tests/fuzz/run build/fuzz "$@"
}

do_bench() {
    need_packages "${build_packages[@]}" openssl python3 python3-dkim python3-dnspython
    build release postern postern-bench
    /usr/bin/python3 tests/bench/run.py --build build/release "$@"
}

do_torture() {
    need_packages "${build_packages[@]}" python3
    build release postern postern-faults
    /usr/bin/python3 tests/torture/torture.py "$@"
}

do_test() {
    need_packages "${build_packages[@]}" "${test_packages[@]}"
    stage 'build (release)' build release
    stage 'build (ASan, UBSan)' build dev
    stage 'build (fuzz)' build fuzz
    stage 'lint' tests/lint/run build/dev
    junit_stage 'unit tests and dialogues' build/ctest.xml unit_tests
    junit_stage 'integration' build/pytest.xml integration_tests
    stage 'fuzz' env FUZZ_SECONDS="${FUZZ_SECONDS:-45}" FUZZ_OTHERS_SECONDS="${FUZZ_OTHERS_SECONDS:-6}" tests/fuzz/run build/fuzz
    stage 'bench, a smoke run' /usr/bin/python3 tests/bench/run.py --build build/release --smoke
    sum_up
}

verb=${1:-}
case $verb in
run | test | lint | docs | bench | torture | fuzz)
    shift
    "do_$verb" "$@"
    ;;
'' | help | --help | -h) usage ;;
*)
    echo "./do: no verb '$verb'" >&2
    usage >&2
    exit 2
    ;;
esac
