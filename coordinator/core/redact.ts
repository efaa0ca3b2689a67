// Secrets never leave the coordinator but to the agents that need them.

const asterisks = '********';

interface Secretive {
  password?: string | undefined;
  checks?: readonly object[] | undefined;
}

/** The same items; passwords, and the headers of checks, which may carry some, shown as asterisks. */
export function redacted<T extends Secretive>(items: readonly T[]): T[] {
  return items.map((item) => ({
    ...item,
    ...(item.password === undefined ? {} : { password: asterisks }),
    ...(item.checks === undefined ? {} : { checks: item.checks.map(withoutHeaders) }),
  }));
}

function withoutHeaders(check: object): object {
  if (!('headers' in check) || check.headers === null || typeof check.headers !== 'object') return check;
  return {
    ...check,
    headers: Object.fromEntries(Object.keys(check.headers).map((name) => [name, asterisks])),
  };
}
