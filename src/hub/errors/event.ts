/** An error event: what the lines of one traceback, or of one bad line, say. */
import type { Level } from "#src/protocol/log.ts";

/** One call of a stack, innermost first in `ErrorPart.frames`. Null: the format doesn't say. */
export type Frame = {
  readonly function: string | null;
  /** package, class or namespace */
  readonly module: string | null;
  /** as printed */
  readonly file: string | null;
  readonly line: number | null;
  readonly column: number | null;
  /** false: of a library or the runtime */
  readonly inApplication: boolean;
  /** the source line, when the traceback shows it */
  readonly code: string | null;
};

/** One error of a chain of causes. */
export type ErrorPart = {
  /** `ValueError`, `java.io.IOException`, `panic`; null: the format has none */
  readonly type: string | null;
  /** what it says */
  readonly value: string;
  readonly frames: readonly Frame[];
  /** how it led to the one before it in `ErrorEvent.parts` */
  readonly relation: "cause" | "context" | "suppressed" | "member" | null;
};

export type ErrorEvent = {
  readonly serverId: string;
  readonly source: string;
  /** container's id, thread and stream keep interleaved events apart; this is the stream they came by */
  readonly stream: string;
  /** of its first line, milliseconds since the epoch */
  readonly atMs: number;
  /** position of the line that it was recognised by and of its last: order of arrival in the log store */
  readonly firstPosition: number;
  readonly lastPosition: number;
  readonly level: Level;
  /** `message`: a bad line without a traceback */
  readonly kind: "traceback" | "message";
  /** which parser read it: `python`, `node`, `java`, … `text` */
  readonly format: string;
  /**
   * the outermost error (what the program reported) first, then its causes one by one, then members and suppressed ones;
   * one at least
   */
  readonly parts: readonly ErrorPart[];
  readonly logger: string | null;
  /** Odoo's, Postgres's */
  readonly database: string | null;
  /** thread or process, as printed */
  readonly thread: string | null;
  readonly release: string | null;
  /** its lines as they were printed, oldest first; what introduces it (code, a message) may stand before `firstPosition` */
  readonly lines: readonly string[];
  /** up to 20 lines of the same stream before it, oldest first */
  readonly before: readonly string[];
  /** lines or bytes beyond the limits were left out */
  readonly cut: boolean;
};
