/** Logs of OpenTelemetry's exporters and collectors, with a source's token (`OTEL_EXPORTER_OTLP_HEADERS`). */
import { otlpLogsAnswer, otlpLogsRequest } from "#src/protocol/otlp.ts";
import { type Encoding, encodingOf, exportAnswer, failureAnswer } from "./otlp-answer.ts";
import { type Collect, collectRecords } from "./otlp-collect.ts";
import { readJsonLogs } from "./otlp-json.ts";
import { readProtobuf } from "./otlp-protobuf.ts";
import { WireFault } from "./otlp-wire.ts";
import { HttpFault } from "../problem.ts";
import { type Route, route } from "../route.ts";
import type { Intake } from "./source-log-intake.ts";

const readers = { json: readJsonLogs, protobuf: readProtobuf } as const;

export function otlpRoutes(intake: Intake): Route[] {
  return [
    route({
      method: "POST",
      path: "/v1/logs",
      permission: "source",
      group: "Logs",
      summary: "Log from an application by OpenTelemetry (OTLP/HTTP, JSON or protobuf)",
      body: otlpLogsRequest,
      bodyTypes: ["application/json", "application/x-protobuf"],
      answer: otlpLogsAnswer,
      // the specification wants a Status in the encoding of the request for whatever is no success
      refuse: (request, thrown) => failureAnswer(encodingOf(request) ?? "json", thrown),
      async handle({ request, caller }) {
        const encoding = encodingOf(request);
        if (encoding === undefined) throw new HttpFault(415, "send application/x-protobuf or application/json");
        return await intake.receive(request, caller, {
          read: (plain) => collectRecords(plain.length, intake.now(), (collect) => read(encoding, plain, collect)),
          async store({ entries, bytes, rejected, reason }, sweep) {
            // exporters don't name their deliveries
            await intake.store(caller, { count: entries.length, parts: () => [entries], bytes, batchId: null, sweep });
            return exportAnswer(encoding, rejected, reason);
          },
        });
      },
    }),
  ];
}

function read(encoding: Encoding, plain: Uint8Array, collect: Collect): void {
  try {
    readers[encoding](plain, collect);
  } catch (error) {
    if (!(error instanceof WireFault)) throw error;
    throw new HttpFault(400, `the body is not an export request: ${error.message}`);
  }
}
