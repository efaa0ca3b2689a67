// How the page learns that something has changed: a stream of server-sent events says which version of the overview is
// current, and the overview is fetched when it is another one than is shown. While the stream says nothing, for whatever
// reason (an old proxy, too many readers), the overview is asked for every two seconds instead.
import type { Overview } from '../core/overview.ts';

export interface FeedEvents {
  overview(overview: Overview): void;
  /** The coordinator answers, by its clock at that time. */
  contact(nowMs: number): void;
  /** It answers, but has not read Swarm yet. */
  starting(): void;
}

const pollMs = 2_000;
/** The stream beats every 5 s. */
const silentMs = 8_000;
const timeoutMs = 5_000;
const reopenMs = 30_000;

export function startFeed(events: FeedEvents): void {
  let etag: string | undefined;
  let loading = false;
  let again = false;
  let streamedMs = Number.NEGATIVE_INFINITY;

  async function load(): Promise<void> {
    // One at a time: a slow line must not be made slower.
    if (loading) {
      again = true;
      return;
    }
    loading = true;
    try {
      await fetchOnce();
    } catch {
      // No answer. The page says so by itself when that goes on; the next try is on its way.
    } finally {
      loading = false;
    }
    if (again) {
      again = false;
      void load();
    }
  }

  async function fetchOnce(): Promise<void> {
    const response = await fetch('api/v1/overview', {
      cache: 'no-store',
      headers: etag === undefined ? {} : { 'if-none-match': etag },
      signal: AbortSignal.timeout(timeoutMs),
    });
    const nowMs = Date.parse(response.headers.get('date') ?? '');
    if (Number.isFinite(nowMs)) events.contact(nowMs);
    if (response.status === 503) events.starting();
    if (response.status !== 200) return;
    const overview = (await response.json()) as Overview;
    etag = response.headers.get('etag') ?? undefined;
    events.overview(overview);
  }

  function openStream(): void {
    const source = new EventSource('api/v1/changes');
    source.addEventListener('version', ({ data }) => {
      const said = JSON.parse(String(data)) as { version: string; nowMs: number };
      streamedMs = performance.now();
      events.contact(said.nowMs);
      if (etag !== `W/"${said.version}"`) void load();
    });
    source.addEventListener('error', () => {
      // The browser comes back by itself after a broken connection, but not after a refusal.
      if (source.readyState === EventSource.CLOSED) setTimeout(openStream, reopenMs);
    });
  }

  openStream();
  void load();
  setInterval(() => {
    if (performance.now() - streamedMs > silentMs) void load();
  }, pollMs);
  // Timers stand nearly still in a tab that nobody sees.
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') void load();
  });
}
