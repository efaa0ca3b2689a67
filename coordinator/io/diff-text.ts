// `swarm-vip config diff` → text for people.
import { problemText } from '../../shared/problem.ts';
import type { ConfigDiff, FieldDiff, GroupDiff } from '../core/config-diff.ts';
import type { Paint } from './paint.ts';

export function diffText(
  { before, after, usable, nodes, unknown, renamed, problems }: ConfigDiff,
  paint: Paint,
): string {
  const lines = problems.map(
    (problem) => `${paint.severity(problem.severity.toUpperCase())} ${problemText(problem)}`,
  );
  if (!usable) lines.push(`${after} says nothing usable: ${before} would stay in force`);
  lines.push(
    `${before} → ${after}: ${nodes.length === 0 ? 'nothing is different on any node' : ''}`.trimEnd(),
  );
  for (const { hostname, groups } of nodes) {
    lines.push('', hostname);
    for (const group of groups) lines.push(...groupLines(group, paint));
  }
  for (const { from, to } of renamed) {
    lines.push(
      '',
      `group ${from} is called ${to}: it goes on, and each node changes the name with its label`,
    );
  }
  if (unknown.length > 0) {
    const names = unknown.map(({ hostname }) => hostname).join(', ');
    lines.push('', `not known for lack of an agent's word: ${names}`);
  }
  return `${lines.join('\n')}\n`;
}

const signs = { added: '+', removed: '-', changed: '~', renamed: '~' } as const;

function groupLines({ group, change, formerly, fields, inOrder }: GroupDiff, paint: Paint): string[] {
  const name = formerly === undefined ? '' : ` (was ${formerly})`;
  const how = `${name}${inOrder ? '   members change it one after the other' : ''}`;
  return [
    `  ${paint.severity(signs[change])} ${group}${how}`,
    ...fields.map((field) => `      ${field.field}: ${fieldText(field, change)}`),
  ];
}

const fieldText = ({ from, to }: FieldDiff, change: GroupDiff['change']): string =>
  change === 'added' ? valueText(to) : `${valueText(from)} → ${valueText(to)}`;

/** Peers are read by their addresses. */
function valueText(value: unknown): string {
  if (value === null) return 'none';
  if (Array.isArray(value)) return value.map(valueText).join(' ') || 'none';
  if (typeof value === 'object') {
    return 'address' in value ? String(value.address) : JSON.stringify(value);
  }
  return String(value);
}
