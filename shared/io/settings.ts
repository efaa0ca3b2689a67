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

/** The pre-shared key: SWARM_VIP_KEY_FILE (a Docker secret) or, for trials, SWARM_VIP_KEY. Surrounding space is cut. */
export function readKey(env: Env): Buffer {
  const file = env['SWARM_VIP_KEY_FILE'];
  const remedy = `Create one with: openssl rand -hex 32 | docker secret create swarm-vip-key -`;
  let text = env['SWARM_VIP_KEY'] ?? '';
  if (file) {
    try {
      text = readFileSync(file, 'utf8');
    } catch (error) {
      throw new SettingError(
        'SWARM_VIP_KEY_FILE',
        `${file}, which cannot be read (${String(error)})`,
        remedy,
      );
    }
  }
  const key = text.trim();
  if (key.length < minKeyLength) {
    throw new SettingError(
      file ? 'SWARM_VIP_KEY_FILE' : 'SWARM_VIP_KEY',
      `${key.length} characters, expected at least ${minKeyLength}`,
      remedy,
    );
  }
  return Buffer.from(key, 'utf8');
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
