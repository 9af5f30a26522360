import { Module } from '@nestjs/common';
import { ConsentsController } from './consents.controller.js';
import { ConsentsStore } from './consents.store.js';
import { ContactsStore } from './contacts.store.js';
import { GroupsStore } from './groups.store.js';
import { ContactsController, GroupsController, SuppressionsController } from './recipients.controller.js';
import { OptOutsStore } from './opt-outs.store.js';
import { RecipientsStore } from './recipients.store.js';
import { SuppressionsStore } from './suppressions.store.js';
import { WaitingStore } from './waiting.store.js';

/** The directory. Needs the ChannelsRegistry (ChannelsModule is global), which knows what an address is. */
@Module({
  controllers: [ContactsController, GroupsController, SuppressionsController, ConsentsController],
  providers: [
    RecipientsStore,
    ContactsStore,
    GroupsStore,
    SuppressionsStore,
    OptOutsStore,
    ConsentsStore,
    WaitingStore,
  ],
  exports: [RecipientsStore, OptOutsStore, ConsentsStore],
})
export class RecipientsModule {}
