// FNV-1a, 32 bits: a hash that any machine computes alike, for choices that must not depend on who makes them.
// Source: draft-eastlake-fnv. Not for secrets.

/** @returns an unsigned 32-bit integer */
export function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const character of text) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  }
  return hash;
}
