#!/usr/bin/env bash
# Builds the Docker image of the agent from a compiled binary and the libraries that ldd(1) names: nothing is fetched.
#
#     scripts/agent-image.sh [BINARY [TAG]]     (dist/orion, orion-agent)
#
# docs/containers.md says how to run it.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
binary=${1:-$top/dist/orion}
tag=${2:-orion-agent}

fail() {
  printf 'agent-image.sh: %s\n' "$*" >&2
  exit 1
}
[ -x "$binary" ] || fail "there is no program at $binary: build it first, with bun scripts/build.ts"

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
rootfs=$tree/rootfs
install -D -m 0755 "$binary" "$rootfs/usr/local/bin/orion"
# each library to the place where the loader looks for it; ldd fails for a binary of another C library or CPU
libraries=$(ldd "$binary") || fail "ldd can't read $binary: is it built for this machine?"
grep -oE '/[^ ]+' <<<"$libraries" | while read -r library; do
  install -D -m 0755 "$(readlink -f "$library")" "$rootfs$library"
done
# names for its user; and the folder that the volume begins with, its user's own
printf 'orion:x:1000:1000::/var/lib/orion:/sbin/nologin\n' | install -D -m 0644 /dev/stdin "$rootfs/etc/passwd"
printf 'orion:x:1000:\n' | install -D -m 0644 /dev/stdin "$rootfs/etc/group"
mkdir "$tree/state"

# without BuildKit, which would ask a registry for its frontend; it says on stderr that it is the old builder
DOCKER_BUILDKIT=0 docker build --quiet --file "$top/Dockerfile" --tag "$tag" "$tree" >/dev/null
printf '%s\n' "$tag"
