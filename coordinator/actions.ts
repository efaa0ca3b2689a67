// What the CLI may ask for through the local socket. Every act is a label written to Swarm first: any manager may write
// it, the active coordinator sees it, and it outlives them both.
import * as v from 'valibot';
import type { Actions, Answer } from '../shared/io/http.ts';
import { json } from '../shared/io/http.ts';
import type { Log } from '../shared/io/log.ts';
import type { NodeId } from '../shared/words.ts';
import type { Coordinator } from './coordinator.ts';
import { drainLabel, drainText } from './core/drain.ts';
import { type DrainPlan, planDrain } from './core/drain-plan.ts';
import type { Swarm } from './io/swarm.ts';

const names = v.pipe(
  v.array(v.pipe(v.string(), v.minLength(1), v.maxLength(255))),
  v.minLength(1),
  v.maxLength(300),
);
export const DrainRequest = v.object({
  nodes: names,
  reason: v.optional(v.pipe(v.string(), v.maxLength(200)), ''),
  untilMs: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
  force: v.optional(v.boolean(), false),
  dryRun: v.optional(v.boolean(), false),
});
export type DrainRequest = v.InferInput<typeof DrainRequest>;
export const UndrainRequest = v.object({ nodes: names, dryRun: v.optional(v.boolean(), false) });

/** Answer to both: what was found, and whether the labels were written. */
export interface DrainAnswer extends DrainPlan {
  written: boolean;
}

export interface ActionDeps {
  coordinator: Pick<Coordinator, 'status' | 'snapshot' | 'look'>;
  swarm: Pick<Swarm, 'setLabel'>;
  log: Log;
}

/** 200 done (or would be), 400 malformed, 404 unknown node, 409 unsafe, 503 Swarm cannot be read or written. */
export function createActions({ coordinator, swarm, log }: ActionDeps): Actions {
  async function act(
    request: { nodes: string[]; dryRun: boolean },
    allowed: (plan: DrainPlan) => boolean,
    write: (node: NodeId) => Promise<unknown>,
  ): Promise<Answer> {
    // A decision about safety is made on what Swarm says now.
    if (!(await coordinator.look()))
      return json(503, { error: 'Swarm cannot be read: is there a quorum of managers?' });
    const [snapshot, status] = [coordinator.snapshot(), coordinator.status()];
    if (!snapshot || !status) return json(503, { error: 'Swarm has not been read yet' });
    const plan = planDrain(snapshot, status, request.nodes);
    const answer = (code: number, written: boolean) => json(code, { ...plan, written } satisfies DrainAnswer);
    if (plan.unknown.length > 0) return answer(404, false);
    if (!allowed(plan)) return answer(409, false);
    if (request.dryRun) return answer(200, false);
    try {
      for (const { node } of plan.steps) await write(node);
    } catch (error) {
      return json(503, { error: `Swarm refused to write the label: ${String(error)}` });
    }
    await coordinator.look();
    return answer(200, true);
  }

  const validated =
    <S extends v.GenericSchema>(schema: S, handle: (request: v.InferOutput<S>) => Promise<Answer>) =>
    (body: unknown) => {
      const request = v.safeParse(schema, body);
      if (request.success) return handle(request.output);
      const [issue] = request.issues;
      return json(400, { error: `${v.getDotPath(issue) ?? 'request'}: ${issue.message}` });
    };

  return {
    '/api/v1/drain': validated(DrainRequest, (request) => {
      const { reason, untilMs, force } = request;
      const text = drainText({ reason, untilMs, force });
      return act(
        request,
        ({ unsafe }) => force || unsafe.length === 0,
        async (node) => {
          await swarm.setLabel(node, drainLabel, text);
          log.info({ event: 'drain-requested', node, reason, force }, 'a node is to be drained');
        },
      );
    }),
    '/api/v1/undrain': validated(UndrainRequest, (request) =>
      act(
        request,
        () => true,
        async (node) => {
          await swarm.setLabel(node, drainLabel, undefined);
          log.info({ event: 'undrain-requested', node }, 'a node may hold addresses again');
        },
      ),
    ),
  };
}
