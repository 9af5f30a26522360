import { StorageUnavailableError } from '../errors.js';
import { storageFaultOf, type StorageFault } from './storage-fault.js';

/** Why nothing can be stored. */
export interface StorageTrouble {
  fault: StorageFault;
  /** One sentence for an operator, without a path, a host or a driver's words. */
  reason: string;
  /** Epoch milliseconds of the first failure. */
  since: number;
  /** It does not pass: only a restart, and what its message asks for, can help. */
  lasting: boolean;
}

const REASONS: Record<StorageFault, string> = {
  full: 'The disk of the database is full',
  locked: 'Another process holds the database locked',
  unsynced: 'The disk did not confirm what was written to it',
  damaged: 'The database is damaged',
  gone: 'The database file was removed, replaced or cut',
  unreachable: 'The database cannot be reached or written',
};

/** After these no later commit can be trusted, whatever the database says. */
const LASTING: readonly StorageFault[] = ['unsynced', 'damaged', 'gone'];

/** Remembers whether the last commits could be stored, and lets none pass once they cannot be trusted any more. */
export class StorageGuard {
  private current: StorageTrouble | undefined;
  private readonly listeners: ((trouble: StorageTrouble) => void)[] = [];

  /** @param intact false when the files that are open are not those that a restart would find */
  constructor(private readonly intact: () => boolean = () => true) {}

  get trouble(): StorageTrouble | undefined {
    return this.current;
  }

  /** Told once, of the first trouble that lasts. */
  onLasting(listener: (trouble: StorageTrouble) => void): void {
    this.listeners.push(listener);
    if (this.current?.lasting) listener(this.current);
  }

  /** @throws StorageUnavailableError when a commit could not be trusted */
  admit(): void {
    if (this.current?.lasting) throw this.refusal(this.current);
  }

  /**
   * After each commit.
   * @throws StorageUnavailableError when it went into files that nobody will find again
   */
  committed(): void {
    this.inspect();
    this.admit();
    this.current = undefined;
  }

  /** After a statement or a commit that failed. */
  failed(error: unknown): void {
    const fault = storageFaultOf(error);
    if (fault !== undefined) this.note(fault);
  }

  /** Looks whether the files are still those that are open. */
  inspect(): void {
    if (!this.current?.lasting && !this.intact()) this.note('gone');
  }

  private note(fault: StorageFault): void {
    if (this.current?.lasting) return;
    const lasting = LASTING.includes(fault);
    if (this.current?.fault === fault) return;
    this.current = { fault, reason: REASONS[fault], since: this.current?.since ?? Date.now(), lasting };
    if (lasting) for (const listener of this.listeners) listener(this.current);
  }

  private refusal(trouble: StorageTrouble): StorageUnavailableError {
    return new StorageUnavailableError(`${trouble.reason}: nothing is stored until Herald is restarted`, {
      retryAfterMs: 30_000,
    });
  }
}
