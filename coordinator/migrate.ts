// `swarm-vip migrate`: one service of the former operator after the other is stopped and removed; the node joins the
// group by itself as soon as the old keepalived is gone.
import * as v from 'valibot';
import { type Actions, json } from '../shared/io/http.ts';
import type { Log } from '../shared/io/log.ts';
import type { Coordinator } from './coordinator.ts';
import { type Migration, type MigrationStep, planMigration } from './core/leftovers.ts';
import type { Swarm } from './io/swarm.ts';
import { refusedByPause } from './pause-actions.ts';

const MigrateRequest = v.object({
  /** One service; absent: nothing is done, the plan is shown. */
  service: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(255))),
  /** Also when the agent is not ready to keep the addresses. */
  anyway: v.optional(v.boolean(), false),
});

export interface MigrateAnswer extends Migration {
  /** The service is gone, or was so before. */
  removed: boolean;
  /** What becomes of the addresses of a holder: `preparing`: nothing is begun, its agent is not ready to keep them yet. */
  addresses?: 'kept' | 'away' | 'preparing';
}

export interface MigrateDeps {
  coordinator: Pick<Coordinator, 'look' | 'snapshot' | 'plan' | 'status' | 'assignment'>;
  swarm: Pick<Swarm, 'retire'>;
  log: Log;
}

/** 200 shown, or removed; 202 its agent is not ready, or its container has not ended yet: ask again; 409 unsafe; 503 Swarm does not answer. */
export function createMigrateAction({ coordinator, swarm, log }: MigrateDeps): Actions {
  /** Undefined: another one holds, or nobody is known to. */
  const addressesOf = ({ holds, node, group }: MigrationStep): MigrateAnswer['addresses'] => {
    if (!holds || node === null) return undefined;
    if (!coordinator.assignment(node)?.some((each) => each.group === group && each.inherit)) return 'away';
    const members = coordinator.status()?.groups.find(({ name }) => name === group)?.members ?? [];
    return members.some((member) => member.node === node && member.inherits) ? 'kept' : 'preparing';
  };

  return {
    '/api/v1/migrate': async (body) => {
      const request = v.safeParse(MigrateRequest, body);
      if (!request.success) return json(400, { error: request.issues[0].message });
      const snapshot = (await coordinator.look()) ? coordinator.snapshot() : undefined;
      if (!snapshot) return json(503, { error: 'Swarm cannot be read: is there a quorum of managers?' });
      const migration = planMigration(snapshot, coordinator.plan().groups, (node, group) =>
        (coordinator.status()?.groups ?? []).some(
          ({ name, holders }) => name === group && holders.some((holder) => holder.node === node),
        ),
      );
      const answer = (status: number, removed: boolean, addresses?: MigrateAnswer['addresses']) =>
        json(status, {
          ...migration,
          removed,
          ...(addresses === undefined ? {} : { addresses }),
        } satisfies MigrateAnswer);
      if (migration.unsafe.length > 0) return answer(409, false);
      const { service } = request.output;
      if (service === undefined) return answer(200, false);
      const status = coordinator.status();
      const refusal = status && refusedByPause(status, false);
      if (refusal) return refusal;
      const step = migration.steps.find((each) => each.service === service);
      // Asked twice, or somebody was faster.
      if (!step) return answer(200, true);
      const found = addressesOf(step);
      if (found === 'preparing' && !request.output.anyway) return answer(202, false, found);
      const addresses = found === 'preparing' ? 'away' : found;
      log.info(
        { event: 'leftover-retired', service, node: step.hostname, addresses },
        'a former keepalived is replaced',
      );
      try {
        const gone = await swarm.retire(step.id);
        await coordinator.look();
        return answer(gone ? 200 : 202, gone, addresses);
      } catch (error) {
        return json(503, { error: `Swarm refused to remove ${service}: ${String(error)}` });
      }
    },
  };
}
