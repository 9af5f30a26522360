import { Injectable } from '@nestjs/common';
import { RecipientsStore } from '../recipients/recipients.store.js';
import type { AppliedPolicy, RedactionRule } from './policy.js';
import { peopleIn, type Known } from './people.js';
import { RedactionsStore } from './redactions.store.js';

/** What a channel masks at this moment. */
export interface PolicyInForce {
  version: number;
  rules: RedactionRule[];
}

/** What holds for a channel at this moment. */
@Injectable()
export class Policies {
  constructor(
    private readonly store: RedactionsStore,
    private readonly recipients: RecipientsStore,
  ) {}

  /** @returns undefined when nothing is masked there */
  async inForce(channel: string): Promise<PolicyInForce | undefined> {
    const policy = await this.store.find(channel);
    return policy?.enabled === true ? policy : undefined;
  }

  /** The policy with what its rules have to know: the people of the directory and of one message. */
  async applied(policy: PolicyInForce, known: Known): Promise<AppliedPolicy> {
    const { version, rules } = policy;
    const contacts = rules.some(({ kind }) => kind === 'names')
      ? (await this.recipients.directory()).names.contacts
      : [];
    return { version, rules, ...peopleIn(known, contacts) };
  }
}
