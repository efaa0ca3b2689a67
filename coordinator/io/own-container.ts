// Which service and task this process is: labels that Swarm put on its container. The operator's stack passes no
// templates such as {{.Service.ID}}, and in the host's network the host name says nothing about the container.
import { readFile } from 'node:fs/promises';
import type Docker from 'dockerode';
import * as v from 'valibot';

export interface OwnContainer {
  service: string | undefined;
  task: string | undefined;
}

const Inspected = v.object({
  Config: v.object({ Labels: v.optional(v.nullable(v.record(v.string(), v.string())), {}) }),
});

/** Without a container of this engine (a trial by hand) both are undefined. @throws when the engine does not answer */
export async function readOwnContainer(
  docker: Docker,
  limit: () => { abortSignal: AbortSignal },
): Promise<OwnContainer> {
  const unknown = { service: undefined, task: undefined };
  const id = containerIdOf(await readFile('/proc/self/mountinfo', 'utf8'));
  if (id === undefined) return unknown;
  try {
    const { Config } = v.parse(Inspected, await docker.getContainer(id).inspect(limit()));
    return {
      service: Config.Labels?.['com.docker.swarm.service.id'],
      task: Config.Labels?.['com.docker.swarm.task.id'],
    };
  } catch (error) {
    // A container of another engine than the one behind the socket, or a proxy there that does not let this pass.
    if (error instanceof Error && 'statusCode' in error && [403, 404].includes(Number(error.statusCode)))
      return unknown;
    throw error;
  }
}

/** The engine binds hosts, hostname and resolv.conf from the container's own directory, whatever its cgroups are. */
export function containerIdOf(mountinfo: string): string | undefined {
  return /\/containers\/([0-9a-f]{64})\/(?:hostname|hosts|resolv\.conf) /.exec(mountinfo)?.[1];
}
