import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { ChannelKind } from '../channels/channel.js';
import type { ConsentState } from './consent.js';
import type { ContentLevel } from './content-level.js';
import type { DigestHour, QuietHours } from './hours.js';
import type { SuppressionSource } from './suppression-source.js';

@Entity('contacts')
export class ContactEntity {
  @PrimaryColumn('text') id!: string;
  @Column('text') name!: string;
  /** Lower-cased name: names are unique without regard to case. */
  @Column('text', { name: 'name_key' }) nameKey!: string;
  @Column('text', { nullable: true }) email!: string | null;
  @Column('text', { nullable: true }) phone!: string | null;
  @Column('text', { nullable: true }) locale!: string | null;
  @Column('text', { name: 'time_zone', nullable: true }) timeZone!: string | null;
  @Column('simple-json', { nullable: true }) channels!: ChannelKind[] | null;
  @Column('simple-json', { nullable: true }) quiet!: QuietHours | QuietHours[] | null;
  @Column('simple-json', { nullable: true }) digest!: DigestHour | null;
  @Column('bigint', { name: 'snoozed_until', nullable: true }) snoozedUntil!: number | null;
  @Column('text', { nullable: true }) content!: ContentLevel | null;
  @Column('bigint', { name: 'created_at' }) createdAt!: number;
  @Column('bigint', { name: 'updated_at' }) updatedAt!: number;
}

@Entity('contact_groups')
export class GroupEntity {
  @PrimaryColumn('text') id!: string;
  @Column('text') name!: string;
  @Column('text', { name: 'name_key' }) nameKey!: string;
  /** Names of contacts. */
  @Column('simple-json') members!: string[];
  @Column('bigint', { name: 'created_at' }) createdAt!: number;
  @Column('bigint', { name: 'updated_at' }) updatedAt!: number;
}

@Entity('suppressions')
export class SuppressionEntity {
  @PrimaryColumn('text') id!: string;
  @Column('text') kind!: 'email' | 'sms';
  @Column('text') address!: string;
  /** Whom it holds for: a number, a short code, a sender name or a Messaging Service; empty for every sender. */
  @Column('text') sender!: string;
  /** Who made it. */
  @Column('text') source!: SuppressionSource;
  @Column('text') reason!: string;
  @Column('bigint', { name: 'created_at' }) createdAt!: number;
}

/** What an address has agreed to, or not any more. Rows are added, never changed. */
@Entity('consents')
export class ConsentEntity {
  @PrimaryColumn('text') id!: string;
  @Column('text') kind!: ChannelKind;
  /** Normalised, lower case. */
  @Column('text') address!: string;
  @Column('text') state!: ConsentState;
  /** In what way: a form, a call, an answer by SMS. */
  @Column('text') how!: string;
  /** Where it can be looked up. */
  @Column('text', { nullable: true }) evidence!: string | null;
  /** Name of the API key, or `recipient`. */
  @Column('text') actor!: string;
  /** When the person said so. */
  @Column('bigint', { name: 'given_at' }) givenAt!: number;
  @Column('bigint', { name: 'created_at' }) createdAt!: number;
}
