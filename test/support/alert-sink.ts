import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';

/** What an alert holds, as far as tests look at it. */
export interface AlertBody {
  text: string;
  herald: string;
  host: string;
  at: string;
  problems: { event: string; key: string; kind: string; severity: string; since: string; count?: number }[];
}

/** Takes alerts over HTTP and keeps them. */
export class AlertSink {
  readonly bodies: AlertBody[] = [];
  /** What it answers from now on. */
  status = 200;
  /** Milliseconds until it answers. */
  delayMs = 0;
  /** Requests, taken or not. */
  requests = 0;

  private constructor(
    readonly url: string,
    private readonly server: Server,
  ) {}

  static async start(): Promise<AlertSink> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        sink.requests += 1;
        if (sink.status === 200) sink.bodies.push(JSON.parse(Buffer.concat(chunks).toString('utf8')) as AlertBody);
        setTimeout(() => {
          response.writeHead(sink.status, { location: '/elsewhere', connection: 'close' }).end('ok');
        }, sink.delayMs);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const sink = new AlertSink(
      `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/secret-path`,
      server,
    );
    return sink;
  }

  /** `new disk`, `over disk` …, as they came. */
  get heard(): string[] {
    return this.bodies.flatMap(({ problems }) => problems.map(({ event, key }) => `${event} ${key}`));
  }

  async until(line: string, timeoutMs: number): Promise<AlertBody> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const found = this.bodies.find(({ problems }) => problems.some(({ event, key }) => `${event} ${key}` === line));
      if (found) return found;
      if (Date.now() > deadline) throw new Error(`never heard "${line}", only ${JSON.stringify(this.heard)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** A way to a server on this machine that can be cut and mended: what lies behind is away, for whoever goes through here. */
export class CuttableWay {
  private readonly sockets = new Set<Socket>();
  private open = true;

  private constructor(
    readonly port: number,
    private readonly close: () => Promise<void>,
  ) {}

  static async to(port: number): Promise<CuttableWay> {
    const server = createTcpServer((near) => {
      way.take(near);
      if (!way.open) near.destroy();
      else {
        const far = connect(port, '127.0.0.1');
        way.take(far);
        near.pipe(far).pipe(near);
        near.on('close', () => far.destroy());
        far.on('close', () => near.destroy());
      }
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const way: CuttableWay = new CuttableWay((server.address() as AddressInfo).port, async () => {
      way.cut();
      await new Promise((resolve) => server.close(resolve));
    });
    return way;
  }

  cut(): void {
    this.open = false;
    for (const socket of this.sockets) socket.destroy();
  }

  mend(): void {
    this.open = true;
  }

  stop(): Promise<void> {
    return this.close();
  }

  private take(socket: Socket): void {
    this.sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.sockets.delete(socket));
  }
}
