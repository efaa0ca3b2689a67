// The status page: draws each new overview, keeps ages growing, and says so when the coordinator does not answer.
import type { Overview } from '../core/overview.ts';
import { drawAgents } from './agents.ts';
import { refreshAges } from './ages.ts';
import { ageText, setClock } from './clock.ts';
import { drawDay, refreshDay } from './day.ts';
import { byId, setText } from './dom.ts';
import { startFeed } from './feed.ts';
import { drawGrid } from './grid.ts';
import { drawGroups } from './groups.ts';
import { type Contact, headline } from './headline.ts';
import { drawMaintenance } from './maintenance.ts';
import { drawTroubles } from './trouble.ts';

/** The stream beats every 5 s and polls come every 2 s: after this, nothing on the page is to be believed. */
const lostMs = 12_000;

const banner = byId('banner', HTMLElement);
const verdict = byId('verdict', HTMLHeadingElement);
const sentence = byId('sentence', HTMLParagraphElement);
const source = byId('source', HTMLParagraphElement);
const about = byId('about', HTMLParagraphElement);

let overview: Overview | undefined;
let starting = false;
let heardMs = performance.now();

startFeed({
  overview(next) {
    starting = false;
    performance.mark('draw');
    overview = next;
    draw(next);
    performance.measure('draw', 'draw');
  },
  contact(nowMs) {
    heardMs = performance.now();
    setClock(nowMs);
    drawBanner();
  },
  starting() {
    starting = true;
    drawBanner();
  },
});

/** Old data must not look as if it went on: while nobody answers, ages and strips stand still. */
const isLost = (): boolean => performance.now() - heardMs > lostMs;
setInterval(() => {
  drawBanner();
  if (!isLost()) refreshAges();
}, 1_000);
setInterval(() => {
  if (!isLost()) refreshDay();
}, 10_000);

function draw(next: Overview): void {
  drawBanner();
  drawTroubles(next);
  drawGroups(next);
  drawGrid(next);
  drawDay(next);
  drawMaintenance(next);
  drawAgents(next);
  setText(about, aboutText(next));
}

function drawBanner(): void {
  const silentMs = performance.now() - heardMs;
  const contact: Contact = isLost() ? 'lost' : starting ? 'starting' : 'kept';
  const { word, tone, sentence: words } = headline(overview, contact);
  if (banner.className !== tone) banner.className = tone;
  document.body.classList.toggle('stale', contact === 'lost');
  setText(verdict, word);
  setText(sentence, words);
  setText(source, sourceText(contact === 'lost' ? silentMs : undefined));
  const title = `${word} · swarm-vip`;
  if (document.title !== title) document.title = title;
}

/** Outside the live region: it changes with every second while there is no contact. */
function sourceText(silentMs: number | undefined): string {
  if (!overview) return silentMs === undefined ? '' : `No answer for ${ageText(silentMs)}.`;
  const { coordinator, swarmError } = overview;
  const { hostname, role, active } = coordinator;
  const who =
    role === 'active'
      ? `Told by ${hostname}, the active coordinator.`
      : `Told by ${hostname}, a standby that hears every agent as well; ${active ? `${active} is active` : 'none is active'}.`;
  const parts = [
    who,
    swarmError === null ? '' : `Swarm cannot be read: ${swarmError}.`,
    silentMs === undefined ? '' : `No answer for ${ageText(silentMs)}.`,
  ];
  return parts.filter((part) => part !== '').join(' ');
}

function aboutText({ coordinator, config }: Overview): string {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  const groups = config === null ? 'no groups.yaml' : `groups.yaml is the Docker config ${config}`;
  return `Times are in your time zone, ${timeZone}. swarm-vip ${coordinator.version}; ${groups}.`;
}
