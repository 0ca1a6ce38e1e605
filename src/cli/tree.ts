/**
 * Every command there is. Data only: the overview, the completion and the search for the nearest name read it without
 * loading a single command; running one loads that one's file and nothing else.
 */
import type { Command } from "./command.ts";

export type Node = {
  readonly name: string;
  /** the words after the name, as the overview shows them */
  readonly usage?: string;
  readonly summary: string;
  readonly load?: () => Promise<Command>;
  readonly children?: readonly Node[];
  /** works, but is not listed */
  readonly hidden?: boolean;
};

export const tree: readonly Node[] = [
  {
    name: "agent",
    summary: "run the agent in the foreground (what systemd and Docker start)",
    load: async () => (await import("./commands/agent.ts")).agent,
    children: [
      {
        name: "reexec",
        summary: "replace the running daemon in place; applications go on",
        load: async () => (await import("./commands/reexec.ts")).reexec,
      },
      {
        name: "guard",
        summary: "watch over the daemon's successor (started by the agent)",
        hidden: true,
        load: async () => (await import("./commands/guard.ts")).guard,
      },
    ],
  },
  {
    name: "upgrade",
    usage: "[--version X]",
    summary: "fetch a release and go over to it; applications go on",
    load: async () => (await import("./commands/upgrade.ts")).upgrade,
  },
  {
    name: "hub",
    usage: "[--port P]",
    summary: "run the hub in the foreground",
    load: async () => (await import("./commands/hub/hub.ts")).hub,
    children: [
      {
        name: "admin",
        summary: "people of the hub, from its own machine",
        children: [
          {
            name: "create",
            usage: "--email E",
            summary: "make the owner of an organization, without a browser",
            load: async () => (await import("./commands/hub/admin.ts")).create,
          },
          {
            name: "link",
            summary: "the link to make the first owner in a browser",
            load: async () => (await import("./commands/hub/admin.ts")).link,
          },
          {
            name: "list",
            summary: "everybody who has an account",
            load: async () => (await import("./commands/hub/admin.ts")).list,
          },
          {
            name: "reset-password",
            usage: "--email E",
            summary: "give a person a new password, and end all sessions",
            load: async () => (await import("./commands/hub/admin.ts")).resetPassword,
          },
        ],
      },
      {
        name: "token",
        usage: "key|enrolment|source",
        summary: "give out an API key, an enrolment token or a source's token",
        load: async () => (await import("./commands/hub/token.ts")).token,
      },
      {
        name: "backup",
        usage: "<file>",
        summary: "write everything that the hub keeps into one file, while it runs",
        load: async () => (await import("./commands/hub/backup.ts")).backup,
      },
      {
        name: "restore",
        usage: "<file>",
        summary: "bring a backup back, on a stopped hub",
        load: async () => (await import("./commands/hub/backup.ts")).restore,
      },
      {
        name: "check",
        summary: "whether the hub's databases are sound; changes nothing",
        load: async () => (await import("./commands/hub/check.ts")).check,
      },
      {
        name: "repair",
        summary: "mend what is damaged, and put aside what can't be mended",
        load: async () => (await import("./commands/hub/repair.ts")).repair,
      },
      {
        name: "export",
        usage: "[--from T] [--to T] [-o file]",
        summary: "write log lines as NDJSON, or in zstd",
        load: async () => (await import("./commands/hub/export.ts")).exportCommand,
      },
      {
        name: "migrate",
        usage: "--to <place> [--finish]",
        summary: "move the hub to Postgres and ClickHouse while it works, or back",
        load: async () => (await import("./commands/hub/migrate.ts")).migrate,
      },
      {
        name: "regroup",
        usage: "[--since 7d]",
        summary: "make the error groups anew, by the rules of this version",
        load: async () => (await import("./commands/hub/regroup.ts")).regroup,
      },
    ],
  },
  {
    name: "up",
    usage: "[--dir D] [--port P] [--demo]",
    summary: "try it: hub and agent of this machine in one process, no root",
    load: async () => (await import("./commands/up.ts")).up,
  },
  {
    name: "setup",
    usage: "--server|--source",
    summary: "connect this host, or the application in this folder, to a hub",
    load: async () => (await import("./commands/setup.ts")).setup,
  },
  {
    name: "status",
    usage: "[--watch]",
    summary: "this host now: metrics, scripts, containers, delivery, problems",
    load: async () => (await import("./commands/status.ts")).status,
  },
  {
    name: "log",
    usage: "<level> <message...>",
    summary: "send one entry, or with - as message every line of stdin",
    load: async () => (await import("./commands/log.ts")).log,
  },
  {
    name: "logs",
    usage: "[name] [-f] [-n N] [--hub]",
    summary: "read what was captured, here or on the hub",
    load: async () => (await import("./commands/logs.ts")).logs,
  },
  {
    name: "script",
    summary: "the programs that the daemon runs",
    children: [
      {
        name: "list",
        summary: "all scripts and what they do now",
        load: async () => (await import("./commands/script/list.ts")).list,
      },
      {
        name: "show",
        usage: "<name>",
        summary: "one script: its settings and what it does now",
        load: async () => (await import("./commands/script/show.ts")).show,
      },
      {
        name: "start",
        usage: "<name>|--all",
        summary: "start scripts",
        load: async () => (await import("./commands/script/order.ts")).start,
      },
      {
        name: "stop",
        usage: "<name>|--all",
        summary: "stop scripts, their whole process trees",
        load: async () => (await import("./commands/script/order.ts")).stop,
      },
      {
        name: "restart",
        usage: "<name>|--all",
        summary: "stop scripts and start them again",
        load: async () => (await import("./commands/script/order.ts")).restart,
      },
      {
        name: "add",
        usage: "<name> <command>",
        summary: "register a script",
        load: async () => (await import("./commands/script/add.ts")).add,
      },
      {
        name: "remove",
        usage: "<name>",
        summary: "stop a script and forget it",
        load: async () => (await import("./commands/script/remove.ts")).remove,
      },
    ],
  },
  {
    name: "server",
    summary: "the hub's servers",
    children: [
      {
        name: "list",
        summary: "all servers and how they are",
        load: async () => (await import("./commands/server/list.ts")).list,
      },
      {
        name: "show",
        usage: "<server>",
        summary: "one server: what it is and what it last reported",
        load: async () => (await import("./commands/server/show.ts")).show,
      },
      {
        name: "agent-status",
        usage: "<server>",
        summary: "whether its agent reports",
        load: async () => (await import("./commands/server/show.ts")).status,
      },
      {
        name: "add",
        usage: "<host>",
        summary: "register one and put the agent on it over SSH",
        load: async () => (await import("./commands/server/add.ts")).add,
      },
      {
        name: "deploy-agent",
        usage: "<server>",
        summary: "put the agent on it over SSH, or bring it to the hub's version",
        load: async () => (await import("./commands/server/deploy-agent.ts")).deploy,
      },
      {
        name: "uninstall-agent",
        usage: "<server>",
        summary: "take the agent off it over SSH",
        load: async () => (await import("./commands/server/deploy-agent.ts")).uninstall,
      },
      {
        name: "ssh",
        summary: "how the hub reaches it over SSH",
        children: [
          {
            name: "set",
            usage: "<server> <user@host>",
            summary: "say how, and approve the host's key",
            load: async () => (await import("./commands/server/ssh.ts")).set,
          },
          {
            name: "show",
            usage: "<server>",
            summary: "how, without secrets",
            load: async () => (await import("./commands/server/ssh.ts")).show,
          },
          {
            name: "check",
            usage: "<server>",
            summary: "try it out",
            load: async () => (await import("./commands/server/ssh.ts")).check,
          },
          {
            name: "remove",
            usage: "<server>",
            summary: "forget it, with keys and passwords",
            load: async () => (await import("./commands/server/ssh.ts")).remove,
          },
          {
            name: "key",
            summary: "the hub's own public key, for authorized_keys",
            load: async () => (await import("./commands/server/ssh.ts")).key,
          },
        ],
      },
      {
        name: "rotate-token",
        usage: "<server>",
        summary: "a new agent token; the old one is dead at once",
        load: async () => (await import("./commands/server/token.ts")).rotate,
      },
      {
        name: "revoke-token",
        usage: "<server>",
        summary: "its agent may not report any more",
        load: async () => (await import("./commands/server/token.ts")).revoke,
      },
      {
        name: "remove",
        usage: "<server>",
        summary: "forget a server",
        load: async () => (await import("./commands/server/remove.ts")).remove,
      },
    ],
  },
  {
    name: "errors",
    summary: "what goes wrong again and again, out of the logs that the hub has",
    children: [
      {
        name: "list",
        summary: "error groups, the last seen first",
        load: async () => (await import("./commands/errors/list.ts")).list,
      },
      {
        name: "show",
        usage: "<fingerprint>",
        summary: "one group: its traceback, where it happens, and why it is one group",
        load: async () => (await import("./commands/errors/show.ts")).show,
      },
      {
        name: "resolve",
        usage: "<fingerprint...>",
        summary: "taken for mended; should it come again, that is a regression",
        load: async () => (await import("./commands/errors/decide.ts")).resolve,
      },
      {
        name: "ignore",
        usage: "<fingerprint...>",
        summary: "not shown for a time, or for so many more",
        load: async () => (await import("./commands/errors/decide.ts")).ignore,
      },
      {
        name: "reopen",
        usage: "<fingerprint...>",
        summary: "shown again",
        load: async () => (await import("./commands/errors/decide.ts")).reopen,
      },
      {
        name: "merge",
        usage: "<fingerprint> <into>",
        summary: "two groups that are one error",
        load: async () => (await import("./commands/errors/decide.ts")).merge,
      },
      {
        name: "split",
        usage: "<fingerprint> <sample>",
        summary: "a group of their own for those events that are like one",
        load: async () => (await import("./commands/errors/decide.ts")).split,
      },
    ],
  },
  {
    name: "login",
    usage: "[--api-url U]",
    summary: "sign in to a hub",
    load: async () => (await import("./commands/login.ts")).login,
  },
  {
    name: "logout",
    summary: "end the session with the hub",
    load: async () => (await import("./commands/logout.ts")).logout,
  },
  {
    name: "whoami",
    summary: "which hub commands speak to, and as whom",
    load: async () => (await import("./commands/whoami.ts")).whoami,
  },
  {
    name: "doctor",
    summary: "check everything that can be wrong on this host and say what to do",
    load: async () => (await import("./commands/doctor.ts")).doctor,
  },
  {
    name: "completion",
    usage: "bash|zsh|fish",
    summary: "print the shell's completion script",
    load: async () => (await import("./commands/completion.ts")).completion,
  },
];

/** The node that the first words name, and how many words that took. The deepest one wins. */
export function findNode(words: readonly string[]): { path: readonly Node[]; used: number } {
  const path: Node[] = [];
  let level: readonly Node[] | undefined = tree;
  let used = 0;
  while (level !== undefined) {
    const next: Node | undefined = level.find((node) => node.name === words[used]);
    if (next === undefined) break;
    path.push(next);
    used++;
    level = next.children;
  }
  return { path, used };
}
