/** A QR code (ISO/IEC 18004) as one path of an SVG. */
import { encode } from "uqr";

/** Modules of white around it, as the standard demands. */
const quietZone = 4;

/** `label` is for who can't see it. Black on white in the dark too: not every reader takes it inverted. */
export function QrCode({ text, label }: { readonly text: string; readonly label: string }) {
  const { data, size } = encode(text, { ecc: "M", border: quietZone });
  const path = data.map((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : "")).join("")).join("");
  return (
    <svg class="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={label} shape-rendering="crispEdges">
      <path d={path} />
    </svg>
  );
}
