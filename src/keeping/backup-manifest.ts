import { z } from 'zod';

/** Names that a backup may hold; anything else is not read. */
export const MANIFEST = 'manifest.json';
export const DATABASE = 'herald.sqlite';
export const SECRET = 'secret';
export const BLOBS = 'blobs';

/** What stands in `manifest.json` of a backup. */
export const backupManifest = z.strictObject({
  format: z.literal(1),
  /** Epoch milliseconds of the moment that the backup shows. */
  takenAt: z.number().int(),
  database: z.enum(['sqlite', 'postgres']),
  migrations: z.array(z.string()),
  counts: z.record(z.string(), z.number().int()),
  /** By path below the backup. A path leads nowhere else. */
  files: z.record(
    z.string().regex(/^(herald\.sqlite|secret|blobs\/(audio|callback)-[0-9a-f-]{36})$/),
    z.strictObject({ bytes: z.number().int(), sha256: z.string() }),
  ),
});
export type BackupManifest = z.infer<typeof backupManifest>;
