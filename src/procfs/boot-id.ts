/** `/proc/sys/kernel/random/boot_id`: a UUID drawn at each boot. See random(4). */

/** Parses the boot id, in lower case; undefined when it is no UUID. */
export function parseBootId(text: string): string | undefined {
  const id = text.trim().toLowerCase();
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id) ? id : undefined;
}
