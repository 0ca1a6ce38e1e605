/** Every page that there is, with addresses that show something. */
import type { pagePaths } from "#src/hub/api/pages.ts";

export type Visit = {
  /** for pictures and failures: `server` */
  readonly name: string;
  readonly page: (typeof pagePaths)[number];
  readonly address: string;
  /** for those who are not signed in */
  readonly open?: true;
};

/** What addresses name. */
export type Things = {
  readonly serverId: string;
  /** a server whose script crashes */
  readonly troubledId: string;
  readonly projectId: string;
  readonly invitation: string;
  /** of an error group */
  readonly fingerprint: string;
  /** of a device that asks to be signed in */
  readonly userCode: string;
};

/** For the names of the visits alone. */
export const noThings: Things = {
  serverId: "",
  troubledId: "",
  projectId: "",
  invitation: "",
  fingerprint: "",
  userCode: "",
};

/** `things`: of the hub that is looked at. */
export function visitsOf({
  serverId,
  troubledId,
  projectId,
  invitation,
  fingerprint,
  userCode,
}: Things): readonly Visit[] {
  return [
    { name: "overview", page: "/", address: "/" },
    { name: "overview-found", page: "/", address: "/?q=web&sort=cpu" },
    { name: "server", page: "/servers/:id", address: `/servers/${serverId}` },
    { name: "server-troubled", page: "/servers/:id", address: `/servers/${troubledId}` },
    { name: "errors", page: "/errors", address: "/errors" },
    { name: "errors-found", page: "/errors", address: "/errors?q=timeout&sort=count" },
    { name: "error", page: "/errors/:fingerprint", address: `/errors/${fingerprint}` },
    { name: "logs", page: "/logs", address: "/logs" },
    { name: "logs-found", page: "/logs", address: "/logs?q=order" },
    { name: "events", page: "/events", address: "/events" },
    { name: "projects", page: "/projects", address: "/projects" },
    { name: "project", page: "/projects/:id", address: `/projects/${projectId}` },
    { name: "organization", page: "/organization", address: "/organization" },
    { name: "account", page: "/account", address: "/account" },
    { name: "audit", page: "/audit", address: "/audit" },
    { name: "device", page: "/device", address: `/device?code=${userCode}` },
    { name: "api", page: "/api/docs", address: "/api/docs" },
    { name: "login", page: "/login", address: "/login", open: true },
    { name: "setup", page: "/setup", address: "/setup#none", open: true },
    { name: "invite", page: "/invite/:token", address: `/invite/${invitation}`, open: true },
  ];
}
