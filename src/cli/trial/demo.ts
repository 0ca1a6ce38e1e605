/** `--demo`: a small program that logs at several levels and crashes now and then, so that there is something to see. */
import { connectDaemon } from "../daemon.ts";

export const demoName = "demo";

/** Plain sh, so that it runs wherever the trial does. About one line a second; a crash each minute or so. */
const demoCommand = `
echo "demo starts, pid $$"
served=0
while :; do
  served=$((served + 1))
  echo "INFO request $served served in $((served * 7 % 43 + 3)) ms"
  case $((served % 10)) in
    3) echo "DEBUG cache holds $((served * 3)) keys" ;;
    6) echo "WARN queue is $((served % 70 + 20)) % full" ;;
    9) echo "ERROR payment $served was declined" >&2 ;;
  esac
  if [ $((served % 45)) -eq 0 ]; then
    echo "FATAL out of patience after $served requests" >&2
    exit 70
  fi
  sleep 1
done`.trim();

/** Registers and starts the demo with the daemon behind `socket`; one that is there already is left as it is. */
export async function addDemo(socket: string): Promise<void> {
  const daemon = await connectDaemon(socket);
  try {
    const { scripts } = (await daemon.request({ cmd: "script:list" })) as { scripts: { script: { name: string } }[] };
    if (scripts.some(({ script }) => script.name === demoName)) return;
    // it crashes on purpose, again and again: nobody should have to start it anew
    const script = { name: demoName, command: demoCommand, cwd: "/", maxRestarts: 1_000_000 };
    await daemon.request({ cmd: "script:add", script, start: true });
  } finally {
    daemon.close();
  }
}
