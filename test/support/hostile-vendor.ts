import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';

/** What a vendor that means no good, or is broken, answers to a request once it has it. */
export interface HostileVendor {
  port: number;
  /** Bytes that the client's side has taken, of all connections. */
  taken(): number;
  connections: number;
  close(): Promise<void>;
}

const CHUNK = 64 * 1024;

/**
 * A server on 127.0.0.1 that writes `begin` and then the pieces that `more` gives, as fast as they are taken or one every `everyMs`.
 * @param atOnce speaks first, as a mail server does; otherwise it waits for the first byte of a request
 */
export async function startHostile(answer: {
  begin?: string;
  more?: string;
  everyMs?: number;
  atOnce?: boolean;
}): Promise<HostileVendor> {
  const sockets = new Set<Socket>();
  const counts: number[] = [];
  const piece = answer.more ?? '';
  const bulk =
    answer.everyMs === undefined ? piece.repeat(Math.max(1, Math.floor(CHUNK / (piece.length || 1)))) : piece;

  const speak = (socket: Socket): void => {
    if (answer.begin !== undefined) socket.write(answer.begin);
    if (piece === '') return;
    if (answer.everyMs !== undefined) {
      const timer = setInterval(() => socket.write(piece), answer.everyMs);
      socket.on('close', () => {
        clearInterval(timer);
      });
      return;
    }
    const pump = (): void => {
      while (!socket.destroyed && socket.write(bulk));
    };
    socket.on('drain', pump);
    pump();
  };

  const server = createServer((socket) => {
    vendor.connections += 1;
    const index = counts.push(0) - 1;
    const note = (): void => {
      counts[index] = socket.bytesWritten - socket.writableLength;
    };
    const timer = setInterval(note, 20);
    sockets.add(socket);
    // The client goes away in the middle: that is what is tested.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearInterval(timer);
      note();
      sockets.delete(socket);
    });
    socket.resume();
    if (answer.atOnce === true) speak(socket);
    else {
      socket.once('data', () => {
        speak(socket);
      });
    }
  });
  const vendor: HostileVendor = {
    port: 0,
    connections: 0,
    taken: () => counts.reduce((sum, count) => sum + count, 0),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  vendor.port = (server.address() as AddressInfo).port;
  return vendor;
}
