import { Observable, Subject } from 'rxjs';

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
  private listeners = 0;

  /** Never throws and never waits for a listener. Copies the named fields, so nothing else of the value can get out. */
  publish(event: HeraldEvent): void {
    const { type, id, jobId, state } = event;
    this.subject.next({ type, id, ...(jobId && { jobId }), ...(state && { state }) });
  }

  /** Events from now on; completes at shutdown. */
  readonly events: Observable<HeraldEvent> = new Observable<HeraldEvent>((listener) => {
    this.listeners++;
    const subscription = this.subject.subscribe(listener);
    return () => {
      this.listeners--;
      subscription.unsubscribe();
    };
  });

  /** How many follow, at this moment. */
  get listenerCount(): number {
    return this.listeners;
  }

  /** Ends every stream. Open event streams would otherwise keep the server from closing. */
  onModuleDestroy(): void {
    this.subject.complete();
  }
}
