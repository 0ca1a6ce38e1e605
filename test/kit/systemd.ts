/** What systemd hears of a service: the other end of sd_notify(3). */
import { startProgram } from "./program.ts";
import { until } from "./wait.ts";

/** A socket as systemd has it, printing each datagram as one JSON line. */
const receiver = `
import json, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
name = sys.argv[1]
s.bind("\\0" + name[1:] if name.startswith("@") else name)
print("ready", flush=True)
while True: print(json.dumps(s.recv(65536).decode()), flush=True)
`;

/** Listens at a path, or at a name of the abstract namespace after an `@`. Needs python3: Bun has no datagrams on Unix sockets. */
export async function listenAsSystemd(address: string) {
  const program = startProgram(["python3", "-c", receiver, address]);
  await until(() => program.output().startsWith("ready"), "the receiver");
  return {
    received: () =>
      program
        .output()
        .split("\n")
        .filter((line) => line.startsWith('"'))
        .map((line) => String(JSON.parse(line))),
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}
