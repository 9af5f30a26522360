import { Global, Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import { Clock, SystemClock } from '../clock.js';
import { Ids } from '../ids.service.js';
import { AuditStore } from './audit.store.js';
import { Database } from './database.service.js';

/** The opened database and what every store needs beside it: time, ids, audit. */
@Global()
@Module({})
export class DatabaseModule implements OnApplicationShutdown {
  constructor(private readonly database: Database) {}

  static of(database: Database, clock: Clock = new SystemClock()): DynamicModule {
    const ids = new Ids(clock);
    return {
      module: DatabaseModule,
      providers: [
        { provide: Database, useValue: database },
        { provide: Clock, useValue: clock },
        { provide: Ids, useValue: ids },
        { provide: AuditStore, useValue: new AuditStore(ids, clock) },
      ],
      exports: [Database, Clock, Ids, AuditStore],
    };
  }

  /** Last of all: everything that writes has stopped in `beforeApplicationShutdown`. */
  async onApplicationShutdown(): Promise<void> {
    await this.database.close();
  }
}
