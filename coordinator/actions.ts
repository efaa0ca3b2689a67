// What the CLI may ask for through the local socket. Every act is a label written to Swarm first: any manager may write
// it, the active coordinator sees it, and it outlives them both.
import * as v from 'valibot';
import type { Actions, Answer } from '../shared/io/http.ts';
import { json } from '../shared/io/http.ts';
import type { Log } from '../shared/io/log.ts';
import type { NodeId } from '../shared/words.ts';
import type { Coordinator } from './coordinator.ts';
import { checkConfig, groupsFile } from './core/config-check.ts';
import { confirmedDownLabel } from './core/confirmed-down.ts';
import { drainLabel, drainText } from './core/drain.ts';
import { type DrainPlan, findNode, planDrain } from './core/drain-plan.ts';
import { leadLabel } from './core/lead.ts';
import { redacted } from './core/redact.ts';
import type { Snapshot } from './core/snapshot.ts';
import type { GroupStatus, NodeRef, Status } from './core/status.ts';
import type { Swarm } from './io/swarm.ts';
import { PauseRequest, pause, ResumeRequest, refusedByPause, resume } from './pause-actions.ts';

const names = v.pipe(
  v.array(v.pipe(v.string(), v.minLength(1), v.maxLength(255))),
  v.minLength(1),
  v.maxLength(300),
);
const DrainRequest = v.object({
  nodes: names,
  reason: v.optional(v.pipe(v.string(), v.maxLength(200)), ''),
  untilMs: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
  force: v.optional(v.boolean(), false),
  dryRun: v.optional(v.boolean(), false),
});
const UndrainRequest = v.object({ nodes: names, dryRun: v.optional(v.boolean(), false) });

const SwitchoverRequest = v.object({
  group: v.pipe(v.string(), v.minLength(1), v.maxLength(63)),
  /** Absent: priorities count again. */
  to: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(255))),
  dryRun: v.optional(v.boolean(), false),
});

const ConfirmDownRequest = v.object({
  node: v.pipe(v.string(), v.minLength(1), v.maxLength(255)),
  clear: v.optional(v.boolean(), false),
  force: v.optional(v.boolean(), false),
  dryRun: v.optional(v.boolean(), false),
});

export interface ConfirmDownAnswer extends NodeRef {
  /** What waits for the node now. */
  waiting: { group: string; why: string }[];
  written: boolean;
}

export interface SwitchoverAnswer {
  group: string;
  to: NodeRef | null;
  written: boolean;
}

const maxConfigCharacters = 400_000;
const CheckRequest = v.object({
  name: v.pipe(v.string(), v.maxLength(255)),
  text: v.pipe(v.string(), v.maxLength(maxConfigCharacters)),
});
const RenderRequest = v.object({
  node: v.pipe(v.string(), v.minLength(1), v.maxLength(255)),
  /** As if this were the newest groups.yaml. */
  file: v.optional(CheckRequest),
});

const DiffRequest = v.object({ file: v.optional(CheckRequest) });

/** Answer to both: what was found, and whether the labels were written. */
export interface DrainAnswer extends DrainPlan {
  written: boolean;
}

export interface ActionDeps {
  coordinator: Pick<Coordinator, 'status' | 'snapshot' | 'look' | 'assignment' | 'preview' | 'diff'>;
  swarm: Pick<Swarm, 'setLabel'>;
  log: Log;
  now(): number;
}

const unreadable = json(503, { error: 'Swarm cannot be read: is there a quorum of managers?' });

/** The member that `name` means, if it can lead the group now. */
function candidate(snapshot: Snapshot, group: GroupStatus, name: string): NodeRef | { refusal: Answer } {
  const found = findNode(snapshot, name);
  if ('reason' in found) return { refusal: json(404, { error: `${name} ${found.reason}` }) };
  const member = group.members.find(({ node }) => node === found.node);
  if (!member) {
    const members = group.members.map(({ hostname }) => hostname).join(', ') || 'none';
    return { refusal: json(404, { error: `${name} is no member of ${group.name}; members: ${members}` }) };
  }
  if (!member.eligible || member.observed) {
    return {
      refusal: json(409, { error: `${member.hostname} cannot hold ${group.name} now: ${member.note}` }),
    };
  }
  return { node: member.node, hostname: member.hostname };
}

