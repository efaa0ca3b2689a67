// Environment variables that agent and coordinator read alike. An error names the variable, the value and the remedy.
import { readFileSync } from 'node:fs';
import { minKeyLength } from '../tls.ts';

export type Env = Readonly<Record<string, string | undefined>>;

/** A setting that cannot be used: the program says so and exits; guessing would be worse. */
export class SettingError extends Error {
  constructor(variable: string, found: string, remedy: string) {
    super(`${variable}: found ${found}. ${remedy}`);
    this.name = 'SettingError';
  }
}

/** Whether the environment brings a key of its own. */
export const bringsKey = (env: Env): boolean => Boolean(env['SWARM_VIP_KEY_FILE'] || env['SWARM_VIP_KEY']);

const keyRemedy = 'Create one with: openssl rand -hex 32 | docker secret create swarm-vip-key -';

/**
 * The pre-shared key: SWARM_VIP_KEY_FILE (a Docker secret) or, for trials, SWARM_VIP_KEY. Surrounding space is cut. Of
 * several lines the first is the key.
 */
export function readKey(env: Env): Buffer {
  const [key] = readKeys(env);
  if (key) return key;
  throw new SettingError('SWARM_VIP_KEY_FILE', 'no key', keyRemedy);
}

/**
 * All keys that are good, the newest first: each line of the file is one, and so is the one beside it whose name ends
 * in `-next`, where a rotation mounts the key that agents are to use from now on.
 */
export function readKeys(env: Env): Buffer[] {
  const file = env['SWARM_VIP_KEY_FILE'];
  const variable = file ? 'SWARM_VIP_KEY_FILE' : 'SWARM_VIP_KEY';
  const next = file ? readText(`${file}-next`, true) : '';
  const text = file ? readText(file, false) : (env['SWARM_VIP_KEY'] ?? '');
  const lines = `${next}\n${text}`.split('\n').map((line) => line.trim());
  const keys = [...new Set(lines.filter((line) => line !== ''))];
  const short = keys.length === 0 ? '' : keys.find((key) => key.length < minKeyLength);
  if (short !== undefined)
    throw new SettingError(
      variable,
      `${short.length} characters, expected at least ${minKeyLength}`,
      keyRemedy,
    );
  return keys.map((key) => Buffer.from(key, 'utf8'));
}

function readText(file: string, optional: boolean): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (optional && error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw new SettingError(
      'SWARM_VIP_KEY_FILE',
      `${file}, which cannot be read (${String(error)})`,
      keyRemedy,
    );
  }
}

export interface ListenAddress {
  /** Undefined: all addresses of both families. */
  host: string | undefined;
  port: number;
}

/** ":9165", "9165", "127.0.0.1:9165" or "[::1]:9165". */
export function readListen(env: Env, variable: string, fallbackPort: number): ListenAddress {
  const text = env[variable]?.trim() || `:${fallbackPort}`;
  const match = /^(?:(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port < 1 || port > 65_535) {
    throw new SettingError(variable, `"${text}"`, 'Write ":PORT" or "ADDRESS:PORT".');
  }
  return { host: match[1] ?? (match[2] || undefined), port };
}

/** pino's level names. */
export function readLogLevel(env: Env): string {
  const level = env['LOG_LEVEL']?.trim() || 'info';
  const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];
  if (!levels.includes(level))
    throw new SettingError('LOG_LEVEL', `"${level}"`, `Use one of ${levels.join(', ')}.`);
  return level;
}
