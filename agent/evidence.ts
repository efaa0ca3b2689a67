// Gathers the evidence for one joining instance (rule R1): asks for its addresses, listens for its holder.
import type { Log } from '../shared/io/log.ts';
import type { AssignedInstance } from '../shared/protocol.ts';
import { addressesOnWire } from './core/anchor.ts';
import type { PauseEvent } from './core/pause.ts';
import { agreementOf } from './core/transition.ts';
import type { Probe } from './io/probe.ts';

export type EvidenceEvent = Exclude<PauseEvent, { kind: 'rule' }>;

export interface Evidence {
  /** The instance as it is now: another peer or address makes what is under way worthless. */
  update(instance: AssignedInstance): void;
  stop(): void;
}

export interface EvidenceDeps {
  readonly probe: Probe;
  readonly log: Log;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** A link without carrier swallows questions: silence there proves nothing. */
  readonly interfaceUp: (name: string) => boolean;
  readonly onEvidence: (event: EvidenceEvent) => void;
  /** Cannot listen. */
  readonly onDeaf: (why: string) => void;
}

/** What the evidence depends on. */
const evidenceKey = (i: AssignedInstance) =>
  JSON.stringify([
    agreementOf(i),
    i.silenceOnly ?? false,
    i.peers.map((peer) => peer.address).sort(),
    addressesOnWire(i)
      .map((placed) => `${placed.address} ${placed.interface}`)
      .sort(),
  ]);

/** Goes on until stopped. */
export function gatherEvidence(first: AssignedInstance, deps: EvidenceDeps): Evidence {
  let instance = first;
  let stopped = false;
  let stopListening: () => void = () => undefined;

  const listen = () => {
    stopListening();
    stopListening = deps.probe.listen(
      instance,
      () => deps.onEvidence({ kind: 'advert' }),
      (why) => deps.onDeaf(why),
    );
  };

  const ask = async () => {
    while (!stopped) {
      const asked = instance;
      const fromMs = deps.now();
      const up = deps.interfaceUp(asked.interface);
      // Behind another interface that is down there is nobody to collide with; its addresses are not asked for.
      const places = addressesOnWire(asked).filter((placed) => deps.interfaceUp(placed.interface));
      const answer = up ? await deps.probe.ask(places) : ({ kind: 'unknown', why: 'link down' } as const);
      if (stopped) return;
      const stale = evidenceKey(asked) !== evidenceKey(instance);
      if (stale || (answer.kind === 'silence' && !deps.interfaceUp(asked.interface))) {
        deps.onEvidence({ kind: 'unknown' });
      } else if (answer.kind === 'unknown') {
        deps.log.debug(
          { event: 'asking-failed', group: asked.group, why: answer.why },
          'cannot ask for the address',
        );
        deps.onEvidence({ kind: 'unknown' });
      } else deps.onEvidence(answer.kind === 'silence' ? { kind: 'silence', fromMs } : answer);
      // A round of silence took its second already.
      if (answer.kind !== 'silence') await new Promise((resolve) => setTimeout(resolve, 500));
    }
  };

  listen();
  void ask();
  return {
    update(next) {
      const changed = evidenceKey(next) !== evidenceKey(instance);
      instance = next;
      if (!changed || stopped) return;
      deps.onEvidence({ kind: 'unknown' });
      listen();
    },
    stop() {
      stopped = true;
      stopListening();
    },
  };
}
