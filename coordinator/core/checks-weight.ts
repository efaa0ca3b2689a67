// Weights that could never move the address: with all checks of the leading member failing, it would still be above the
// next one. Said as a problem, since nobody finds out before the day it matters.
import type { Problem } from '../../shared/problem.ts';
import type { Group } from './groups.ts';

/** The bonus that a holder gives itself with `preempt: false` (agent/core/part.ts). */
const stickyPriority = 253;

/** Whether differences of priority have a meaning in this group. */
export const hasWeights = ({ checks = [] }: Group): boolean =>
  checks.some(({ weight }) => weight !== undefined);

/** @param priorities as keepalived gets them, of the members that take part */
export function weightProblems(group: Group, priorities: readonly number[]): Problem[] {
  const weights = (group.checks ?? []).flatMap(({ weight }) => (weight === undefined ? [] : [weight]));
  const [first, next] = [...priorities].sort((a, b) => b - a);
  if (weights.length === 0 || first === undefined || next === undefined) return [];
  const holds = group.preempt === false ? Math.max(first, stickyPriority) : first;
  const needed = holds - next + 1;
  const all = -weights.reduce((sum, weight) => sum + weight, 0);
  if (all >= needed) return [];
  const why =
    group.preempt === false
      ? `a holder that keeps the addresses has priority ${holds}`
      : `the highest member has priority ${holds}`;
  return [
    {
      code: 'check-weight-too-small',
      severity: 'warning',
      where: group.provenance.checks,
      group: group.name,
      value: weights.join(', '),
      message: `${why}, the next one ${next}: expected weights that add up to ${-needed} or less`,
      instead: 'the checks run, but failing they move no address',
      remedy: `write weight: ${-needed}, or leave weight out to make the failing check a fault`,
    },
  ];
}
