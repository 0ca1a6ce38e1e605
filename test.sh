#!/usr/bin/env bash
# Everything that must hold, from a fresh machine on: brings the pinned Bun, the packages and what the suites need of the
# system, then checks format, lint, types and shell scripts, builds, and runs all tests.
#
#   ./test.sh              all of it
#   CI=true ./test.sh      the same, and a server that a test needs and that is missing is a failure
#
# Needs npm; the system packages need Debian's apt-get and root (or sudo without a password), else the tests that need
# them are skipped by name. A test that fails is run once more by itself, and named as flaky when it passes then. The last
# line is `N passed, N failed`; the exit code is 0 when nothing failed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1

passed=0
failed=0
skipped=0
flaky=()
times=()
scratch=$(mktemp -d)
dockerd_pid=""

say() { printf '%s\n' "$*"; }

finish() {
  # only what this run started; others may be using theirs
  if [ -n "$dockerd_pid" ]; then as_root kill "$dockerd_pid" 2>/dev/null; fi
  rm -rf "$scratch"
}
trap finish EXIT

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}
can_be_root() { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }

# step NAME COMMAND...: runs it, says how long it took, counts a failure
step() {
  local name=$1 begun=$SECONDS code=0
  shift
  printf '\n== %s\n' "$name"
  "$@" </dev/null || code=$?
  if [ "$code" = 0 ]; then
    say "-- $name: ok, $((SECONDS - begun)) s"
  else
    say "-- $name: FAILED (exit code $code), $((SECONDS - begun)) s"
    failed=$((failed + 1))
  fi
  times+=("$(printf '%5d s  %s' $((SECONDS - begun)) "$name")")
  return "$code"
}

# What the suites call, and the Debian package that holds it.
needs=(
  git:git gcc:gcc gcc:libc6-dev shellcheck:shellcheck ip:iproute2 curl:curl ps:procps busybox:busybox-static
  dockerd:docker.io docker:docker.io debootstrap:debootstrap chromium:chromium python3:python3-minimal openssl:openssl
  iptables:iptables zsh:zsh fish:fish script:bsdutils wget:wget unshare:util-linux setpriv:util-linux podman:podman
  sshd:openssh-server ssh:openssh-client tcsh:tcsh psql:postgresql
)

