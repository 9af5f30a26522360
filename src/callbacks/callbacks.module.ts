import { Global, Module } from '@nestjs/common';
import { Clock } from '../clock.js';
import { Database } from '../database/database.service.js';
import { Ids } from '../ids.service.js';
import { Log } from '../log.service.js';
import { CallbackArrivals } from './arrivals.service.js';
import { CallbackInbox } from './callback-inbox.service.js';
import { CallbacksController } from './callbacks.controller.js';
import { CallbacksStore } from './callbacks.store.js';
import { RAW_BODIES, type RawBodies } from '../transcripts/raw-bodies.js';
import { HookController } from './hook.controller.js';

@Global()
@Module({
  controllers: [HookController, CallbacksController],
  providers: [
    CallbackArrivals,
    CallbacksStore,
    {
      provide: RAW_BODIES,
      inject: [CallbacksStore],
      useFactory: (callbacks: CallbacksStore): RawBodies => ({
        read: async (id) => {
          const callback = await callbacks.find(id);
          if (!callback) return undefined;
          return {
            body: await callbacks.rawBody(callback),
            contentType: callback.contentType ?? undefined,
            contentEncoding: callback.contentEncoding ?? undefined,
          };
        },
      }),
    },
    {
      provide: CallbackInbox,
      inject: [Database, Ids, Clock, Log, CallbackArrivals],
      useFactory: (database: Database, ids: Ids, clock: Clock, log: Log, arrivals: CallbackArrivals) => {
        const inbox = new CallbackInbox(database, ids, clock, log, () => {
          arrivals.tell();
        });
        arrivals.measure(() => inbox.depth);
        return inbox;
      },
    },
  ],
  exports: [CallbackArrivals, CallbacksStore, RAW_BODIES],
})
export class CallbacksModule {}
