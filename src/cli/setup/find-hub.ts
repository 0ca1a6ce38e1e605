/** Which hub a wizard speaks to: asked for, and tried at once, so that a wrong address is corrected where it was typed. */
import { resolve } from "node:path";

import { signInMethods } from "#src/protocol/account.ts";

import { CliFault, exitCodes } from "../exit.ts";
import { hubVariables } from "../hub/access.ts";
import { type HubAddress, isExposed, parseAddress, readAddress, refuseExposed } from "../hub/address.ts";
import { createHubClient } from "../hub/client.ts";
import { isUnknownAuthority } from "../hub/trouble.ts";
import type { Interruptible } from "../interrupt.ts";
import { note } from "../output.ts";
import type { Session } from "../session.ts";
import type { Questions } from "./questions.ts";

export type HubFlags = {
  readonly apiUrl: string | undefined;
  readonly caFile: string | undefined;
  readonly insecureHttp: boolean;
};

/**
 * The hub, which has answered. `known` is one that this machine knows from before, and is offered.
 * @throws {CliFault} what flag or variable names can't be reached, or has no owner yet
 */
export async function findHub(
  session: Session,
  flags: HubFlags,
  known: HubAddress | undefined,
  questions: Questions,
  control: Interruptible,
): Promise<HubAddress> {
  const variables = hubVariables(session);
  const given = flags.apiUrl === undefined ? variables.url : parseAddress("--api-url", flags.apiUrl);
  const caFile = flags.caFile === undefined ? variables.caFile : resolve(session.environment.cwd, flags.caFile);
  const insecure = flags.insecureHttp || variables.insecureHttp;

  const addressFor = (url: string): HubAddress => {
    const same = known?.url === url ? known : undefined;
    const authority = caFile ?? same?.caFile;
    return {
      url,
      ...(authority === undefined ? {} : { caFile: authority }),
      ...(insecure || same?.insecureHttp === true ? { insecureHttp: true } : {}),
    };
  };
  if (given !== undefined) return await reach(addressFor(given), questions, control);

  let found: HubAddress | undefined;
  await questions.text({
    flag: "--api-url",
    message: "Address of the hub",
    ...(known === undefined ? {} : { offer: known.url }),
    async check(text) {
      const read = readAddress(text);
      if ("wrong" in read) return `${read.wrong}; write it like https://hub.example.com`;
      try {
        found = await reach(addressFor(read.url), questions, control);
        return undefined;
      } catch (error) {
        if (!(error instanceof CliFault) || error.exitCode === exitCodes.interrupted) throw error;
        return `does not work: ${error.oneLine}`;
      }
    },
  });
  if (found === undefined) throw new RangeError("an address was accepted that was never tried");
  return found;
}

/** Asks the hub for anything that everybody may know; what is odd about the way to it is asked about. */
async function reach(address: HubAddress, questions: Questions, control: Interruptible): Promise<HubAddress> {
  if (isExposed(address)) {
    const meant = await questions.insist(
      `${address.url} is not encrypted: anybody on the way can read the tokens. Go on all the same?`,
    );
    if (!meant) refuseExposed(address);
    return await reach({ ...address, insecureHttp: true }, questions, control);
  }
  try {
    const ask = { path: "/api/auth/methods", signal: control.signal };
    const { setup } = await createHubClient(address).ask(ask, signInMethods);
    if (!setup) return address;
  } catch (error) {
    const cause = error instanceof CliFault ? error.cause : undefined;
    if (!questions.interactive || address.caFile !== undefined || !isUnknownAuthority(cause)) throw error;
    const caFile = await askAuthority(address, questions);
    return await reach({ ...address, caFile }, questions, control);
  }
  throw new CliFault(
    exitCodes.hubRefused,
    "unauthenticated",
    `the hub at ${address.url} has no owner yet`,
    "Open the setup link that it printed at its start, or run there: orion hub admin create --email YOU@EXAMPLE.COM",
  );
}

async function askAuthority({ url }: HubAddress, questions: Questions): Promise<string> {
  await note(`The certificate of ${url} is signed by an authority that is not known here`);
  const file = await questions.text({
    flag: "--ca-file",
    message: "File of that authority's certificate (PEM)",
    check(text) {
      try {
        createHubClient({ url, caFile: resolve(text) });
        return undefined;
      } catch (error) {
        if (error instanceof CliFault) return `does not work: ${error.message}`;
        throw error;
      }
    },
  });
  return resolve(file);
}
