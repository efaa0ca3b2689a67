// Passwords never leave the coordinator but to the agents that need them.

/** The same items, a password shown as asterisks. */
export function redacted<T extends { password?: string | undefined }>(items: readonly T[]): T[] {
  return items.map((item) => (item.password === undefined ? item : { ...item, password: '********' }));
}
