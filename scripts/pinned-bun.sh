#!/usr/bin/env bash
# Prints the path of the Bun that package.json pins. When it is not on this machine yet, npm brings it into the cache.
#
# The `bun` package itself only holds a script that fetches the program after installation, and npm does not run such
# scripts unless it is told to. So the package that holds the program for this CPU and C library is unpacked instead.
set -euo pipefail

say() { printf '%s\n' "$*" >&2; }
fail() {
  say "pinned-bun.sh: $*"
  exit 1
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

pinned_version() {
  # the first `"bun": "1.2.3"` of package.json; a range would not be a pin
  sed -n 's/^ *"bun": *"\([0-9][0-9.]*\)".*/\1/p' "$root/package.json" | head -n 1
}

# glibc or musl: getconf knows the name on glibc only; musl's ldd names itself
musl() {
  ! getconf GNU_LIBC_VERSION >/dev/null 2>&1 && { ldd --version 2>&1 || true; } | grep -qi musl
}

package_name() {
  local cpu suffix=""
  case "$(uname -m)" in
    x86_64 | amd64) cpu=x64 ;;
    aarch64 | arm64) cpu=aarch64 ;;
    *) fail "no Bun for this CPU ($(uname -m)): x86_64 and aarch64 are supported" ;;
  esac
  if musl; then suffix=-musl; fi
  printf '@oven/bun-linux-%s%s' "$cpu" "$suffix"
}

is_pinned() { [ -x "$1" ] && [ "$("$1" --version 2>/dev/null)" = "$version" ]; }

version=$(pinned_version)
[ -n "$version" ] || fail "package.json pins no version of bun"

cache="${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/orion-build"
bun="$cache/bun-$version/bun"
for candidate in "$bun" "$root/node_modules/.bin/bun" "$(command -v bun || true)"; do
  if [ -n "$candidate" ] && is_pinned "$candidate"; then
    printf '%s\n' "$candidate"
    exit 0
  fi
done

command -v npm >/dev/null || fail "npm is needed to bring Bun $version: install Node.js with npm (Debian: apt-get install npm)"
package=$(package_name)
mkdir -p "$cache" || fail "$cache can't be written"
staging=$(mktemp -d "$cache/bun.XXXXXX")
trap 'rm -rf "$staging"' EXIT
say "bringing Bun $version ($package) by npm"
(cd "$staging" && npm pack --loglevel=error "$package@$version" >/dev/null </dev/null) ||
  fail "npm could not bring $package@$version: see above, or try 'npm view $package@$version'"
tar -xzf "$staging"/*.tgz -C "$staging" || fail "the package $package@$version can't be unpacked"
is_pinned "$staging/package/bin/bun" || fail "the program in $package@$version does not run here, or is another version"
mkdir -p "$cache/bun-$version"
# in one step: another process may be doing the same
mv -f "$staging/package/bin/bun" "$bun"
printf '%s\n' "$bun"
