import { Column, Entity, PrimaryColumn } from 'typeorm';

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
  @Column('text') reason!: string;
  @Column('bigint', { name: 'created_at' }) createdAt!: number;
}
