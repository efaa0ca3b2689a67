// Placement expressions as Swarm writes them → whether a node fits. Only what managers know for themselves counts:
// engine.labels come from the worker's own engine, so a worker could claim any group by them.
import type { SwarmNode } from './snapshot.ts';

export interface Expression {
  /** "node.labels.zone", as written. */
  key: string;
  equal: boolean;
  value: string;
}

export type ReadExpression =
  | { ok: true; expression: Expression }
  | { ok: false; message: string; remedy: string };

const shape = /^\s*([A-Za-z][A-Za-z0-9._/-]*)\s*(==|!=)\s*(\S(?:.*\S)?)\s*$/u;
const example = 'write, for example, node.labels.zone == east or node.role != manager';

/** Grammar: KEY == VALUE or KEY != VALUE; values as in Swarm, compared without regard to case, no quotes. */
export function readExpression(text: string): ReadExpression {
  const found = shape.exec(text);
  if (!found) return { ok: false, message: 'expected KEY == VALUE or KEY != VALUE', remedy: example };
  const [, key = '', operator, value = ''] = found;
  if (key.startsWith('engine.labels')) {
    return {
      ok: false,
      message: 'engine.labels are refused: a worker sets them for itself and could claim the group',
      remedy: 'use node.labels, which only managers set',
    };
  }
  if (!/^node\.(id|hostname|role|labels\.\S+)$/.test(key)) {
    return {
      ok: false,
      message: 'expected node.labels.NAME, node.role, node.id or node.hostname before the operator',
      remedy: example,
    };
  }
  if (/["'\p{Cc}]|[=!]=/u.test(value)) {
    return { ok: false, message: 'expected a value without quotes or a second operator', remedy: example };
  }
  if (key === 'node.role' && !/^(manager|worker)$/i.test(value)) {
    return { ok: false, message: 'expected manager or worker as role', remedy: example };
  }
  return { ok: true, expression: { key, equal: operator === '==', value } };
}

/** True when all expressions hold. A label that a node lacks equals nothing, as in Swarm. */
export function fits(node: SwarmNode, expressions: readonly Expression[]): boolean {
  return expressions.every(({ key, equal, value }) => {
    const actual = actualValue(node, key);
    return (actual !== undefined && actual.toLowerCase() === value.toLowerCase()) === equal;
  });
}

function actualValue(node: SwarmNode, key: string): string | undefined {
  if (key === 'node.id') return node.id;
  if (key === 'node.hostname') return node.hostname;
  if (key === 'node.role') return node.role;
  const name = key.slice('node.labels.'.length);
  return Object.hasOwn(node.labels, name) ? node.labels[name] : undefined;
}
