/** What the containers' room needs of the rest of the agent. */
import type { Clock } from "#src/lib/clock.ts";
import type { ContainerLogs } from "#src/protocol/config.ts";
import type { AgentEvent } from "#src/protocol/event.ts";

/** One whole line of a container, or with `piece` a piece of one that is longer than a message may be. */
export type ContainerLine = {
  /** the engine's time of it: RFC 3339 in UTC, nanoseconds */
  readonly at: string;
  readonly stream: "stdout" | "stderr";
  readonly message: string;
  readonly piece?: { readonly part: number; readonly last: boolean };
};

export type ContainerChunk = {
  readonly source: string;
  readonly container: string;
  readonly containerId: string;
  readonly lines: readonly ContainerLine[];
  /** where reading goes on behind these lines; kept with them, so that neither is ever without the other */
  readonly position: string;
};

export type LinesPort = {
  /** Makes the lines durable. false: not now, nothing was taken, ask again. */
  takeContainer(chunk: ContainerChunk): boolean;
  /** Whether a chunk would be taken now. */
  ready(): boolean;
  /** The engine no longer has all lines: some between these two times (RFC 3339) were never read. */
  missed(source: string, from: string, to: string): void;
  /** The position of the last chunk of a container that was taken, also by an earlier agent. */
  containerPosition(containerId: string): string | undefined;
  /** Puts a position down without lines. */
  setContainerPosition(containerId: string, position: string): void;
  /** Forgets the positions of all containers but these. */
  keepContainerPositions(containerIds: ReadonlySet<string>): void;
  /** The newest messages of one container, oldest first. */
  containerTail(source: string, containerId: string, lines: number): string[];
};

export type EventPort = { emit(event: AgentEvent): void };

/** One fact a line, to the agent's own log. */
export type LogPort = {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
};

export type ContainersWorld = {
  readonly socketPath: string;
  /** false: no lines are read */
  readonly logs: boolean;
  readonly rules: ContainerLogs;
  readonly output: LinesPort;
  readonly events: EventPort;
  readonly clock: Clock;
  readonly log: LogPort;
  /** so many bytes of logs have come */
  readonly onData?: (bytes: number) => void;
};
