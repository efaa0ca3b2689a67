// COORDINATORS and the list of managers → the addresses to connect to.
import { canonicalAddress, familyOf } from '../../shared/words.ts';

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface ParsedEndpoints {
  readonly endpoints: readonly Endpoint[];
  /** Things accepted otherwise than written, in words for the log. */
  readonly notes: readonly string[];
  /** Entries that are no address. */
  readonly bad: readonly string[];
}

/** Swarm's own port. `docker info` prints managers with it, and people paste that list. */
const swarmPort = 2377;
const hostname = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$/;

/** Reads "10.0.0.1, 10.0.0.2:9166 [fd00::1]:9166 fd00::2 manager.example"; separators are commas and blanks. */
export function parseEndpoints(text: string, defaultPort: number): ParsedEndpoints {
  const endpoints = new Map<string, Endpoint>();
  const notes: string[] = [];
  const bad: string[] = [];
  for (const entry of text.split(/[\s,]+/).filter((part) => part !== '')) {
    const endpoint = parseEndpoint(entry, defaultPort);
    if (endpoint === undefined) {
      bad.push(entry);
      continue;
    }
    const port = endpoint.port === swarmPort ? defaultPort : endpoint.port;
    if (port !== endpoint.port) {
      notes.push(`${entry}: port ${swarmPort} is Docker Swarm's own, port ${defaultPort} is used`);
    }
    endpoints.set(endpointText({ host: endpoint.host, port }), { host: endpoint.host, port });
  }
  return { endpoints: [...endpoints.values()], notes, bad };
}

export function endpointText({ host, port }: Endpoint): string {
  return familyOf(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

function parseEndpoint(entry: string, defaultPort: number): Endpoint | undefined {
  const bare = canonicalAddress(entry);
  if (bare !== undefined) return { host: bare, port: defaultPort };
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(entry) ?? [];
  const host = bracketed === undefined ? plain : canonicalAddress(bracketed);
  if (host === undefined) return undefined;
  // All digits and dots but no address: a typing error rather than a name.
  const name = canonicalAddress(host) ?? (hostname.test(host) && !/^[\d.]+$/.test(host) ? host : undefined);
  const port = digits === undefined ? defaultPort : Number(digits);
  return name === undefined || port < 1 || port > 65_535 ? undefined : { host: name, port };
}
