import { Column, Entity, PrimaryColumn } from 'typeorm';

/** Who changed what. Holds ids and names, never addresses, secrets or words of a transcript. */
@Entity('audit')
export class AuditEntity {
  @PrimaryColumn('text') id!: string;
  @Column('bigint') at!: number;
  /** Name of the API key, or `system`. */
  @Column('text') actor!: string;
  /** `rule.created`, `job.deleted` … */
  @Column('text') action!: string;
  @Column('text') subject!: string;
  @Column('simple-json') detail!: object;
}

/** Facts about the installation (`default-rules` were made, …). */
@Entity('meta')
export class MetaEntity {
  @PrimaryColumn('text') name!: string;
  @Column('text') value!: string;
}
