/** `orion hub token`: what machines sign in with, given out on the hub's own machine. */
import { type Scope, scopes } from "#src/protocol/access.ts";

import { command } from "../../command.ts";
import { exitCodes, usageFault } from "../../exit.ts";
import { nearest } from "../../nearest.ts";
import { note, print, printJson } from "../../output.ts";
import { parseWhole } from "../../values.ts";
import { dataDirFlag, withOperator } from "./folder.ts";

const kinds = ["key", "enrolment", "source"] as const;

export const token = command({
  args: {
    kind: { type: "positional", required: true, valueHint: "kind", description: kinds.join(", ") },
    name: { type: "string", valueHint: "name", description: "what it is called; of a source: its name" },
    organization: { type: "string", valueHint: "name", description: "name or id; the only one if left out" },
    project: { type: "string", valueHint: "project", description: "of an enrolment token or a source: name or id" },
    scope: { type: "string", valueHint: "scope...", description: `of a key: ${scopes.join(", ")}; all if left out` },
    "max-uses": { type: "string", valueHint: "N", description: "of an enrolment token: hosts it may register (1)" },
    "expires-hours": { type: "string", valueHint: "hours", description: "of an enrolment token (24)" },
    "expires-days": { type: "string", valueHint: "days", description: "of a key; never if left out" },
    ...dataDirFlag,
  },
  about: "Prints the token, this once. Works on the hub's own machine, as the user that the hub runs as.",
  examples: [
    "sudo -u orion orion hub token key --name deploy --scope view:servers",
    "sudo -u orion orion hub token enrolment --max-uses 20 --expires-hours 72",
  ],
  async run({ args, repeated, session }) {
    const kind = kinds.find((one) => one === args.kind);
    if (kind === undefined) throw unknownKind(args.kind);
    const { organization, project } = args;
    const made = await withOperator(session, args["data-dir"], (operator) => {
      if (kind === "key") {
        const days = args["expires-days"];
        const expiresInDays = days === undefined ? null : parseWhole("--expires-days", days, 1, 3650);
        const name = args.name ?? "command line";
        return operator.createKey({ organization, name, scopes: scopesOf(repeated["scope"]), expiresInDays });
      }
      if (kind === "source") {
        if (args.name === undefined) throw usageFault("--name is missing", "Write --name NAME-OF-THE-SOURCE");
        return operator.createSource({ organization, project, name: args.name });
      }
      const uses = args["max-uses"];
      const hours = args["expires-hours"];
      return operator.createEnrolment({
        organization,
        project,
        ...(args.name === undefined ? {} : { name: args.name }),
        ...(uses === undefined ? {} : { maxUses: parseWhole("--max-uses", uses, 1, 100_000) }),
        ...(hours === undefined ? {} : { expiresInHours: parseWhole("--expires-hours", hours, 1, 8760) }),
      });
    });
    if (session.json) await printJson(made);
    else {
      await print(`${made.token}\n`);
      await note("It is shown this once");
    }
    return exitCodes.done;
  },
});

function scopesOf(given: readonly string[] | undefined): Scope[] {
  if (given === undefined) return [...scopes];
  return given.map((text) => {
    const found = scopes.find((scope) => scope === text);
    if (found === undefined) throw usageFault(`--scope can't be "${text}"`, `Use one of: ${scopes.join(", ")}`);
    return found;
  });
}

function unknownKind(word: string) {
  const guess = nearest(word, [...kinds]);
  return usageFault(
    `"${word}" is no kind of token`,
    `${guess === undefined ? "" : `Did you mean ${guess}? `}One of: ${kinds.join(", ")}`,
  );
}
