// The only place that reads the coordinator's environment.
import type { KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import { readSigningKey } from '../shared/io/coordinator-proof.ts';
import {
  bringsKey,
  type Env,
  type ListenAddress,
  readKeys,
  readListen,
  readLogLevel,
  SettingError,
} from '../shared/io/settings.ts';
import { agentPort } from '../shared/protocol.ts';
import { NodeId } from '../shared/words.ts';

export interface Config {
  /** Given by Swarm's template {{.Node.ID}}; otherwise asked of the engine. */
  node: NodeId | undefined;
  /** Given by {{.Service.ID}}; otherwise read from the labels of the own container. */
  service: string | undefined;
  /** Given by {{.Task.ID}}; otherwise read from the labels of the own container. */
  task: string | undefined;
  /** Good for agents, the newest first. None: derived from Swarm's join token, and the agents are created here. */
  keys: readonly Buffer[];
  /** With it agents tell a coordinator from a worker that has the keys, too. */
  signingKey: KeyObject | undefined;
  agentListen: ListenAddress;
  httpListen: ListenAddress;
  /** Unix socket for the CLI in the same container. */
  socketPath: string;
  dockerSocket: string;
  logLevel: string;
}

export const defaultSocketPath = '/run/swarm-vip/coordinator.sock';

/** @throws SettingError that names variable, value and remedy */
export function readConfig(env: Env): Config {
  const text = env['NODE_ID']?.trim() || undefined;
  const node = v.safeParse(v.optional(NodeId), text);
  if (!node.success) {
    throw new SettingError('NODE_ID', `"${text}"`, 'Set it to "{{.Node.ID}}" in the stack, or remove it.');
  }
  return {
    node: node.output,
    service: env['SERVICE_ID']?.trim() || undefined,
    task: env['TASK_ID']?.trim() || undefined,
    keys: bringsKey(env) ? readKeys(env) : [],
    signingKey: signingKey(env),
    agentListen: readListen(env, 'AGENT_LISTEN', agentPort),
    httpListen: readListen(env, 'HTTP_LISTEN', 9167),
    socketPath: socketPath(env),
    dockerSocket: env['DOCKER_SOCKET']?.trim() || '/var/run/docker.sock',
    logLevel: readLogLevel(env),
  };
}

function signingKey(env: Env): KeyObject | undefined {
  const file = env['COORDINATOR_KEY_FILE']?.trim();
  if (!file) return undefined;
  try {
    return readSigningKey(readFileSync(file, 'utf8'));
  } catch (error) {
    const remedy = 'Create one with: openssl genpkey -algorithm ed25519';
    throw new SettingError(
      'COORDINATOR_KEY_FILE',
      `${file}, which is no such key (${String(error)})`,
      remedy,
    );
  }
}

export function socketPath(env: Env): string {
  return env['SWARM_VIP_SOCKET']?.trim() || defaultSocketPath;
}
