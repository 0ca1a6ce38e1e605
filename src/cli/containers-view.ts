/** Containers for people. */
import type { ContainerStatus } from "#src/protocol/heartbeat.ts";

import { type Paint, type Style, harmless } from "./colour.ts";
import { renderTable } from "./table.ts";
import { bytes, duration, percent } from "./units.ts";

/** So many columns of an image are worth showing; with less room it is left out. */
const leastOfImage = 8;
const columns = [
  { title: "NAME" },
  { title: "STATE" },
  { title: "UP", right: true },
  { title: "RESTARTS", right: true },
  { title: "CPU", right: true },
  { title: "MEMORY", right: true },
] as const;

/**
 * One line a container, those that run first.
 * @param width columns of the terminal: the image's name, which comes last, is cut or left out to fit
 */
export function renderContainers(
  containers: readonly ContainerStatus[],
  paint: Paint,
  now: number,
  width?: number,
): string[] {
  const sorted = containers.toSorted((a, b) => Number(isUp(b)) - Number(isUp(a)));
  const rows = sorted.map((container) => [
    harmless(container.name, false),
    paint(styleOf(container), stateOf(container)),
    upOf(container, now),
    String(container.restartCount),
    percent(container.cpu),
    bytes(container.memory.usage),
  ]);
  const narrow = renderTable(columns, rows);
  // the widest line, the gap behind it, and the image
  const room = (width ?? Number.POSITIVE_INFINITY) - Math.max(0, ...narrow.map((line) => Bun.stringWidth(line))) - 2;
  if (room < leastOfImage) return narrow;
  const images = sorted.map(({ image }) => cut(shortImage(harmless(image, false)), room));
  return renderTable(
    [...columns, { title: "IMAGE" }],
    rows.map((row, i) => [...row, images[i] ?? ""]),
  );
}

const isUp = ({ state }: ContainerStatus): boolean => state === "running";

const stateOf = ({ state, health }: ContainerStatus): string =>
  harmless(health === null ? state : `${state} (${health})`, false);

function styleOf({ state, health }: ContainerStatus): Style {
  if (health === "unhealthy" || state === "restarting" || state === "dead") return "red";
  if (state === "paused" || health === "starting") return "yellow";
  return state === "running" ? "green" : "dim";
}

const upOf = (container: ContainerStatus, now: number): string =>
  isUp(container) && container.startedAt !== null ? duration((now - Date.parse(container.startedAt)) / 1000) : "-";

/** An image that is known by its digest alone has 64 digits, of which people compare the first twelve. */
const shortImage = (image: string): string => image.replace(/(sha256:[0-9a-f]{12})[0-9a-f]{52}/, "$1");

const cut = (text: string, room: number): string =>
  Bun.stringWidth(text) <= room ? text : `${Bun.sliceAnsi(text, 0, room - 1)}…`;
