/**
 * Jest's global set-up: a door on the loopback that starts PostgreSQL for the first suite that knocks (see postgres.ts).
 * A run of unit tests alone pays nothing. Set TEST_POSTGRES_URL to use a server of your own, without a database name.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { startCluster } from './postgres-cluster.js';

export default async function setup() {
  if (process.env.TEST_POSTGRES_URL) return;
  let cluster;
  const door = createServer((_request, response) => {
    // A suite asks once: a connection that is kept could end while the next question is on its way.
    response.setHeader('connection', 'close');
    cluster ??= startCluster();
    cluster.then(
      ({ url }) => response.end(JSON.stringify({ url })),
      (error) => response.end(JSON.stringify({ reason: String(error.message ?? error) })),
    );
  }).listen(0, '127.0.0.1');
  await once(door, 'listening');
  door.unref();
  process.env.TEST_POSTGRES_DOOR = `http://127.0.0.1:${door.address().port}/`;
  globalThis.stopTestPostgres = async () => {
    door.closeAllConnections();
    door.close();
    const started = await cluster?.catch(() => undefined);
    await started?.stop();
  };
}
