/** `orion errors show`. */
import { errorDetail, samplesPage } from "#src/protocol/error-group.ts";

import { painter, wantsColours } from "../../colour.ts";
import { command } from "../../command.ts";
import { exitCodes } from "../../exit.ts";
import { connectHub } from "../../hub/access.ts";
import { findFingerprint } from "../../hub/errors.ts";
import { renderError, renderSamples } from "../../hub/errors-view.ts";
import { listProjects } from "../../hub/projects.ts";
import { projectName } from "../../hub/servers-view.ts";
import { print, printJson } from "../../output.ts";

/** The hub keeps about twenty of a group, and more only of one that others were merged into. */
const mostSamples = "50";

/** The word that every command of one group takes. */
export const groupWord = {
  type: "positional",
  required: true,
  valueHint: "fingerprint",
  description: "its id, or how its id begins",
} as const;

export const show = command({
  args: {
    fingerprint: groupWord,
    samples: {
      type: "boolean",
      description: "the events that are kept, by id, the newest first; see orion errors split",
    },
  },
  about: [
    "Why its events are one group, where they came from, crashes that followed, and the newest sample: innermost call",
    "first, with > before calls of the application, and the lines that came before.",
  ].join("\n"),
  async run({ args, session }) {
    const hub = connectHub(session);
    const name = await findFingerprint(hub, args.fingerprint);
    if (args.samples === true) {
      const { events } = await hub.ask(
        { path: `/api/errors/${name}/events`, query: { limit: mostSamples } },
        samplesPage,
      );
      if (session.json) await printJson({ events });
      else await print(`${renderSamples(events, Date.now()).join("\n")}\n`);
      return exitCodes.done;
    }
    const detail = await hub.ask({ path: `/api/errors/${name}` }, errorDetail);
    if (session.json) await printJson(detail);
    else {
      const project = projectName(await listProjects(hub), detail.project);
      await print(renderError(detail, project, painter(wantsColours(session)), Date.now()));
    }
    return exitCodes.done;
  },
});
