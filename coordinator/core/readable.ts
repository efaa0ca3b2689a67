// Foreign text → text for people: what a problem may quote of a value.

/** A value as problems show it: control characters made visible, at most 80 characters. */
export function readable(value: string): string {
  const visible = JSON.stringify(value)
    .slice(1, -1)
    .replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}]/gu, (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`);
  return visible.length <= 80 ? visible : `${visible.slice(0, 77)}…`;
}
