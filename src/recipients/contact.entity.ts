import { Column, Entity, PrimaryColumn } from 'typeorm';
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
