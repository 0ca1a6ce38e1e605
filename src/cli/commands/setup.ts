/** `orion setup`: the two wizards. Every question has a flag, so that both run without a terminal too. */
import { command } from "../command.ts";
import { exitCodes, usageFault } from "../exit.ts";
import { interruptible } from "../interrupt.ts";

export const setup = command({
  args: {
    server: { type: "boolean", description: "this host becomes a server of a project (once a machine, as root)" },
    source: { type: "boolean", description: "the application in this folder becomes a source (once an application)" },
    "api-url": { type: "string", valueHint: "url", description: "the hub's address" },
    token: {
      type: "string",
      valueHint: "token",
      description: "an API key, or with --server an enrolment token; - reads it from stdin",
    },
    project: { type: "string", valueHint: "project", description: "name or id of the project; with --yes it is made" },
    "ca-file": { type: "string", valueHint: "file", description: "PEM file of a certificate authority of your own" },
    "insecure-http": { type: "boolean", description: "use a hub without TLS on another machine" },
    yes: { type: "boolean", alias: "y", description: "take what would be offered, ask nothing" },
    hostname: { type: "string", valueHint: "name", description: "with --server: register under this name" },
    replace: {
      type: "boolean",
      description: "take the place of another machine of this name; of the source's token; of the script",
    },
    "renamed-from": { type: "string", valueHint: "id", description: "with --server: the server that this host was" },
    "source-name": { type: "string", valueHint: "name", description: "with --source: name of the source" },
    command: { type: "string", valueHint: "command", description: "with --source: what starts the application" },
    cwd: { type: "string", valueHint: "folder", description: "with --source: the application's folder (this one)" },
    user: { type: "string", valueHint: "user", description: "with --source: who it runs as (the folder's owner)" },
    "auto-restart": { type: "boolean", default: true, description: "with --source: leave it when it crashes" },
    capture: { type: "boolean", default: true, description: "with --source: do not keep what it prints" },
    script: { type: "boolean", default: true, description: "with --source: nothing for the agent to run" },
  },
  about: "Signs in by a browser on any machine, or with --token. Ctrl-C at any time leaves nothing behind.",
  examples: [
    "sudo orion setup --server",
    "sudo orion setup --server --api-url https://hub.example.com --token oet_… --yes",
    "cd /srv/api && orion setup --source",
  ],
  async run({ args, session }) {
    const server = args.server === true;
    if (server === (args.source === true)) {
      throw usageFault(
        server ? "--server and --source are two steps" : "setup needs --server or --source",
        "First, once a machine: sudo orion setup --server. Then, in each application's folder: orion setup --source",
      );
    }
    const [{ createQuestions }, { hasPerson, openTerminal }] = await Promise.all([
      import("../setup/questions.ts"),
      import("../setup/terminal.ts"),
    ]);
    const hub = {
      apiUrl: args["api-url"],
      token: args.token,
      project: args.project,
      caFile: args["ca-file"],
      insecureHttp: args["insecure-http"] === true,
      replace: args.replace === true,
    };
    await interruptible(async (control) => {
      const terminal = hasPerson() && !session.json ? await openTerminal(control) : undefined;
      const questions = createQuestions(terminal, args.yes === true);
      if (server) {
        const { setUpServer } = await import("../setup/server.ts");
        const own = { hostname: args.hostname, renamedFrom: args["renamed-from"] };
        return await setUpServer(session, { ...hub, ...own }, questions, control);
      }
      const { setUpSource } = await import("../setup/source.ts");
      const own = {
        sourceName: args["source-name"],
        command: args.command,
        cwd: args.cwd,
        user: args.user,
        autoRestart: args["auto-restart"],
        capture: args.capture,
        script: args.script,
      };
      await setUpSource(session, { ...hub, ...own }, questions, control);
    });
    return exitCodes.done;
  },
});
