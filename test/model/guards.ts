// The guards that the model must miss when they are gone: for each a change of the product's text that takes it away.
// mutants.ts plays them in throwaway copies.

export interface Guard {
  readonly name: string;
  /** Without it … */
  readonly what: string;
  readonly file: string;
  /** Must be found exactly once. */
  readonly text: string;
  readonly instead: string;
}

export const guards: readonly Guard[] = [
  {
    name: 'R1',
    what: 'a joiner takes part at once',
    file: 'agent/core/part.ts',
    text: "return part.pause.phase === 'active' ? 'active' : 'joining';",
    instead: "return 'active';",
  },
  {
    // `peersConfirmed` itself is missed only beside a keepalived run by hand, which the model has not.
    name: 'R1-silence',
    what: 'one silent round is proof for a joiner, though one that does not list it may be about to take over',
    file: 'agent/core/pause.ts',
    text: '(rule.silenceOnly || rule.askTwice ? silentAskedMs : silentUntilMs)',
    instead: '(rule.silenceOnly || rule.askTwice ? silentUntilMs : silentUntilMs)',
  },
  {
    name: 'R1-listed',
    what: 'a new member begins before all that seem to be in reach list it',
    file: 'coordinator/core/peers.ts',
    text: "if (!running || running.transport === 'multicast') return false;",
    instead: "if (!running || running.transport === 'multicast' || inReach(agents, peer)) return false;",
  },
  {
    name: 'R1-heeded',
    what: 'an advert that keepalived itself refuses counts for a joiner',
    file: 'agent/parts.ts',
    text: 'loaded.peers.some((peer) => peer.address === address)',
    instead: "loaded.peers.length >= 0 && address !== ''",
  },
  {
    name: 'R1-loaded',
    what: 'an advert with values that keepalived is yet to be reloaded with counts for a joiner',
    file: 'agent/parts.ts',
    text: 'if (agreementOf(instance) === agreementOf(loaded)) return',
    instead: "if (agreementOf(instance) !== '' || loaded) return",
  },
  {
    name: 'R1-strangers',
    what: 'a joiner may take part beside members that run other values, by one silent round',
    file: 'coordinator/core/rollout.ts',
    text: 'unaware.length + strangers.length > 0',
    instead: 'unaware.length > 0',
  },
  {
    name: 'R1-unheard',
    what: 'of a member that no coordinator has heard it is taken for granted that it lists a joiner',
    file: 'coordinator/core/peers.ts',
    text: 'if (!agents.get(peer)?.report) return true;',
    instead: 'if (!agents.get(peer)?.report) return false;',
  },
  {
    name: 'R1-elsewhere',
    what: 'one silent round is proof beside a member by label that was never heard',
    file: 'coordinator/core/rollout.ts',
    text: 'elsewhere(input, node)),',
    instead: '{}),',
  },
  {
    name: 'R1-slowest',
    what: 'silence proves by the own interval, though another member has a longer one',
    file: 'agent/core/part.ts',
    text: 'Math.max(masterDownMs(version, intervalMs, 1), outlastMs ?? 0)',
    instead: 'masterDownMs(version, intervalMs, 1)',
  },
  {
    name: 'R2',
    what: 'what members agree on changes without an order',
    file: 'coordinator/core/agreement.ts',
    text: 'if (old.length === 0) return nothing;',
    instead: 'if (old.length >= 0) return nothing;',
  },
  {
    name: 'R2-unled',
    what: 'a change does not wait for members out of reach or leaving',
    file: 'coordinator/core/agreement.ts',
    text: 'if (unled.length > 0) {',
    instead: 'if (unled.length > 1000) {',
  },
  {
    name: 'R2-anew',
    what: 'a member that starts anew while a change has to wait begins with the new values',
    file: 'agent/applier.ts',
    text: "wanted.transition === 'keep' ? predecessor(wanted, before) : undefined",
    instead: "wanted.transition === 'keep' && before.length < 0 ? predecessor(wanted, before) : undefined",
  },
  {
    name: 'R2-halfway',
    what: 'a member that starts anew in a half-changed group that nobody holds goes on with the old values',
    file: 'coordinator/core/agreement.ts',
    text: 'const fresh = halfway ? []',
    instead: 'const fresh = halfway && !halfway ? []',
  },
  {
    name: 'R3',
    what: 'a member that leaves is forgotten before it has stopped',
    file: 'coordinator/core/peers.ts',
    text: 'if (running && inSwarm.has(node)) addresses.set(node, running.source);',
    instead: '',
  },
  {
    name: 'R4',
    what: 'a member out of reach is on no peer list',
    file: 'coordinator/core/peers.ts',
    text: '.sort(([a], [b]) => a.localeCompare(b))',
    instead: '.filter(([node]) => inReach(agents, node)).sort(([a], [b]) => a.localeCompare(b))',
  },
  {
    name: 'R4-unaware',
    what: 'a joiner takes an advert for a proof although a member out of reach does not list it',
    file: 'agent/core/pause.ts',
    text: 'if (state.rule.silenceOnly) return { ...state,',
    instead: 'if (state.rule.silenceOnly && nowMs < 0) return { ...state,',
  },
  {
    name: 'R4-empty',
    what: 'a member alone is rendered without peers',
    file: 'agent/core/view.ts',
    text: 'peers: multicast ? null : peers.length > 0 ? peers : [placeholderPeer[family]],',
    instead: 'peers: multicast || placeholderPeer[family] === undefined ? null : peers,',
  },
  {
    name: 'R5',
    what: 'equal labels give equal priorities',
    file: 'coordinator/core/priority.ts',
    text: 'Math.min(above - step, wanted + shift)',
    instead: 'Math.min(above, wanted + shift)',
  },
  {
    name: 'R7',
    what: 'a hold does not end by itself',
    file: 'agent/core/part.ts',
    text: "return part.holdUntilMs !== null && nowMs < part.holdUntilMs ? 'held' : 'joining';",
    instead: "return part.terms.hold !== null || nowMs < 0 ? 'held' : 'joining';",
  },
  {
    name: 'R7-quiet',
    what: 'holds are renewed for a holder that nobody hears',
    file: 'coordinator/core/rollout.ts',
    text: 'nowMs >= quietAtMs(agents, node);',
    instead: 'nowMs < 0 && nowMs >= quietAtMs(agents, node);',
  },
  {
    name: 'R8',
    what: 'the reload gate is always open',
    file: 'agent/core/gate.ts',
    text: 'open: waitingFor.length === 0,',
    instead: 'open: waitingFor.length >= 0,',
  },
  {
    name: 'R8-text',
    what: 'every assignment reloads',
    file: 'agent/core/supervise.ts',
    text: 'if (running && wanted.key === running.key) {',
    instead: 'if (running && wanted === running) {',
  },
  {
    name: 'generation',
    what: 'an agent takes older assignments',
    file: 'agent/applier.ts',
    text: 'if (order < 0) return false;',
    instead: 'if (order < -1e9) return false;',
  },
  {
    name: 'overtaken',
    what: 'a coordinator that was replaced for a moment keeps its old epoch',
    file: 'coordinator/claim.ts',
    text: 'if (epoch !== undefined && theirs > epoch) overtaken = true;',
    instead: 'if (epoch !== undefined && theirs > epoch) overtaken = false;',
  },
  {
    name: 'leaving',
    what: 'the holder changes while a member with the old values still leaves',
    file: 'coordinator/core/rollout.ts',
    text: '.filter((node) => !inReach(agents, node) || quiet(node) || !targets.has(node));',
    instead: '.filter((node) => !inReach(agents, node) || quiet(node));',
  },
  {
    name: 'resigned',
    what: "the reload gate takes a holder's last advert for a sign of life",
    file: 'agent/core/gate.ts',
    text: 'const grownMs = resigned ? null : grown',
    instead: 'const grownMs = resigned && nowMs < 0 ? null : grown',
  },
  {
    name: 'stale-claim',
    what: 'a holder that is cut off counts as a second one with its last word',
    file: 'coordinator/core/two-holders.ts',
    text: 'lastMs >= sinceMs + travelMs',
    instead: 'lastMs >= 0 * travelMs',
  },
  {
    name: 'needed',
    what: 'a member that leaves holders alone does so beside a drained one while a change has to wait',
    file: 'agent/core/transition.ts',
    text: "'contested',\n  'preemptDelayMs',",
    instead: "'contested',",
  },
];
