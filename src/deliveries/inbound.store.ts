import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { InboundMessage } from '../channels/sms/twilio-inbound.js';
import { Clock } from '../clock.js';
import { AuditStore } from '../database/audit.store.js';
import { Database } from '../database/database.service.js';
import { changed } from '../database/unit-of-work.service.js';
import { ConsentsStore } from '../recipients/consents.store.js';
import { OptOutsStore } from '../recipients/opt-outs.store.js';

/** `repeat`: this message was taken before, and changes nothing again; `unchanged`: what it asks for is so already. */
export type InboundOutcome = 'stopped' | 'started' | 'helped' | 'unchanged' | 'repeat';

/** What people ask for by text message. Each message counts once: its signature holds no time, so a repeat cannot be told by age. */
@Injectable()
export class InboundStore {
  constructor(
    private readonly database: Database,
    private readonly optOuts: OptOutsStore,
    private readonly consents: ConsentsStore,
    private readonly audit: AuditStore,
    private readonly clock: Clock,
  ) {}

  async apply(message: InboundMessage): Promise<InboundOutcome> {
    const { dialect } = this.database;
    const seen = 'insert into inbound_messages (sid, received_at) values (?, ?) on conflict do nothing';
    const outcome = await this.database.uow.run(async (tx) => {
      const first = await changed(tx, dialect.bind(seen), [message.sid, this.clock.now()]);
      return first === 0 ? 'repeat' : this.follow(tx, message);
    });
    this.optOuts.committed();
    return outcome;
  }

  private async follow(tx: EntityManager, { sid, wish, from, senders }: InboundMessage): Promise<InboundOutcome> {
    if (wish === 'help') {
      await this.audit.record(tx, 'system', 'inbound.help', sid);
      return 'helped';
    }
    let count = 0;
    for (const sender of senders) {
      const optOut = { kind: 'sms', address: from, sender } as const;
      count += await (wish === 'stop'
        ? this.optOuts.add(tx, { ...optOut, source: 'inbound', reason: 'the recipient has sent STOP' })
        : this.optOuts.lift(tx, optOut));
    }
    if (await this.consents.heard(tx, from, wish, sid)) count++;
    if (count === 0) return 'unchanged';
    return wish === 'stop' ? 'stopped' : 'started';
  }
}
