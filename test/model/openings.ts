// What a scenario may begin with: several acts on the same machines, in an order that acts drawn one by one hardly ever
// have. Each leaves a world in which everything can follow, and is followed by as many acts as any other scenario.
import fc from 'fast-check';
import { type Act, type ActKind, groupNames } from './acts.ts';

const act = (kind: ActKind, a = 0, b = 0, waitMs = 0): Act => ({ kind, a, b, waitMs });

/** Of five; in a smaller world some of them are one. */
const machines = [0, 1, 2, 3, 4];
const three = fc.shuffledSubarray(machines, { minLength: 3, maxLength: 3 });
const group = fc.nat(groupNames.length - 1);
const shortMs = fc.constantFrom(0, 100, 300, 1000, 2500);
const longMs = fc.constantFrom(1000, 2500, 8000);

const together = machines.flatMap((machine) => groupNames.map((_, each) => act('join', machine, each)));

/** After what has begun has had its time, everybody is reached again, and everybody is a member of everything. */
const restored = (...off: number[]): Act[] => [
  act('healLan', 0, 0, 8000),
  act('healControl'),
  ...off.map((machine) => act('boot', machine)),
  ...together,
];

/** All take part in the other groups. */
const alone = (member: number, of: number): Act[] => [
  ...together,
  ...machines.filter((other) => other !== member).map((other) => act('leave', other, of)),
];

/** One that nobody reaches, and one that has joined behind its back, both hold; then they hear each other. */
const strangersMeet = fc
  .record({ three, group, interval: fc.nat(2), joinMs: longMs, cutMs: shortMs, healMs: shortMs })
  .map(({ three: [one = 0, other = 1], group: of, interval, joinMs, cutMs, healMs }) => [
    // What else runs there may hold up a reload (rule R8).
    act('interval', of + 1, interval),
    ...alone(one, of),
    act('cutOff', one, 0, 2500),
    act('join', other, of, joinMs),
    act('cutLan', one, other, cutMs),
    act('healLan', 0, 0, 8000),
    act('healControl', 0, 0, healMs),
    ...restored(),
  ]);

/** A change waits for one that nobody reaches, another one starts anew with the new values, and a third one dies. */
const changeWaits = fc
  .record({
    ...{ three, group, password: fc.boolean(), value: fc.nat(2), changeMs: shortMs },
    ...{ anew: fc.constantFrom<ActKind>('killContainer', 'killKeepalived', 'stopContainer'), anewMs: longMs },
    ...{
      dies: fc.constantFrom<ActKind>('powerOff', 'killKeepalived'),
      diesMs: fc.integer({ min: 0, max: 12_000 }),
    },
  })
  .map(({ three: [lost = 0, starting = 1, dying = 2], ...drawn }) => [
    act('cutOff', lost),
    act(drawn.password ? 'password' : 'routerId', drawn.group, 1 + drawn.value, drawn.changeMs),
    act(drawn.anew, starting, 0, drawn.anewMs),
    act(drawn.dies, dying, 0, drawn.diesMs),
    act('healControl', 0, 0, 4000),
    ...restored(dying),
  ]);

/** No coordinator remembers one that nobody reaches, and another one joins. */
const nobodyRemembers = fc
  .record({ three, group, joinMs: longMs })
  .map(({ three: [lost = 0, joining = 1], group: of, joinMs }) => [
    act('leave', joining, of),
    act('cutOff', lost, 0, 2500),
    ...machines.slice(0, 3).map((manager) => act('restartCoordinator', manager)),
    act('join', joining, of, joinMs),
    act('healControl', 0, 0, 8000),
    ...restored(),
  ]);

/** Two are left behind with an interval of their own; of those the holder dies, and one joins that the other one does not know. */
const slowOnesStay = fc
  .record({ three, group, interval: fc.nat(2), diesMs: fc.integer({ min: 3000, max: 6000 }) })
  .map(({ three: [one = 0, other = 1, joining = 2], group: of, interval, diesMs }) => [
    ...alone(one, of),
    act('join', other, of),
    act('interval', of, 2),
    act('cutOff', one, 0, 2500),
    act('cutOff', other),
    act('interval', of, interval, 9000),
    act('join', joining, of),
    act('powerOff', one, 0, diesMs),
    act('healControl', 0, 0, 5000),
    ...restored(one),
  ]);

export const opening: fc.Arbitrary<Act[]> = fc.oneof(
  strangersMeet,
  changeWaits,
  nobodyRemembers,
  slowOnesStay,
);
