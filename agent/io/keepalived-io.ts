// All that the keeper touches of the world: keepalived's processes, its FIFO and dump, the files of one run.
import type { AgentConfig } from '../config.ts';
import { type RunConfig, recordRun } from '../run-config.ts';
import { createDumper, type Dump } from './dump.ts';
import { ensureFifo, openReadWrite, readLines } from './fifo.ts';
import {
  createKeepalivedProcess,
  type KeepalivedEvents,
  type KeepalivedProcess,
} from './keepalived-process.ts';
import { writeWhole } from './state-store.ts';

export interface KeepalivedIo {
  daemon(events: KeepalivedEvents): KeepalivedProcess;
  dumper(send: (signal: number) => boolean): () => Promise<Dump | undefined>;
  /** Lines of the notify FIFO, from now on. */
  readStates(onLine: (line: string) => void, onEnd: () => void): void;
  /** For the next life of the agent. @param settled keepalived has confirmed that it runs it */
  record(config: RunConfig, settled: boolean): void;
  /** The text that keepalived reads at its next start or reload. */
  install(text: string): void;
}

export function createKeepalivedIo(config: AgentConfig, jsonSignal: number | null): KeepalivedIo {
  const { paths } = config;
  return {
    daemon: (events) => createKeepalivedProcess(config, events),
    dumper: (send) => createDumper(paths.dump, jsonSignal, send),
    readStates(onLine, onEnd) {
      ensureFifo(paths.notifyFifo);
      readLines(openReadWrite(paths.notifyFifo), onLine, onEnd).unref();
    },
    record: (run, settled) => recordRun(paths, run, settled),
    install: (text) => writeWhole(paths.config, text, true),
  };
}
