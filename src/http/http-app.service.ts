import { randomBytes } from 'node:crypto';
import { STATUS_CODES, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import helmet from '@fastify/helmet';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { MethodNotAllowedError } from '../errors.js';
import { uuidv7 } from '../ids.js';
import type { Log } from '../log.service.js';
import { parseBody } from './body-parser.service.js';
import { bodyKind, isMediaType } from './body-kind.js';
import { codeOfStatus, PROBLEM_TYPE, problemOf, STATUS_DETAILS } from './problem.js';
import { RouteTable } from './route-table.js';

/** A whole upload of the largest audio over a slow line; a socket on which nothing moves is closed long before. */
const REQUEST_TIMEOUT_MS = 60 * 60_000;
const IDLE_TIMEOUT_MS = 60_000;
const HEADERS_TIMEOUT_MS = 20_000;
/** Longer than the idle time of usual proxies, so that they never write into a connection that is being closed. */
const KEEP_ALIVE_MS = 72_000;
const MAX_CONNECTIONS = 10_000;
/** What is still being answered at shutdown may end within this time; a client that does not read must not hold the process. */
const SHUTDOWN_GRACE_MS = 5_000;
/** A sender that got its answer before it was through may go on sending for so many rounds, and be silent for one. */
const LINGER_MS = 2_000;
const LINGER_ROUNDS = 15;

const DOCS_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The HTTP server: limits, time-outs, request ids, bodies by route, errors before routing, security headers, one log line a request. */
export function createHttpAdapter(log: Log): FastifyAdapter {
  const adapter = new FastifyAdapter({
    logger: false,
    trustProxy: false,
    requestIdHeader: false,
    genReqId: newRequestId,
    return503OnClosing: false,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: IDLE_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // connectionsCheckingInterval: how soon the two limits above are noticed.
    http: { headersTimeout: HEADERS_TIMEOUT_MS, maxHeaderSize: 16_384, connectionsCheckingInterval: 5_000 },
    routerOptions: { maxParamLength: 256 },
    multipart: false,
    frameworkErrors: (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
      answerRaw(reply.raw, error.statusCode ?? 400, request.id);
    },
    clientErrorHandler: refuseConnection,
  });
  const server = adapter.getInstance();
  server.server.maxConnections = MAX_CONNECTIONS;
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', (request, payload, done) => {
    parseBody(request, payload).then(
      (body) => {
        done(null, body);
      },
      (error: unknown) => {
        done(error instanceof Error ? error : new Error('The body could not be read'));
      },
    );
  });
  addHooks(adapter, log);
  return adapter;
}

/** What needs the application: security headers. Call it before `app.init()` or `app.listen()`. */
export async function configureHttpApp(app: NestFastifyApplication): Promise<void> {
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"], baseUri: ["'none'"], formAction: ["'none'"] },
    },
    // Herald speaks plain HTTP behind a proxy; whether the name is HTTPS for ever is the proxy's to say.
    strictTransportSecurity: false,
    referrerPolicy: { policy: 'no-referrer' },
    frameguard: { action: 'deny' },
  });
}

function newRequestId(): string {
  return uuidv7(Date.now(), randomBytes(10));
}

function addHooks(adapter: FastifyAdapter, log: Log): void {
  const server = adapter.getInstance();
  const routes = new RouteTable();
  server.addHook('onRoute', (route) => {
    routes.add(route.method, route.url);
  });
  server.addHook('onRequest', async (request, reply) => {
    prepareAnswer(request, reply);
    if (!request.is404) return;
    const allow = routes.methodsOf(pathOf(request));
    if (allow.length > 0) throw new MethodNotAllowedError('The path exists under other methods; see Allow', allow);
  });
  server.addHook('preValidation', (request, _reply, done) => {
    // A request without a body has no parser run: the route still finds the (ended) stream that it expects.
    if (request.body === undefined && kindOf(request) === 'stream') request.body = request.raw;
    done();
  });
  server.addHook('preClose', (done) => {
    setTimeout(() => {
      server.server.closeAllConnections();
    }, SHUTDOWN_GRACE_MS).unref();
    done();
  });
  server.addHook('onSend', (request, reply, payload, done) => {
    endUnreadBody(request, reply);
    done(null, payload);
  });
  server.addHook('onResponse', (request, reply, done) => {
    logRequest(log, request, reply);
    done();
  });
}

