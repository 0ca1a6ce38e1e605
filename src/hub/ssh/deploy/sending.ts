/** What goes to a host: files, the program, or an image; each arrives whole or not at all. */
import { createReadStream } from "node:fs";
import { Readable, pipeline } from "node:stream";
import { createGzip } from "node:zlib";

import { Fault } from "#src/protocol/fault.ts";
import type { JobView } from "../jobs.ts";
import type { SshRun, SshSession } from "../port.ts";
import { fullPath } from "./facts.ts";
import type { Image } from "./image.ts";
import type { Program } from "./program.ts";
import { busyCode, clearFolders, reuseProgram, takeFile, tryProgram } from "./transaction.ts";

const smallWithinMs = 60_000;
/** 110 MB at 1 Mbit/s. */
const sendWithinMs = 20 * 60_000;

/** One step's way to a host. */
export type Way = {
  readonly session: SshSession;
  readonly view: Pick<JobView, "say" | "signal">;
};

/** A script as root that must succeed; what it said is the reason when it does not. @returns its standard output */
export async function must(
  { session, view }: Way,
  script: string,
  what: string,
  more: Partial<SshRun> = {},
): Promise<string> {
  const options = { asRoot: true, timeoutMs: smallWithinMs, signal: view.signal, ...more };
  const outcome = await session.run(script, options);
  if (outcome.code === 0) return outcome.stdout;
  const said = `${outcome.stderr}${outcome.stdout}`.trim().slice(0, 500);
  const hint = /no space left/i.test(said) ? "Free some space on the host" : "See the output of this step";
  throw new Fault("failed", `${what}: ${said === "" ? `exit code ${outcome.code}` : said}`, { hint });
}

/** What an earlier attempt has left on the host comes to its end. @returns false: somebody else's goes on there */
export async function endEarlier({ session, view }: Way, serverId: string, timeoutMs: number): Promise<boolean> {
  const options = { asRoot: true, timeoutMs, signal: view.signal };
  const { code, stdout } = await session.run(clearFolders(serverId), options);
  view.say(stdout);
  return code !== busyCode;
}

export const occupied = (): Fault =>
  new Fault("conflict", "another deployment is under way on this host: of another server entry, or another hub", {
    hint: "Wait for its end; is the host registered twice?",
  });

/** A small file into the folder of the deployment. */
export async function sendFile(way: Way, folder: string, name: string, text: string): Promise<void> {
  const sha256 = new Bun.CryptoHasher("sha256").update(text).digest("hex");
  await must(way, takeFile(folder, name, sha256, false), `${name} did not reach the host`, { stdin: text });
}

/** The program, unless the host has it; it must run there and be of this version. */
export async function sendProgram(way: Way, folder: string, program: Program, version: string): Promise<void> {
  const { session, view } = way;
  const { path, size, sha256 } = program;
  const options = { asRoot: true, timeoutMs: smallWithinMs, signal: view.signal };
  if ((await session.run(reuseProgram(folder, sha256), options)).code === 0) {
    view.say("the host has this very program already\n");
  } else {
    view.say(`sending ${Math.ceil(size / 1e6)} MB, compressed on the way\n`);
    const stdin = packed(createReadStream(path, { highWaterMark: 262_144 }));
    const script = takeFile(folder, "new/orion", sha256, true);
    await must(way, script, "the program did not reach the host", { stdin, timeoutMs: sendWithinMs });
  }
  const said = (await must(way, tryProgram(folder), "the program does not run on this host")).trim();
  if (said !== version) {
    throw new Fault("failed", `the program at ${path} is ${said}, and this hub is ${version}`, {
      hint: "Put the release of the hub's version there",
    });
  }
  view.say(`it runs on the host: ${said}\n`);
}

/** The host brings an image by itself. */
export async function pullImage(way: Way, image: string): Promise<void> {
  way.view.say(`pulling ${image}\n`);
  await must(way, `${fullPath}\ndocker pull ${image} >&2`, `the image ${image} could not be pulled`, {
    timeoutMs: sendWithinMs,
    onOutput: way.view.say,
  });
}

/** An image, unless the engine has it. */
export async function sendImage(way: Way, image: Image): Promise<void> {
  const { session, view } = way;
  const look = `${fullPath}\ndocker image inspect --format '{{.Id}}' ${image.tag} 2>/dev/null`;
  const there = await session.run(look, { asRoot: true, timeoutMs: smallWithinMs, signal: view.signal });
  if (there.stdout.trim() === image.id) {
    view.say(`the host has the image ${image.tag} already\n`);
    return;
  }
  view.say(`sending the image ${image.tag}, ${Math.ceil(image.size / 1e6)} MB, compressed on the way\n`);
  const stdin = packed(Readable.from(image.stream()));
  const load = `${fullPath}\ngzip -dc | docker load`;
  view.say(await must(way, load, "the image did not reach the host", { stdin, timeoutMs: sendWithinMs }));
}

/** Fast rather than small: it halves what is sent and keeps up with most networks. An error of the source is its own. */
function packed(source: Readable): Readable {
  const gzip = createGzip({ level: 1 });
  // told to whoever reads it, too; an end before the end is the reader's, who knows
  pipeline(source, gzip, () => undefined);
  return gzip;
}
