/** Answers to OpenTelemetry's exporters, in the encoding of the request. */
import type { z } from "#src/protocol/schema.ts";
import { Fault } from "#src/protocol/fault.ts";
import type { otlpLogsAnswer } from "#src/protocol/otlp.ts";
import { HttpFault, problemOf } from "../problem.ts";
import { writeFields } from "./otlp-wire.ts";

/** How a request is written, and so its answer. */
export type Encoding = "json" | "protobuf";

const types: Readonly<Record<Encoding, string>> = {
  json: "application/json",
  protobuf: "application/x-protobuf",
};

/** undefined: one that OTLP doesn't have. */
export function encodingOf(request: Request): Encoding | undefined {
  const type = request.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type === "application/json") return "json";
  return type === "application/x-protobuf" || type === "application/protobuf" ? "protobuf" : undefined;
}

/** ExportLogsServiceResponse: empty when all was taken, else how many were not, and why the first was not. */
export function exportAnswer(encoding: Encoding, rejected: number, reason: string): Response {
  if (encoding === "json") {
    const answer: z.infer<typeof otlpLogsAnswer> =
      rejected === 0 ? {} : { partialSuccess: { rejectedLogRecords: String(rejected), errorMessage: reason } };
    return Response.json(answer);
  }
  const partial = writeFields([
    [1, rejected],
    [2, reason],
  ]);
  return new Response(new Uint8Array(writeFields([[1, partial]])), { headers: { "content-type": types.protobuf } });
}

/** Numbers of google.rpc.Code; OTLP goes by the status of HTTP. */
const codes: Readonly<Record<number, number>> = {
  400: 3,
  401: 16,
  403: 7,
  404: 5,
  408: 4,
  413: 8,
  415: 3,
  429: 8,
  503: 14,
};

/** Anything thrown as google.rpc.Status, with the status and headers that it has elsewhere. */
export function failureAnswer(encoding: Encoding, thrown: unknown): Response {
  const { status, headers } = problemOf(thrown);
  // the text of a defect stays in the log
  const message =
    thrown instanceof Fault
      ? thrown.oneLine
      : thrown instanceof HttpFault
        ? thrown.message
        : "the hub failed to answer; its log says why";
  const code = codes[status] ?? 13;
  const kept = new Headers(headers);
  kept.set("content-type", types[encoding]);
  kept.delete("content-length");
  if (encoding === "json") return new Response(JSON.stringify({ code, message }), { status, headers: kept });
  const body = writeFields([
    [1, code],
    [2, message],
  ]);
  return new Response(new Uint8Array(body), { status, headers: kept });
}
