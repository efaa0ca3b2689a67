// Node labels → what they say of a group on a node: ours (swarm-vip.…) before the operator's (KEEPALIVED_…), the one for
// a group before the one for all. A key under our prefix that means nothing is told, not passed over.
import type { Problem } from '../../shared/problem.ts';
import { didYouMean } from './did-you-mean.ts';
import { readable } from './readable.ts';
import { nodeName, type Snapshot, type SwarmNode } from './snapshot.ts';

export const ownPrefix = 'swarm-vip.';
export const groupsLabel = 'swarm-vip.groups';

/** The operator's contract. */
export const label = {
  group: 'keepalived_group',
  priority: 'KEEPALIVED_PRIORITY',
  interface: 'KEEPALIVED_INTERFACE',
  address: 'KEEPALIVED_IP',
} as const;
export type LabelField = 'priority' | 'interface' | 'address';

export interface LabelValue {
  key: string;
  /** Trimmed, not empty. */
  text: string;
}

/**
 * What a node's labels say of one thing, the word that counts first. The operator knows one group a node: what its labels
 * say is meant for the one in `keepalived_group`, and must not rank the node in others; without that label, for all.
 */
export function statedBy(node: SwarmNode, group: string, field: LabelField): LabelValue[] {
  const spoken = labelText(node, label.group);
  const byOperator = spoken === '' || spoken === group ? [label[field]] : [];
  return [`${ownPrefix}${group}.${field}`, `${ownPrefix}${field}`, ...byOperator].flatMap((key) => {
    const text = labelText(node, key);
    return text === '' ? [] : [{ key, text }];
  });
}

/** The groups that a node's labels name, each once, with the label that does. */
export function groupsNamedBy(node: SwarmNode): LabelValue[] {
  const own = labelText(node, groupsLabel).split(/[\s,]+/);
  const all = [
    ...own.map((text) => ({ key: groupsLabel, text })),
    { key: label.group, text: labelText(node, label.group) },
  ];
  return all.filter(
    ({ text }, index) => text !== '' && all.findIndex((other) => other.text === text) === index,
  );
}

const labelText = ({ labels }: SwarmNode, key: string): string =>
  (Object.hasOwn(labels, key) ? labels[key] : undefined)?.trim() ?? '';

const nodeKeys = [
  'groups',
  'priority',
  'interface',
  'address',
  'drain',
  'observe',
  'pause',
  'window',
  'confirmed-down',
  'active-since',
  'notified',
  'agent',
  'role',
];
const groupKeys = ['priority', 'interface', 'address', 'lead'];

/** Keys under our prefix that nothing reads. @param named all groups that somebody defined */
export function unknownLabels(snapshot: Snapshot, named: ReadonlySet<string>): Problem[] {
  return snapshot.nodes.flatMap((node) =>
    Object.keys(node.labels).flatMap((key): Problem[] => {
      const fault = key.startsWith(ownPrefix) ? unknownWord(key.slice(ownPrefix.length), named) : undefined;
      if (fault === undefined) return [];
      return [
        {
          code: 'label-unknown',
          severity: 'warning',
          where: `node ${nodeName(snapshot, node.id)}, label ${readable(key)}`,
          node: node.id,
          value: readable(key),
          message: fault,
          instead: 'the label is ignored',
          remedy: /^[\w.-]+$/.test(key)
            ? `docker node update --label-rm ${key} ${node.hostname}`
            : 'remove the label from the node',
        },
      ];
    }),
  );
}

/** Group names may contain dots, so the last one parts group and word. */
function unknownWord(word: string, named: ReadonlySet<string>): string | undefined {
  const dot = word.lastIndexOf('.');
  if (dot < 0) {
    if (nodeKeys.includes(word)) return undefined;
    return `expected one of ${nodeKeys.join(', ')} or GROUP.priority after ${ownPrefix}${didYouMean(word, nodeKeys)}`;
  }
  const group = word.slice(0, dot);
  const field = word.slice(dot + 1);
  if (!groupKeys.includes(field)) {
    return `expected one of ${groupKeys.join(', ')} after the group${didYouMean(field, groupKeys)}`;
  }
  if (named.has(group)) return undefined;
  return `nothing defines the group ${readable(group)}${didYouMean(group, [...named])}`;
}
