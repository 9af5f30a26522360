import { Subject, type Observable } from 'rxjs';

/** Something changed. Ids and states only: a listener that wants more reads it with its own key. */
export interface HeraldEvent {
  /** `job.completed`, `callback.settled`, `delivery.sent` … */
  type: string;
  /** Id of the row that changed. */
  id: string;
  jobId?: string;
  state?: string;
}

/**
 * Tells listeners in this process what changed, after the commit. It keeps nothing: who was not listening reads the lists.
 * With several replicas each one tells only what it did itself.
 */
export class EventBus {
  private readonly subject = new Subject<HeraldEvent>();

  /** Never throws and never waits for a listener. Copies the named fields, so nothing else of the value can get out. */
  publish(event: HeraldEvent): void {
    const { type, id, jobId, state } = event;
    this.subject.next({ type, id, ...(jobId && { jobId }), ...(state && { state }) });
  }

  /** Events from now on; completes at shutdown. */
  get events(): Observable<HeraldEvent> {
    return this.subject.asObservable();
  }

  /** Ends every stream. Open event streams would otherwise keep the server from closing. */
  onModuleDestroy(): void {
    this.subject.complete();
  }
}