/** 200 done (or would be), 400 malformed, 404 unknown node, 409 unsafe, 503 Swarm cannot be read or written. */
export function createActions({ coordinator, swarm, log, now }: ActionDeps): Actions {
  /** A decision about safety is made on what Swarm says now. */
  async function look(): Promise<{ snapshot: Snapshot; status: Status } | undefined> {
    if (!(await coordinator.look())) return undefined;
    const [snapshot, status] = [coordinator.snapshot(), coordinator.status()];
    return snapshot && status ? { snapshot, status } : undefined;
  }

  async function write(answer: object, labels: () => Promise<void>): Promise<Answer> {
    try {
      await labels();
    } catch (error) {
      return json(503, { error: `Swarm refused to write the label: ${String(error)}` });
    }
    await coordinator.look();
    return json(200, { ...answer, written: true });
  }

  async function act(
    request: { nodes: string[]; dryRun: boolean },
    allowed: (plan: DrainPlan) => boolean,
    label: (node: NodeId) => Promise<unknown>,
  ): Promise<Answer> {
    // A decision about safety is made on what Swarm says now.
    if (!(await coordinator.look()))
      return json(503, { error: 'Swarm cannot be read: is there a quorum of managers?' });
    const [snapshot, status] = [coordinator.snapshot(), coordinator.status()];
    if (!snapshot || !status) return json(503, { error: 'Swarm has not been read yet' });
    const refusal = refusedByPause(status, request.dryRun);
    if (refusal) return refusal;
    const plan = planDrain(snapshot, status, request.nodes);
    const answer = (code: number, written: boolean) => json(code, { ...plan, written } satisfies DrainAnswer);
    if (plan.unknown.length > 0) return answer(404, false);
    if (!allowed(plan)) return answer(409, false);
    if (request.dryRun) return answer(200, false);
    return write(plan, async () => {
      for (const { node } of plan.steps) await label(node);
    });
  }

  const validated =
    <S extends v.GenericSchema>(schema: S, handle: (request: v.InferOutput<S>) => Promise<Answer>) =>
    (body: unknown) => {
      const request = v.safeParse(schema, body);
      if (request.success) return handle(request.output);
      const [issue] = request.issues;
      return json(400, { error: `${v.getDotPath(issue) ?? 'request'}: ${issue.message}` });
    };

  const pauses = { swarm, log, now, look, write, unreadable };
  return {
    '/api/v1/pause': validated(PauseRequest, (request) => pause(request, pauses)),
    '/api/v1/resume': validated(ResumeRequest, (request) => resume(request, pauses)),
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
    '/api/v1/switchover': validated(SwitchoverRequest, async ({ group, to, dryRun }) => {
      const seen = await look();
      if (!seen) return unreadable;
      const found = seen.status.groups.find(({ name }) => name === group);
      if (!found) {
        const known = seen.status.groups.map(({ name }) => name).join(', ') || 'none';
        return json(404, { error: `${group} is no group; there are: ${known}` });
      }
      const refusal = refusedByPause(seen.status, dryRun);
      if (refusal) return refusal;
      const target = to === undefined ? undefined : candidate(seen.snapshot, found, to);
      if (target && 'refusal' in target) return target.refusal;
      const answer = { group, to: target ? { node: target.node, hostname: target.hostname } : null };
      if (dryRun) return json(200, { ...answer, written: false } satisfies SwitchoverAnswer);
      return write(answer, async () => {
        // The new lead first: the newest label counts, so at no moment is there none.
        const key = leadLabel(group);
        if (target) await swarm.setLabel(target.node, key, new Date(now()).toISOString());
        for (const { id, labels } of seen.snapshot.nodes) {
          if (id !== target?.node && labels[key] !== undefined) await swarm.setLabel(id, key, undefined);
        }
        log.info(
          { event: 'switchover-requested', group, to: target?.node ?? null },
          'a group is to be led by a node',
        );
      });
    }),
    '/api/v1/confirm-down': validated(ConfirmDownRequest, async ({ node: name, clear, force, dryRun }) => {
      const seen = await look();
      if (!seen) return unreadable;
      const found = findNode(seen.snapshot, name);
      if ('reason' in found) return json(404, { error: `${name} ${found.reason}` });
      const refusal = refusedByPause(seen.status, dryRun);
      if (refusal) return refusal;
      const node = seen.snapshot.nodes.find(({ id }) => id === found.node);
      const agent = seen.status.agents.find((each) => each.node === found.node);
      const hostname = node?.hostname ?? name;
      if (!clear && agent?.connected)
        return json(409, { error: `the agent of ${hostname} is connected: nothing is left to confirm` });
      if (!clear && !force && node?.state === 'ready') {
        const remedy = 'power it off first; --force takes your word for it';
        return json(409, { error: `Swarm calls ${hostname} ready, so it runs: ${remedy}` });
      }
      const waiting = seen.status.groups.flatMap((group) =>
        group.waiting
          .filter((step) => step.for.some((each) => each.node === found.node))
          .map(({ why }) => ({ group: group.name, why })),
      );
      const answer = { node: found.node, hostname, waiting };
      if (dryRun) return json(200, { ...answer, written: false } satisfies ConfirmDownAnswer);
      return write(answer, async () => {
        await swarm.setLabel(
          found.node,
          confirmedDownLabel,
          clear ? undefined : new Date(now()).toISOString(),
        );
        log.warn({ event: 'confirmed-down', node: found.node, clear }, 'an operator vouches for a node');
      });
    }),
    '/api/v1/config/check': validated(CheckRequest, async ({ name, text }) => {
      const seen = await look();
      if (!seen) return unreadable;
      const check = checkConfig(text, name, seen.snapshot);
      return json(200, { ...check, groups: redacted(check.groups) });
    }),
    '/api/v1/config/diff': validated(DiffRequest, async ({ file }) => {
      const seen = await look();
      const diff = seen && coordinator.diff(file);
      return diff ? json(200, { apiVersion: 'swarm-vip/v1', kind: 'ConfigDiff', ...diff }) : unreadable;
    }),
    '/api/v1/config/render': validated(RenderRequest, async ({ node, file }) => {
      const seen = await look();
      if (!seen) return unreadable;
      const found = findNode(seen.snapshot, node);
      if ('reason' in found) return json(404, { error: `${node} ${found.reason}` });
      const instances = file
        ? coordinator.preview(groupsFile(file), found.node)
        : coordinator.assignment(found.node);
      if (!instances)
        return json(404, { error: `no agent of ${node} is connected: its interfaces are not known` });
      return json(200, {
        apiVersion: 'swarm-vip/v1',
        kind: 'Assignment',
        node: found.node,
        instances: redacted(instances),
      });
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
