#!/usr/bin/env bash
# Builds the Docker image of the agent from a compiled binary and the libraries that ldd(1) names: nothing is fetched.
#
#     scripts/agent-image.sh [BINARY [TAG]]     (dist/orion, orion-agent)
#
# Run it as the reference says:
#     docker run -d --name orion-agent --restart unless-stopped --group-add "$(stat -c %g /var/run/docker.sock)" \
#       -v /proc:/host/proc:ro -v /var/run/docker.sock:/var/run/docker.sock:ro \
#       -e ORION_PROC_PATH=/host/proc -e ORION_ENDPOINT=… -e ORION_AGENT_TOKEN=… -e ORION_SERVER_ID=… orion-agent
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
install -D -m 0755 "$binary" "$tree/usr/local/bin/orion"
# each library to the place where the loader looks for it
ldd "$binary" | grep -oE '/[^ ]+' | while read -r library; do
  install -D -m 0755 "$(readlink -f "$library")" "$tree$library"
done
# the folder that the volume begins with, its user's own
mkdir -p "$tree/var/lib/orion" "$tree/tmp"
printf 'orion:x:1000:1000::/var/lib/orion:/sbin/nologin\n' | install -D -m 0644 /dev/stdin "$tree/etc/passwd"
printf 'orion:x:1000:\n' | install -D -m 0644 /dev/stdin "$tree/etc/group"

# without BuildKit, which would ask a registry for its frontend
DOCKER_BUILDKIT=0 docker build --quiet --file "$top/Dockerfile" --tag "$tag" "$tree" >/dev/null
printf '%s\n' "$tag"