/** Headers go on the raw response, so that an event stream, which writes there itself, has them too. */
function prepareAnswer(request: FastifyRequest, reply: FastifyReply): void {
  const path = pathOf(request);
  reply.raw.setHeader('X-Request-Id', request.id);
  if (path.startsWith('/v1/') || path.startsWith('/hook')) reply.raw.setHeader('Cache-Control', 'no-store');
  if (path === '/docs' || path.startsWith('/docs/')) reply.header('Content-Security-Policy', DOCS_POLICY);
  const { headers } = request.raw;
  // Whatever a callback calls itself, its bytes are kept; the server would refuse a malformed header before the route sees it.
  if (kindOf(request) === 'stream' && headers['content-type'] !== undefined && !isMediaType(headers['content-type'])) {
    headers['content-type'] = 'application/octet-stream';
  }
}

function kindOf(request: FastifyRequest) {
  return bodyKind({
    method: request.method,
    route: request.routeOptions.url ?? '',
    contentType: request.headers['content-type'],
  });
}

/**
 * The answer goes out before the body is in (401, 413 …). Closing at once would reset the connection, and the sender would never see the
 * answer; so our side ends after the answer, and what still comes is thrown away for a bounded time.
 */
function endUnreadBody({ raw }: FastifyRequest, reply: FastifyReply): void {
  const { headers } = raw;
  const { socket } = reply.raw;
  const announced = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  if (raw.complete || !announced || !socket || socket.destroyed) return;
  reply.raw.setHeader('Connection', 'close');
  // The server calls this once the answer is written.
  socket.destroySoon = () => {
    Reflect.deleteProperty(socket, 'destroySoon');
    socket.end();
    let read = socket.bytesRead;
    let rounds = 0;
    const watch = setInterval(() => {
      rounds += 1;
      if (socket.bytesRead === read || rounds === LINGER_ROUNDS) socket.destroy();
      read = socket.bytesRead;
    }, LINGER_MS).unref();
    socket.once('close', () => {
      clearInterval(watch);
    });
    raw.resume();
  };
}

function logRequest(log: Log, request: FastifyRequest, reply: FastifyReply): void {
  const route = request.routeOptions.url;
  if (route === '/healthz') return;
  const bytesIn = Number(request.headers['content-length'] ?? NaN);
  log.info('http.request', {
    requestId: request.id,
    method: request.method,
    route: route ?? 'none',
    status: reply.statusCode,
    ms: Math.round(reply.elapsedTime * 10) / 10,
    ...(Number.isSafeInteger(bytesIn) && { bytesIn }),
  });
}

function pathOf(request: FastifyRequest): string {
  return request.raw.url?.split('?', 1)[0] ?? '';
}

/** For errors that come before the routes and their filter (a path that cannot be decoded, a parameter that is too long). */
function answerRaw(response: ServerResponse, status: number, requestId: string): void {
  const body = rawProblem(status, requestId);
  response.writeHead(status, { 'content-type': PROBLEM_TYPE, 'x-request-id': requestId, 'cache-control': 'no-store' });
  response.end(body);
}

/** For bytes that are not HTTP, or came too slowly: there is no request yet, only a socket. */
function refuseConnection(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const status = CLIENT_ERRORS[error.code ?? ''] ?? 400;
  const requestId = newRequestId();
  const body = rawProblem(status, requestId);
  if (socket.writable) {
    socket.write(
      [
        `HTTP/1.1 ${String(status)} ${STATUS_CODES[status] ?? ''}`,
        `Content-Type: ${PROBLEM_TYPE}`,
        `Content-Length: ${String(Buffer.byteLength(body))}`,
        `X-Request-Id: ${requestId}`,
        'Connection: close',
        '',
        body,
      ].join('\r\n'),
    );
  }
  socket.destroySoon();
}

const CLIENT_ERRORS: Partial<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

function rawProblem(status: number, requestId: string): string {
  const detail = STATUS_DETAILS[status] ?? STATUS_DETAILS[400] ?? '';
  return JSON.stringify(problemOf(codeOfStatus(status), { status, requestId, detail }));
}
