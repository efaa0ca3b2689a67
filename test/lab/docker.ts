// The docker client, always aimed at one engine of the lab and never at the host's: neither its socket nor its
// contexts and credentials are read.
import { mkdirSync } from 'node:fs';
import { type LabNames, nodeSocket } from './names.ts';
import { type RunOptions, type RunResult, run } from './run.ts';

const DEFAULT_TIMEOUT_MS = 30_000;
const MAX_TRIES = 10;

export function dockerEnvironment(lab: LabNames, part: string): Record<string, string> {
  const config = `${lab.dir}/docker-client`;
  mkdirSync(config, { recursive: true });
  return {
    DOCKER_HOST: `unix://${nodeSocket(lab, part)}`,
    DOCKER_CONFIG: config,
    // The engine is Debian's: its classic builder is the one that every client version can drive.
    DOCKER_BUILDKIT: '0',
  };
}

/**
 * Runs `docker ARGS` against a part's engine; throws CommandError when it fails or hangs. The client reads an object, changes
 * and writes it; where a coordinator has written it in between, it is said again, as people do.
 */
export async function docker(
  lab: LabNames,
  part: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const env = { ...dockerEnvironment(lab, part), ...options.env };
  for (let tries = 1; ; tries++) {
    try {
      return await run(['docker', ...args], { timeoutMs: DEFAULT_TIMEOUT_MS, ...options, env });
    } catch (error) {
      if (tries === MAX_TRIES || !String(error).includes('update out of sequence')) throw error;
    }
  }
}
