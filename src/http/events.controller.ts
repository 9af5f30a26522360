import { Controller, Sse, type MessageEvent } from '@nestjs/common';
import { ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import { interval, map, merge, type Observable, takeUntil } from 'rxjs';
import { ignoreElements, endWith } from 'rxjs/operators';
import { EventBus } from '../event-bus.service.js';
import { RequireScope } from './api-key.guard.js';

/** Proxies close connections on which nothing moves for a minute. */
const HEARTBEAT_MS = 15_000;
/** Characters that may wait for a client that does not read; past it the client is disconnected and may come back. */
const MAX_WAITING = 64 * 1024;

/** Server-sent events: what changed, as it happens. */
@ApiTags('events')
@RequireScope('jobs:read')
@Controller('v1/events')
export class EventsController {
  constructor(private readonly bus: EventBus) {}

  @Sse('', { maxPendingDataLength: MAX_WAITING })
  @ApiOperation({
    summary: 'Follow what changes',
    description:
      'Each event has the name of what happened (`job.completed`) and `{id, jobId, state}` as data: read the row for more. ' +
      'Nothing is kept for clients that were away, and each replica tells only what it did itself.',
  })
  @ApiProduces('text/event-stream')
  follow(): Observable<MessageEvent> {
    const changes = this.bus.events.pipe(map(({ type, ...data }): MessageEvent => ({ type, data })));
    const closed = this.bus.events.pipe(ignoreElements(), endWith(true));
    const heartbeats = interval(HEARTBEAT_MS).pipe(
      map((): MessageEvent => ({ comment: 'heartbeat' })),
      takeUntil(closed),
    );
    return merge(changes, heartbeats);
  }
}