system_packages() {
  local need program package missing=() absent=()
  for need in "${needs[@]}"; do
    program=${need%%:*} package=${need#*:}
    # debootstrap lies in /usr/sbin, which is not in everybody's PATH
    if ! PATH="$PATH:/usr/sbin:/sbin" command -v "$program" >/dev/null; then
      missing+=("$package")
      absent+=("$program")
    fi
  done
  if [ ${#missing[@]} = 0 ]; then
    say "nothing is missing"
    return 0
  fi
  say "missing: ${absent[*]}"
  if ! command -v apt-get >/dev/null || ! can_be_root; then
    say "no apt-get, or neither root nor sudo without a password: tests that need these are skipped"
    [ "${CI:-}" != true ]
    return
  fi
  as_root apt-get update -qq || return 1
  # Debian 13 packs the docker command on its own
  if ! command -v docker >/dev/null && apt-cache show docker-cli >/dev/null 2>&1; then missing+=(docker-cli); fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
    >"$scratch/apt.log" 2>&1 || {
    tail -n 30 "$scratch/apt.log"
    return 1
  }
}

docker_engine() {
  if ! command -v docker >/dev/null; then
    say "no docker: tests that need it are skipped"
    [ "${CI:-}" != true ]
    return
  fi
  if docker info >/dev/null 2>&1; then
    say "a Docker engine answers"
    return 0
  fi
  if ! PATH="$PATH:/usr/sbin" command -v dockerd >/dev/null || ! can_be_root; then
    say "no Docker engine answers, and none can be started: tests that need it are skipped"
    [ "${CI:-}" != true ]
    return
  fi
  local tries become=()
  if [ "$(id -u)" != 0 ]; then become=(sudo -n); fi
  # a session of its own, so that Ctrl-C reaches it only through `finish`
  "${become[@]}" env "PATH=$PATH:/usr/sbin:/sbin" setsid dockerd >"$scratch/dockerd.log" 2>&1 </dev/null &
  dockerd_pid=$!
  for tries in $(seq 1 60); do
    if docker info >/dev/null 2>&1; then
      say "started a Docker engine"
      return 0
    fi
    kill -0 "$dockerd_pid" 2>/dev/null || break
    sleep 0.5
  done
  say "the Docker engine did not start after $tries tries:"
  tail -n 20 "$scratch/dockerd.log"
  dockerd_pid=""
  [ "${CI:-}" != true ]
}

host_image() {
  if ! docker info >/dev/null 2>&1; then
    say "no Docker engine: tests that need a whole host are skipped"
    [ "${CI:-}" != true ]
    return
  fi
  timeout 600 scripts/test-host-image.sh
}

shell_scripts() {
  if ! command -v shellcheck >/dev/null; then
    say "no shellcheck: skipped"
    [ "${CI:-}" != true ]
    return
  fi
  shellcheck install.sh test.sh .ci/run scripts/*.sh
}

# suite LOG SECONDS ARGUMENTS...: bun test, its counts added up from its own summary
suite() {
  local log=$1 limit=$2 code=0 pass fail skip errors
  shift 2
  timeout --kill-after=20 "$limit" "$bun" test --parallel=2 --reporter=junit --reporter-outfile="$log.xml" "$@" 2>&1 |
    tee "$log" || code=$?
  pass=$(count pass "$log") fail=$(count fail "$log") skip=$(count skip "$log") errors=$(count error "$log")
  if [ "$code" = 1 ] && [ "$errors" = 0 ] && [ "$fail" -gt 0 ] && [ "$fail" -le 3 ] && again "$log" "$limit"; then
    code=0 pass=$((pass + fail)) fail=0
  fi
  passed=$((passed + pass))
  skipped=$((skipped + skip))
  # one of the failures is the step's own, counted by `step`
  if [ $((fail + errors)) -gt 1 ]; then failed=$((failed + fail + errors - 1)); fi
  if [ "$code" = 124 ]; then say "not done after $limit s: ended"; fi
  if [ "$code" = 0 ] && [ $((pass + skip)) = 0 ]; then
    say "no test was run"
    return 1
  fi
  if [ "$code" = 0 ] && [ $((fail + errors)) -gt 0 ]; then return 1; fi
  return "$code"
}

# again LOG SECONDS: the files of which few tests have failed, by themselves. What fails again has failed; what passes is
# flaky: it is named in the end, and somebody has to find out why.
again() {
  local log=$1 limit=$2 files each
  mapfile -t files < <(sed -n 's/^ *<testsuite [^>]* file="\([^"]*\)" .* failures="[1-9].*/\1/p' "$log.xml" | sort -u)
  if [ ${#files[@]} = 0 ]; then return 1; fi
  say "again, by itself: ${files[*]}"
  timeout --kill-after=20 "$limit" "$bun" test "${files[@]}" 2>&1 | tee "$log.again" || return 1
  while IFS= read -r each; do flaky+=("$each"); done < <(sed -n 's/^(fail) \(.*\) \[[0-9.]*ms\]$/\1/p' "$log" | sort -u)
}

# count WORD LOG: the number of bun's last line ` N WORD` or ` N WORDs`, 0 without one
count() {
  local number
  number=$(sed 's/\x1b\[[0-9;]*m//g' "$2" | sed -n "s/^ *\([0-9][0-9]*\) $1s\{0,1\}\$/\1/p" | tail -n 1)
  printf '%s' "${number:-0}"
}

bring_bun() {
  bun=$(scripts/pinned-bun.sh) || return 1
  say "$bun"
}

summary() {
  printf '\n== time\n'
  printf '%s\n' "${times[@]}" "$(printf '%5d s  in all' "$SECONDS")"
  if [ "$skipped" -gt 0 ]; then printf '\n%s skipped, marked (skip) above with what they need\n' "$skipped"; fi
  if [ ${#flaky[@]} -gt 0 ]; then
    printf '\nflaky, failed once and then passed:\n'
    printf '  %s\n' "${flaky[@]}"
  fi
  printf '\n%s passed, %s failed\n' "$passed" "$failed"
  [ "$failed" = 0 ]
}

bun=""
step "system packages" system_packages
if ! step "bun" bring_bun || ! step "packages" "$bun" install --frozen-lockfile; then
  summary
  exit 1
fi
# programs that tests start find the same Bun
PATH="$(dirname "$bun"):$PWD/node_modules/.bin:$PATH"
export PATH

step "docker" docker_engine
step "host image" host_image
step "format" "$bun" fmt --check
step "lint" node_modules/.bin/oxlint --type-aware --deny-warnings src test scripts
step "types" "$bun" check
step "shell scripts" shell_scripts
step "build" "$bun" scripts/build.ts
step "tests" suite "$scratch/tests.log" 720 --path-ignore-patterns='test/e2e/**' --path-ignore-patterns='test/browser/**'
# every page and everything on it, by two people, at two widths, in the light and in the dark
step "pages" suite "$scratch/pages.log" 900 test/browser
# whole hosts and the engines of the other tests have disturbed one another: one after the other
hosts=(test/e2e/install.test.ts test/e2e/install-services.test.ts test/e2e/outlive-systemd.test.ts test/e2e/setup-systemd.test.ts
  test/e2e/ssh-cuts.test.ts test/e2e/ssh-deploy.test.ts test/e2e/ssh-docker.test.ts test/e2e/ssh-polling.test.ts)
step "whole hosts" suite "$scratch/hosts.log" 600 "${hosts[@]}"
step "end to end" suite "$scratch/e2e.log" 840 test/e2e "${hosts[@]/#/--path-ignore-patterns=}" \
  --path-ignore-patterns='test/e2e/scale/**'
# two hubs, two databases and 2,000 agents need both processors
step "many hubs" suite "$scratch/scale.log" 400 test/e2e/scale
summary
