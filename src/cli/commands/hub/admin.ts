/** `orion hub admin`: people of the hub, from its own machine, without a browser. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

import { reasonOf } from "#src/protocol/fault.ts";

import { painter, wantsColours } from "../../colour.ts";
import { command } from "../../command.ts";
import { CliFault, exitCodes, usageFault } from "../../exit.ts";
import { interruptible } from "../../interrupt.ts";
import { note, print, printJson } from "../../output.ts";
import { renderTable } from "../../table.ts";
import type { Session } from "../../session.ts";
import { readToken } from "../../token-input.ts";
import { dataDirFlag, withOperator } from "./folder.ts";

const emailFlag = {
  email: { type: "string", valueHint: "email", description: "the person's e-mail address" },
} as const;
const passwordFlag = {
  "password-file": {
    type: "string",
    valueHint: "file",
    description: "file with the password, - reads stdin; asked for if left out",
  },
} as const;

export const create = command({
  args: {
    ...emailFlag,
    ...passwordFlag,
    name: { type: "string", valueHint: "name", description: "the person's name" },
    organization: { type: "string", valueHint: "name", description: "the organization to own; made if there is none" },
    ...dataDirFlag,
  },
  about: "Works on the hub's own machine, as the user that the hub runs as, whether it runs or not.",
  examples: ["sudo -u orion orion hub admin create --email ada@example.com"],
  async run({ args, session }) {
    const email = required("email", args.email);
    const password = await newPassword(session, args["password-file"]);
    const owner = await withOperator(session, args["data-dir"], (operator) =>
      operator.createOwner({ email, password, name: args.name, organization: args.organization }),
    );
    if (session.json) await printJson(owner);
    else await print(`${owner.email} owns ${owner.organization}\n`);
    return exitCodes.done;
  },
});

export const link = command({
  args: { ...dataDirFlag },
  about: "Works while the hub runs and nobody has an account yet. The link is good once.",
  async run({ args, session }) {
    const made = await withOperator(session, args["data-dir"], (operator) => operator.setupLink({}));
    if (made.link === null) {
      throw new CliFault(
        exitCodes.failed,
        "conflict",
        "there is no setup link: somebody has an account already",
        "Ask an owner for an invitation, or see orion hub admin list",
      );
    }
    if (session.json) await printJson(made);
    else await print(`${made.link}\n`);
    return exitCodes.done;
  },
});

export const list = command({
  args: { ...dataDirFlag },
  async run({ args, session }) {
    const { people } = await withOperator(session, args["data-dir"], (operator) => operator.people({}));
    if (session.json) await printJson({ people });
    else if (people.length === 0) await note("Nobody has an account. Make the first: orion hub admin create --email E");
    else {
      const paint = painter(wantsColours(session));
      const columns = [{ title: "E-MAIL" }, { title: "NAME" }, { title: "SECOND FACTOR" }, { title: "ORGANIZATIONS" }];
      const rows = people.map(({ email, name, twoFactor, memberships }) => [
        email,
        name,
        twoFactor ? paint("green", "yes") : "no",
        memberships.map(({ organization, role }) => `${organization} (${role})`).join(", "),
      ]);
      await print(`${renderTable(columns, rows).join("\n")}\n`);
    }
    return exitCodes.done;
  },
});

export const resetPassword = command({
  args: { ...emailFlag, ...passwordFlag, ...dataDirFlag },
  about: "Ends all sessions of the person and takes the second factor away.",
  async run({ args, session }) {
    const email = required("email", args.email);
    const password = await newPassword(session, args["password-file"]);
    await withOperator(session, args["data-dir"], (operator) => operator.resetPassword({ email, password }));
    if (session.json) await printJson({ email });
    else await print(`${email} has a new password and no second factor; all sessions are ended\n`);
    return exitCodes.done;
  },
});

function required(flag: string, value: string | undefined): string {
  if (value === undefined) throw usageFault(`--${flag} is missing`, `Write --${flag} VALUE`);
  return value;
}

async function newPassword({ environment }: Session, file: string | undefined): Promise<string> {
  if (file === "-") return await readToken("-", "--password-file");
  if (file !== undefined) {
    const path = resolve(environment.cwd, file);
    try {
      return readFileSync(path, "utf8").replace(/\r?\n$/, "");
    } catch (error) {
      const why = `the password can't be read from ${path}: ${reasonOf(error)}`;
      throw new CliFault(exitCodes.failed, "invalid", why, "Name a file that this user may read", error);
    }
  }
  const [{ createQuestions }, { hasPerson, openTerminal }] = await Promise.all([
    import("../../setup/questions.ts"),
    import("../../setup/terminal.ts"),
  ]);
  return await interruptible(async (control) => {
    const questions = createQuestions(hasPerson() ? await openTerminal(control) : undefined, false);
    const flag = "--password-file";
    const typed = await questions.secret({
      flag,
      message: "Password (at least 12 characters)",
      check: (text) => (text.length < 12 ? "has fewer than 12 characters" : undefined),
    });
    const check = (text: string) => (text === typed ? undefined : "is another one");
    return await questions.secret({ flag, message: "The same once more", check });
  });
}
