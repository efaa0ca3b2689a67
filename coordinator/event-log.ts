// What the coordinator says of itself → everyone who follows, and the last of it for those who come later. Changes of
// state are the agents' memory, so of those nothing is kept here.
import type { LiveEvent } from './core/events.ts';

export interface EventLog {
  /** @param recalled what an agent remembers, heard for the first time: news only to those who ask for its time */
  tell(event: LiveEvent, recalled?: boolean): void;
  /** Oldest first, without changes of state. */
  kept(): readonly LiveEvent[];
  /** @returns ends the subscription */
  follow(follower: Follower): () => void;
  /** Who is active has changed: everyone has to see whom to follow now. */
  turnOver(): void;
}

export interface Follower {
  heard(event: LiveEvent, recalled: boolean): void;
  ended(): void;
}

const mostKept = 1_000;

export function createEventLog(): EventLog {
  let kept: LiveEvent[] = [];
  const followers = new Set<Follower>();
  return {
    tell(event, recalled = false) {
      if (event.type !== 'transition') kept = [...kept.slice(1 - mostKept), event];
      for (const each of [...followers]) each.heard(event, recalled);
    },
    kept: () => kept,
    follow(follower) {
      followers.add(follower);
      return () => followers.delete(follower);
    },
    turnOver() {
      for (const each of [...followers]) each.ended();
    },
  };
}
